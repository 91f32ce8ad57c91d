"""Functions that sqlglot does not know, by their names."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp
from sqlglot.jsonpath import parse as parse_json_path

from flowc.compiler.sql.rewrite.core import Named, Pair, Untranslatable, build, call, text_value, type_of

SUNDAY_IS_ONE = ("spark", "databricks", "mysql", "bigquery")
"""Dialects that count the days of the week from 1 for Sunday."""


def _find_in_set(arguments: list[exp.Expression], pair: Pair) -> exp.Expression:
    """The place of a text among those between commas, 0 where it is not."""
    before = "SUBSTRING(',' || :s, 1, STRPOS(',' || :s || ',', ',' || :x || ','))"
    return build(
        f"CASE WHEN STRPOS(',' || :s || ',', ',' || :x || ',') = 0 THEN 0"
        f" ELSE LENGTH({before}) - LENGTH(REPLACE({before}, ',', '')) END",
        x=arguments[0], s=arguments[1],
    )  # fmt: skip


def _field(arguments: list[exp.Expression], pair: Pair) -> exp.Expression:
    value, *choices = arguments
    case = exp.Case(default=exp.Literal.number(0))
    for number, choice in enumerate(choices, 1):
        case = case.when(exp.EQ(this=value.copy(), expression=choice.copy()), exp.Literal.number(number), copy=False)
    return case


def _add_days(arguments: list[exp.Expression], pair: Pair) -> exp.Expression | None:
    if len(arguments) != 2:
        return None
    date, days = arguments
    if isinstance(days, exp.Interval):
        return exp.DateAdd(this=date, expression=days.this, unit=days.args.get("unit"))
    return exp.DateAdd(this=date, expression=days, unit=exp.var("DAY"))


def _whole_units(arguments: list[exp.Expression], pair: Pair) -> exp.Expression | None:
    if pair.source != "duckdb" or len(arguments) != 3 or (unit := text_value(arguments[0])) is None:
        return None
    return exp.TimestampDiff(this=arguments[2], expression=arguments[1], unit=exp.var(unit.upper()))


def json_sizes(name: str) -> Mapping[str, Named]:
    """The number of elements of a JSON array, by an engine's own function."""

    def size(arguments: list[exp.Expression], pair: Pair) -> exp.Expression:
        value = arguments[0]
        if len(arguments) > 1:
            value = exp.JSONExtract(this=value, expression=parse_path(text_value(arguments[1])))
        return call(name, value)

    return dict.fromkeys(("JSON_ARRAY_LENGTH", "JSON_LENGTH"), size)


_NAMED: Mapping[str, Named] = {
    "EVERY": lambda a, _: exp.LogicalAnd(this=a[0]),
    "FIELD": _field,
    "PMOD": lambda a, _: build("((:a % :b) + :b) % :b", a=a[0], b=a[1]),
    "WEEKDAY": lambda a, p: (
        build("EXTRACT(ISODOW FROM :a) - 1", a=_timestamp(a[0])) if p.source in SUNDAY_IS_ONE else None
    ),
    "ADDDATE": _add_days,
    "EQUAL_NULL": lambda a, _: exp.NullSafeEQ(this=a[0], expression=a[1]),
    "TO_BOOLEAN": lambda a, _: exp.cast(a[0], "boolean"),
    "JSON_UNQUOTE": lambda a, _: _as_scalar(a[0]),
    "DATE_SUB": _whole_units,
    "DATESUB": _whole_units,
    "UNIX_TIMESTAMP": lambda a, _: exp.TimeToUnix(this=_timestamp(a[0])) if a else None,
    "TIMESTAMP_SECONDS": lambda a, _: exp.UnixToTime(this=a[0]),
    "OCTET_LENGTH": lambda a, _: exp.ByteLength(this=a[0]),
    "REGEXP_SPLIT_TO_ARRAY": lambda a, _: exp.RegexpSplit(this=a[0], expression=a[1]) if len(a) == 2 else None,
    "FIND_IN_SET": _find_in_set,
    "LIST_SUM": lambda a, _: exp.ArraySum(this=a[0]),
    "LIST_SORT": lambda a, _: exp.ArraySort(this=a[0]) if len(a) == 1 else None,
    "CARDINALITY": lambda a, _: exp.ArraySize(this=a[0]),
    "MAKE_DATE": lambda a, _: exp.DateFromParts(year=a[0], month=a[1], day=a[2]) if len(a) == 3 else None,
    "YEARWEEK": lambda a, p: _year_week(a[0]) if p.source == "duckdb" and len(a) == 1 else None,
    **json_sizes("JSON_ARRAY_LENGTH"),
    "DATE_FROM_PARTS": lambda a, _: exp.DateFromParts(year=a[0], month=a[1], day=a[2]),
}


def _year_week(date: exp.Expression) -> exp.Expression:
    return build("CAST(EXTRACT(ISOYEAR FROM :a) * 100 + EXTRACT(WEEK FROM :a) AS INT)", a=date)


def parse_path(path: str | None) -> exp.Expression:
    """A JSON path from its text."""
    if path is None:
        raise Untranslatable("a JSON path that is not a literal")
    return parse_json_path(path)


def _as_scalar(node: exp.Expression) -> exp.Expression | None:
    node = node.unnest()
    if isinstance(node, exp.JSONExtract) and not isinstance(node, exp.JSONExtractScalar):
        return exp.JSONExtractScalar(**node.args)
    return None


def _timestamp(node: exp.Expression) -> exp.Expression:
    """A value as a timestamp; texts must be cast where a dialect would read them itself."""
    if type_of(node) in exp.DataType.TEXT_TYPES:
        return exp.cast(node, exp.DataType.Type.TIMESTAMP)
    return node


def named(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A function that sqlglot does not know, by its name."""
    name = node.name.upper()
    if (rule := pair.engine.named.get(name) or _NAMED.get(name)) is None:
        return None
    if len(node.expressions) < _LEAST.get(name, 1):
        raise Untranslatable(f"a call of `{node.name}` that lacks an argument")
    return rule(list(node.expressions), pair)


_LEAST = {
    **dict.fromkeys(("UNIX_TIMESTAMP", "JSON_ARRAY", "JSON_BUILD_OBJECT", "JSONB_BUILD_OBJECT"), 0),
    **dict.fromkeys(("PMOD", "EQUAL_NULL", "FIND_IN_SET"), 2),
    "DATE_FROM_PARTS": 3,
}
"""How many arguments a function takes at least; one, where it is not said."""
