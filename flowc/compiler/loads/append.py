"""append and truncate: rows are added, after what is there or instead of it."""

from __future__ import annotations

from collections.abc import Iterator

from flowc.compiler.loads.checks import EVIDENCE, duplicate_keys, empty_source, null_keys
from flowc.compiler.loads.encoding import row_digest
from flowc.compiler.loads.load import ROWS, Load
from flowc.compiler.loads.staging import copies, without_copies
from flowc.compiler.loads.statements import delete
from flowc.compiler.loads.watermark import cursor_column
from flowc.compiler.quote import ident, idents, qualified, table
from flowc.compiler.tables.ddl import is_decimal_text
from flowc.loadplan import Check, Counter, Execute, Ingest, Measure, Step

HELD = "flowc_held"
"""Remembers whether the target held rows before they were replaced."""


def append(load: Load) -> Iterator[Step]:
    """Adds the rows; with `incremental`, those that are not there yet."""
    yield from _keys(load)
    if load.apply.incremental is not None and load.exists:
        number = 0 if load.keys else 2
        yield from copies(load, ROWS, number)
        yield Execute("drop rows that are loaded already", already_loaded(load), Counter.UNCHANGED)
        yield from without_copies(load, ROWS, number)
    yield insert(load)


def truncate(load: Load) -> Iterator[Step]:
    """Replaces all rows. DELETE, so that a reader in a snapshot of its own still sees the old ones."""
    yield from _keys(load)
    if not load.apply.allow_empty:
        yield empty_source(load, of=load.held)
    yield delete_all(load)
    yield insert(load)


def delete_all(load: Load) -> Execute | Measure:
    """Removes the old rows; where the load works beside the table, they are not there and the commit replaces them."""
    if load.dialect.attached:
        return Measure("count the old rows", f"SELECT count(*) FROM {load.held}", Counter.DELETED)
    return Execute("remove the old rows", f"DELETE FROM {load.target}", Counter.DELETED)


def insert(load: Load) -> Execute:
    """Adds the staged rows."""
    names = idents(load.names)
    return Execute(
        "insert the rows", f"INSERT INTO {load.target} ({names}) SELECT {names} FROM {load.rows}", Counter.INSERTED
    )


def _keys(load: Load) -> Iterator[Check]:
    if not load.keys:
        return
    yield null_keys(load)
    if load.apply.dedupe is None:
        yield duplicate_keys(load)


def already_loaded(load: Load) -> str:
    """Deletes rows that an earlier load has brought: by key and cursor, without keys each copy by its whole content."""
    if not load.keys:
        return _loaded_copies(load)
    cursor = cursor_column(load)
    t, s = load.aliases("t", "s")
    same = load.equal(load.keys, t, s)
    if cursor is not None and cursor.name in load.names:
        same += " AND " + load.dialect.compare.same.format(a=qualified(cursor.name, t), b=qualified(cursor.name, s))
    return delete(load, load.rows, s, f"EXISTS (SELECT 1 FROM {load.target} AS {t} WHERE {same})")


def _loaded_copies(load: Load) -> str:
    """The n-th copy of a row goes when the target holds at least n copies."""
    rid, content = load.row_id, row_digest(load, load.names, "x")
    cursor = cursor_column(load)
    recent = ""
    if cursor is not None and cursor.name in load.names:
        name = ident(cursor.name)
        order = load.dialect.compare.decimal_order if is_decimal_text(cursor.type, load.dialect) else ""
        # Not min(), which some types lack.
        least = f"(SELECT {name} FROM {load.again(ROWS, 2)} WHERE {name} IS NOT NULL ORDER BY {name}{order} LIMIT 1)"
        recent = f" WHERE x.{name}{order} >= {least} OR x.{name} IS NULL"
    numbered = (
        f"SELECT rid, content, row_number() OVER (PARTITION BY content ORDER BY rid) AS copy "
        f"FROM (SELECT x.{rid} AS rid, {content} AS content FROM {load.again(ROWS, 1)} AS x) AS a"
    )
    held = (
        f"SELECT content, count(*) AS copies FROM (SELECT {content} AS content FROM {load.target} AS x{recent}) AS b "
        f"GROUP BY content"
    )
    return (
        f"DELETE FROM {load.rows} WHERE {rid} IN (SELECT n.rid FROM ({numbered}) AS n "
        f"JOIN ({held}) AS h ON h.content = n.content WHERE n.copy <= h.copies)"
    )


def stream(load: Load, step: Ingest | Execute) -> Iterator[Step]:
    """Append or truncate with nothing to check: straight into the target.

    Where making the table is no part of the transaction, another first load may have made and filled it meanwhile.
    """
    if load.apply.mode == "truncate" and (load.exists or not load.dialect.transactions.ddl):
        guarded = not load.apply.allow_empty
        if guarded:
            yield _remember_rows(load)
        yield delete_all(load)
        yield step
        if guarded:
            yield from _still_empty(load)
    else:
        yield step


def _remember_rows(load: Load) -> Execute:
    dialect, held = load.dialect, table(load.temporary(HELD))
    query = f"SELECT count(*) AS n FROM {load.held}"
    return Execute("count the old rows", f"{dialect.temporary.create} {held}{dialect.temporary.options} AS {query}")


def _still_empty(load: Load) -> Iterator[Step]:
    held = table(load.temporary(HELD))
    refused = empty_source(load)
    empty = f"NOT EXISTS (SELECT 1 FROM {load.target})"
    sql = f"SELECT n AS {ident('rows that would go')} FROM {held} WHERE n > 0 AND {empty}"
    yield Check(refused.purpose, f"{sql} LIMIT {EVIDENCE}", refused.code, refused.message, refused.help)
    yield Execute("drop the count", f"{load.dialect.temporary.drop} {held}")
