"""DataFusion's SQL for sqlglot: PostgreSQL's with other functions.

Registered with sqlglot as `datafusion` by being defined. What DataFusion lacks is reported as unsupported, so that a
translation fails instead of changing its meaning. Its functions are written in lower case: table functions are found
in no other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres

Render = Callable[[Any, Any], str]

_CHRONO = {"%f": "%6f", "%L": "%3f"}
"""strftime's fraction of a second, in the words of Rust's chrono."""

_EPOCH = "date_part('epoch', {})"
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600}


def _renamed(name: str) -> Render:
    """A function of another name with the same arguments in the same order."""

    def render(self: Any, node: exp.Func) -> str:
        arguments = [a for value in node.args.values() for a in (value if isinstance(value, list) else [value])]
        return str(self.func(name, *(a for a in arguments if isinstance(a, exp.Expression))))

    return render


def _missing(what: str) -> Render:
    def render(self: Any, node: exp.Expression) -> str:
        self.unsupported(f"DataFusion has no {what}")
        return ""

    return render


def _format(self: Any, node: exp.Expression) -> str:
    """A strftime format, as sqlglot keeps it, in chrono's words."""
    template = node.args.get("format")
    if not isinstance(template, exp.Literal):
        self.unsupported("the format must be a literal")
        return "''"
    text = re.sub(r"%[fL]", lambda m: _CHRONO[m[0]], template.name)
    return str(self.sql(exp.Literal.string(text)))


def _part(part: str) -> Render:
    return lambda self, e: str(self.func("date_part", exp.Literal.string(part), e.this))


def _cast(self: Any, node: exp.Cast) -> str:
    """A time of day in microseconds, as those of files are: the engine compares none with its own of nanoseconds."""
    if node.to.this is not exp.DataType.Type.TIME:
        return str(self.cast_sql(node))
    return f"arrow_cast({self.sql(node, 'this')}, 'Time64(Microsecond)')"


def _date_diff(self: Any, node: exp.Expression) -> str:
    """The number of boundaries of a unit between two times."""
    unit = (node.text("unit") or "DAY").upper()
    late, early = self.sql(node, "this"), self.sql(node, "expression")
    if unit == "DAY":
        return f"(CAST(CAST({late} AS DATE) AS INT) - CAST(CAST({early} AS DATE) AS INT))"
    if unit in ("MONTH", "QUARTER", "YEAR"):
        size = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}[unit]
        months = [f"(date_part('year', {t}) * 12 + date_part('month', {t}) - 1)" for t in (late, early)]
        return f"({months[0]} / {size} - {months[1]} / {size})"
    if unit in _SECONDS:
        ticks = [f"CAST(floor({_EPOCH.format(t)} / {_SECONDS[unit]}) AS BIGINT)" for t in (late, early)]
        return f"({ticks[0]} - {ticks[1]})"
    self.unsupported(f"DataFusion has no difference in units of {unit.lower()}")
    return ""


def _regexp_extract(self: Any, node: exp.RegexpExtract) -> str:
    if node.args.get("position") or node.args.get("occurrence"):
        self.unsupported("DataFusion's regexp_match starts at the first match")
    group, pattern = node.args.get("group"), node.expression
    wanted = int(group.name) if isinstance(group, exp.Literal) and group.is_int else 0 if group is None else -1
    if wanted < 0 or not isinstance(pattern, exp.Literal):
        self.unsupported("the pattern and the group must be literals")
        return ""
    if wanted == 0:
        pattern = exp.Literal.string(f"({pattern.name})")
    return f"(regexp_match({self.sql(node, 'this')}, {self.sql(pattern)}))[{max(wanted, 1)}]"


def _regexp_replace(self: Any, node: exp.RegexpReplace) -> str:
    if node.args.get("position") or node.args.get("occurrence"):
        self.unsupported("DataFusion's regexp_replace starts at the first match")
    flags = node.text("modifiers")
    if not node.args.get("single_replace") and "g" not in flags:
        flags += "g"
    extra = [exp.Literal.string(flags)] if flags else []
    replacement = node.args.get("replacement") or exp.Literal.string("")
    return str(self.func("regexp_replace", node.this, node.expression, replacement, *extra))


def _regexp_like(self: Any, node: exp.RegexpLike) -> str:
    flag = node.args.get("flag")
    return str(self.func("regexp_like", node.this, node.expression, flag))


def _extreme(direction: str) -> Render:
    def render(self: Any, node: exp.Expression) -> str:
        value, key = self.sql(node, "this"), self.sql(node, "expression")
        return f"first_value({value} ORDER BY {key} {direction} NULLS LAST)"

    return render


def _str_position(self: Any, node: exp.StrPosition) -> str:
    if node.args.get("position") or node.args.get("occurrence"):
        self.unsupported("DataFusion's strpos starts at the first character")
    return str(self.func("strpos", node.this, node.args.get("substr")))


