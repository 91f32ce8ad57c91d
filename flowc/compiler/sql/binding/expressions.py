"""The types of expressions in PostgreSQL's SQL, each operator and call resolved on its catalog.

A type is PostgreSQL's own name; `unknown` is a literal that nothing has given one, None what cannot be known.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from flowc.compiler.sql.binding import literals
from flowc.compiler.sql.binding.calls import Given, agree, call, check_literals, operate
from flowc.compiler.sql.binding.catalog import UNKNOWN, Catalog
from flowc.compiler.sql.binding.frame import Fields, Frame, Judge, Owned
from flowc.compiler.sql.binding.resolve import Type
from flowc.compiler.sql.binding.types import written

Typed = Callable[["Expressions", exp.Expression, Frame], Type]

_COMPARISONS = ("=", "<>", "<", ">", "<=", ">=")
_UNITS = frozenset(
    re.findall(
        r"\w+",
        "century day decade dow doy epoch hour isodow isoyear julian microsecond microseconds millennium millisecond"
        " milliseconds minute month quarter second timezone timezone_hour timezone_minute week year days hours minutes"
        " months seconds weeks years decades centuries us ms msec usec",
    )
)
_OPERATORS: Mapping[type[exp.Expression], str] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.Pow: "^", exp.BitwiseAnd: "&",
    exp.BitwiseOr: "|", exp.BitwiseXor: "#", exp.BitwiseLeftShift: "<<", exp.BitwiseRightShift: ">>", exp.DPipe: "||",
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=", exp.Like: "~~",
    exp.ILike: "~~*", exp.RegexpLike: "~", exp.RegexpILike: "~*", exp.NullSafeEQ: "=", exp.NullSafeNEQ: "=",
    exp.ArrayContainsAll: "@>", exp.ArrayContainedBy: "<@", exp.ArrayOverlaps: "&&", exp.Distance: "<->",
    exp.JSONBExtract: "#>", exp.JSONBExtractScalar: "#>>", exp.JSONBContains: "?", exp.Adjacent: "-|-",
    exp.JSONBContainsTopKey: "?", exp.JSONBContainsAnyTopKeys: "?|", exp.JSONBContainsAllTopKeys: "?&",
    exp.JSONBDeleteAtPath: "#-",
}  # fmt: skip
_FIXED: Mapping[type[exp.Expression], str] = {
    exp.Boolean: "bool", exp.CurrentDate: "date", exp.CurrentTime: "timetz", exp.CurrentTimestamp: "timestamptz",
    exp.Localtime: "time", exp.Localtimestamp: "timestamp", exp.CurrentUser: "name", exp.SessionUser: "name",
    exp.CurrentCatalog: "name", exp.CurrentSchema: "name", exp.CurrentRole: "name", exp.Null: UNKNOWN,
    exp.BitString: "bit", exp.HexString: "bit", exp.ByteString: UNKNOWN, exp.RawString: UNKNOWN,
    exp.UnicodeString: UNKNOWN, exp.Interval: "interval", exp.JSONBPathExists: "bool",
}  # fmt: skip


@dataclass
class Expressions(ABC):
    """Types of expressions; `query` gives those of subqueries."""

    judge: Judge
    catalog: Catalog
    ctes: list[dict[str, Fields | None]] = field(default_factory=list)
    firsts: dict[int, Fields | None] = field(default_factory=dict)
    """The columns of first branches of set operations, by their nodes."""

    @property
    @abstractmethod
    def rules(self) -> Mapping[type[exp.Expression], Typed]:
        """What is done with nodes, by their classes."""

    @abstractmethod
    def query(self, node: exp.Expression, outer: Frame | None) -> Fields | None:
        """The columns of a query; None where they are not known."""

    def type(self, node: exp.Expression | None, frame: Frame) -> Type:
        """The type of an expression; every part of it is judged."""
        if node is None:
            return None
        cls = type(node)
        if cls in _FIXED:
            self.visit(node, frame)
            return _FIXED[cls]
        if cls in _OPERATORS:
            return self._binary(node, frame)
        rule = self.rules.get(cls)
        if rule is not None:
            return rule(self, node, frame)
        if isinstance(node, exp.Query):
            return self.scalar(node, frame)
        self.visit(node, frame)
        return None

    def given(self, nodes: list[exp.Expression], frame: Frame) -> list[tuple[exp.Expression, Type]]:
        """Expressions with their types."""
        return [(node, self.type(node, frame)) for node in nodes]

    def condition(self, node: exp.Expression | None, frame: Frame, what: str) -> None:
        """Reports what is no condition where one has to be."""
        if node is None:
            return
        kind = self.type(node, frame)
        if kind not in (None, "bool", UNKNOWN):
            title = self.catalog.title(str(kind))
            helps = ["compare it with something"]
            self.judge.refuse(f"what {what} asks must be a boolean, and this is of type {title}", node, helps)
        elif kind == UNKNOWN:
            check_literals(self.judge, self.catalog, [(node, "bool")])

    def converts(self, kind: Type, target: str) -> bool:
        """Whether a cast takes a value into a type."""
        if self.catalog.coerces(kind, target, "e"):
            return True
        return kind == "jsonb" and self.catalog.coerces("json", target, "e")

    def visit(self, node: exp.Expression, frame: Frame) -> None:
        """Judges the parts of a node."""
        for child in node.iter_expressions():
            if not isinstance(child, exp.Identifier | exp.DataType | exp.Var):
                self.type(child, frame)

    def scalar(self, node: exp.Expression, frame: Frame) -> Type:
        """The type of a subquery that stands for one value."""
        fields = self.query(node, frame)
        if fields is None:
            return None
        if len(fields) != 1:
            self.judge.refuse(f"a subquery that is one value gives one column, and this gives {len(fields)}", node)
            return None
        return "text" if fields[0][1] == UNKNOWN else fields[0][1]

    # Operators

    def _binary(self, node: exp.Expression, frame: Frame) -> Type:
        """`a + b + c …` leans to the left: from its innermost operator outwards, in a loop."""
        spine: list[exp.Expression] = [node]
        while type(spine[-1].this) in _OPERATORS:
            spine.append(spine[-1].this)
        kind = self.type(spine[-1].this, frame)
        for operator in reversed(spine):
            kind = self._operator(operator, kind, frame)
        return kind

    def _operator(self, node: exp.Expression, left: Type, frame: Frame) -> Type:
        symbol, right = _OPERATORS[type(node)], node.expression
        many = isinstance(right, exp.Any | exp.All)
        if left == "record" or isinstance(right, exp.Tuple):
            inner = right.this if many else right
            inner = inner.this if isinstance(inner, exp.Subquery | exp.Paren) else inner
            self.query(inner, frame) if isinstance(inner, exp.Query) else self.type(inner, frame)
            return "bool" if symbol in _COMPARISONS else None
        kind = self._many(right, frame) if many else self.type(right, frame)
        if kind == "record":
            return "bool" if symbol in _COMPARISONS else None
        other = right.this.unnest() if many else right
        result = operate(self.judge, self.catalog, node, symbol, [(node.this, left), (other, kind)])
        return "bool" if isinstance(node, exp.NullSafeEQ | exp.NullSafeNEQ) else result

    def _many(self, node: exp.Expression, frame: Frame) -> Type:
        """The type of the values of `ANY (…)` or `ALL (…)`."""
        inner = node.this.unnest() if isinstance(node.this, exp.Paren) else node.this
        if isinstance(inner, exp.Query):
            return self.one_column(inner, frame, 1)
        kind = self.type(inner, frame)
        if kind in (None, UNKNOWN) or kind.startswith("_"):
            return kind[1:] if kind is not None and kind.startswith("_") else None
        self.judge.refuse(f"ANY and ALL ask an array, and this is of type {self.catalog.title(kind)}", node.this)
        return None

    def one_column(self, node: exp.Expression, frame: Frame, wanted: int) -> Type:
        """The type of a subquery of one column; reports one that does not give as many as wanted."""
        fields = self.query(node, frame)
        if fields is not None and len(fields) != wanted:
            columns = "one column" if wanted == 1 else f"{wanted} columns"
            self.judge.refuse(f"the subquery must give {columns}, and gives {len(fields)}", node)
            return None
        return fields[0][1] if fields and wanted == 1 else None


def column(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    """The type of a column, whose origin is kept for grouping."""
    if not isinstance(node.this, exp.Identifier) or node.args.get("db") is not None:
        return None
    table, name = node.args.get("table"), fold(node.this)
    for level in frame.outwards():
        if table is not None:
            source = level.sources.get(fold(table))
            if source is None:
                continue
            self.judge.owners[id(node)] = Owned(level, source, name)
            return source.get(name)[1]
        if level.named and name in level.typed:
            return level.typed[name]
        holders = [s for s in level.sources.values() if s.get(name)[0]]
        if holders and (len(holders) == 1 or name in level.merged):
            self.judge.owners[id(node)] = Owned(level, holders[0], name)
            return holders[0].get(name)[1] if len(holders) == 1 else None
        opened = [s for s in level.sources.values() if s.open]
        if holders or opened:
            if not holders and len(level.sources) == 1 and level.parent is None and name not in level.sources:
                self.judge.owners[id(node)] = Owned(level, opened[0], name)
            return None
        if name in level.sources:
            return None  # the row as a whole
    return None


def fold(identifier: exp.Expression) -> str:
    """The name that PostgreSQL makes of an identifier."""
    name = str(identifier.name).removesuffix("\x01")
    return name if identifier.args.get("quoted") else name.lower()


def _literal(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    if node.is_string:
        return UNKNOWN
    text = str(node.this)
    if not text.isdigit():
        return "numeric"
    return "int4" if int(text) < 2**31 else "int8" if int(text) < 2**63 else "numeric"


def _inner(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    return self.type(node.this, frame)


def _chain(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    """AND and OR in a loop: a thousand conditions are not a thousand frames."""
    for part in node.flatten():
        self.condition(part, frame, type(node).__name__.upper())
    return "bool"


def _not(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    self.condition(node.this, frame, "NOT")
    return "bool"


def _is(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    if isinstance(node.expression, exp.Boolean):
        self.condition(node.this, frame, "IS TRUE")
    else:
        self.type(node.this, frame)
    return "bool"


def _between(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    left = (node.this, self.type(node.this, frame))
    for key, symbol in (("low", ">="), ("high", "<=")):
        side = node.args[key]
        if not isinstance(side, exp.Tuple):
            operate(self.judge, self.catalog, node, symbol, [left, (side, self.type(side, frame))])
    return "bool"


def _in(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    width = len(node.this.expressions) if isinstance(node.this, exp.Tuple) else 1
    left = self.type(node.this, frame)
    query = node.args.get("query")
    if query is not None:
        inner = query.this if isinstance(query, exp.Subquery) else query
        if left == "record" and width == 1:
            self.query(inner, frame)
            return "bool"
        right = self.one_column(inner, frame, width)
        if width == 1:
            operate(self.judge, self.catalog, node, "=", [(node.this, left), (inner, right)])
        return "bool"
    values = self.given(node.expressions, frame)
    if left is None or left == "record" or any(kind in (None, "record") for _, kind in values):
        return "bool"
    for value, kind in values:
        if kind == UNKNOWN and len({k for _, k in values if k != UNKNOWN} | {left}) > 1:
            continue
        operate(self.judge, self.catalog, node, "=", [(node.this, left), (value, kind)])
    return "bool"


def _case(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    subject = node.this
    asked = self.type(subject, frame) if subject is not None else None
    results: list[exp.Expression] = []
    for branch in node.args["ifs"]:
        if subject is None:
            self.condition(branch.this, frame, "CASE WHEN")
        else:
            pair = [(subject, asked), (branch.this, self.type(branch.this, frame))]
            operate(self.judge, self.catalog, node, "=", pair)
        results.append(branch.args["true"])
    if (default := node.args.get("default")) is not None:
        results.append(default)
    return agree(self.judge, self.catalog, node, "branches of CASE", self.given(results, frame))


def _cast(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    kind, target = self.type(node.this, frame), written(node.to)
    if target is None:
        return None
    inner = node.this.unnest()
    if kind == UNKNOWN or (isinstance(inner, exp.Literal) and kind in ("int4", "int8") and target in ("int2", "int4")):
        if isinstance(inner, exp.Literal) and literals.refused(str(inner.this), target):
            shown = f"'{inner.this}'" if inner.is_string else str(inner.this)
            self.judge.refuse(f"`{shown}` is no {self.catalog.title(target)}", inner)
    elif not (isinstance(inner, exp.Array) and not inner.expressions) and not self.converts(kind, target):
        titles = f"{self.catalog.title(str(kind))} to {self.catalog.title(target)}"
        self.judge.refuse(f"PostgreSQL cannot cast {titles}", node)
    return target


def _at_time_zone(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    given = self.given([node.args["zone"], node.this], frame)
    return call(self.judge, self.catalog, node, "timezone", given)


def _extract(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    unit = str(node.name).lower()
    if isinstance(node.this, exp.Var) and unit not in _UNITS:
        self.judge.refuse(f"`{unit}` is no part of a time", node, ["write `year`, `month`, `day`, `hour`, …"])
        return None
    pair: Given = [(node.this, UNKNOWN), (node.expression, self.type(node.expression, frame))]
    if pair[1][1] == UNKNOWN:
        return None
    return call(self.judge, self.catalog, node, "extract", pair)


def _of_parts(name: str, *keys: str) -> Typed:
    """A function that is written with words between its arguments."""

    def rule(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
        parts = [node.args[key] for key in keys if node.args.get(key) is not None]
        return call(self.judge, self.catalog, node, name, self.given(parts, frame))

    return rule


def _trim(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    names = {"LEADING": "ltrim", "TRAILING": "rtrim"}
    name = names.get(str(node.args.get("position") or "").upper(), "btrim")
    parts = [part for part in (node.this, node.expression) if part is not None]
    return call(self.judge, self.catalog, node, name, self.given(parts, frame))


def _array(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    given = self.given(node.expressions, frame)
    if any(isinstance(n, exp.Query) for n, _ in given):
        return None
    kind = agree(self.judge, self.catalog, node, "elements of ARRAY", given)
    if kind is None:
        return None
    return kind if kind.startswith("_") else f"_{'text' if kind == UNKNOWN else kind}"


def _bracket(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    base, depth, sliced = node, 0, False
    while isinstance(base, exp.Bracket):
        for index in base.expressions:
            self.type(index, frame)
            sliced = sliced or isinstance(index, exp.Slice)
        base, depth = base.this, depth + 1
    kind = self.type(base, frame)
    if kind is None or not kind.startswith("_"):
        if kind is not None and self.catalog.category(kind) in "NSDBT" and kind != UNKNOWN:
            self.judge.refuse(f"a value of type {self.catalog.title(kind)} has no elements", node)
        return kind if kind == "jsonb" else None
    return kind if sliced else kind[1:]


def _json(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    """`->` and `->>`; what stands behind them is read as a path."""
    kind = self.type(node.this, frame)
    scalar = isinstance(node, exp.JSONExtractScalar)
    if not isinstance(node.expression, exp.JSONPath):
        self.type(node.expression, frame)
    if kind not in (None, "json", "jsonb"):
        symbol, title = "->>" if scalar else "->", self.catalog.title(str(kind))
        helps = [f"cast it: `CAST(… AS jsonb) {symbol} …`"]
        if kind != UNKNOWN:
            self.judge.refuse(f"`{symbol}` reads JSON, and this is of type {title}", node, helps)
        return None
    return "text" if scalar else kind


def _exists(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    inner = node.this.this if isinstance(node.this, exp.Subquery) else node.this
    self.query(inner, frame)
    return "bool"


def _search(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    """`a @@ b`; of `@@ a`, only what is in it is judged."""
    given = self.given([part for part in (*node.expressions, node.this) if part is not None], frame)
    return operate(self.judge, self.catalog, node, "@@", given) if len(given) == 2 else None


def _negated(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    symbol = "-" if isinstance(node, exp.Neg) else "~"
    kind = self.type(node.this, frame)
    return kind if kind == UNKNOWN else operate(self.judge, self.catalog, node, symbol, [(node.this, kind)])


def _record(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    self.visit(node, frame)
    return "record"


RULES: Mapping[type[exp.Expression], Typed] = {
    exp.Column: column, exp.Literal: _literal, exp.Alias: _inner, exp.Paren: _inner, exp.Collate: _inner,
    exp.Ordered: _inner, exp.Subquery: lambda self, node, frame: self.scalar(node, frame), exp.And: _chain,
    exp.Or: _chain, exp.Not: _not, exp.Is: _is, exp.Between: _between, exp.In: _in, exp.Case: _case,
    exp.Cast: _cast, exp.TryCast: _cast, exp.AtTimeZone: _at_time_zone, exp.Extract: _extract,
    exp.Substring: _of_parts("substring", "this", "start", "length"),
    exp.StrPosition: _of_parts("position", "this", "substr"),
    exp.Overlay: _of_parts("overlay", "this", "expression", "from_", "for_"), exp.Trim: _trim, exp.Array: _array,
    exp.Bracket: _bracket, exp.JSONExtract: _json, exp.JSONExtractScalar: _json, exp.Exists: _exists,
    exp.MatchAgainst: _search, exp.Neg: _negated, exp.BitwiseNot: _negated, exp.Tuple: _record,
}  # fmt: skip
