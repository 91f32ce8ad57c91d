"""Where a load keeps bad rows: a table beside its target, or files for those of files that cannot be read.

Of each file that is read, what earlier loads of the pipeline kept goes first. So the table holds what is wrong with the
files as they were last read, and what was wrong with files that are gone. Of rows that fail a check, a load that reads
all that there is replaces those of the loads before; another one adds those that are not there yet.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowc.catalog import TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.ir import Apply
from flowc.compiler.loads.load import SIFTED, Load
from flowc.compiler.loads.rowjson import row_json, telling
from flowc.compiler.loads.staging import copies, without_copies
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.tables.ddl import create_temporary
from flowc.compiler.tables.state import ensure_table
from flowc.loadplan import BAD_ROWS, Execute, KeepBadRows, StageBadRows, Step, kept_name

STAGED = "flowc_set_aside"


def bad_row_tables(load: Load) -> tuple[TableName, ...]:
    """The table of bad rows, where the load writes one."""
    named = bad_rows_of(load.apply)
    return (named,) if named is not None else ()


def bad_rows_of(apply: Apply) -> TableName | None:
    """The table of bad rows of a load."""
    unread = apply.quarantine.table if apply.quarantine is not None else None
    return unread or apply.failed_rows


def count_bad_rows(kept_as: str, of: TableName, dialect: Dialect) -> str:
    """How many rows a table of bad rows keeps under a name."""
    return f"SELECT count(*) AS {ident('n')} FROM {table(of)} WHERE {_kept_as(kept_as, dialect)}"


def rename_bad_rows(was: str, now: str, of: TableName, dialect: Dialect) -> str:
    """Gives the rows that a table of bad rows keeps under a name to another name."""
    return f"UPDATE {table(of)} SET {ident('pipeline')} = {text(now, dialect)} WHERE {_kept_as(was, dialect)}"


def errors_of_bad_rows(kept_as: str, of: TableName, dialect: Dialect) -> str:
    """The errors of rows that fail checks, each once; they begin with what `label_of` gives."""
    where = f"{_kept_as(kept_as, dialect)} AND {ident('file')} IS NULL"
    return f"SELECT DISTINCT {ident('error')} FROM {table(of)} WHERE {where}"


def relabel_bad_rows(kept_as: str, was: str, now: str, of: TableName, dialect: Dialect) -> str:
    """Has an error of such rows be another one."""
    error = dialect.compare.text_by_value.format(x=ident("error"))
    where = f"{_kept_as(kept_as, dialect)} AND {ident('file')} IS NULL AND {error} = {text(was, dialect)}"
    return f"UPDATE {table(of)} SET {ident('error')} = {text(now, dialect)} WHERE {where}"


def _kept_as(name: str, dialect: Dialect) -> str:
    """The condition on kept rows that they have a name, whatever the collation of its column holds equal."""
    return f"{dialect.compare.text_by_value.format(x=ident('pipeline'))} = {text(name, dialect)}"


def unread_table(load: Load) -> TableName | None:
    """The table of rows of files that cannot be read. Where there is one too, rows that fail checks go into it."""
    return load.apply.quarantine.table if load.apply.quarantine is not None else None


def make_place(load: Load) -> Iterator[Execute]:
    """Makes the table where it is missing."""
    for name in bad_row_tables(load):
        for sql in ensure_table(name, BAD_ROWS, (), load.dialect):
            yield Execute("a place for bad rows", sql)


def keep_bad_rows(load: Load) -> Iterator[Step]:
    """Keeps what the reading has set aside."""
    quarantine = load.apply.quarantine
    if quarantine is not None and quarantine.files is not None:
        yield KeepBadRows("keep the bad rows", *quarantine.files)
    if load.dialect.transactions.ddl and not load.sifts:  # else it is there since they were told apart
        yield from make_place(load)
    if (name := unread_table(load)) is not None:
        yield from _into(name, load)
    if load.apply.failed_rows is not None:
        yield from _failed(load.apply.failed_rows, load)


def _into(name: TableName, load: Load) -> Iterator[Step]:
    staged, kept = load.temporary(STAGED), table(name)
    columns = idents(column.name for column in BAD_ROWS)
    kept_as = kept_name(load.apply.project, load.apply.pipeline)
    own = _own(load)
    files = f"SELECT {ident('file')} FROM {table(staged)} WHERE {ident('line')} IS NULL"
    yield Execute("create the staging table of bad rows", create_temporary(staged, BAD_ROWS, load.dialect))
    yield StageBadRows("the bad rows", staged, kept_as)
    file = load.dialect.compare.text_by_value.format(x=ident("file"))
    yield Execute("no bad rows of earlier loads", f"DELETE FROM {kept} WHERE {own} AND {file} IN ({files})")
    yield Execute(
        "keep the bad rows",
        f"INSERT INTO {kept} ({columns}) SELECT {columns} FROM {table(staged)} WHERE {ident('line')} IS NOT NULL",
    )
    yield Execute("drop the staging table of bad rows", f"{load.dialect.temporary.drop} {table(staged)}")


def _own(load: Load) -> str:
    """The condition on kept rows that they are the pipeline's."""
    return _kept_as(kept_name(load.apply.project, load.apply.pipeline), load.dialect)


