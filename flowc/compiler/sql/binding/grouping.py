"""Where aggregates and window functions may stand, and which columns a grouped query may name.

Expressions are compared by what they say, a column by where it comes from, so that `o.status` is `status`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from flowc.compiler.sql.binding.frame import Frame, Judge
from flowc.compiler.sql.binding.text import called

_SETS = (exp.GroupingSets, exp.Rollup, exp.Cube, exp.Tuple)
_AGGREGATES = ("a", "o", "h")
_CLAUSES = (("where", "WHERE"), ("group", "GROUP BY"))
_CALLS = (exp.Anonymous, exp.GroupConcat)
_LEAVES = (exp.Column, exp.Literal)
_HAVING = "an aggregate is asked in HAVING, behind GROUP BY"


def check_select(judge: Judge, node: exp.Select, frame: Frame, *, grouped: bool = True) -> None:
    """Reports aggregates where none can be, and, if `grouped`, columns that are neither grouped nor in an aggregate."""
    for key, what in _CLAUSES:
        if (part := node.args.get(key)) is not None:
            _forbid(judge, part, what, frame)
    for join in node.args.get("joins") or ():
        if (on := join.args.get("on")) is not None:
            _forbid(judge, on, "ON", frame)
    late = [*_items(node), *_listed(node.args.get("having")), *_listed(node.args.get("order"))]
    for part in late:
        _check_nested(judge, part)
    if (having := node.args.get("having")) is not None:
        _forbid_windows(judge, having, "HAVING")
    _check_positions(judge, node)
    if grouped:
        _check_grouped(judge, node, frame, late)


def _check_grouped(judge: Judge, node: exp.Select, frame: Frame, late: list[exp.Expression]) -> None:
    group, having = node.args.get("group"), node.args.get("having")
    if group is not None or having is not None or any(_has_aggregate(judge, part, frame) for part in late):
        keys = _group_keys(judge, node, frame)
        if keys is not None:
            query = _Grouped(judge, frame, keys, _output_names(node))
            for part in late:
                query.check(part)


def _items(node: exp.Select) -> list[exp.Expression]:
    return list(node.expressions)


def _listed(part: exp.Expression | None) -> list[exp.Expression]:
    if part is None:
        return []
    return list(part.expressions) if isinstance(part, exp.Order) else [part.this]


def _calls(part: exp.Expression) -> Iterator[exp.Expression]:
    """The calls in an expression, without those in subqueries."""
    pending = [part]
    while pending:
        node = pending.pop()
        if isinstance(node, _CALLS):
            yield node
        if not isinstance(node, _LEAVES):
            pending += [child for child in node.iter_expressions() if not isinstance(child, exp.Query)]


def _kind(judge: Judge, node: exp.Expression) -> str:
    """`a` for an aggregate, `w` for a window function, `s` behind it for a set of rows."""
    kind = judge.kinds.get(id(node), "")
    call = node
    while isinstance(call.parent, exp.Filter | exp.WithinGroup) and call.parent.this is call:
        call = call.parent
    over = isinstance(call.parent, exp.Window) and call.parent.this is call
    return "w" if over or kind == "w" else kind


def _is_aggregate(judge: Judge, node: exp.Expression) -> bool:
    if isinstance(node, exp.GroupConcat):
        return True
    return isinstance(node, exp.Anonymous) and _kind(judge, node)[:1] in _AGGREGATES and _kind(judge, node) != ""


def _name(node: exp.Expression) -> str:
    return called(node)[0] if isinstance(node, exp.Anonymous) else "group_concat"


def _is_of(judge: Judge, node: exp.Expression, frame: Frame) -> bool:
    """Whether an aggregate belongs to this SELECT, and not to one around it, whose columns alone it names."""
    columns = list(node.find_all(exp.Column))
    owners = [judge.owners.get(id(column)) for column in columns]
    return not columns or any(owner is not None and owner.frame is frame for owner in owners)


def _forbid(judge: Judge, part: exp.Expression, what: str, frame: Frame) -> None:
    for node in _calls(part):
        kind, name = _kind(judge, node), _name(node)
        if kind == "w":
            helps = ["compute it in a subquery or a CTE, and ask it outside"]
            judge.refuse(f"the window function `{name}` cannot be in {what}", node, helps)
        elif _is_aggregate(judge, node) and _is_of(judge, node, frame):
            helps = [_HAVING] if what == "WHERE" else ["compute it in a subquery or a CTE"]
            judge.refuse(f"the aggregate `{name}` cannot be in {what}", node, helps)
        elif kind.endswith("s") and what == "WHERE":
            judge.refuse(f"`{name}` gives rows, and cannot be in {what}", node, ["put it in FROM"])


def _forbid_windows(judge: Judge, part: exp.Expression, what: str) -> None:
    for node in _calls(part):
        if _kind(judge, node) == "w":
            helps = ["compute it in a subquery or a CTE, and ask it outside"]
            judge.refuse(f"the window function `{_name(node)}` cannot be in {what}", node, helps)


def _check_nested(judge: Judge, part: exp.Expression) -> None:
    for node in _calls(part):
        outer, is_window = _is_aggregate(judge, node), _kind(judge, node) == "w"
        if not outer and not is_window:
            continue
        for inner in (n for a in node.iter_expressions() for n in _calls(a)):
            if outer and (_is_aggregate(judge, inner) or _kind(judge, inner) == "w"):
                message = f"`{_name(inner)}` cannot be inside of the aggregate `{_name(node)}`"
                judge.refuse(message, inner, ["compute it in a subquery or a CTE first"])
            elif is_window and _kind(judge, inner) == "w":
                message = f"the window function `{_name(inner)}` cannot be inside of another"
                judge.refuse(message, inner, ["compute it in a subquery or a CTE first"])


def _has_aggregate(judge: Judge, part: exp.Expression, frame: Frame) -> bool:
    return any(_is_aggregate(judge, node) and _is_of(judge, node, frame) for node in _calls(part))


def _check_positions(judge: Judge, node: exp.Select) -> None:
    """`ORDER BY 3` of two columns."""
    if any(isinstance(n, exp.Star) or isinstance(n.this, exp.Star) for n in node.expressions):
        return
    order, group = node.args.get("order"), node.args.get("group")
    for part in [*(o.this for o in _listed(order)), *(group.expressions if group is not None else ())]:
        if isinstance(part, exp.Literal) and not part.is_string and str(part.this).isdigit():
            size = len(node.expressions)
            if not 1 <= int(part.this) <= size:
                judge.refuse(f"position {part.this} is not in the list of {size} columns", part)


def _output_names(node: exp.Select) -> frozenset[str]:
    return frozenset(e.alias.lower() for e in node.expressions if isinstance(e, exp.Alias))


# Keys


def _group_keys(judge: Judge, node: exp.Select, frame: Frame) -> set[object] | None:
    """What the query is grouped by; None where that cannot be told."""
    group = node.args.get("group")
    if group is None:
        return set()
    if group.args.get("all") or group.args.get("totals"):
        return None
    found: set[object] = set()
    pending = [*group.expressions]
    for key in ("grouping_sets", "rollup", "cube"):
        part = group.args.get(key)
        pending += part if isinstance(part, list) else []
    while pending:
        part = pending.pop()
        if isinstance(part, _SETS) or (isinstance(part, exp.Anonymous) and called(part)[0] in ("rollup", "cube")):
            pending += part.expressions
            continue
        target = _meant(part, node, frame)
        if target is None:
            return None
        found.add(key_of(judge, target))
    return found


def _meant(part: exp.Expression, node: exp.Select, frame: Frame) -> exp.Expression | None:
    """The expression that GROUP BY names by a position or by an output name."""
    part = part.unnest()
    if isinstance(part, exp.Literal) and not part.is_string:
        index = int(part.this) - 1 if str(part.this).isdigit() else -1
        item = node.expressions[index] if 0 <= index < len(node.expressions) else None
        starred = any(isinstance(n, exp.Star) or isinstance(n.this, exp.Star) for n in node.expressions)
        return None if item is None or starred else item.unalias()
    if isinstance(part, exp.Column) and part.args.get("table") is None and isinstance(part.this, exp.Identifier):
        name = part.name if part.this.args.get("quoted") else part.name.lower()
        if not any(source.get(name)[0] for source in frame.sources.values()):
            return frame.aliases.get(name, part)
    return part


def key_of(judge: Judge, node: exp.Expression) -> object:
    """What an expression says, in a form that can be compared."""
    node = node.unnest() if isinstance(node, exp.Paren) else node
    if isinstance(node, exp.Column):
        owner = judge.owners.get(id(node))
        if owner is not None:
            same = owner.name in owner.frame.merged
            return "merged" if same else id(owner.source), owner.name
        return node.sql().lower()
    if isinstance(node, exp.Alias):
        return key_of(judge, node.this)
    parts = [
        (key, key_of(judge, child) if isinstance(child, exp.Expression) else str(child).lower())
        for key, value in node.args.items()
        for child in (value if isinstance(value, list) else [value])
        if child is not None and child is not False
    ]
    return type(node).__name__, *parts


@dataclass
class _Grouped:
    """A SELECT with groups: what it names must be a key, or inside of an aggregate."""

    judge: Judge
    frame: Frame
    keys: set[object]
    outputs: frozenset[str]

    def check(self, part: exp.Expression) -> None:
        """Reports the columns of an expression that are neither."""
        node = part.this if isinstance(part, exp.Ordered) else part
        if isinstance(part, exp.Ordered) and isinstance(node, exp.Column) and node.name.lower() in self.outputs:
            return
        self._visit(node)

    def _visit(self, node: exp.Expression) -> None:
        if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
            return self._star(node)
        if isinstance(node, exp.Column):
            return self._column(node)
        if not isinstance(node, exp.Alias) and key_of(self.judge, node) in self.keys:
            return None
        if isinstance(node, exp.Filter | exp.WithinGroup) and _is_aggregate(self.judge, _innermost(node)):
            return None
        if _is_aggregate(self.judge, node) and _is_of(self.judge, node, self.frame):
            return None
        if isinstance(node, exp.Anonymous) and called(node)[0] == "grouping":
            return None
        for child in node.iter_expressions():
            if not isinstance(child, exp.Identifier | exp.Var | exp.DataType):
                self._visit(child)
        return None

    def _column(self, node: exp.Expression) -> None:
        owner = self.judge.owners.get(id(node))
        if owner is None or owner.frame is not self.frame or key_of(self.judge, node) in self.keys:
            return
        if self._depends(owner.source):
            return
        helps = [f"add `{node.sql('postgres')}` to GROUP BY, or put it into an aggregate"]
        self.judge.refuse(f"column `{node.name}` is neither in GROUP BY nor in an aggregate", node, helps)

    def _depends(self, source: object) -> bool:
        """Whether the keys hold the primary key of a relation, on which all its columns depend."""
        for one in self.frame.sources.values():
            if one is source:
                held = [name for name, _ in one.fields if self._is_key(one, name)]
                if one.key is None:
                    return bool(self.keys)
                return bool(one.key) and set(one.key) <= set(held)
        return True

    def _is_key(self, source: object, name: str) -> bool:
        merged = name in self.frame.merged and ("merged", name) in self.keys
        return merged or (id(source), name) in self.keys

    def _star(self, node: exp.Expression) -> None:
        if isinstance(node.parent, exp.Anonymous):
            return
        table = node.args.get("table")
        chosen = [s for key, s in self.frame.sources.items() if table is None or key == table.name.lower()]
        for source in chosen:
            if source.open or self._depends(source):
                continue
            missing = [name for name, _ in source.fields if not self._is_key(source, name)]
            if missing:
                helps = ["name the columns that are grouped"]
                message = f"`*` holds column `{missing[0]}`, which is neither in GROUP BY nor in an aggregate"
                self.judge.refuse(message, node, helps)
                return


def _innermost(node: exp.Expression) -> exp.Expression:
    while isinstance(node, exp.Filter | exp.WithinGroup):
        node = node.this
    return node
