"""Joins that merge columns, for DataFusion: it compares with the left one alone, and takes that, which may be NULL.

Each USING and NATURAL becomes the condition that it stands for, and a merged column what it shows: of a RIGHT join the
right one, of a FULL one the first of both that is not NULL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.relations import fold, shown
from flowc.compiler.sql.rewrite.core import Untranslatable
from flowc.compiler.sql.rewrite.numbers import EXACT
from flowc.compiler.sql.text.sqltext import SqlTree, copied
from flowc.compiler.systems.datafusion.rules.names import name_outputs
from flowc.diagnostics import Reporter

_WHAT = "a column without its table that a RIGHT or FULL join merges"
_STAR = "`*` of a join that merges columns"
_MEND = "write `ON a.id = b.id`, and `coalesce(a.id, b.id)` for the column"


def with_conditions(parsed: SqlTree, reporter: Reporter) -> SqlTree:
    """The query whose joins say their conditions and merge nothing; what cannot be kept is reported."""
    nodes = parsed.tree.walk()
    if not any(marks.OUTPUT_NAME.has(node) or (isinstance(node, exp.Join) and _is_other(node)) for node in nodes):
        return parsed
    root, told = exp.Paren(this=copied(parsed.tree)), set[str]()
    for node in list(root.find_all(exp.Select, exp.Column)):
        try:
            if isinstance(node, exp.Select):
                name_outputs(node)
                _say_joins(node, parsed.dialect)
                _turn_joins(node)
            elif marks.MERGED_TABLES.has(node):
                _say_column(node, root)
        except Untranslatable as refusal:
            message = f"{refusal} (from {parsed.dialect} to datafusion)"
            if message not in told:
                told.add(message)
                place = next(filter(_merges, node.find_all(exp.Join)), node)
                reporter.error("untranslatable-sql", message, parsed.span(place), helps=[refusal.fix or _MEND])
    tree = root.this
    tree.parent = None
    return replace(parsed, tree=tree)


def _is_other(join: exp.Join) -> bool:
    return _merges(join) or _side(join) == "RIGHT"


def _side(join: exp.Join) -> str:
    return (join.side or "").upper()


def _merges(join: exp.Join) -> bool:
    return bool(join.args.get("using")) or (join.method or "").upper() == "NATURAL"


def _is_of_both(join: exp.Join) -> bool:
    return _side(join) in ("RIGHT", "FULL")


def _say_joins(select: exp.Select, dialect: str) -> None:
    """Puts the conditions of joins into their places, and the columns of `*`."""
    joins = [join for join in select.find_all(exp.Join) if _merges(join) and join.parent_select is select]
    stars = [] if isinstance(select.parent, exp.Exists) else [s for s in select.expressions if isinstance(s, exp.Star)]
    if not joins:
        return
    if any(marks.MERGE_CONDITION.get(join) is None for join in joins) or (stars and dialect not in EXACT):
        if any(map(_is_of_both, joins)) and (stars or len(joins) > 1):
            raise Untranslatable(_WHAT)
        if stars and dialect in EXACT:
            raise Untranslatable(_STAR, "name the columns")
        return
    for star in (star for star in stars if marks.STAR_COLUMNS.has(star)):
        if (names := marks.STAR_COLUMNS.of(star)) is None:
            raise Untranslatable(_STAR, "name the columns")
        star.replace([_output(name, tables) for name, tables in names])
    for join in joins:
        if (on := marks.MERGE_CONDITION.of(join)) is not None:
            join.set("on", on.copy())
        join.set("using", None)
        join.set("method", None)


def _turn_joins(select: exp.Select) -> None:
    """RIGHT joins as LEFT ones of what they join to.

    The engine takes a condition of WHERE on a column of the left for one on that of its name on the right.
    """
    first = select.args.get("from_")
    chains = [] if first is None else [select, *_in_brackets(select)]
    turned = [chain for chain in chains if any(_side(join) == "RIGHT" for join in _chained(chain))]
    if not turned or not all(map(_can_turn, turned)) or not _are_listed(select, list(_tables(select))):
        return
    for chain in turned:
        _turn(chain)


def _in_brackets(node: exp.Expression) -> Iterator[exp.Subquery]:
    """The joins in parentheses that stand in a FROM, outer ones first."""
    for source in (_first(node), *(join.this for join in _chained(node))):
        if isinstance(source, exp.Subquery) and isinstance(source.this, exp.Table | exp.Subquery):
            yield source
            yield from _in_brackets(source)


def _first(chain: exp.Expression) -> exp.Expression:
    """What a list of joins begins with: that of a SELECT, or one in parentheses."""
    found = chain.args["from_"].this if isinstance(chain, exp.Select) else chain.this
    assert isinstance(found, exp.Expression)
    return found


def _chained(chain: exp.Expression) -> list[exp.Join]:
    holder = chain if isinstance(chain, exp.Select) else chain.this
    return holder.args.get("joins") or []


def _can_turn(chain: exp.Expression) -> bool:
    joins = _chained(chain)
    return len(joins) == 1 or not any(map(_merges, joins))


def _tables(chain: exp.Expression) -> Iterator[exp.Expression]:
    """What stands in a FROM and can be named, in its order."""
    for source in (_first(chain), *(join.this for join in _chained(chain))):
        if isinstance(source, exp.Subquery) and isinstance(source.this, exp.Table | exp.Subquery):
            yield from _tables(source)
        else:
            yield source


def _turn(chain: exp.Expression) -> None:
    joins, head, since = _chained(chain), _first(chain), list[exp.Expression]()
    (chain if isinstance(chain, exp.Select) else head).set("joins", None)
    for join in joins:
        since.append(join)
        if _side(join) == "RIGHT":
            *inner, _ = since
            if inner:
                head.set("joins", [*(head.args.get("joins") or ()), *inner])
                head = exp.Subquery(this=head)
            beside = join.this
            join.set("this", head)
            join.set("side", "LEFT")
            head, since = beside, [join]
    holder = chain if isinstance(chain, exp.Select) else head
    (chain.args["from_"] if isinstance(chain, exp.Select) else chain).set("this", head)
    holder.set("joins", since)


def _are_listed(select: exp.Select, tables: Sequence[exp.Expression]) -> bool:
    """Writes `*` as those of the tables, in their order; False where that cannot be."""
    stars = [one for one in select.expressions if isinstance(one, exp.Star)]
    if not stars or isinstance(select.parent, exp.Exists):
        return True
    names = [table.args["alias"].this if table.alias else table.this for table in tables]
    if any(any(star.args.values()) for star in stars) or not all(isinstance(name, exp.Identifier) for name in names):
        return False
    for star in stars:
        star.replace([exp.Column(this=exp.Star(), table=name.copy()) for name in names])
    return True


def _output(name: str, tables: Sequence[str] | None) -> exp.Expression:
    quoted = exp.to_identifier(name, quoted=True)
    return exp.alias_(shown(tables, name), quoted) if tables else exp.column(quoted)


def _say_column(column: exp.Column, root: exp.Expression) -> None:
    """Puts what a merged column shows into its place, but where it names an output."""
    tables = marks.MERGED_TABLES.of(column)
    if tables is None:
        if any(_merges(join) and _is_of_both(join) for join in root.find_all(exp.Join)):
            raise Untranslatable(_WHAT)
        return
    if _is_output(column):
        return
    new = shown(tables, fold(column.this, "datafusion"))
    new.type = column.type
    for side in new.find_all(exp.Column):
        side.type = column.type
        if marks.OUTER.has(column):
            marks.OUTER.put(side)
        marks.copy_marks(column.this, side.this)
    inner: exp.Expression = column
    while isinstance(inner.parent, exp.Paren):
        inner = inner.parent
    is_item = isinstance(inner.parent, exp.Select) and inner.arg_key == "expressions"
    column.replace(new)
    if is_item:
        whole = new if inner is column else inner
        whole.replace(exp.alias_(whole.copy(), column.this.copy()))


def _is_output(column: exp.Column) -> bool:
    """Whether a column is an output by its name: ORDER BY and DISTINCT ON look there first."""
    select, key = column.parent_select, column.parent
    while isinstance(key, exp.Paren | exp.Ordered | exp.Order | exp.Tuple):
        key = key.parent
    if not isinstance(select, exp.Select) or not (key is select or (isinstance(key, exp.Distinct))):
        return False
    clause: exp.Expression = column
    while clause.parent is not key:
        clause = clause.parent
    names = [one.alias_or_name for one in select.expressions]
    return clause.arg_key in ("order", "on") and column.name in names
