"""DuckDB (from 1.4)."""

from __future__ import annotations

from flowc.compiler.dialect import (
    Comparisons,
    Dialect,
    NameRules,
    QueryRules,
    Sharing,
    SourceRules,
    TableRules,
    TransactionRules,
    TypeWords,
    WriteRules,
    ascii_fold,
)
from flowc.compiler.systems.duckdb.stored import (
    JSON_AS_STORED,
    JSON_TOLD,
    TEXT_AS_STORED,
    TEXT_TOLD,
    digits,
)
from flowc.types import BIGINT, TIMESTAMPTZ, DataType, Kind

_UNITS = {0: "TIMESTAMP_S", 3: "TIMESTAMP_MS", 9: "TIMESTAMP_NS"}


_TRIMMED = "trim({0}, ' ' || chr(9) || chr(10) || chr(13) || chr(12) || chr(11))"


_NUMBER = "[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{{1,3}})?"


_CAST = "TRY_CAST(flowc_v AS {1})"
# A cast rounds; what it gives has the same digits only where it has not.
_EXACT = f"{digits('flowc_v')} = {digits(f'CAST({_CAST} AS VARCHAR)')}"
# The text may be a long expression, so it is named once, in a list of one.
_PARSED_NUMBER = (
    f"list_transform([{_TRIMMED}], lambda flowc_v: "
    f"CASE WHEN regexp_full_match(flowc_v, '{_NUMBER}') AND {_EXACT} THEN {_CAST} END)[1]"
)


# Numbers of JSON are doubles in it. Where one may have more digits than those tell apart, its text is compared, too.
_LONG_NUMBER = "[0-9.]{{16}}|[eE][+-]?[0-9]{{3}}"
_JSON_TEXT = "CAST(CAST({x} AS JSON) AS VARCHAR)"
_LONG_NUMBERED = f"CASE WHEN regexp_matches({_JSON_TEXT}, '{_LONG_NUMBER}') THEN {_JSON_TEXT} ELSE '' END"
_JSON_BY_VALUE = f"ROW(CAST({{x}} AS JSON)::VARIANT, {_LONG_NUMBERED})"


# In JSON inside another type, DuckDB reads numbers as doubles: what has more digits is refused.
_DIGITS = "[ltrim(rtrim(replace(n, '.', ''), '0'), '0') FOR n IN regexp_extract_all(CAST({} AS VARCHAR), '[0-9.]+')]"
_LONG_DIGITS = f"[n FOR n IN {_DIGITS} IF length(n) > 15]"
_WHOLE = f"coalesce(list_has_all({_LONG_DIGITS.format('to_json({0})')}, {_LONG_DIGITS.format('{0}')}), true)"
_CUT = "a number of JSON inside another type has more digits than DuckDB keeps there"


# Its JSON has NaN and infinities, as no other reader does: what holds one of them, outside of strings, is a text.
_OUTSIDE = r"""regexp_replace({x}, '"(\\.|[^"\\])*"', '', 'g')"""
_STRICT_JSON = (
    f"CASE WHEN regexp_matches({_OUTSIDE}, 'NaN|Infinity') THEN CAST(to_json(CAST({{0}} AS VARCHAR)) AS VARCHAR) "
    "ELSE {x} END"
)


# The time its planner takes for one long expression grows with the square of the length.
_ENCODED_LIST = (
    "array_to_string(list_transform([{0}], lambda flowc_v, flowc_i: coalesce("
    "substr({1}, flowc_i, 1) || CAST(length(flowc_v) AS VARCHAR) || ':' || flowc_v, 'n')), '')"
)


def _spelled(kind: DataType) -> str | None:
    return _native(kind) or DIALECT.types.spell.get(kind.kind)


def _native(kind: DataType) -> str | None:
    if kind.kind is Kind.ARRAY and kind.element is not None:
        element = _spelled(kind.element)
        return f"{element}[]" if element else None
    if kind.kind is Kind.STRUCT:
        fields = [(name, _spelled(field)) for name, field in kind.fields]
        parts = ('"' + name.replace('"', '""') + f'" {spelled}' for name, spelled in fields)
        return "STRUCT(" + ", ".join(parts) + ")" if all(spelled for _, spelled in fields) else None
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


