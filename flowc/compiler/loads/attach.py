"""Loads of tables that live where no SQL runs: their part that a load can touch is brought to where it does.

1. `attach`: the transaction is tied to the table, and an empty one of the same name is made to work in.
2. `bring`: the rows that the load may look at or change, and no others: those with the keys of the batch where that is
   enough. They are kept as they were beside it, so that the commit sees what has changed.

Everything between is the same SQL as anywhere else. The commit writes the difference (`flowc.loadplan.Attach`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flowc.catalog import Column, Table
from flowc.compiler.loads.instants import Instants
from flowc.compiler.loads.load import IS_CURRENT, VALID_FROM, VALID_TO, Load
from flowc.compiler.loads.watermark import WATERMARKS, cursor_column
from flowc.compiler.quote import ident, idents, qualified
from flowc.compiler.systems.delta.dialect import DIALECT
from flowc.compiler.tables.ddl import create_schema, create_table, reported
from flowc.errors import UsageError
from flowc.loadplan import BEFORE, LIVE, Attach, Execute
from flowc.types import BIGINT, DataType, Kind

PARTING = (
    Kind.BOOL, Kind.INT8, Kind.INT16, Kind.INT32, Kind.INT64, Kind.UINT8, Kind.UINT16, Kind.UINT32, Kind.TEXT,
    Kind.UUID, Kind.JSON, Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ,
)  # fmt: skip
"""Kinds whose values come back from the name of a folder as they went in."""


def attach(load: Load) -> Iterator[Attach | Execute]:
    """Ties the load to its table."""
    wanted = load.table if load.exists else table_to_be(load.table)
    # A version that ended as it began leaves its start to the next one.
    identity = (*load.keys, VALID_FROM, VALID_TO) if load.apply.mode == "scd2" else load.keys
    yield Attach(
        "the table as it is" if load.exists else "the table to be",
        wanted,
        load.exists,
        load.dialect.state_table(WATERMARKS),
        blind=load.apply.mode == "append" and load.apply.incremental is None and _touched(load) is None,
        identity=identity if load.apply.mode in ("merge", "scd2") else (),
        partial=load.apply.mode == "scd2" and (load.apply.deletes in ("close", "soft") or load.apply.ttl is not None),
        replaces=load.apply.mode == "truncate",
        mark=load.row_column_name,
    )
    if wanted.name.schema:
        yield Execute("a place for its rows", create_schema(wanted.name.schema, load.dialect))
    bare = replace(wanted, columns=(*wanted.columns, Column(load.row_column_name, BIGINT)), primary_key=(), indexes=())
    yield from (Execute("a place for its rows", sql) for sql in create_table(bare, load.dialect))


def table_to_be(wanted: Table) -> Table:
    """The table that the commit makes: what tells its rows apart is never NULL.

    Raises UsageError for a partition by a column that it lacks, or whose values the names of folders do not keep.
    """
    for name in wanted.partition_by:
        column = wanted.column(name)
        if column is None:
            message = f"`{wanted.name}` has no column `{name}` to be partitioned by"
            raise UsageError(message, code="unknown-column", help="name columns of the table under `partition_by`")
        if column.type.kind not in PARTING:
            message = f"`{wanted.name}` cannot be partitioned by `{name}`, a {column.type}"
            raise UsageError(
                message, code="unstorable-type", help="partition by a whole number, a text, a date or a time"
            )
    keyed = (replace(c, nullable=c.nullable and c.name not in wanted.primary_key) for c in wanted.columns)
    return replace(wanted, columns=tuple(replace(c, type=_of_few_digits(c.type)) for c in keyed))


def _of_few_digits(kind: DataType) -> DataType:
    """The type with the digits that its decimals have in the table."""
    if kind.element is not None:
        return replace(kind, element=_of_few_digits(kind.element))
    if kind.fields:
        return replace(kind, fields=tuple((name, _of_few_digits(field)) for name, field in kind.fields))
    return reported(kind, DIALECT) if kind.kind is Kind.DECIMAL else kind


def bring(load: Load) -> Iterator[Execute]:
    """Brings in the rows that the load may look at, and keeps those that it may change as they were."""
    condition = _touched(load)
    if not load.exists or condition is None:
        return
    names = idents(load.table.column_names)
    (t,), mark = load.aliases("t"), ident(load.row_column_name)
    rows = f"SELECT {idents(load.table.column_names, t)} FROM {ident(LIVE)} AS {t} WHERE {condition}"
    purpose = "bring in the rows that the load may touch"
    if load.apply.mode == "append":
        fill = f"SELECT {names}, 0 FROM ({rows}) AS r"
    else:
        numbered = f"SELECT {names}, row_number() OVER () AS {mark} FROM ({rows}) AS r"
        yield Execute(purpose, f"CREATE TABLE {ident(BEFORE)} AS {numbered}")
        purpose, fill = "work on a copy", f"SELECT {names}, {mark} FROM {ident(BEFORE)}"
    yield Execute(purpose, f"INSERT INTO {load.target} ({names}, {mark}) {fill}")


def _touched(load: Load) -> str | None:
    """The condition on the live rows, as `t`; None where none of them matters."""
    parts = [*_by_mode(load), *_by_checks(load)]
    if load.apply.mode == "truncate" or not parts:
        return None
    return "1 = 1" if "1 = 1" in parts else " OR ".join(f"({part})" for part in parts)


def _by_mode(load: Load) -> Iterator[str]:
    deletes, (t,) = load.apply.deletes, load.aliases("t")
    if load.apply.mode == "append":
        yield from _loaded_already(load)
    elif load.apply.mode == "merge":
        yield "1 = 1" if deletes != "ignore" else _arriving(load, load.keys)
    elif load.apply.mode == "scd2":
        yield "1 = 1" if deletes == "hard" else _arriving(load, load.keys)
        if deletes in ("close", "soft"):
            yield qualified(IS_CURRENT, t)
        if load.apply.ttl is not None:
            end, expiry = qualified(VALID_TO, t), Instants(load).expiry(qualified(VALID_FROM, t))
            yield f"{end} IS NULL OR {end} > {expiry}"


def _loaded_already(load: Load) -> Iterator[str]:
    """What `append` compares its rows with: those of the same keys, else those at and past the first cursor value."""
    if load.apply.incremental is None:
        return
    cursor = cursor_column(load)
    if load.keys:
        yield _arriving(load, load.keys)
    elif cursor is not None and cursor.name in load.names:
        name = qualified(cursor.name, *load.aliases("t"))
        yield f"{name} >= (SELECT min({ident(cursor.name)}) FROM {load.rows}) OR {name} IS NULL"
    else:
        yield "1 = 1"


def _by_checks(load: Load) -> Iterator[str]:
    """Uniqueness is judged against the whole table."""
    for wanted in load.apply.expect:
        if wanted.kind == "unique":
            yield _arriving(load, wanted.columns)


def _arriving(load: Load, columns: tuple[str, ...]) -> str:
    t, s = load.aliases("t", "s")
    return f"EXISTS (SELECT 1 FROM {load.rows} AS {s} WHERE {load.equal(columns, t, s)})"
