"""DataFusion's SQL for sqlglot: PostgreSQL's with other functions.

Registered with sqlglot as `datafusion` by being defined. What DataFusion lacks is reported as unsupported, so that a
translation fails instead of changing its meaning. Its functions are written in lower case: table functions are found
in no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres

Render = Callable[[Any, Any], str]


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


def _with(name: str, part: str) -> Render:
    """A function of a value and of what its author wrote for one more part, which no other dialect's words are."""
    return lambda self, e: str(self.func(name, e.this, e.args.get(part)))


def _cast(self: Any, node: exp.Cast) -> str:
    """A time of day in microseconds, as those of files are: the engine compares none with its own of nanoseconds."""
    if node.to.this is not exp.DataType.Type.TIME:
        return str(self.cast_sql(node))
    return f"arrow_cast({self.sql(node, 'this')}, 'Time64(Microsecond)')"


def _regexp_replace(self: Any, node: exp.RegexpReplace) -> str:
    if node.args.get("position") or node.args.get("occurrence"):
        self.unsupported("DataFusion's regexp_replace starts at the first match")
    flags = node.text("modifiers")
    if not node.args.get("single_replace") and "g" not in flags:
        flags += "g"
    extra = [exp.Literal.string(flags)] if flags else []
    replacement = node.args.get("replacement") or exp.Literal.string("")
    return str(self.func("regexp_replace", node.this, node.expression, replacement, *extra))


def _str_position(self: Any, node: exp.StrPosition) -> str:
    if node.args.get("position") or node.args.get("occurrence"):
        self.unsupported("DataFusion's strpos starts at the first character")
    return str(self.func("strpos", node.this, node.args.get("substr")))


def _to_array(self: Any, node: exp.ToArray) -> str:
    # sqlglot's copies the argument for each of the two times that it stands in the text.
    return f"CASE WHEN {self.sql(node, 'this')} IS NULL THEN NULL ELSE [{self.sql(node, 'this')}] END"


_JSON = (
    exp.JSONExtract, exp.JSONExtractScalar, exp.JSONBExtract, exp.JSONBExtractScalar, exp.JSONArrayAgg,
    exp.JSONObjectAgg, exp.ParseJSON,
)  # fmt: skip

_TRANSFORMS: Mapping[type[exp.Expression], Render] = {
    exp.AnyValue: _renamed("first_value"),
    exp.Array: lambda self, e: f"[{self.expressions(e, flat=True)}]",
    exp.ArrayConcat: _renamed("array_concat"),
    exp.ArrayContains: lambda self, e: str(self.func("array_has", e.this, e.expression)),
    exp.CountIf: lambda self, e: f"count(*) FILTER (WHERE {self.sql(e, 'this')})",
    exp.DateBin: lambda self, e: str(self.func("date_bin", e.this, e.expression, e.args.get("origin"))),
    exp.Second: lambda self, e: str(self.func("date_part", exp.Literal.string("second"), e.this)),
    exp.Cast: _cast,
    exp.Extract: lambda self, e: f"date_part('{e.name.lower()}', {self.sql(e, 'expression')})",
    **dict.fromkeys(_JSON, _missing("JSON functions")),
    exp.Length: lambda self, e: str(self.func("character_length", e.this)),
    exp.Pivot: _missing("PIVOT"),
    exp.RegexpLike: lambda self, e: str(self.func("regexp_like", e.this, e.expression, e.args.get("flag"))),
    exp.RegexpILike: lambda self, e: str(self.func("regexp_like", e.this, e.expression, exp.Literal.string("i"))),
    exp.RegexpReplace: _regexp_replace,
    exp.Round: lambda self, e: str(self.func("round", e.this, e.args.get("decimals"))),
    exp.ToArray: _to_array,
    exp.ArraySort: lambda self, e: str(self.func("array_sort", e.this)),
    exp.StrToDate: _with("to_date", "format"),
    exp.StrToTime: _with("to_timestamp", "format"),
    exp.TimeToStr: _with("to_char", "format"),
    exp.StrPosition: _str_position,
    exp.TryCast: lambda self, e: f"TRY_CAST({self.sql(e, 'this')} AS {self.sql(e, 'to')})",
    exp.Uuid: lambda self, e: str(self.func("uuid")),
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
    TIME_MAPPING: Mapping[str, str] = {}
    """Its formats are strftime's, as in the tree."""

    def generator(self, **options: Any) -> Any:
        """PostgreSQL's generator with other handlers.

        Set on the instance: the compiled build of sqlglot lets no Python class inherit from its generators.
        """
        generator = super().generator(**options)
        generator._dispatch = {**generator._dispatch, **_TRANSFORMS, **_STRUCTURE}
        return generator