def _shifted(hours: int) -> str:
    """The local time as an instant, by the offset from UTC that the zone has so many hours away from it."""
    moved = f"(flowc_v + INTERVAL '{hours} hours')"
    return f"(flowc_v + ({moved} - (({moved} AT TIME ZONE 'UTC') AT TIME ZONE {{1}})))"


_BEFORE, _AFTER = _shifted(-24), _shifted(24)
# Where the offset changes, a local time that is there once is right by one of the two; a skipped one by none, one that
# comes twice by both.
_ZONE_MISFIT = (
    "list_transform([{0}], lambda flowc_v: "
    "CASE WHEN flowc_v BETWEEN TIMESTAMP '0001-01-03 00:00:00' AND TIMESTAMP '9999-12-29 00:00:00' THEN "
    f"CASE WHEN {_BEFORE} <> {_AFTER} THEN (({_BEFORE} AT TIME ZONE 'UTC') AT TIME ZONE {{1}} = flowc_v) = "
    f"(({_AFTER} AT TIME ZONE 'UTC') AT TIME ZONE {{1}} = flowc_v) ELSE false END ELSE false END)[1]"
)


DIALECT = Dialect(
    name="duckdb",
    sqlglot="duckdb",
    types=TypeWords(
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
    ),
    names=NameRules(
        default_schema="main",
        columns_any_case=True,
        tables_any_case=True,
        use=True,
        search_path=True,
        fold=ascii_fold,
    ),
    tables=TableRules(
        ensure_sequence="CREATE SEQUENCE IF NOT EXISTS {name}",
        comments=True,
        ensure=(
            "CREATE SCHEMA IF NOT EXISTS {schema}",
            "CREATE TABLE IF NOT EXISTS {table} ({columns})",
        ),
    ),
    writes=WriteRules(
        native_cast="CAST({x} AS {type})",
        passed_over={
            Kind.FLOAT32: "nextafter({x}, CAST('inf' AS FLOAT))",
            Kind.FLOAT64: "nextafter({x}, CAST('inf' AS DOUBLE))",
            Kind.INTERVAL: "({x} + INTERVAL 1 MICROSECOND)",
        },
    ),
    compare=Comparisons(
        text_by_value='CAST({x} AS VARCHAR) COLLATE "binary"',
        stored_told={Kind.TEXT: TEXT_TOLD, Kind.JSON: JSON_TOLD},
        stored_alike={Kind.TEXT: TEXT_AS_STORED, Kind.JSON: JSON_AS_STORED},
        native={Kind.JSON: "ROW({x}, CAST({x} AS VARCHAR), CAST(to_json({x}) AS VARCHAR))"},
        comparable={Kind.JSON: _JSON_BY_VALUE, Kind.INTERVAL: "CAST({x} AS VARCHAR)"},
        apart={
            **dict.fromkeys((Kind.FLOAT32, Kind.FLOAT64), "CASE WHEN {x} = 0 THEN signbit({x}) END"),
            **dict.fromkeys((Kind.ARRAY, Kind.STRUCT, Kind.UNKNOWN), "replace(CAST({x} AS VARCHAR), '-nan', 'nan')"),
        },
        finite={
            **dict.fromkeys((Kind.FLOAT32, Kind.FLOAT64), "isfinite({x})"),
            **dict.fromkeys((Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ), "year({x}) BETWEEN 1 AND 9999"),
        },
        encoded={
            # An infinite instant has no number of microseconds.
            Kind.TIMESTAMPTZ: "coalesce(CAST(epoch_us({x}) AS VARCHAR), CAST({x} AS VARCHAR))",
            Kind.JSON: f"CAST(json(CAST({{x}} AS JSON)) AS VARCHAR) || {_LONG_NUMBERED}",
            # All NaN are equal, whatever their sign.
            **dict.fromkeys(
                (Kind.FLOAT32, Kind.FLOAT64), "CASE WHEN isnan({x}) THEN 'nan' ELSE CAST({x} AS VARCHAR) END"
            ),
            Kind.BINARY: "hex({x})",
        },
    ),
    queries=QueryRules(
        typed=True,
        sums=dict.fromkeys((Kind.INT8, Kind.INT16, Kind.INT32, Kind.INT64), DataType(Kind.INT128)),
        returns={"now": TIMESTAMPTZ, "length": BIGINT},
        structs=True,
        alias_in_select=True,
        alias_in_where=True,
        earlier_ctes=True,
    ),
    source=SourceRules(
        values_names=("col", 0),
        merged_first=True,
        numeric_conditions=True,
        stray_commas=True,
    ),
    sharing=Sharing(one_writer=True, one_process=True),
    reads_files=True,
    stored_functions=True,
    transactions=TransactionRules(
        savepoints=False,
        same=(
            "SET VARIABLE flowc_transaction = txid_current()",
            "SELECT CASE WHEN getvariable('flowc_transaction') = txid_current() THEN 0 ELSE error('another one') END",
        ),
        row_waits=False,
    ),
    functions={
        "md5": "md5({0})",
        "encoded_list": _ENCODED_LIST,
        "length": "length({0})",
        "misfit_number": (
            "({0} IS NOT NULL AND (TRY_CAST({0} AS {1}) IS NULL "
            "OR TRY_CAST(TRY_CAST({0} AS {1}) AS DOUBLE) <> TRY_CAST({0} AS DOUBLE)))"
        ),
        "try_cast": "TRY_CAST({0} AS {1})",
        "matches": "regexp_matches({0}, {1})",
        "unreadable": "(NOT ({1}) OR ({0} IS NOT NULL AND TRY_CAST({0} AS {2}) IS NULL))",
        "to_json": "to_json({0})",
        "whole_json": f"CASE WHEN {_WHOLE} THEN to_json({{0}}) ELSE error('{_CUT}') END",
        "lower": "lower({0})",
        "upper": "upper({0})",
        "trim": _TRIMMED,
        "regex_replace": "regexp_replace({0}, {1}, {2}, 'g')",
        "parse_int": f"CASE WHEN regexp_full_match({_TRIMMED}, '[+-]?[0-9]+') THEN TRY_CAST({_TRIMMED} AS HUGEINT) END",
        "parse_numeric": _PARSED_NUMBER,
        "parse_timestamp": "CASE WHEN regexp_matches({0}, {2}) THEN CAST(try_strptime({0}, {1}) AS TIMESTAMP) END",
        "parse_timestamptz": (
            "CASE WHEN regexp_matches({0}, {2}) "
            "THEN CAST(try_strptime(regexp_replace({0}, 'Z$', '+0000'), {1}) AS TIMESTAMPTZ) END"
        ),
        "at_zone": "({0} AT TIME ZONE {1})",
        "in_zone": "({0} AT TIME ZONE {1})",
        "zone_misfit": _ZONE_MISFIT,
        "no_timestamp": "({0} IS NOT NULL AND TRY_CAST({0} AS TIMESTAMP) IS NULL)",
        "no_json": "NOT json_valid({0})",
        "clock": "now()",
        "add_seconds": "({0} + to_microseconds(CAST(CAST({1} AS DOUBLE) * 1000000 AS BIGINT)))",
        "text_before": "split_part({0}, {1}, 1)",
        "json_text": "CAST(to_json({0}) AS VARCHAR)",
        "json_boolean": "CAST({0} AS VARCHAR)",
        "json_integer": "CAST({0} AS VARCHAR)",
        "json_float": "CASE WHEN isfinite({0}) THEN CAST({0} AS VARCHAR) ELSE '\"' || CAST({0} AS VARCHAR) || '\"' END",
        "json_decimal": r"regexp_replace(CAST({0} AS VARCHAR), '^(-?)\.', '\10.')",  # it writes .5 of as many digits
        "json_document": _STRICT_JSON.replace("{x}", "CAST({0} AS VARCHAR)"),
        "json_other": _STRICT_JSON.replace("{x}", "CAST(to_json({0}) AS VARCHAR)"),
        "cursor": "CAST({0} AS VARCHAR)",
        "cursor_float": "CAST(CAST({0} AS DOUBLE) AS VARCHAR)",
        "cursor_binary": "hex({0})",
        "from_hex": "unhex({0})",
        "cursor_timestamptz": "strftime(make_timestamp(epoch_us({0})), '%Y-%m-%d %H:%M:%S.%f') || '+00:00'",
        "cursor_timestamp": "strftime(CAST({0} AS TIMESTAMP), '%Y-%m-%d %H:%M:%S.%f')",
    },
)
