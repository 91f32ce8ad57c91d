"""The tables that loads write, as they should be: the declared columns and what a mode adds to them."""

from __future__ import annotations

from dataclasses import replace

from flowc.catalog import Column, Index, Native, Table
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.spec import ColumnSpec, TableSpec
from flowc.compiler.loads.load import IS_CURRENT, ROW_HASH, VALID_FROM, VALID_TO
from flowc.types import BOOLEAN, TEXT, TIMESTAMPTZ, DataType, Kind


def declared_table(spec: TableSpec, engine: str) -> Table:
    """The table that one of `tables` declares. Columns of the primary key are not nullable."""
    key = tuple(name.value for name in spec.primary_key) or tuple(c.name.value for c in spec.columns if c.primary_key)
    columns = (
        _column(column, engine, nullable=column.nullable and column.name.value not in key) for column in spec.columns
    )
    indexes = (
        Index(tuple(c.value for c in index.columns), index.unique, index.name.value if index.name else None)
        for index in spec.indexes
    )
    parts = tuple(name.value for name in spec.partition_by)
    return Table(spec.table_name, tuple(columns), key, tuple(indexes), spec.description, partition_by=parts)


def _column(column: ColumnSpec, engine: str, *, nullable: bool) -> Column:
    own = column.own or _padded(column, engine)
    return Column(
        column.name.value,
        column.type.value,
        nullable,
        column.default.value if column.default else None,
        column.description,
        own=own,
        native=Native(own, exact=False) if own else None,
    )


def _padded(column: ColumnSpec, engine: str) -> str | None:
    """What an engine calls a `char(n)`, where it fills values up; else it is a text with a length."""
    words = DIALECTS[engine].types if column.padded and engine in DIALECTS else None
    kind = column.type.value
    array = kind.kind is Kind.ARRAY
    while kind.element is not None:
        kind = kind.element
    if words is None or words.padded is None or kind.length is None or kind.length > words.most_padded:
        return None
    return words.padded.format(length=kind.length) + ("[]" if array else "")


def with_history(table: Table, event_type: DataType | None) -> Table:
    """The table with the scd2 columns that its spec leaves out, and `valid_from` in its primary key.

    Versions of a key agree in whatever else the primary key is made of: the keys, or a surrogate of them.
    """
    names = set(table.column_names)
    added = tuple(c for c in history_columns(event_type) if c.name not in names)
    key = table.primary_key
    if key and VALID_FROM not in key:
        key = (*key, VALID_FROM)
    columns = tuple(replace(c, nullable=False) if c.name == VALID_FROM else c for c in table.columns)
    return replace(table, columns=columns + added, primary_key=key)


def history_columns(event_type: DataType | None) -> tuple[Column, ...]:
    """The four columns of scd2; the interval has the type of the event time."""
    time = event_type or TIMESTAMPTZ
    return (
        Column(VALID_FROM, time, nullable=False),
        Column(VALID_TO, time),
        Column(IS_CURRENT, BOOLEAN, nullable=False),
        Column(ROW_HASH, TEXT, nullable=False),
    )
