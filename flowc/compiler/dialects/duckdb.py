"""DuckDB (from 1.4)."""

from __future__ import annotations

from flowc.compiler.dialect import Dialect
from flowc.types import DataType, Kind

_UNITS = {0: "TIMESTAMP_S", 3: "TIMESTAMP_MS", 9: "TIMESTAMP_NS"}


_TRIMMED = "trim({0}, ' ' || chr(9) || chr(10) || chr(13) || chr(12) || chr(11))"


def _spelled(kind: DataType) -> str:
    return _native(kind) or DUCKDB.spell[kind.kind]


def _native(kind: DataType) -> str | None:
    if kind.kind is Kind.ARRAY and kind.element is not None:
        return f"{_spelled(kind.element)}[]"
    if kind.kind is Kind.STRUCT:
        fields = ('"' + name.replace('"', '""') + f'" {_spelled(field)}' for name, field in kind.fields)
        return "STRUCT(" + ", ".join(fields) + ")"
    if kind.kind is Kind.DECIMAL:
        return _decimal(kind)
    if kind.kind is Kind.TIMESTAMP and kind.precision is not None:
        return _UNITS.get(kind.precision)
    return None


def _decimal(kind: DataType) -> str | None:
    """DuckDB's decimals end at 38 digits; an unconstrained one gets the widest that still has digits on both sides."""
    if kind.precision is None:
        return "DECIMAL(38,10)"
    return f"DECIMAL({min(kind.precision, 38)},{kind.scale or 0})"


DUCKDB = Dialect(
    name="duckdb",
    sqlglot="duckdb",
    spell={
        Kind.BOOL: "BOOLEAN",
        Kind.INT8: "TINYINT",
        Kind.INT16: "SMALLINT",
        Kind.INT32: "INTEGER",
        Kind.INT64: "BIGINT",
        Kind.INT128: "HUGEINT",
        Kind.UINT8: "UTINYINT",
        Kind.UINT16: "USMALLINT",
        Kind.UINT32: "UINTEGER",
        Kind.UINT64: "UBIGINT",
        Kind.FLOAT32: "FLOAT",
        Kind.FLOAT64: "DOUBLE",
        Kind.TEXT: "VARCHAR",
        Kind.BINARY: "BLOB",
        Kind.DATE: "DATE",
        Kind.TIME: "TIME",
        Kind.TIMESTAMP: "TIMESTAMP",
        Kind.TIMESTAMPTZ: "TIMESTAMPTZ",
        Kind.INTERVAL: "INTERVAL",
        Kind.UUID: "UUID",
        Kind.JSON: "JSON",
    },
    native=_native,
    comments=True,
    comparable={Kind.JSON: "CAST({x} AS JSON)::VARIANT"},
    encoded={
        Kind.TIMESTAMPTZ: "CAST(epoch_us({x}) AS VARCHAR)",
        Kind.JSON: "CAST(json({x}) AS VARCHAR)",
        Kind.FLOAT32: "CAST({x} + 0 AS VARCHAR)",
        Kind.FLOAT64: "CAST({x} + 0 AS VARCHAR)",
        Kind.BINARY: "hex({x})",
    },
    functions={
        "md5": "md5({0})",
        "length": "length({0})",
        "misfit_number": (
            "({0} IS NOT NULL AND (TRY_CAST({0} AS {1}) IS NULL "
            "OR TRY_CAST(TRY_CAST({0} AS {1}) AS DOUBLE) <> TRY_CAST({0} AS DOUBLE)))"
        ),
        "matches": "regexp_matches({0}, {1})",
        "unreadable": "(NOT ({1}) OR ({0} IS NOT NULL AND TRY_CAST({0} AS {2}) IS NULL))",
        "to_json": "to_json({0})",
        "lower": "lower({0})",
        "upper": "upper({0})",
        "trim": _TRIMMED,
        "regex_replace": "regexp_replace({0}, {1}, {2}, 'g')",
        "parse_int": f"CASE WHEN regexp_full_match({_TRIMMED}, '[+-]?[0-9]+') THEN TRY_CAST({_TRIMMED} AS HUGEINT) END",
        "parse_numeric": f"CASE WHEN regexp_full_match({_TRIMMED}, {{2}}) THEN TRY_CAST({_TRIMMED} AS {{1}}) END",
        "parse_timestamp": "CAST(try_strptime({0}, {1}) AS TIMESTAMP)",
        "parse_timestamptz": "CAST(try_strptime({0}, {1}) AS TIMESTAMPTZ)",
        "at_zone": "({0} AT TIME ZONE {1})",
        "add_seconds": "({0} + to_microseconds(CAST(CAST({1} AS DOUBLE) * 1000000 AS BIGINT)))",
        "cursor": "CAST({0} AS VARCHAR)",
        "cursor_timestamptz": "strftime(make_timestamp(epoch_us({0})), '%Y-%m-%d %H:%M:%S.%f') || '+00:00'",
        "cursor_timestamp": "strftime(CAST({0} AS TIMESTAMP), '%Y-%m-%d %H:%M:%S.%f')",
    },
    ensure_table=(
        "CREATE SCHEMA IF NOT EXISTS {schema}",
        "CREATE TABLE IF NOT EXISTS {table} ({columns})",
    ),
    cast_number="{x}",
)
