"""PostgreSQL (from 13)."""

from __future__ import annotations

from flowc.compiler.dialect import (
    Comparisons,
    Dialect,
    LiteralRules,
    NameRules,
    QueryRules,
    Sharing,
    SourceRules,
    TableRules,
    TemporaryTables,
    TransactionRules,
    TypeWords,
    WriteRules,
)
from flowc.compiler.timeformat import pieces
from flowc.types import TIMESTAMPTZ, DataType, Kind

_LETTERS = {
    "%Y": "YYYY", "%y": "YY", "%m": "MM", "%d": "DD", "%H": "HH24", "%I": "HH12", "%M": "MI", "%S": "SS", "%f": "US",
    "%p": "AM", "%z": "TZH:TZM", "%j": "DDD", "%b": "Mon", "%B": "Month", "%a": "Dy", "%A": "Day", "%%": '"%"',
}  # fmt: skip


# PostgreSQL has no `\v`: it would be the letter v.
_TRIMMED = "btrim({0}, E' \\t\\n\\r\\f\\x0B')"
_COLON = "regexp_replace(regexp_replace({0}, 'Z$', '+0000'), '([+-][0-9]{{2}})([0-9]{{2}})$', E'\\\\1:\\\\2')"
"""The text with an offset from UTC that has a colon."""
_NUMBER = "[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{{1,3}})?"


_KEYS = "length(regexp_replace(regexp_replace({0}, '\"(\\\\.|[^\"\\\\])*\"', '', 'g'), '[^:]', '', 'g'))"
"""The number of names in all objects of a JSON text: JSONB has the last one of those that are there twice."""


def _time_format(template: str) -> str:
    parts = (_LETTERS.get(p) or '"' + p.replace("\\", "\\\\").replace('"', '\\"') + '"' for p in pieces(template))
    return "".join(parts)


def _native(kind: DataType) -> str | None:
    if kind.kind is Kind.ARRAY and kind.element is not None:
        element = kind.element if kind.element.kind is not Kind.STRUCT else DataType(Kind.JSON)
        spelled = _native(element) or DIALECT.types.spell.get(element.kind)
        return f"{spelled}[]" if spelled else None
    if kind.kind is Kind.TEXT and kind.length is not None:
        return f"VARCHAR({kind.length})"
    if kind.kind is Kind.DECIMAL and kind.precision is not None:
        return f"NUMERIC({kind.precision},{kind.scale or 0})"
    if kind.kind in (Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ) and kind.precision is not None and kind.precision < 6:
        return f"{DIALECT.types.spell[kind.kind]}({kind.precision})"
    return None


def _shifted(hours: int) -> str:
    """The local time as an instant, by the offset from UTC that the zone has so many hours away from it."""
    moved = f"({{0}} + INTERVAL '{hours} hours')"
    return f"({{0}} + ({moved} - (({moved} AT TIME ZONE 'UTC') AT TIME ZONE {{1}})))"


_BEFORE, _AFTER = _shifted(-24), _shifted(24)
# Where the offset changes, a local time that is there once is right by one of the two; a skipped one by none, one that
# comes twice by both.
_ZONE_MISFIT = (
    f"CASE WHEN {{0}} BETWEEN TIMESTAMP '0001-01-03 00:00:00' AND TIMESTAMP '9999-12-29 00:00:00' THEN "
    f"CASE WHEN {_BEFORE} <> {_AFTER} THEN (({_BEFORE} AT TIME ZONE 'UTC') AT TIME ZONE {{1}} = {{0}}) = "
    f"(({_AFTER} AT TIME ZONE 'UTC') AT TIME ZONE {{1}} = {{0}}) ELSE false END ELSE false END"
)

_ABBREVIATED = {
    "CET": "Europe/Brussels", "EET": "Europe/Athens", "MET": "Europe/Brussels", "WET": "Europe/Lisbon",
}  # fmt: skip
"""Zones whose names are abbreviations to PostgreSQL, which know no summer; they are links to these."""
_CREATE_SCHEMA = (
    "IF to_regnamespace({schema_text}) IS NULL THEN "
    "BEGIN CREATE SCHEMA IF NOT EXISTS {schema}; EXCEPTION WHEN unique_violation THEN NULL; END; END IF;"
)
"""IF NOT EXISTS asks for the right to create one also where it is there.

Of two sessions that make it at once, the second waits for the commit of the first, and then fails."""

