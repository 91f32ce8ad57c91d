"""What AND, OR and CASE do not ask for, and DataFusion computes for all rows of a batch: it fails in none of them.

Its AND looks at the right side of all rows when some pass the left one, and its optimizer makes AND and OR of a CASE of
conditions. A CASE with a value behind it stays what it is.
"""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import INTEGERS, Answer, Pair, Rules, build, type_of
from flowc.compiler.sql.rewrite.failures import is_never_zero
from flowc.compiler.sql.rewrite.numbers import values_of
from flowc.compiler.sql.rewrite.undefined import by_zero, engine_by_zero, kept

_DIVISIONS = (exp.Div, exp.IntDiv, exp.Mod)
_OF_NUMBERS = (*_DIVISIONS, exp.Sqrt, exp.Ln, exp.Log, exp.Exp, exp.Pow)
_CONDITIONS = (exp.Predicate, exp.Connector, exp.Not, exp.Boolean)


def _chain(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A row of AND or OR in which each part that may fail is asked for where those before it leave it undecided."""
    assert isinstance(node, exp.Connector)
    if type(node.parent) is type(node):
        return None
    fails = [_may_fail(part, pair) for part in node.flatten(unnest=False)]
    if not any(fails[1:]):
        return None
    new, is_and = node.copy(), isinstance(node, exp.And)
    before, failing = list[exp.Expression](), list[exp.Expression]()
    for part, fail in zip(list(new.flatten(unnest=False)), fails, strict=True):
        if not fail:
            before += [] if part.find(exp.Query) else [part]
            continue
        guarded = part.copy()
        for guard in reversed(failing[-_NESTED:]):
            guarded = _where_undecided(guarded, [guard], is_and=is_and)
        failing += [] if part.find(exp.Query) else [part.copy()]
        part.replace(_where_undecided(guarded, before, is_and=is_and) if before else guarded)
    return new


_NESTED = 4
"""So many parts that may fail are asked before another one: each is computed again there."""


def _where_undecided(part: exp.Expression, before: list[exp.Expression], *, is_and: bool) -> exp.Expression:
    guard = (exp.and_ if is_and else exp.or_)(*before)
    decided = exp.If(this=exp.false() if is_and else exp.true(), true=exp.null())
    return exp.Case(this=exp.paren(guard, copy=False), ifs=[decided], default=part.copy())


def _having(node: exp.Expression, pair: Pair) -> None:
    """Parts of HAVING that may fail and gather nothing, which the engine asks of rows that WHERE leaves out."""
    bare = node.this.unnest()
    for part in list(bare.flatten()) if isinstance(bare, exp.And) else [bare]:
        if _may_fail(part, pair) and not part.find(exp.AggFunc, exp.Query):
            part.replace(build(_IN_GROUPS, "datafusion", part=part))


_IN_GROUPS = "CASE COUNT(*) < 0 WHEN TRUE THEN NULL ELSE :part END"


def _may_fail(part: exp.Expression, pair: Pair) -> bool:
    """Whether the engine itself fails in a part for some values."""
    for node in part.walk(prune=lambda each: isinstance(each, exp.Query)):
        if isinstance(node, _DIVISIONS) and not is_never_zero(node.expression):
            wanted = kept(by_zero(node, pair.source), pair.engine)
            if wanted is Answer.FAILS and engine_by_zero(node, pair) is Answer.FAILS:
                return True
        if _reads_text(node) or _is_partly_defined(node):
            return True
    return False


def _is_partly_defined(node: exp.Expression) -> bool:
    """Whether it is a function that fails for some values, of a value that is not written out."""
    if isinstance(node, _OF_NUMBERS) and not isinstance(node, _DIVISIONS):
        return node.find(exp.Column) is not None
    if isinstance(node, exp.Cast) and not isinstance(node, exp.TryCast):
        return type_of(node) in INTEGERS and type_of(node.this) in exp.DataType.REAL_TYPES
    if isinstance(node, exp.Substring):
        length = node.args.get("length")
        return length is not None and length.find(exp.Column) is not None
    return isinstance(node, exp.StrToDate | exp.StrToTime) and not isinstance(node.this, exp.Literal)


def _reads_text(node: exp.Expression) -> bool:
    if not isinstance(node, exp.Cast) or isinstance(node, exp.TryCast) or isinstance(node.this, exp.Literal):
        return False
    texts = exp.DataType.TEXT_TYPES
    return type_of(node.this) in texts and type_of(node) not in texts


def _case(node: exp.Expression, pair: Pair) -> None:
    """A CASE of conditions, a part of which may fail."""
    values = values_of(node)
    is_condition = type_of(node) is exp.DataType.Type.BOOLEAN or isinstance(values[0].unnest(), _CONDITIONS)
    tests = [branch.this for branch in node.args["ifs"][1:]]
    if node.this is None and is_condition and any(map(_is_partial, [*values, *tests])):
        node.set("this", exp.true())


def _is_partial(value: exp.Expression) -> bool:
    return any(isinstance(node, _OF_NUMBERS) or _reads_text(node) for node in value.walk())


LAZY: Rules = {**dict.fromkeys((exp.And, exp.Or), (_chain,)), exp.Case: (_case,), exp.Having: (_having,)}
"""Of the author's own words, before any of them is reworded."""
