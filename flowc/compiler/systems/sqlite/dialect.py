r"""SQLite (from 3.35), with the functions that flowc registers on its connections.

The runtime registers, by `flowc.runtime.systems.sqlite.functions.register`:

- `flowc_md5(text)`: hexadecimal MD5 of the UTF-8 text
- `flowc_lower(text)`, `flowc_upper(text)`: of all letters, not only ASCII
- `flowc_regexp_replace(text, pattern, replacement)`: every match; `\1` names a group
- `flowc_regexp_replace_first(text, pattern, replacement)`, `flowc_regexp_like(text, pattern)`,
  `flowc_regexp_extract(text, pattern, group, n)`: for translated patterns
- `flowc_parse_int(text)`, `flowc_parse_numeric(text, kind)`: the number, NULL for what is none or would be changed
- `flowc_float(value, kind)`: a number as real or double, NULL where that would change it
- `flowc_parse_timestamp(text, format, pattern)`: strptime of a text that matches; canonical text, in UTC with `%z`
- `flowc_at_zone(timestamp, zone)`: a naive timestamp in that zone as an instant
- `flowc_in_zone(instant, zone)`: an instant as the local timestamp in that zone
- `flowc_add_seconds(timestamp, seconds)`: for dates, timestamps and instants, to the microsecond
- `flowc_add_months(timestamp, months)`: the same by months, kept within the month
- `flowc_json_canonical(text)`: JSON with sorted keys and no spaces, for comparison by value
- `flowc_temporal(text, kind)`: ISO text as canonical date, time, timestamp or timestamptz, NULL for what is none
- `flowc_decimal(value, precision, scale)`: a number as its column stores it, NULL where it has more digits
- `flowc_uuid(text)`: canonical uuid, NULL for what is none
- `flowc_double(text)`: the double nearest to a number's text
- `flowc_encoded_float(value)`, `flowc_encoded_decimal(value)`: for digests, `v`, the length and the text of a
  value; `n` for NULL
- `flowc_number_text(value)`: a number as text with all of its digits
- the collation `flowc_decimal`: texts that hold numbers by their value

The others return NULL for NULL.
"""

from __future__ import annotations

from flowc.compiler.dialect import (
    ClientRules,
    Comparisons,
    Dialect,
    LiteralRules,
    NameRules,
    QueryRules,
    Sharing,
    SourceRules,
    TableRules,
    TypeWords,
    WriteRules,
    ascii_fold,
)
from flowc.types import BIGINT, DataType, Kind

_EXACT_DIGITS = 15
"""SQLite keeps numbers of so many digits exactly in a REAL; longer decimals are stored as text."""

_SHORT = "CAST({0} AS TEXT)"
_CUT = f"typeof({{0}}) = 'real' AND CAST({_SHORT} AS REAL) <> {{0}}"
_FLOAT_TEXT = f"CASE WHEN {_CUT} THEN printf('%!.17g', {{0}}) ELSE {_SHORT} END"
"""The engine's own text of a REAL has 15 digits, which are not always all of them."""

_BLOB_AS_JSON = "WHEN typeof({0}) = 'blob' THEN json_quote(lower(hex({0})))"
"""A column of any type may hold one."""
_AS_JSON = f"CASE {_BLOB_AS_JSON} ELSE json_quote({{0}}) END"
_FLOAT_AS_JSON = (
    "CASE WHEN typeof({0}) = 'real' AND {0} - {0} = 0 THEN flowc_number_text({0}) "
    "WHEN typeof({0}) = 'real' THEN json_quote(CAST({0} AS TEXT)) ELSE " + _AS_JSON + " END"
)
_DECIMAL_AS_JSON = (
    f"CASE {_BLOB_AS_JSON} WHEN json_valid({{0}}) THEN flowc_number_text({{0}}) ELSE {_FLOAT_AS_JSON} END"
)


def _native(kind: DataType) -> str | None:
    if kind.kind is Kind.ARRAY:
        return f'"{kind}"'
    if kind.kind is Kind.TEXT and kind.length is not None:
        return f"VARCHAR({kind.length})"
    if kind.kind is Kind.DECIMAL:
        if kind.precision is None:
            return "DECIMAL TEXT"
        word = "DECIMAL" if kind.precision <= _EXACT_DIGITS else "DECIMAL TEXT"
        return f"{word}({kind.precision},{kind.scale or 0})"
    return None


