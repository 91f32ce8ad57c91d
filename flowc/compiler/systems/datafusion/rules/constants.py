"""What DataFusion's optimizer takes constants for, wrongly: out of its sight.

It takes a column that is the same in all rows of the side of an outer join that may be missing for the same in all
rows of the join, where it may be NULL: it leaves that out of orders, and tells groups apart without it. So literals
there are computed for each row, and a condition that leaves one value of a column stands in a test that says nothing
of it.

A condition that reads no column goes below aggregates of no rows, which are one row; and one of a join whose literal
is on the left is another one than that whose literal is on the right.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import build

_HIDDEN = "CASE WHEN RANDOM() < 2 THEN :value END"
"""It is computed anew for each row, as far as the engine knows, and costs little."""


def hide_constants(tree: exp.Expression) -> None:
    """Changes a reworded query in place."""
    found = list(tree.find_all(exp.Select, exp.Join))
    selects = [node for node in found if isinstance(node, exp.Select)]
    joins = [node for node in found if isinstance(node, exp.Join)]
    for join in joins:
        for test in list(_tests(join.args.get("on"))):
            _settle(test)
    for select in selects if len(selects) > 1 else ():
        _stay(select)
    if any(map(_is_outer, joins)):
        missing = {id(source) for join in joins for source in _may_be_missing(join)}
        for select in selects:
            within = _is_among(select, missing) or select.find_ancestor(exp.CTE) is not None
            if within and _is_rows(select):
                _hide_literals(select)
            _hide_conditions(select, missing, within=within)


def _stay(select: exp.Select) -> None:
    """Keeps conditions in their place that read a value of another query, and no column of their own."""
    places = [(part, select.args[part], "this") for part in ("having", "where") if select.args.get(part) is not None]
    for name, place, key in [*places, *(("on", join, "on") for join in _joins(select))]:
        for test in list(_tests(place.args.get(key))):
            is_value = any(not isinstance(each.parent, exp.In) for each in test.find_all(exp.Subquery))
            if not is_value or any(_is_read(column, test) for column in test.find_all(exp.Column)):
                continue
            if (anchor := _anchor(select, name)) is not None:
                test.replace(build(_STAYS, "datafusion", anchor=anchor, test=test))


def _anchor(select: exp.Select, part: str) -> exp.Expression | None:
    """A test of something that a part of a query can read; None where nothing is known."""
    if part == "having":
        return build(_GROUPED, "datafusion")
    own = next((column for column in _read(select) if not marks.OUTER.has(column)), None)
    return None if own is None else exp.Is(this=own.copy(), expression=exp.null())


_GROUPED = "COUNT(*) < 0"
_STAYS = "CASE WHEN :anchor THEN :test ELSE (:test) IS TRUE END"


def _read(select: exp.Select) -> Iterator[exp.Column]:
    """The columns that its outputs and conditions read."""
    parts = [*select.expressions, select.args.get("where"), *(join.args.get("on") for join in _joins(select))]
    for part in parts:
        if part is not None:
            yield from (column for column in part.find_all(exp.Column) if column.parent_select is select)


def _settle(test: exp.Expression) -> None:
    """Turns a comparison of a join whose literal is on the left, and hides that a condition is never true."""
    bare = test.unnest()
    if isinstance(bare, exp.Is | exp.Boolean) or bare.find(exp.Query):
        return
    sides = [bare.this, bare.expression] if type(bare) in _TURNED else []
    read = [side.find(exp.Column) is not None for side in sides]
    if all(read) and read:
        return
    if any(read):
        own, other = (sides[0], sides[1]) if read[0] else (sides[1], sides[0])
        if other.find(exp.Null, exp.Nullif):
            test.replace(build(_ASKED, "datafusion", test=test, own=own))
        elif not read[0] and isinstance(other.unnest(), exp.Literal | exp.Neg | exp.Cast):
            bare.replace(_TURNED[type(bare)](this=own.copy(), expression=other.copy()))
    elif test.find(exp.Column) is None and not (isinstance(bare, exp.EQ) and sides[0] == sides[1]):
        select = test.find_ancestor(exp.Select)
        if isinstance(select, exp.Select) and (anchor := _anchor(select, "on")) is not None:
            test.replace(build(_ASKED, "datafusion", test=test, own=anchor.this))


_ASKED = (
    "GREATEST(RANDOM(), CASE WHEN (:test) IS TRUE THEN 0 ELSE 1 END, CASE WHEN :own IS NULL THEN 0.5 ELSE 0 END) < 1"
)
"""As a condition, for each row: a constant is asked for above an aggregate, which gives a row of none."""
_TURNED = {
    exp.EQ: exp.EQ, exp.NEQ: exp.NEQ, exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE,
}  # fmt: skip


def _is_read(column: exp.Expression, test: exp.Expression) -> bool:
    """Whether a condition reads a column of its own query, and be it by a query within."""
    return marks.OUTER.has(column) or column.find_ancestor(exp.Query) is test.find_ancestor(exp.Query)


def _is_outer(join: exp.Join) -> bool:
    return (join.side or "").upper() in ("LEFT", "RIGHT", "FULL") and not join.kind


def _may_be_missing(join: exp.Join) -> Iterator[exp.Expression]:
    """What a join gives NULL for where it finds no row."""
    side = (join.side or "").upper() if _is_outer(join) else ""
    if side in ("LEFT", "FULL"):
        yield join.this
    if side in ("RIGHT", "FULL") and join.parent is not None:
        first = join.parent.args.get("from_")
        yield first.this if first is not None else join.parent
        for other in join.parent.args["joins"]:
            if other is join:
                break
            yield other.this


def _is_among(node: exp.Expression | None, sources: set[int]) -> bool:
    """Whether it is one of some nodes, or in one."""
    while node is not None and id(node) not in sources:
        node = node.parent
    return node is not None


def _is_rows(select: exp.Select) -> bool:
    """Whether it stands in a FROM, not in a condition or for a value."""
    around = select.parent
    while isinstance(around, exp.Subquery | exp.SetOperation):
        around = around.parent
    return isinstance(around, exp.From | exp.Join | exp.CTE)


def _hide_literals(select: exp.Select) -> None:
    for item in list(select.expressions):
        value = item.unalias()
        if _is_constant(value):
            hidden = build(_HIDDEN, "datafusion", value=value)
            if isinstance(item, exp.Alias):
                item.set("this", hidden)
            else:
                item.replace(exp.alias_(hidden, item.alias_or_name or item.sql("datafusion"), quoted=True))


def _is_constant(value: exp.Expression) -> bool:
    """Whether the engine can see that a value is the same in all rows, and no NULL."""
    if isinstance(value, exp.Paren | exp.Cast):
        return _is_constant(value.this)
    if isinstance(value, exp.Coalesce) and _is_constant(value.this):
        return True
    if isinstance(value, exp.Window):
        return not (value.args.get("partition_by") or value.args.get("order"))
    if isinstance(value, exp.Null | exp.Star) or value.find(exp.Query, exp.Explode, exp.Unnest):
        return False
    if any(isinstance(each.parent, exp.Window) is False for each in value.find_all(exp.AggFunc)):
        return False
    columns = value.find(exp.Column, exp.Star)
    return columns is None or any(map(_is_constant, value.find_all(exp.Window)))


def _hide_conditions(select: exp.Select, missing: set[int], *, within: bool) -> None:
    own = [join for join in _joins(select) if _is_outer(join)]
    deep = within or any(map(_is_outer, _sources_joins(select)))
    if not own and not deep:
        return
    keys = {column.name.lower() for join in own for column in _columns_of(join)}
    merges = any((join.method or "").upper() == "NATURAL" for join in own)
    places = [(select.args[part], "this") for part in ("where", "having") if select.args.get(part)]
    places += [(join, "on") for join in _joins(select) if join.args.get("on") is not None]
    single = not select.args.get("joins") and (_is_rows(select) or select.parent_select is None)
    for place, key in places:
        for test in list(_tests(place.args[key])):
            named = any(column.name.lower() in keys for column in test.find_all(exp.Column))
            joined = isinstance(place, exp.Join) and (_is_outer(place) or _is_among(place, missing))
            always = deep or merges or joined
            if (always or named) and _says(test, single=single):
                test.replace(exp.Is(this=exp.paren(test.copy(), copy=False), expression=exp.true()))


def _joins(select: exp.Expression) -> Iterator[exp.Join]:
    """The joins of its FROM, with those in parentheses."""
    nodes = [node for node in (select.args.get("from_"), *(select.args.get("joins") or ())) if node is not None]
    while nodes:
        node = nodes.pop()
        if isinstance(node, exp.Join):
            yield node
        source = node.this
        while isinstance(source, exp.Subquery) and isinstance(source.this, exp.Table | exp.Subquery):
            nodes += source.args.get("joins") or ()
            source = source.this
        nodes += source.args.get("joins") or ()


def _sources_joins(select: exp.Select) -> Iterator[exp.Join]:
    """The joins of queries in its FROM."""
    own = {id(join) for join in _joins(select)}
    for node in (select.args.get("from_"), *(select.args.get("joins") or ())):
        if node is not None:
            yield from (join for join in node.this.find_all(exp.Join) if id(join) not in own)


def _columns_of(join: exp.Join) -> Iterator[exp.Expression]:
    if join.args.get("on") is not None:
        yield from join.args["on"].find_all(exp.Column)
    yield from join.args.get("using") or ()


def _tests(condition: exp.Expression | None) -> Iterator[exp.Expression]:
    """The conditions that AND joins."""
    bare = condition
    while isinstance(bare, exp.Paren):
        bare = bare.this
    if isinstance(bare, exp.And):
        for side in (bare.this, bare.expression):
            yield from _tests(side)
    elif condition is not None:
        yield condition


def _says(test: exp.Expression, *, single: bool) -> bool:
    """Whether a condition may leave one value of a column, and joins no tables."""
    bare = test.unnest()
    if isinstance(bare, exp.Is | exp.Boolean) or test.find(exp.Query, exp.AggFunc) or test.find(exp.Column) is None:
        return False
    if not isinstance(bare, exp.EQ) or single:
        return True
    return not all(side.find(exp.Column) for side in (bare.this, bare.expression))
