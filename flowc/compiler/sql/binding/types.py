"""Types by PostgreSQL's own names: of declared columns, and as they are written in casts."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from flowc.compiler.sql.binding.resolve import Type
from flowc.types import DataType, Kind

_KINDS: Mapping[Kind, str] = {
    Kind.BOOL: "bool", Kind.INT8: "int2", Kind.INT16: "int2", Kind.INT32: "int4", Kind.INT64: "int8",
    Kind.INT128: "numeric", Kind.UINT8: "int2", Kind.UINT16: "int4", Kind.UINT32: "int8", Kind.UINT64: "numeric",
    Kind.FLOAT32: "float4", Kind.FLOAT64: "float8", Kind.DECIMAL: "numeric", Kind.TEXT: "text", Kind.BINARY: "bytea",
    Kind.DATE: "date", Kind.TIME: "time", Kind.TIMESTAMP: "timestamp", Kind.TIMESTAMPTZ: "timestamptz",
    Kind.INTERVAL: "interval", Kind.UUID: "uuid", Kind.JSON: "jsonb",
}  # fmt: skip
_D = exp.DType
_WRITTEN: Mapping[exp.DType, str] = {
    _D.BOOLEAN: "bool", _D.SMALLINT: "int2", _D.INT: "int4", _D.BIGINT: "int8", _D.FLOAT: "float4",
    _D.DOUBLE: "float8", _D.DECIMAL: "numeric", _D.TEXT: "text", _D.VARCHAR: "varchar", _D.CHAR: "bpchar",
    _D.BPCHAR: "bpchar", _D.DATE: "date", _D.TIME: "time", _D.TIMETZ: "timetz", _D.TIMESTAMP: "timestamp",
    _D.TIMESTAMPNTZ: "timestamp", _D.TIMESTAMPTZ: "timestamptz", _D.INTERVAL: "interval", _D.UUID: "uuid",
    _D.JSON: "json", _D.JSONB: "jsonb", _D.VARBINARY: "bytea", _D.MONEY: "money", _D.INET: "inet", _D.XML: "xml",
    _D.INT4RANGE: "int4range", _D.INT8RANGE: "int8range", _D.NUMRANGE: "numrange", _D.TSRANGE: "tsrange",
    _D.TSTZRANGE: "tstzrange", _D.DATERANGE: "daterange", _D.NAME: "name",
}  # fmt: skip


def declared(kind: DataType) -> Type:
    """The type of a column as flowc declares it; None for one of an engine's own."""
    if kind.kind is Kind.ARRAY and kind.element is not None:
        element = declared(kind.element)
        return f"_{element}" if element is not None and not element.startswith("_") else element
    return _KINDS.get(kind.kind)


def written(target: exp.Expression | None) -> Type:
    """The type that a cast names; None for one that is not known here."""
    if not isinstance(target, exp.DataType):
        return None
    if target.this is _D.ARRAY:
        element = written(target.expressions[0]) if target.expressions else None
        return f"_{element}" if element is not None and not element.startswith("_") else element
    return _WRITTEN.get(target.this)
