"""Rows that fail a check of severity `quarantine`: told apart from the others before anything is chosen or written.

They are judged as they would be written, and before `dedupe`, so that a bad row does not win over a good one. What a
full source says of a key is then not known, but that it is there: `deletes` leaves it alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowc.compiler.loads.badrows import kept_already, make_place
from flowc.compiler.loads.checks import EVIDENCE, fails, sifting
from flowc.compiler.loads.load import HELD_BACK, ROWS, SIFTED, Load
from flowc.compiler.loads.numbering import number_rows
from flowc.compiler.loads.staging import (
    fields,
    first_of_each,
    index_of,
    indexed,
    indexing,
    staging,
    temporary_table,
)
from flowc.compiler.quote import ident, idents, table
from flowc.loadplan import Check, Counter, Execute, Step


def gather(load: Load) -> Iterator[Step]:
    """The table of rows to write, from the source."""
    yield from staging(load)
    if load.sifts:
        yield from number_rows(load, SIFTED)
        yield from _sift(load)
        yield from _chosen(load)
    yield from number_rows(load, ROWS)
    yield from indexing(load)


def _sift(load: Load) -> Iterator[Step]:
    """Marks the rows that fail, and stops where they are too many.

    What reads on from a watermark, or a range, may find few rows, so there all of them may fail. What an earlier load
    has kept and one that reads on finds again is judged no second time, and moves the watermark as all that is read
    does: not by a rehearsal where that table may be missing.
    """
    if load.dialect.transactions.ddl:
        yield from make_place(load)
    yield from _mark(load)
    if load.reads_on and (load.dialect.transactions.ddl or not load.rehearsal):
        yield from kept_already(load)
    yield _count(load)
    yield from sifting(load)
    if not load.reads_part:
        yield _all_failed(load)
    if load.apply.deletes != "ignore":
        yield _untold(load)
        yield from _held_back(load)


def _mark(load: Load) -> Iterator[Execute]:
    """Gives each row that fails the number of the first check that it fails, below zero until it is counted."""
    for number, wanted in enumerate(load.apply.expect, 1):
        if wanted.quarantine:
            failing = f"{load.failed} IS NULL AND {fails(load, wanted)} = 1"
            sql = f"{load.dialect.writes.lenient_update} {load.sifted} SET {load.failed} = -{number} WHERE {failing}"
            yield Execute(f"mark the rows that fail {wanted.name}", sql, written=wanted.source)


def _count(load: Load) -> Execute:
    sql = f"UPDATE {load.sifted} SET {load.failed} = -{load.failed} WHERE {load.failed} < 0"
    return Execute("count the rows that fail", sql, Counter.BAD)


def _all_failed(load: Load) -> Check:
    counted = f"SELECT count(*) AS n, count({load.failed}) AS failed FROM {load.sifted}"
    return Check(
        "not all rows fail",
        f"SELECT failed AS {ident('rows that fail')} FROM ({counted}) AS c WHERE n > 0 AND n = failed",
        "too-many-bad-rows",
        f"all rows for `{load.label}` fail quality checks, so that none would be loaded",
        "mend the rows, or the checks of severity `quarantine`",
    )


def _untold(load: Load) -> Check:
    """A row without its key does not say which key is still there."""
    missing = " OR ".join(f"{ident(k)} IS NULL" for k in load.keys)
    return Check(
        "failed rows have their keys",
        f"SELECT {idents(load.names)} FROM {load.sifted} WHERE {load.failed} IS NOT NULL AND ({missing}) "
        f"LIMIT {EVIDENCE}",
        "null-key",
        f"rows for `{load.label}` that go into quarantine have NULL in a key column "
        f"({', '.join(f'`{k}`' for k in load.keys)}), so that `deletes` cannot tell which keys are still there",
        "filter them out in the SQL (`WHERE … IS NOT NULL`)",
    )


def _held_back(load: Load) -> Iterator[Execute]:
    """Creates and fills the table of the keys of rows that were set aside."""
    where, named = load.temporary(HELD_BACK), {f.name: f.written for f in fields(load)}
    columns = tuple(named[key] for key in load.keys)
    query = f"SELECT {idents(load.keys)} FROM {load.sifted} WHERE {load.failed} IS NOT NULL"
    yield Execute("create the table of their keys", temporary_table(load, HELD_BACK, columns, query))
    yield Execute("the keys of rows that fail", f"INSERT INTO {table(where)} ({idents(load.keys)}) {query}")
    if indexed(load) and not load.dialect.tables.inline_indexes:
        yield Execute("index the keys", index_of(load, HELD_BACK))


def _chosen(load: Load) -> Iterator[Step]:
    """Creates and fills the table of rows with those that were not set aside."""
    wanted = tuple(f.written for f in fields(load))
    names = idents(c.name for c in wanted)
    query = f"SELECT {names} FROM {load.sifted}"
    yield Execute("create the table of rows", temporary_table(load, ROWS, wanted, query))
    query += f" WHERE {load.failed} IS NULL"
    if load.apply.dedupe is not None:
        query = first_of_each(load, query, names)
    yield Execute("the rows that pass", f"INSERT INTO {load.rows} ({names}) {query}")


def dropping_keys(load: Load) -> Iterator[Execute]:
    """Removes the table of the keys of failed rows again."""
    if load.sifts and load.apply.deletes != "ignore":
        yield Execute(
            "drop the keys of rows that fail", f"{load.dialect.temporary.drop} {table(load.temporary(HELD_BACK))}"
        )


def still_there(load: Load, t: str) -> str:
    """The end of a condition on rows of the target, as `t`, that are gone: none of a key that a failed row has."""
    if not load.sifts:
        return ""
    (q,) = load.aliases("q")
    held = f"SELECT 1 FROM {table(load.temporary(HELD_BACK))} AS {q} WHERE {load.equal(load.keys, t, q)}"
    return f" AND NOT EXISTS ({held})"
