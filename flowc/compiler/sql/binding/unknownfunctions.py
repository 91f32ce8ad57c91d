"""Functions that a database does not have by itself.

Anyone can add functions to a database, so a name is refused only where it is another engine's, or a slip of the pen for
one that is there. A call with its schema in front is never judged.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache

from sqlglot import exp

from flowc.compiler.sql.binding.catalog import postgres
from flowc.compiler.sql.binding.frame import Judge
from flowc.compiler.sql.binding.mysqlcatalog import mysql

POSTGRES, MYSQL = "PostgreSQL", "MySQL"
_ELSEWHERE = frozenset(
    re.findall(
        r"\w+",
        """
add_months approx_count_distinct approx_distinct approx_quantile arbitrary arg_max arg_min array_agg array_contains
array_distinct array_size array_sum charindex collect_list collect_set contains convert_timezone countif count_if
current_datetime date_add date_diff date_format date_parse date_sub date_trunc dateadd datediff datefromparts datename
datepart datetime datetime_trunc day dayname dayofmonth dayofweek dayofyear div0 element_at endswith eomonth explode
extractvalue flatten format_date format_datetime from_unixtime from_utc_timestamp generate_array generate_date_array
generate_series generate_uuid get_json_object getdate getutcdate group_concat hour ifnull iff initcap instr isdate
isnull json_extract json_extract_scalar json_extract_string json_query_array json_value_array julianday lcase len
list_agg listagg locate log2 map_from_entries max_by md5_hex median min_by minute month monthname months_between newid
next_day nvl nvl2 object_agg object_construct parse_date parse_datetime parse_json parse_timestamp parse_url percentile
percentile_approx quarter rand regexp_contains regexp_extract regexp_extract_all regexp_like regexp_matches rlike
safe_cast safe_divide second sequence size sort_array space split square startswith str_to_date strftime string_agg
strptime struct_pack substring_index sysdate sysdatetime systimestamp table_flatten time_bucket timediff timestamp_diff
timestamp_trunc timestampadd timestampdiff to_array to_date to_json_string to_unixtime to_varchar to_variant
to_char to_number to_timestamp toString truncate trunc try_cast try_convert try_to_date try_to_number typeof ucase
unix_timestamp utc_timestamp weekday weekofyear year zeroifnull
array_to_string string_to_array split_part jsonb_agg jsonb_build_object json_agg regexp_split_to_array to_jsonb
btrim strpos width_bucket age make_date make_interval
""",
    )
)
"""Functions of databases that flowc may meet SQL of, beyond those that it keeps lists of."""
_TO_POSTGRES = {
    "ifnull": "COALESCE(…)", "nvl": "COALESCE(…)", "isnull": "COALESCE(…)", "zeroifnull": "COALESCE(…, 0)",
    "date_format": "to_char(…, 'YYYY-MM')", "strftime": "to_char(…, 'YYYY-MM')", "group_concat": "string_agg(…, ',')",
    "listagg": "string_agg(…, ',')", "getdate": "now()", "sysdate": "now()", "datediff": "a - b", "len": "length(…)",
    "iff": "CASE WHEN … THEN … ELSE … END", "if": "CASE WHEN … THEN … ELSE … END", "instr": "strpos(…)",
    "locate": "strpos(…)", "charindex": "strpos(…)", "str_to_date": "to_date(…)", "strptime": "to_timestamp(…)",
    "countif": "count(*) FILTER (WHERE …)", "count_if": "count(*) FILTER (WHERE …)", "rand": "random()",
    "year": "EXTRACT(YEAR FROM …)", "month": "EXTRACT(MONTH FROM …)", "day": "EXTRACT(DAY FROM …)",
    "unix_timestamp": "EXTRACT(EPOCH FROM …)", "from_unixtime": "to_timestamp(…)", "last_day": "date_trunc(…)",
    "date_add": "… + INTERVAL '1 day'", "date_sub": "… - INTERVAL '1 day'", "dateadd": "… + INTERVAL '1 day'",
    "json_extract": "… -> 'key'", "ucase": "upper(…)", "lcase": "lower(…)", "truncate": "trunc(…)",
    "median": "percentile_cont(0.5) WITHIN GROUP (ORDER BY …)", "try_cast": "CAST(…)", "safe_cast": "CAST(…)",
    "regexp_extract": "substring(… FROM '…')", "datetime": "CAST(… AS timestamp)", "curdate": "current_date",
}  # fmt: skip
_TO_MYSQL = {
    "string_agg": "GROUP_CONCAT(… SEPARATOR ',')", "array_agg": "JSON_ARRAYAGG(…)", "listagg": "GROUP_CONCAT(…)",
    "date_trunc": "DATE_FORMAT(…, '%Y-%m-01')", "strftime": "DATE_FORMAT(…)", "random": "RAND()", "isnull": "IFNULL(…)",
    "datepart": "EXTRACT(… FROM …)", "date_part": "EXTRACT(… FROM …)", "getdate": "NOW()", "len": "CHAR_LENGTH(…)",
    "strpos": "LOCATE(…)", "split_part": "SUBSTRING_INDEX(…)", "to_timestamp": "STR_TO_DATE(…)",
    "btrim": "TRIM(…)", "iff": "IF(…)", "jsonb_agg": "JSON_ARRAYAGG(…)", "json_agg": "JSON_ARRAYAGG(…)",
    "jsonb_build_object": "JSON_OBJECT(…)", "json_build_object": "JSON_OBJECT(…)", "make_date": "MAKEDATE(…)",
    "bool_and": "MIN(…)", "bool_or": "MAX(…)", "every": "MIN(…)", "gen_random_uuid": "UUID()",
}  # fmt: skip
_OF_PROJECT = "unreachable-function"
_COMMON_OWN = frozenset(("first", "last", "median", "mode", "array_sum", "product"))
"""Names of functions that many databases have of their users."""


def report_unknown(judge: Judge, node: exp.Expression, name: str, known: Collection[str], engine: str) -> None:
    """Reports a function that an engine does not have by itself, unless the call has been reported otherwise."""
    span = judge.place(node)
    if any(d.span is not None and (d.code, d.span.start) == (_OF_PROJECT, span.start) for d in judge.reporter.found):
        return
    slip = _slip(name, known)
    other = name in _elsewhere(engine)
    helps = [f"did you mean `{slip}`?"] if slip else []
    instead = (_TO_POSTGRES if engine == POSTGRES else _TO_MYSQL).get(name)
    helps += [f"in {engine}: `{instead}`"] if instead and not slip else []
    helps.append(f"a function of the database's own is written with its schema: `schema.{name}(…)`")
    refused = slip is not None or (other and name not in _COMMON_OWN)
    report = judge.reporter.error if refused else judge.reporter.warning
    report("unknown-function", f"{engine} has no function `{name}`", span, helps=helps)


def is_of_some_engine(name: str) -> bool:
    """Whether databases have a function of this name by themselves, so that it is hardly one of somebody's own."""
    known = name.lower()
    return known not in _COMMON_OWN and (known in _elsewhere(POSTGRES) or known in _elsewhere(MYSQL))


@cache
def _elsewhere(engine: str) -> frozenset[str]:
    """The functions that engines beside this one have."""
    if engine == POSTGRES:
        return _ELSEWHERE | _TO_POSTGRES.keys() | mysql().keys()
    return _ELSEWHERE | _TO_MYSQL.keys() | postgres().names.keys()


def _slip(name: str, known: Iterable[str]) -> str | None:
    """The known name that one slip of the pen makes this: a letter too many, too few, wrong, or two swapped."""
    if len(name) < 4 or name in _COMMON_OWN or not name.isascii():
        return None
    found = (other for other in known if abs(len(other) - len(name)) < 2 and len(other) > 2 and _is_slip(name, other))
    return min(found, key=len, default=None)


def _is_slip(name: str, other: str) -> bool:
    size = min(len(name), len(other))
    start = next((i for i in range(size) if name[i] != other[i]), size)
    one, two = name[start:], other[start:]
    changed = (one[:1] + two[:1]).isalpha()
    if len(one) == len(two):
        return changed and (one[1:] == two[1:] or (one[:2] == two[1::-1] and one[2:] == two[2:]))
    return (one[1:] == two and one[:1].isalpha()) or (one == two[1:] and two[:1].isalpha())