def kept_already(load: Load) -> Iterator[Execute]:
    """Marks the rows that fail and were kept by an earlier load, which this one reads again: as many copies of each."""
    rid, waiting = load.row_id, f"{load.failed} < 0"
    failing = (
        f"SELECT {rid} AS rid, {_digest(_row(load), load)} AS content FROM {load.again(SIFTED, 1)} WHERE {waiting}"
    )
    again = (
        f"SELECT n.rid FROM ({_numbered('rid', failing)}) AS n JOIN ({_held(load)}) AS h ON h.content = n.content "
        f"WHERE n.copy <= h.copies"
    )
    yield from copies(load, SIFTED, 1, f" WHERE {waiting}")
    sql = f"UPDATE {load.sifted} SET {load.failed} = 0 WHERE {rid} IN ({again})"
    yield Execute("mark the rows that are kept already", sql)
    yield from without_copies(load, SIFTED, 1)


def _failed(name: TableName, load: Load) -> Iterator[Execute]:
    """Keeps the rows that fail a check."""
    whose = text(kept_name(load.apply.project, load.apply.pipeline), load.dialect)
    code = text("expectation-failed", load.dialect)
    rows = f"SELECT {_error(load)} AS error, {_row(load)} AS row_text FROM {load.sifted}"
    rows += f" WHERE {load.failed} > 0"
    added = ""
    if _reads_all(load):
        yield Execute("no failed rows of earlier loads", f"DELETE FROM {_earlier(load)}")
    elif not load.reads_on:
        told = f"SELECT error, row_text, {_digest('row_text', load)} AS content FROM (\n{rows}\n) AS r"
        rows = _numbered("error, row_text", told)
        added = f" LEFT JOIN ({_held(load)}) AS h ON h.content = f.content WHERE f.copy > coalesce(h.copies, 0)"
    query = f"SELECT {whose}, NULL, NULL, {code}, f.error, f.row_text FROM (\n{rows}\n) AS f{added}"
    columns = idents(column.name for column in BAD_ROWS)
    yield Execute("keep the rows that fail a check", f"INSERT INTO {table(name)} ({columns}) {query}")


def _row(load: Load) -> str:
    return load.dialect.compare.text_by_value.format(x=row_json(load))


def _digest(x: str, load: Load) -> str:
    """Of what tells a row in quarantine from others.

    By digests: MySQL compares each long text with each other one. Never NULL, for which it would do so too.
    """
    return f"coalesce({load.dialect.function('md5', telling(x, load))}, '')"


def _numbered(names: str, query: str) -> str:
    """The rows of a query with which copy each is of its content."""
    copy = "row_number() OVER (PARTITION BY content ORDER BY content) AS copy"
    return f"SELECT {names}, content, {copy} FROM ({query}) AS a"


def _held(load: Load) -> str:
    """How many copies of each content earlier loads have kept."""
    digests = f"SELECT {_digest(ident('row_text'), load)} AS content FROM {_earlier(load)}"
    return f"SELECT content, count(*) AS copies FROM ({digests}) AS k GROUP BY content"


def _earlier(load: Load) -> str:
    """What earlier loads of the target have kept, as the end of a FROM: it is told by how `error` begins."""
    label = _label(load)
    begins = load.dialect.compare.text_by_value.format(x=f"substr({ident('error')}, 1, {len(label)})")
    of_target = f"{begins} = {text(label, load.dialect)}"
    kept = " AND ".join((_own(load), f"{ident('file')} IS NULL", of_target))
    return f"{', '.join(map(table, bad_row_tables(load)))} WHERE {kept}"


def _label(load: Load) -> str:
    return label_of(f"{load.apply.target.connection}.{load.apply.target.name}")


def label_of(target: str) -> str:
    """How the error of a row begins that fails a check: with the `target` of its load."""
    return f"`{target}`: "


def _reads_all(load: Load) -> bool:
    """Whether what the load does not find is not there any more."""
    return load.apply.incremental is None and (load.apply.mode == "truncate" or load.apply.deletes != "ignore")


def _error(load: Load) -> str:
    words = (
        (number, f"{_label(load)}the quality check `{wanted.name}` does not hold")
        for number, wanted in enumerate(load.apply.expect, 1)
        if wanted.quarantine
    )
    told = " ".join(f"WHEN {number} THEN {text(said, load.dialect)}" for number, said in words)
    return f"CASE {load.failed} {told} END"