def _unix_to_time(self: Any, node: exp.UnixToTime) -> str:
    scale = node.text("scale")
    names = {"": "to_timestamp_seconds", "0": "to_timestamp_seconds", "3": "to_timestamp_millis",
             "6": "to_timestamp_micros"}  # fmt: skip
    if scale not in names:
        self.unsupported(f"DataFusion has no times of scale {scale}")
    return str(self.func(names.get(scale, "to_timestamp"), node.this))


def _group_concat(self: Any, node: exp.GroupConcat) -> str:
    separator = self.sql(node, "separator") or "','"
    value, order = node.this, ""
    if isinstance(value, exp.Order):
        order = f" ORDER BY {self.expressions(value, flat=True)}"
        value = value.this
    return f"string_agg({self.sql(value)}, {separator}{order})"


_JSON = _missing("JSON functions")

_TRANSFORMS: Mapping[type[exp.Expression], Render] = {
    exp.AnyValue: _renamed("first_value"),
    exp.ApproxDistinct: lambda self, e: str(self.func("approx_distinct", e.this)),
    exp.ArgMax: _extreme("DESC"),
    exp.ArgMin: _extreme("ASC"),
    exp.Array: lambda self, e: f"[{self.expressions(e, flat=True)}]",
    exp.ArrayConcat: _renamed("array_concat"),
    exp.ArrayContains: lambda self, e: str(self.func("array_has", e.this, e.expression)),
    exp.ArrayDistinct: lambda self, e: str(self.func("array_distinct", e.this)),
    exp.ArraySize: lambda self, e: str(self.func("cardinality", e.this)),
    exp.ArrayToString: lambda self, e: str(self.func("array_to_string", e.this, e.expression, e.args.get("null"))),
    exp.CountIf: lambda self, e: f"count(*) FILTER (WHERE {self.sql(e, 'this')})",
    exp.DateBin: lambda self, e: str(self.func("date_bin", e.this, e.expression, e.args.get("origin"))),
    exp.DateDiff: _date_diff,
    exp.TsOrDsDiff: _date_diff,
    exp.DatetimeDiff: _date_diff,
    exp.TimestampDiff: _date_diff,
    exp.Day: _part("day"),
    exp.DayOfMonth: _part("day"),
    exp.DayOfYear: _part("doy"),
    exp.Hour: _part("hour"),
    exp.Minute: _part("minute"),
    exp.Month: _part("month"),
    exp.Quarter: _part("quarter"),
    exp.Second: _part("second"),
    exp.Week: _part("week"),
    exp.WeekOfYear: _part("week"),
    exp.Year: _part("year"),
    exp.DayOfWeek: lambda self, e: f"(date_part('dow', {self.sql(e, 'this')}) + 1)",
    exp.DayOfWeekIso: lambda self, e: f"((date_part('dow', {self.sql(e, 'this')}) + 6) % 7 + 1)",
    exp.Cast: _cast,
    exp.Extract: lambda self, e: f"date_part('{e.name.lower()}', {self.sql(e, 'expression')})",
    exp.GroupConcat: _group_concat,
    exp.IntDiv: _missing("division of integers by `DIV`"),
    exp.JSONExtract: _JSON,
    exp.JSONExtractScalar: _JSON,
    exp.JSONBExtract: _JSON,
    exp.JSONBExtractScalar: _JSON,
    exp.JSONArrayAgg: _JSON,
    exp.JSONObjectAgg: _JSON,
    exp.ParseJSON: _JSON,
    exp.Length: lambda self, e: str(self.func("character_length", e.this)),
    exp.LogicalAnd: lambda self, e: str(self.func("bool_and", e.this)),
    exp.LogicalOr: lambda self, e: str(self.func("bool_or", e.this)),
    exp.Pivot: _missing("PIVOT"),
    exp.Rand: lambda self, e: str(self.func("random")),
    exp.RegexpExtract: _regexp_extract,
    exp.RegexpLike: _regexp_like,
    exp.RegexpILike: lambda self, e: str(self.func("regexp_like", e.this, e.expression, exp.Literal.string("i"))),
    exp.RegexpReplace: _regexp_replace,
    exp.Round: lambda self, e: str(self.func("round", e.this, e.args.get("decimals"))),
    exp.SHA2: lambda self, e: f"encode(sha{e.text('length') or '256'}({self.sql(e, 'this')}), 'hex')",
    exp.ArraySort: lambda self, e: str(self.func("array_sort", e.this)),
    exp.Split: lambda self, e: str(self.func("string_to_array", e.this, e.expression)),
    exp.StrPosition: _str_position,
    exp.StrToDate: lambda self, e: f"to_date({self.sql(e, 'this')}, {_format(self, e)})",
    exp.StrToTime: lambda self, e: f"to_timestamp_micros({self.sql(e, 'this')}, {_format(self, e)})",
    exp.StrToUnix: lambda self, e: f"to_unixtime({self.sql(e, 'this')}, {_format(self, e)})",
    exp.TimeToStr: lambda self, e: f"to_char({self.sql(e, 'this')}, {_format(self, e)})",
    exp.TimeToUnix: lambda self, e: f"CAST({_EPOCH.format(self.sql(e, 'this'))} AS BIGINT)",
    exp.ToChar: _missing("to_char of this format"),
    exp.TryCast: lambda self, e: f"TRY_CAST({self.sql(e, 'this')} AS {self.sql(e, 'to')})",
    exp.Unicode: lambda self, e: str(self.func("ascii", e.this)),
    exp.UnixToTime: _unix_to_time,
    exp.Uuid: lambda self, e: str(self.func("uuid")),
    exp.Variance: lambda self, e: str(self.func("var_samp", e.this)),
    exp.VariancePop: lambda self, e: str(self.func("var_pop", e.this)),
    exp.Xor: lambda self, e: f"({self.sql(e, 'this')} <> {self.sql(e, 'expression')})",
}


