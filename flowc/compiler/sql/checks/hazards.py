"""What a translation would lose or change, found in the author's tree.

sqlglot writes a function it does not know as it stands, and some that it knows with another meaning. Each rule looks at
one kind of node and says why it cannot be kept, or nothing. Rules come from running the translation corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from flowc.compiler.dialects import RUNNER
from flowc.compiler.sql import marks
from flowc.compiler.sql.binding import catalogued
from flowc.compiler.sql.rewrite.functions import known_functions
from flowc.compiler.sql.rewrite.rewrite import ENGINES
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.diagnostics import Reporter, did_you_mean
from flowc.source import Span

Rule = Callable[[exp.Expression, str, str], str | None]

_REAL = (exp.DType.DOUBLE, exp.DType.FLOAT, exp.DType.DECIMAL)
_INTEGER = (exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT, exp.DType.INT128)


def report_hazards(parsed: SqlTree, engine: str, reporter: Reporter) -> None:
    """Reports every construct whose translation to `engine` is not known to mean the same."""
    doubts = ENGINES[engine].doubt
    for node in parsed.tree.walk():
        rule = RULES.get(type(node))
        reason = rule(node, parsed.dialect, engine) if rule else None
        if not reason and (doubt := doubts(node)):
            reason = f"{doubt} of {parsed.dialect} is not known to mean the same in {engine}"
        if reason and rule is _unknown_function:
            report_missing(str(node.this), parsed.dialect, engine, parsed.span(node), reporter)
        elif reason:
            reporter.error("untranslatable-sql", reason, parsed.span(node), helps=_written_in(engine))


def report_missing(
    name: str, dialect: str, engine: str, span: Span, reporter: Reporter, *, written: bool = True
) -> None:  # fmt: skip
    """Reports a function that is called in a dialect and cannot be in `engine`: for there is none, or none there.

    One that is not `written` by the author stands for another one.
    """
    of_dialect, of_engine = _all_of(dialect), known_functions(engine) or frozenset()
    if written and of_dialect is not None and name.lower() not in of_dialect:
        title = ENGINES[dialect].title if dialect in ENGINES else dialect
        message = f"{title} has no function `{name}`"
        reporter.error("unknown-function", message, span, helps=did_you_mean(name, of_dialect))
    elif written and engine == RUNNER and name.lower() not in of_engine:
        helps = did_you_mean(name, of_engine) if of_dialect is None else ()
        reporter.error("untranslatable-sql", f"{ENGINES[engine].title} has no `{name}`", span, helps=helps)
    else:
        message = f"`{name}` of {dialect} has no translation to {engine}"
        reporter.error("untranslatable-sql", message, span, helps=_written_in(engine))


@cache
def _all_of(dialect: str) -> frozenset[str] | None:
    """The functions of a dialect with those of its extensions; None for one of which no list is kept."""
    known, more = known_functions(dialect), catalogued(dialect)
    return more.union(known or ()) if more else known


def _written_in(engine: str) -> tuple[str, ...]:
    return (f"write it in {engine}'s SQL and say `dialect: {engine}`",)


def _unknown_function(node: exp.Expression, dialect: str, engine: str) -> str | None:
    name = str(node.this).lower()
    if marks.GENERATED.has(node) or name in ENGINES[engine].portable or _beyond(name, dialect, engine):
        return None
    return f"`{name}` of {dialect} has no translation to {engine}"


def _beyond(name: str, dialect: str, engine: str) -> bool:
    """Whether an engine of flowc's own has a function that the dialect has not: there is nothing else it could mean."""
    return engine == RUNNER and name in (known_functions(engine) or ()) and name not in _names_of(dialect)


def _names_of(dialect: str) -> frozenset[str]:
    """The functions of a dialect; where they are not known, those of the engine, of which none is beyond it then."""
    return known_functions(dialect) or known_functions(RUNNER) or frozenset()


def _division(node: exp.Expression, dialect: str, engine: str) -> str | None:
    """Where whole numbers divide to a whole number and the engine would give a fraction, types must be known."""
    if marks.GENERATED.has(node) or not node.args.get("typed") or Dialect.get_or_raise(engine).TYPED_DIVISION:
        return None
    left, right = node.this, node.expression
    if any(_is(side, *_REAL) for side in (left, right)) or all(_is(side, *_INTEGER) for side in (left, right)):
        return None
    return f"whole numbers divide to a whole number in {dialect}, but not in {engine}, and the types are not known"


def _is(node: exp.Expression, *kinds: exp.DType) -> bool:
    inner = node.unnest()
    if isinstance(inner, exp.Literal) and not inner.is_string:
        return bool((exp.DType.INT if inner.is_int else exp.DType.DOUBLE) in kinds)
    return bool(inner.is_type(*kinds) or node.is_type(*kinds))


RULES: Mapping[type[exp.Expression], Rule] = {
    exp.Anonymous: _unknown_function,
    exp.Div: _division,
}