DIALECT = Dialect(
    name="sqlite",
    sqlglot="sqlite",
    types=TypeWords(
        spell={
            Kind.BOOL: "BOOLEAN",
            Kind.INT8: "TINYINT",
            Kind.INT16: "SMALLINT",
            Kind.INT32: "INTEGER",
            Kind.INT64: "BIGINT",
            Kind.UINT8: "UTINYINT",
            Kind.UINT16: "USMALLINT",
            Kind.UINT32: "UINTEGER",
            Kind.FLOAT64: "DOUBLE",
            Kind.TEXT: "TEXT",
            Kind.BINARY: "BLOB",
            Kind.DATE: "DATE",
            Kind.TIME: "TIME",
            Kind.TIMESTAMP: "TIMESTAMP",
            Kind.TIMESTAMPTZ: "TIMESTAMPTZ",
            Kind.UUID: "UUID",
            Kind.JSON: "JSON TEXT",
        },
        native=_native,
        short_floats=(Kind.FLOAT32, Kind.FLOAT64),
        widen={
            Kind.FLOAT32: DataType(Kind.FLOAT64),
            Kind.UINT64: DataType(Kind.DECIMAL, precision=20, scale=0),
            Kind.INT128: DataType(Kind.DECIMAL, precision=39, scale=0),
            Kind.STRUCT: DataType(Kind.JSON),
        },
        holds={Kind.INT32: DataType(Kind.INT64)},
    ),
    names=NameRules(
        schemas=False,
        default_schema="main",
        index_in_schema=True,
        columns_any_case=True,
        tables_any_case=True,
        fold=ascii_fold,
    ),
    literals=LiteralRules(
        typed=False,
    ),
    tables=TableRules(
        column_types="SELECT name, type FROM pragma_table_info({name})",
        renames_in_code=True,
        row_number_key=True,
        finds_by_index=True,
        any_values=True,
        ensure=("CREATE TABLE IF NOT EXISTS {table} ({columns})",),
    ),
    writes=WriteRules(
        index_rows=True,
        upserts=True,
        row_ids=("rowid", "oid", "_rowid_"),
        written_rows="SELECT changes()",
    ),
    compare=Comparisons(
        text_by_value="{x} COLLATE BINARY",
        stored_alike={
            # Without its column's affinity, which would make a number of a text that looks like one.
            Kind.TEXT: "(+{x}) COLLATE BINARY",
            **dict.fromkeys((Kind.DECIMAL, Kind.INT128, Kind.JSON), "flowc_json_canonical(CAST({x} AS TEXT))"),
        },
        same="{a} IS {b}",
        differ="{a} IS NOT {b}",
        comparable={Kind.JSON: "flowc_json_canonical({x})"},
        apart={Kind.UNKNOWN: "quote({x})"},
        finite={
            **dict.fromkeys((Kind.FLOAT32, Kind.FLOAT64), "{x} - {x} = 0"),
            Kind.DECIMAL: "{x} GLOB '*[0-9]*'",
            **dict.fromkeys((Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ), "{x} GLOB '[0-9][0-9][0-9][0-9]-*'"),
        },
        decimal_order=" COLLATE flowc_decimal",
        encoded={
            Kind.JSON: "flowc_json_canonical({x})",
            Kind.BINARY: "hex({x})",
        },
        encoded_whole={
            **dict.fromkeys((Kind.FLOAT32, Kind.FLOAT64), "flowc_encoded_float({x})"),
            Kind.DECIMAL: "flowc_encoded_decimal({x})",
        },
    ),
    queries=QueryRules(
        affinities=True,
        one_integer=True,
        returns={"length": BIGINT},
        alias_in_where=True,
        all_ctes=True,
        quoted_texts=True,
    ),
    source=SourceRules(
        numeric_conditions=True,
        row_relations=("JSON_EACH", "JSON_TREE"),
    ),
    sharing=Sharing(one_writer=True),
    client=ClientRules(
        own_functions="It calls functions that flowc adds to SQLite: `flowc apply` can run it, sqlite3 cannot.",
    ),
    pattern_edges={"$": r"\Z"},
    functions={
        "md5": "flowc_md5({0})",
        "length": "length({0})",
        "float_text": _FLOAT_TEXT,
        "no_text": "(typeof({0}) = 'blob' OR (typeof({0}) = 'real' AND CAST({1} AS REAL) <> {0}))",
        "lower": "flowc_lower({0})",
        "upper": "flowc_upper({0})",
        "trim": "trim({0}, ' ' || char(9, 10, 13, 12, 11))",
        "regex_replace": "flowc_regexp_replace({0}, {1}, {2})",
        "parse_int": "flowc_parse_int({0})",
        "parse_numeric": "flowc_parse_numeric({0}, {1})",
        "parse_timestamp": "flowc_parse_timestamp({0}, {1}, {2})",
        "parse_timestamptz": "flowc_parse_timestamp({0}, {1}, {2})",
        "at_zone": "flowc_at_zone({0}, {1})",
        "in_zone": "flowc_in_zone({0}, {1})",
        "lock_wait": "PRAGMA busy_timeout = {ms}",
        "lock_wait_over": "PRAGMA busy_timeout = 30000",  # as the session is opened with
        "clock": "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000+00:00')",
        "add_seconds": "flowc_add_seconds({0}, {1})",
        "canonical_time": "flowc_temporal({0}, {1})",
        "text_before": "substr({0}, 1, instr({0} || {1}, {1}) - 1)",
        "json_text": "CASE WHEN typeof({1}) = 'blob' THEN json_quote(lower(hex({1}))) ELSE json_quote({0}) END",
        "json_boolean": f"CASE {{0}} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE {_AS_JSON} END",
        "json_integer": _AS_JSON,
        "json_float": _FLOAT_AS_JSON,
        "json_decimal": _DECIMAL_AS_JSON,
        "json_document": f"CASE {_BLOB_AS_JSON} WHEN json_valid({{0}}) THEN {{0}} ELSE json_quote({{0}}) END",
        "json_other": _AS_JSON,
        "cursor": "CAST({0} AS TEXT)",
        "cursor_float": "flowc_number_text({0})",
        "cursor_binary": "hex({0})",
        "from_hex": "x{0}",
        "double": "flowc_double({0})",
        "decimal": "flowc_decimal({0}, {1}, {2})",
        "cursor_timestamptz": "{0}",
        "cursor_timestamp": "{0}",
    },
)
