"""Calls in PostgreSQL's SQL: by name, over windows, with FILTER and WITHIN GROUP."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from flowc.compiler.sql.binding.calls import agree, call, operate
from flowc.compiler.sql.binding.catalog import UNKNOWN
from flowc.compiler.sql.binding.expressions import Expressions, Typed
from flowc.compiler.sql.binding.frame import Frame
from flowc.compiler.sql.binding.resolve import Type
from flowc.compiler.sql.binding.text import called

_BRANCHES = {"coalesce": "arguments of COALESCE", "greatest": "arguments of GREATEST", "least": "arguments of LEAST"}
_OWN_GRAMMAR = frozenset(
    ("grouping", "xmlforest", "xmlconcat", "xmlattributes", "xmlparse", "xmlroot", "xmlserialize", "xmlexists", "xmlpi",
     "json_object", "json_array", "json_objectagg", "json_arrayagg", "json_value", "json_query", "json_exists",
     "json_scalar", "json_serialize", "json", "json_table", "merge_action", "normalize", "treat", "collation",
     "variadic", "operator", "values", "interval", "xmltable", "rollup", "cube")
)  # fmt: skip
_TIMES = {
    "current_timestamp": "timestamptz", "current_time": "timetz", "localtime": "time", "localtimestamp": "timestamp",
}  # fmt: skip


def arguments(node: exp.Expression) -> list[exp.Expression]:
    """The arguments of a call, without the words around them."""
    found: list[exp.Expression] = []
    for argument in node.expressions:
        inner = argument.this if isinstance(argument, exp.Order) else argument
        found += inner.expressions if isinstance(inner, exp.Distinct) else [inner]
    return found


def _anonymous(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    assert isinstance(node, exp.Anonymous)
    name, quoted = called(node)
    _visit_order(self, node, frame)
    given = self.given([a for a in arguments(node) if not isinstance(a, exp.Star)], frame)
    if len(given) < len(arguments(node)):
        return _of_star(self, node, name)
    if (
        quoted
        or name in _OWN_GRAMMAR
        or any(isinstance(a, exp.Kwarg | exp.PropertyEQ | exp.Variadic) for a, _ in given)
    ):
        return None
    if name in _BRANCHES:
        return agree(self.judge, self.catalog, node, _BRANCHES[name], given)
    if name == "nullif" and len(given) == 2:
        operate(self.judge, self.catalog, node, "=", given)
        return "text" if given[0][1] == UNKNOWN else given[0][1]
    if name == "row":
        return "record"
    if name == "array":
        return _array_of_query(self, node, given[0][1] if given else None)
    if name in _TIMES:
        return _TIMES[name]
    result = call(self.judge, self.catalog, node, name, given)
    if self.judge.kinds.get(id(node)) == "w" and not _has_window(node):
        helps = [f"say over which rows: `{name}(…) OVER (ORDER BY …)`"]
        self.judge.refuse(f"the window function `{name}` needs OVER", node, helps)
    return result


def _of_star(self: Expressions, node: exp.Anonymous, name: str) -> Type:
    """`count(*)`; other aggregates take no star, but of a row."""
    if name == "count":
        self.judge.kinds[id(node)] = "a"
        return "int8"
    if not self.catalog.functions(name):
        return call(self.judge, self.catalog, node, name, [])
    self.judge.kinds[id(node)] = self.catalog.functions(name)[0].kind
    return None


def _has_window(node: exp.Expression) -> bool:
    while isinstance(node.parent, exp.Filter | exp.WithinGroup):
        node = node.parent
    return isinstance(node.parent, exp.Window)


def _array_of_query(self: Expressions, node: exp.Expression, kind: Type) -> Type:
    return kind if kind is None or kind.startswith("_") else f"_{kind}"


def _visit_order(self: Expressions, node: exp.Expression, frame: Frame) -> None:
    for argument in node.expressions:
        if isinstance(argument, exp.Order):
            self.given(argument.expressions, frame)


def _dot(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    """A call with a schema; those of the database's own are not known."""
    if isinstance(node.expression, exp.Anonymous):
        if node.this.name.lower() == "pg_catalog":
            return self.type(node.expression, frame)
        self.visit(node.expression, frame)
        return None
    self.type(node.this, frame)
    return None


def _window(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    kind = self.type(node.this, frame)
    inner = node.this.this if isinstance(node.this, exp.Filter) else node.this
    if isinstance(inner, exp.Anonymous) and self.judge.kinds.get(id(inner)) == "f":
        name = called(inner)[0]
        self.judge.refuse(f"`{name}` is no window function, and has OVER behind it", node, ["leave out OVER"])
    for key in ("partition_by", "order", "spec"):
        part = node.args.get(key)
        for child in part if isinstance(part, list) else [part] if part is not None else []:
            self.visit(child, frame) if isinstance(child, exp.Order | exp.WindowSpec) else self.type(child, frame)
    return kind


def _filter(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    kind = self.type(node.this, frame)
    self.condition(node.expression.this, frame, "FILTER")
    if isinstance(node.this, exp.Anonymous) and self.judge.kinds.get(id(node.this)) in ("f", "w"):
        name = called(node.this)[0]
        self.judge.refuse(f"`{name}` is no aggregate, and has FILTER behind it", node, ["use CASE"])
    return kind


def _within(self: Expressions, node: exp.Expression, frame: Frame) -> Type:
    """An aggregate over an ordered set takes what it is ordered by as its last arguments."""
    if not isinstance(node.this, exp.Anonymous) or not isinstance(node.expression, exp.Order):
        self.visit(node, frame)
        return None
    name, quoted = called(node.this)
    given = self.given([*node.this.expressions, *(o.this for o in node.expression.expressions)], frame)
    self.judge.kinds[id(node.this)] = "o"
    candidates = [] if quoted else self.catalog.functions(name)
    if any(candidate.kind == "h" for candidate in candidates):
        return None
    return None if quoted else call(self.judge, self.catalog, node.this, name, given)


CALLS: Mapping[type[exp.Expression], Typed] = {
    exp.Anonymous: _anonymous, exp.Dot: _dot, exp.Window: _window, exp.Filter: _filter, exp.WithinGroup: _within,
}  # fmt: skip