DIALECT = Dialect(
    name="postgres",
    sqlglot="postgres",
    types=TypeWords(
        padded="character({length})",
        most_padded=10_485_760,
        spell={
            Kind.BOOL: "BOOLEAN",
            Kind.INT16: "SMALLINT",
            Kind.INT32: "INTEGER",
            Kind.INT64: "BIGINT",
            Kind.FLOAT32: "REAL",
            Kind.FLOAT64: "DOUBLE PRECISION",
            Kind.DECIMAL: "NUMERIC",
            Kind.TEXT: "TEXT",
            Kind.BINARY: "BYTEA",
            Kind.DATE: "DATE",
            Kind.TIME: "TIME",
            Kind.TIMESTAMP: "TIMESTAMP",
            Kind.TIMESTAMPTZ: "TIMESTAMPTZ",
            Kind.INTERVAL: "INTERVAL",
            Kind.UUID: "UUID",
            Kind.JSON: "JSONB",
        },
        native=_native,
        widest=None,
        array_depth=False,
        widen={
            Kind.INT8: DataType(Kind.INT16),
            Kind.UINT8: DataType(Kind.INT16),
            Kind.UINT16: DataType(Kind.INT32),
            Kind.UINT32: DataType(Kind.INT64),
            Kind.UINT64: DataType(Kind.DECIMAL, precision=20, scale=0),
            Kind.INT128: DataType(Kind.DECIMAL, precision=39, scale=0),
            Kind.STRUCT: DataType(Kind.JSON),
        },
    ),
    names=NameRules(
        longest=63,
        default_schema="public",
        search_path=True,
    ),
    literals=LiteralRules(
        zones=_ABBREVIATED,
        kept_as_values=True,
        escaped_text=True,
    ),
    tables=TableRules(
        identity="CAST(CAST(to_regclass({text}) AS oid) AS text)",
        column_types="SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute "
        "WHERE attrelid = to_regclass({text}) AND attnum > 0 AND NOT attisdropped",
        ensure_sequence="CREATE SEQUENCE IF NOT EXISTS {name}",
        renames_indexes=True,
        partitions=True,
        finds_by_index=True,
        comments=True,
        ensure_schema="DO {block}",
        schema_block=f"BEGIN {_CREATE_SCHEMA} END",
        ensure=(
            "DO $flowc$ BEGIN IF to_regclass({text}) IS NULL THEN PERFORM pg_advisory_xact_lock(hashtext({text})); "
            + _CREATE_SCHEMA
            + " CREATE TABLE IF NOT EXISTS {table} ({columns}); END IF; END $flowc$",
        ),
    ),
    temporary=TemporaryTables(
        schema="pg_temp",
        options=" ON COMMIT DROP",
    ),
    writes=WriteRules(
        analyze="ANALYZE {table}",
        upserts=True,
        returned_new="xmax = 0",
        row_ids=("ctid",),
        native_cast="CAST({x} AS {type})",
    ),
    compare=Comparisons(
        binary_order=' COLLATE "C"',
        text_by_value='CAST({x} AS TEXT) COLLATE "C"',
        stored_alike={Kind.INTERVAL: "CAST({x} AS TEXT)"},
        # Months, days and hours are apart in an interval, though it holds 30 days and a month equal.
        comparable={Kind.JSON: "CAST({x} AS JSONB)", Kind.INTERVAL: "CAST({x} AS TEXT)"},
        apart={
            **dict.fromkeys((Kind.FLOAT32, Kind.FLOAT64), "CASE WHEN {x} = 0 THEN CAST({x} AS TEXT) END"),
            Kind.DECIMAL: "scale({x})",
            Kind.ARRAY: "CAST({x} AS TEXT)",
        },
        finite={
            # Of a NaN and of infinities nothing can be taken so that zero is left.
            **dict.fromkeys((Kind.FLOAT32, Kind.FLOAT64, Kind.DECIMAL), "{x} - {x} = 0"),
            **dict.fromkeys(
                (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ), "({x} >= '0001-01-01' AND {x} < '10000-01-01')"
            ),
        },
        encoded={
            Kind.TIMESTAMPTZ: "CAST(CAST({x} AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS TEXT)",
            Kind.JSON: "CAST(CAST({x} AS JSONB) AS TEXT)",
            Kind.BINARY: "encode({x}, 'hex')",
        },
        number="CAST({x} AS NUMERIC)",
    ),
    queries=QueryRules(
        folds=True,
        typed=True,
        whole=True,
        numerics=True,
        text_lengths=True,
        sums={Kind.INT64: DataType(Kind.DECIMAL), Kind.DECIMAL: DataType(Kind.DECIMAL)},
        returns={"now": TIMESTAMPTZ, "length": DataType(Kind.INT32), "count": DataType(Kind.INT32)},
        alias_in_having=False,
        casts_unnamed=True,
    ),
    source=SourceRules(
        postgres=True,
        decimal_parts=True,
        keeps_recursive_types=True,
        document_arrows=True,
        attribute_calls=True,
        escaped_names=True,
        exact_quotes=True,
        own_schema="pg_catalog",
        unusual_calls=("CAST", "EXTRACT", "OVERLAY", "POSITION", "SUBSTRING", "TRIM", "XMLELEMENT", "XMLTABLE"),
    ),
    sharing=Sharing(side_by_side=True),
    transactions=TransactionRules(
        settings=(
            # A join that does not fit spills in parts, and each part then writes all over the target.
            "SELECT set_config('work_mem', '128MB', true) WHERE pg_size_bytes(current_setting('work_mem')) < 134217728",
        ),
    ),
    functions={
        "md5": "md5({0})",
        "length": "char_length({0})",
        "misfit_number": (
            "CAST({0} AS NUMERIC) <> round(CAST({0} AS NUMERIC), {2}) OR NOT (CAST({0} AS NUMERIC) BETWEEN {3} AND {4})"
        ),
        "matches": "{0} ~ {1}",
        "unreadable": "NOT ({1})",
        "to_json": "to_jsonb({0})",
        "lower": "lower({0})",
        "upper": "upper({0})",
        "trim": _TRIMMED,
        "regex_replace": "regexp_replace({0}, {1}, {2}, 'g')",
        "parse_int": f"CASE WHEN {_TRIMMED} ~ '^[+-]?[0-9]+$' THEN CAST({_TRIMMED} AS NUMERIC) END",
        "parse_numeric": f"CASE WHEN {_TRIMMED} ~ '^{_NUMBER}$' THEN CAST({_TRIMMED} AS NUMERIC) END",
        "parse_timestamp": (
            "CASE WHEN {0} ~ {2} THEN to_timestamp({0} || ' +00', {1} || ' TZH') AT TIME ZONE 'UTC' END"
        ),
        "parse_timestamptz": f"CASE WHEN {{0}} ~ {{2}} THEN to_timestamp({_COLON}, {{1}}) END",
        "unless_matches": "CASE WHEN {1} !~ {2} THEN {0} END",
        "pivot": "({0} - CASE WHEN {1} ~ {2} THEN INTERVAL '100 years' ELSE INTERVAL '0' END)",
        "at_zone": "({0} AT TIME ZONE {1})",
        "in_zone": "({0} AT TIME ZONE {1})",
        "zone_misfit": _ZONE_MISFIT,
        "no_timestamp": "({0} > '294276-12-31' AND isfinite({0}))",
        "no_json": f"({{0}} IS NOT NULL AND {_KEYS.format('CAST({0} AS TEXT)')} IS DISTINCT FROM "
        f"{_KEYS.format('CAST(CAST({0} AS JSONB) AS TEXT)')})",
        "clock": "clock_timestamp()",
        "kept_row": " FOR KEY SHARE",
        "lock_wait": "SET lock_timeout = {ms}",
        "lock_wait_over": "SET lock_timeout = DEFAULT",
        "add_seconds": "({0} + {1} * INTERVAL '1 second')",
        "text_before": "split_part({0}, {1}, 1)",
        "json_text": "CAST(to_json({0}) AS TEXT)",
        "json_boolean": "CAST({0} AS TEXT)",
        "json_integer": "CAST({0} AS TEXT)",
        "json_float": "CAST(to_json({0}) AS TEXT)",
        "json_decimal": "CAST(to_json({0}) AS TEXT)",
        "json_document": "CAST({0} AS TEXT)",
        "json_other": "CAST(to_json({0}) AS TEXT)",
        "cursor": "CAST({0} AS TEXT)",
        "cursor_float": "CAST(CAST({0} AS DOUBLE PRECISION) AS TEXT)",
        "cursor_binary": "encode({0}, 'hex')",
        "from_hex": "decode({0}, 'hex')",
        "cursor_date": "to_char({0}, 'YYYY-MM-DD')",
        "cursor_timestamptz": "to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00:00'",
        "cursor_timestamp": "to_char({0}, 'YYYY-MM-DD HH24:MI:SS.US')",
    },
    time_format=_time_format,
)
