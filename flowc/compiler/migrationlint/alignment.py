"""How many bytes of a row PostgreSQL loses to alignment, and an order of columns that loses fewer."""

from __future__ import annotations

from flowc.compiler.migrationlint.facts import ColumnDef

_SIZES: dict[str, tuple[int, int]] = {
    "bigint": (8, 8), "bigserial": (8, 8), "double precision": (8, 8), "timestamp": (8, 8), "time": (8, 8),
    "timestamp with time zone": (8, 8), "money": (8, 8), "interval": (16, 8), "integer": (4, 4), "serial": (4, 4),
    "real": (4, 4), "date": (4, 4), "smallint": (2, 2), "smallserial": (2, 2), "boolean": (1, 1), "uuid": (16, 1),
}  # fmt: skip
"""Bytes and alignment of types of a fixed size. Others vary; short ones need no alignment, so none is counted."""
_ROW = 8


def wasted(columns: tuple[ColumnDef, ...]) -> tuple[int, list[str]]:
    """The bytes that the best order saves in each row, and that order: the widest alignment first."""
    best = sorted(columns, key=lambda column: -_layout(column)[1])
    return _size(columns) - _size(tuple(best)), [column.name for column in best]


def _layout(column: ColumnDef) -> tuple[int, int]:
    kind = column.type
    return (0, 0) if kind is None or kind.array else _SIZES.get(kind.name, (0, 0))


def _size(columns: tuple[ColumnDef, ...]) -> int:
    offset = 0
    for column in columns:
        size, alignment = _layout(column)
        if size:
            offset = _up(offset, alignment) + size
    return _up(offset, _ROW)


def _up(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment
