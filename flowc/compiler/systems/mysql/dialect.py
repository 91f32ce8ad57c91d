r"""MySQL (from 8.0.19) and MariaDB (from 10.7), one SQL for both.

What only one of them has stands in comments that the other one skips: `/*M! … */` is MariaDB's, and MariaDB skips
`/*!80017 … */`, as MySQL's from version 8.0.17. Texts compare by their code points, trailing spaces included, in the
collation that each has for that.
"""

from __future__ import annotations

from flowc.compiler.dialect import (
    ClientRules,
    Comparisons,
    Dialect,
    LiteralRules,
    NameRules,
    Sharing,
    SourceRules,
    TableRules,
    TemporaryTables,
    TransactionRules,
    TypeWords,
    WriteRules,
)
from flowc.compiler.systems.mysql.ansi import as_sessions_read_it
from flowc.compiler.timeformat import pieces
from flowc.types import DataType, Kind

_EXACT = "/*M!100200 utf8mb4_nopad_bin *//*!80017 utf8mb4_0900_bin */"
"""The collation that compares by code points and pads nothing."""
_OPTIONS = f" ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE {_EXACT}"
_LENIENT = "'ANSI_QUOTES,PIPES_AS_CONCAT,NO_ZERO_IN_DATE,NO_ZERO_DATE,NO_ENGINE_SUBSTITUTION'"
"""The modes of flowc's sessions without those in which a statement that writes fails where a query warns."""
_LONGEST_VARCHAR = 16_383
_MOST_DIGITS, _MOST_SCALE = 65, 30

_LETTERS = {
    "%Y": "%Y", "%y": "%y", "%m": "%m", "%d": "%d", "%H": "%H", "%I": "%h", "%M": "%i", "%S": "%s", "%f": "%f",
    "%p": "%p", "%j": "%j", "%b": "%b", "%B": "%M", "%a": "%a", "%A": "%W", "%z": "", "%%": "%%",
}  # fmt: skip

_BLANK = "[ \\\\t\\\\n\\\\r\\\\f\\\\x0B]"
_TRIMMED = f"regexp_replace({{0}}, '^{_BLANK}+|{_BLANK}+\\\\z', '')"
_NUMBER = "^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{{1,3}})?\\\\z"


def _digits(x: str) -> str:
    """The digits of a number's text from its first to its last that is not zero."""
    mantissa = f"regexp_replace({x}, '[eE].*', '')"
    return f"regexp_replace(regexp_replace({mantissa}, '[^0-9]', ''), '^0+|0+$', '')"


# A CAST rounds, and stops at the greatest number of its type, so digits and magnitudes are compared. Digits of a FLOAT
# are cut when it becomes a text, and too many when it becomes a DOUBLE before.
_READ = f"CAST({_TRIMMED} AS {{1}})"
_SAME_DIGITS = (
    f"({_digits(_TRIMMED)} = {_digits(f'CAST({_READ} AS CHAR)')} OR "
    f"('{{1}}' = 'FLOAT' AND {_digits(_TRIMMED)} = {_digits(f'CAST({_READ} + 0e0 AS CHAR)')}))"
)
_GREATEST = "1.7976931348623157e308"
"""What a CAST of a greater number gives, too."""
_NOT_CUT = (
    f"abs({_READ} + 0e0) >= abs(CAST({_TRIMMED} AS DOUBLE)) * 0.99 "
    f"AND (abs({_READ} + 0e0) < {_GREATEST} OR {_TRIMMED} REGEXP '^[+-]?1[.]7976931348623157[eE][+]?308\\\\z')"
)
_EXACT_NUMBER = f"{_SAME_DIGITS} AND {_NOT_CUT}"
_LINE = "ord(right({0}, 1)) <> 10"
"""No line ends at the end, where a pattern's `$` allows one."""
_OFFSET = " ?(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)\\\\z"
_SHIFT = (
    "(CASE WHEN {0} REGEXP '[+-][0-9]{{2}}(:?[0-9]{{2}})?\\\\z' THEN "
    "(CASE WHEN {0} REGEXP '-[0-9]{{2}}(:?[0-9]{{2}})?\\\\z' THEN -60 ELSE 60 END) * "
    "(CASE WHEN {0} REGEXP '[+-][0-9]{{2}}:?[0-9]{{2}}\\\\z' "
    "THEN left(right(replace({0}, ':', ''), 4), 2) * 60 + right({0}, 2) ELSE right({0}, 2) * 60 END) ELSE 0 END)"
)
"""The seconds by which a text's offset from UTC moves it."""


def _shifted(hours: int) -> str:
    """The local time as an instant, by the offset from UTC that the zone has so many hours away from it."""
    moved = f"({{0}} + INTERVAL {hours} HOUR)"
    return f"({{0}} + INTERVAL timestampdiff(SECOND, convert_tz({moved}, '+00:00', {{1}}), {moved}) SECOND)"


_BEFORE, _AFTER = _shifted(-24), _shifted(24)
"""They differ where the offset changes: there a skipped time is right by none of them, one that comes twice by both."""


_ENCODED_WHOLE = 1000
"""Characters of a value that a row's encoding has in it; of a longer one, its digest."""


def _encoded(tag: str, value: str, size: str, whole: str) -> str:
    """The encoding of a long type: `||` gives NULL for more than `max_allowed_packet`, and so does `hex`.

    `whole` is what the digest is of: texts in the session's character set, whatever that of their column.
    """
    long = f"WHEN {size} > {_ENCODED_WHOLE} THEN '{tag}' || {size} || ':' || md5({whole})"
    return f"CASE WHEN {{x}} IS NULL THEN 'n' {long} ELSE '{tag}' || {size} || ':' || {value} END"


_TEXT = "CAST({x} AS CHAR)"
_NORMAL_JSON = "/*M!100700 JSON_NORMALIZE *//*!80017 CAST */({x}/*!80017 AS JSON */)"


def _time_format(template: str) -> str:
    parts = (_LETTERS.get(p) if p in _LETTERS else p.replace("%", "%%") for p in pieces(template))
    return "".join(part or "" for part in parts)


def _native(kind: DataType) -> str | None:
    if kind.kind is Kind.TEXT and kind.length is not None and kind.length <= _LONGEST_VARCHAR:
        return f"VARCHAR({kind.length})"
    if kind.kind is Kind.DECIMAL:
        digits, scale = (_MOST_DIGITS, _MOST_SCALE) if kind.precision is None else (kind.precision, kind.scale or 0)
        return f"DECIMAL({digits},{scale})" if digits <= _MOST_DIGITS and scale <= _MOST_SCALE else None
    if kind.kind in (Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ) and kind.precision is not None and kind.precision < 6:
        return f"{DIALECT.types.spell[kind.kind].partition('(')[0]}({kind.precision})"
    return None


DIALECT = Dialect(
    name="mysql",
    sqlglot="mysql",
    types=TypeWords(
        padded="char({length})",
        most_padded=255,
        spell={
            Kind.BOOL: "TINYINT(1)",
            Kind.INT8: "TINYINT",
            Kind.INT16: "SMALLINT",
            Kind.INT32: "INT",
            Kind.INT64: "BIGINT",
            Kind.UINT8: "TINYINT UNSIGNED",
            Kind.UINT16: "SMALLINT UNSIGNED",
            Kind.UINT32: "INT UNSIGNED",
            Kind.UINT64: "BIGINT UNSIGNED",
            Kind.FLOAT32: "FLOAT",
            Kind.FLOAT64: "DOUBLE",
            Kind.TEXT: "LONGTEXT",
            Kind.BINARY: "LONGBLOB",
            Kind.DATE: "DATE",
            Kind.TIME: "TIME(6)",
            Kind.TIMESTAMP: "DATETIME(6)",
            Kind.TIMESTAMPTZ: "TIMESTAMP(6)",
            Kind.UUID: "CHAR(36) CHARACTER SET ascii COLLATE ascii_bin",
            Kind.JSON: "JSON",
        },
        native=_native,
        widest=(_MOST_DIGITS, _MOST_SCALE),
        short_floats=(Kind.FLOAT32,),
        cast={
            **dict.fromkeys((Kind.INT8, Kind.INT16, Kind.INT32, Kind.INT64), "CAST({x} AS SIGNED)"),
            **dict.fromkeys((Kind.UINT8, Kind.UINT16, Kind.UINT32, Kind.UINT64), "CAST({x} AS UNSIGNED)"),
            **dict.fromkeys((Kind.TEXT, Kind.UUID, Kind.UNKNOWN), "CAST({x} AS CHAR)"),
            Kind.BOOL: "({x} <> 0)",
            Kind.BINARY: "CAST({x} AS BINARY)",
            Kind.TIMESTAMPTZ: "CAST({x} AS DATETIME({places}))",
            Kind.JSON: "{x}",
        },
        in_keys={Kind.TEXT: DataType(Kind.TEXT, length=255)},
        widen={
            Kind.INT128: DataType(Kind.DECIMAL, precision=39, scale=0),
            Kind.STRUCT: DataType(Kind.JSON),
        },
    ),
    names=NameRules(
        longest=64,
        in_characters=True,
        schemas=False,
        fold=str.lower,
        columns_any_case=True,
        session_schema=True,
        use=True,
    ),
    literals=LiteralRules(
        kept_as_values=True,
        doubled_backslash=True,
        zones={"UTC": "+00:00"},
        zoned=False,
        author=as_sessions_read_it,
        numeric_times=True,
        quotes_texts=True,
        clock_words=True,
    ),
    tables=TableRules(
        column_types="SELECT column_name AS name, column_type AS type FROM information_schema.columns "
        "WHERE table_schema = {schema} AND table_name = {name}",
        comments=True,
        inline_comments=True,
        inline_indexes=True,
        options=_OPTIONS,
        index_length=191,
        defaults_read_columns=True,
        counter="SELECT max(auto_increment) FROM information_schema.tables "
        "WHERE table_schema = {schema} AND table_name = {name}",
        ensure=("CREATE TABLE IF NOT EXISTS {table} ({columns})" + _OPTIONS,),
    ),
    temporary=TemporaryTables(
        schema=None,
        columns=("{row} BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",),
        options=_OPTIONS,
        drop="DROP TEMPORARY TABLE",
        reopens=False,
    ),
    writes=WriteRules(
        update_from=False,
        on_conflict=False,
        nested_windows=False,
        delete="DELETE {alias} FROM {table} AS {alias}",
        index_rows=True,
        lenient_update=f"/*M! SET STATEMENT sql_mode = {_LENIENT} FOR */UPDATE /*+ SET_VAR(sql_mode = {_LENIENT}) */",
        row_ids=(),
        native_cast="coalesce({x})",  # of a bare column, MariaDB would copy a part of its bytes alone,
    ),
    compare=Comparisons(
        same="{a} <=> {b}",
        differ="NOT ({a} <=> {b})",
        nulls_last="{x} IS NULL, {x}",
        binary_order=f" COLLATE {_EXACT}",
        text_by_value=f"CONVERT({{x}} USING utf8mb4) COLLATE {_EXACT}",
        united=f"CONVERT({{x}} USING utf8mb4) COLLATE {_EXACT}",
        collated="CONVERT({x} USING {charset}) COLLATE {collation}",
        comparable={Kind.JSON: _NORMAL_JSON},
        apart=dict.fromkeys((Kind.FLOAT32, Kind.FLOAT64), "CASE WHEN {x} = 0 THEN CAST({x} AS CHAR) END"),
        finite=dict.fromkeys((Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ), "year({x}) BETWEEN 1 AND 9999"),
        encoded_whole={
            Kind.TEXT: _encoded("s", _TEXT, "char_length({x})", _TEXT),
            Kind.JSON: _encoded("j", f"CAST({_NORMAL_JSON} AS CHAR)", f"char_length({_NORMAL_JSON})", _NORMAL_JSON),
            Kind.BINARY: _encoded("x", "hex({x})", "(2 * length({x}))", "{x}"),
        },
        encoded={
            Kind.FLOAT32: "CAST({x} + 0e0 AS CHAR)",
            Kind.FLOAT64: "CAST({x} + 0e0 AS CHAR)",
        },
        number=f"CAST({{x}} AS DECIMAL({_MOST_DIGITS},0))",
    ),
    source=SourceRules(
        backticks=True,
        values_names=("column_", 0),
        numeric_conditions=True,
        row_relations=("LATERAL", "JSON_TABLE"),
        executable_comments=True,
        unusual_calls=(
            "CAST",
            "CHAR",
            "CONVERT",
            "EXTRACT",
            "GROUP_CONCAT",
            "JSON_TABLE",
            "MATCH",
            "POSITION",
            "SUBSTR",
            "SUBSTRING",
            "TRIM",
            "VALUES",
        ),
    ),
    sharing=Sharing(side_by_side=True),
    client=ClientRules(
        session="SET SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_TRANS_TABLES,STRICT_ALL_TABLES,"
        "NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00';",
    ),
    transactions=TransactionRules(
        ddl=False,
        implicit_commits=True,
    ),
    pattern_edges={"$": r"\z"},
    functions={
        "md5": "md5({0})",
        "length": "char_length({0})",
        "trunc": "truncate({0}, 0)",
        "misfit_number": (
            f"({{0}} IS NOT NULL AND (NOT (CAST({{0}} AS CHAR) REGEXP '{_NUMBER}') OR CAST({{0}} AS "
            f"DECIMAL({_MOST_DIGITS},{_MOST_SCALE})) <> round(CAST({{0}} AS DECIMAL({_MOST_DIGITS},{_MOST_SCALE})), "
            f"{{2}}) OR NOT (CAST({{0}} AS DECIMAL({_MOST_DIGITS},{_MOST_SCALE})) BETWEEN {{3}} AND {{4}})))"
        ),
        "matches": f"({{0}} REGEXP {{1}} AND {_LINE})",
        "empty_to_null": "CASE WHEN char_length({0}) > 0 THEN {0} END",
        "unreadable": "({0} IS NOT NULL AND (NOT ({1}) OR {3} IS NULL))",
        "to_json": "{0}",
        "lower": "lower({0})",
        "upper": "upper({0})",
        "trim": _TRIMMED,
        "regex_replace": "regexp_replace({0}, concat('(?-i)', {1}), {2})",
        "replacement": "if(version() LIKE '%MariaDB%', {0}, {1})",
        "parse_int": f"CASE WHEN {_TRIMMED} REGEXP '^[+-]?[0-9]{{{{1,65}}}}\\\\z' "
        f"THEN CAST({_TRIMMED} AS DECIMAL({_MOST_DIGITS},0)) END",
        "parse_numeric": f"CASE WHEN {_TRIMMED} REGEXP '{_NUMBER}' AND {_EXACT_NUMBER} THEN {_READ} END",
        "parse_timestamp": (
            f"CASE WHEN {{0}} REGEXP {{2}} AND {_LINE} THEN CAST(str_to_date({{0}}, {{1}}) AS DATETIME(6)) END"
        ),
        "parse_timestamptz": (
            f"CASE WHEN {{0}} REGEXP {{2}} AND {_LINE} "
            f"THEN CAST(str_to_date(regexp_replace({{0}}, '{_OFFSET}', ''), {{1}}) AS DATETIME(6)) "
            f"- INTERVAL {_SHIFT} SECOND END"
        ),
        "text_timestamptz": (
            f"(CAST(regexp_replace({{0}}, '{_OFFSET}', '') AS DATETIME(6)) - INTERVAL {_SHIFT} SECOND)"
        ),
        "text_uuid": "lower(insert(insert(insert(insert(replace({0}, '-', ''), 21, 0, '-'), 17, 0, '-'), 13, 0, '-'), "
        "9, 0, '-'))",
        "kept_uuid": "CAST({0} AS BINARY) <> CAST({1} AS BINARY)",
        "pivot": "CASE WHEN {1} REGEXP {2} THEN {0} - INTERVAL 100 YEAR ELSE {0} END",
        "at_zone": "convert_tz({0}, {1}, '+00:00')",
        "unknown_zone": "convert_tz('2000-01-01', {0}, '+00:00') IS NULL",
        "in_zone": "convert_tz({0}, '+00:00', {1})",
        "zone_misfit": (
            "({0} IS NOT NULL AND (convert_tz({0}, {1}, '+00:00') IS NULL "
            f"OR NOT ({{0}} BETWEEN '1970-01-02' AND '2038-01-18') OR ({_BEFORE} <> {_AFTER} AND "
            f"(convert_tz({_BEFORE}, '+00:00', {{1}}) = {{0}}) = (convert_tz({_AFTER}, '+00:00', {{1}}) = {{0}}))))"
        ),
        "no_json": "NOT json_valid({0})",
        "clock": "now(6)",
        "lock_wait": "SET SESSION innodb_lock_wait_timeout = {s}, lock_wait_timeout = {s}",
        "lock_wait_over": "SET SESSION innodb_lock_wait_timeout = DEFAULT, lock_wait_timeout = DEFAULT",
        "add_seconds": "({0} + INTERVAL {1} SECOND)",
        "text_before": "substring_index({0}, {1}, 1)",
        "json_text": "json_quote({0})",
        "json_boolean": "CASE {0} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE CAST({0} AS CHAR) END",
        "json_integer": "CAST({0} AS CHAR)",
        "json_float": "CAST({0} + 0e0 AS CHAR)",
        "json_decimal": "CAST({0} AS CHAR)",
        "json_document": "CAST({0} AS CHAR)",
        "json_other": "json_quote(CONVERT({0} USING utf8mb4))",
        "cursor": "CAST({0} AS CHAR)",
        "cursor_float": "CAST({0} + 0e0 AS CHAR)",
        "cursor_binary": "hex({0})",
        "from_hex": "x{0}",
        "cursor_timestamptz": "date_format({0}, '%Y-%m-%d %H:%i:%s.%f+00:00')",
        "cursor_timestamp": "date_format({0}, '%Y-%m-%d %H:%i:%s.%f')",
    },
    time_format=_time_format,
)