_TYPES = {
    exp.DType.TINYINT: "TINYINT", exp.DType.UTINYINT: "TINYINT UNSIGNED", exp.DType.USMALLINT: "SMALLINT UNSIGNED",
    exp.DType.UINT: "INT UNSIGNED", exp.DType.UBIGINT: "BIGINT UNSIGNED", exp.DType.DOUBLE: "DOUBLE",
    exp.DType.TEXT: "VARCHAR", exp.DType.TIMESTAMPTZ: "TIMESTAMP(6) WITH TIME ZONE",
    exp.DType.TIMESTAMPLTZ: "TIMESTAMP(6) WITH TIME ZONE", exp.DType.JSON: "VARCHAR", exp.DType.JSONB: "VARCHAR",
}  # fmt: skip


def _literal(self: Any, node: exp.Literal) -> str:
    """A text with its characters as they are: DataFusion knows no escapes but the doubled quote."""
    return "'" + node.this.replace("'", "''") + "'" if node.is_string else str(node.this)


def _star(self: Any, node: exp.Star) -> str:
    left_out, replaced = node.args.get("except_"), node.args.get("replace")
    out = "*"
    if left_out:
        out += f" EXCLUDE ({', '.join(self.sql(e) for e in left_out)})"
    if replaced:
        out += f" REPLACE ({', '.join(self.sql(e) for e in replaced)})"
    return out


def _data_type(self: Any, node: exp.DataType) -> str:
    """Times have microseconds, as everywhere else; DataFusion's own have nanoseconds, and end in 2262."""
    if node.this in (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ) and not node.expressions:
        return "TIMESTAMP(6)"
    return _TYPES[node.this] if node.this in _TYPES else str(self.datatype_sql(node))


def _bracket(self: Any, node: exp.Bracket) -> str:
    """An element of an array, by its position from 1."""
    offset = 1 - int(node.args.get("offset") or 0)
    index = node.expressions[0] if len(node.expressions) == 1 else None
    if not isinstance(index, exp.Expression) or isinstance(index, exp.Slice):
        return str(self.bracket_sql(node))
    if isinstance(index, exp.Literal) and index.is_int:
        return f"{self.sql(node, 'this')}[{int(index.this) + offset}]"
    if isinstance(index, exp.Literal) and index.is_string:
        return f"{self.sql(node, 'this')}[{self.sql(index)}]"
    place = f"{self.sql(index)} + {offset}" if offset else self.sql(index)
    return f"{self.sql(node, 'this')}[{place}]"


_NO_CALLS = (exp.Case, exp.If, exp.Cast, exp.TryCast, exp.Array)
"""Functions for sqlglot whose parts stand in no list of arguments."""


def _equal(self: Any, node: exp.EQ) -> str:
    """An equality, in brackets where an argument starts with it: `f(a = b)` gives the parameter `a` a value."""
    text = str(self.binary(node, "="))
    start, around = node, node.parent
    while isinstance(around, exp.Binary) and around.this is start:
        start, around = around, around.parent
    in_list = isinstance(around, exp.Func | exp.Distinct | exp.Order | exp.IgnoreNulls)
    bare = isinstance(node.this, exp.Column) and not node.this.table
    return f"({text})" if bare and in_list and not isinstance(around, (exp.Binary, *_NO_CALLS)) else text


_STRUCTURE: Mapping[type[exp.Expression], Render] = {
    exp.Bracket: _bracket,
    exp.EQ: _equal,
    exp.BitwiseXor: lambda self, e: f"({self.sql(e, 'this')} ^ {self.sql(e, 'expression')})",
    exp.IgnoreNulls: lambda self, e: f"{self.sql(e, 'this')} IGNORE NULLS",
    exp.Literal: _literal,
    exp.Star: _star,
    exp.DataType: _data_type,
    exp.Select: lambda self, e: str(self.select_sql(e)),  # PostgreSQL's rewrites QUALIFY and semi joins away
}


class DataFusion(Postgres):  # type: ignore[misc]
    """The dialect. Division, order of NULLs and array positions are PostgreSQL's."""

    NORMALIZE_FUNCTIONS = "lower"

    def generator(self, **options: Any) -> Any:
        """PostgreSQL's generator with other handlers.

        Set on the instance: the compiled build of sqlglot lets no Python class inherit from its generators.
        """
        generator = super().generator(**options)
        generator._dispatch = {**generator._dispatch, **_TRANSFORMS, **_STRUCTURE}
        return generator
