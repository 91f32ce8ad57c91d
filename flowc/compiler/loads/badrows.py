"""Where a load keeps the rows of files that cannot be read: a table beside its target, or files.

Of each file that is read, what earlier loads of the pipeline kept goes first. So the table holds what is wrong with the
files as they were last read, and what was wrong with files that are gone.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowc.catalog import TableName
from flowc.compiler.loads.load import Load
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.tables.ddl import create_temporary
from flowc.compiler.tables.state import ensure_table
from flowc.loadplan import BAD_ROWS, Execute, KeepBadRows, StageBadRows, Step, kept_name

STAGED = "flowc_set_aside"


def bad_row_tables(load: Load) -> tuple[TableName, ...]:
    """The table of bad rows, where the load writes one."""
    quarantine = load.apply.quarantine
    return (quarantine.table,) if quarantine is not None and quarantine.table is not None else ()


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
    for name in bad_row_tables(load):
        yield from _into(name, load)


def _into(name: TableName, load: Load) -> Iterator[Step]:
    staged, kept = load.temporary(STAGED), table(name)
    columns = idents(column.name for column in BAD_ROWS)
    kept_as = kept_name(load.apply.project, load.apply.pipeline)
    own = f"{ident('pipeline')} = {text(kept_as, load.dialect)}"
    files = f"SELECT {ident('file')} FROM {table(staged)} WHERE {ident('line')} IS NULL"
    if load.dialect.transactions.ddl:
        yield from make_place(load)
    yield Execute("create the staging table of bad rows", create_temporary(staged, BAD_ROWS, load.dialect))
    yield StageBadRows("the bad rows", staged, kept_as)
    yield Execute("no bad rows of earlier loads", f"DELETE FROM {kept} WHERE {own} AND {ident('file')} IN ({files})")
    yield Execute(
        "keep the bad rows",
        f"INSERT INTO {kept} ({columns}) SELECT {columns} FROM {table(staged)} WHERE {ident('line')} IS NOT NULL",
    )
    yield Execute("drop the staging table of bad rows", f"{load.dialect.temporary.drop} {table(staged)}")
