"""SQL of one dialect as SQL of another, or a diagnostic: nothing is dropped and no meaning changes in silence.

The tree is first rewritten, so that the engine computes what the author's dialect says; what is then left that is not
known to mean the same is refused; sqlglot writes the rest.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlglot import exp
from sqlglot.errors import TokenError, UnsupportedError

from flowc.compiler.dialects import RUNNER, as_read
from flowc.compiler.sql.checks.hazards import report_hazards, report_missing
from flowc.compiler.sql.checks.misread import report_misread
from flowc.compiler.sql.rewrite.functions import missing_functions, names_of_relations
from flowc.compiler.sql.rewrite.rewrite import rewritten
from flowc.compiler.sql.text.allowance import Allowance, TooLarge, Unwritten
from flowc.compiler.sql.text.sqltext import SqlTree, names_in
from flowc.compiler.sql.types.arguments import report_arguments
from flowc.compiler.systems.datafusion.rules.joins import with_conditions
from flowc.compiler.systems.datafusion.rules.json import is_json, numbered, with_json
from flowc.compiler.systems.datafusion.sqlglot import DataFusion
from flowc.diagnostics import Reporter

MOST_TERMS = 500
"""In a row of operators: the engine takes a time for it that grows with the square of their number."""

_NAMED = ("compute the inner calls in a CTE: `WITH part AS (SELECT round(a) AS b …) SELECT round(b) … FROM part`",)
_SHARED = ("make the SQL smaller that is reported before, or give it a project of its own",)

__all__ = ["DataFusion", "translate", "translate_expression"]


def translate(parsed: SqlTree, engine: str, reporter: Reporter, allowance: Allowance | None = None) -> str | None:
    """The query for `engine` (a sqlglot dialect), verbatim when it was written for it; None after an error.

    The allowance is that of the project that the query is of. Types that were inferred and left on the tree's nodes say
    what cannot be seen in the text.
    """
    if parsed.dialect == engine and not (engine == RUNNER and any(map(is_json, parsed.tree.walk()))):
        return as_read(parsed.text.text, engine)
    return translate_expression(parsed, engine, reporter, allowance)


def translate_expression(
    parsed: SqlTree, engine: str, reporter: Reporter, allowance: Allowance | None = None
) -> str | None:
    """The tree as text for `engine`; None after an error. Once the allowance is spent, everything is one."""
    before, allowance = reporter.errors, allowance or Allowance()
    if allowance.spent:
        _report_spent(parsed, engine, reporter)
    if allowance.spent or _is_too_long(parsed, engine, reporter):
        return None
    if parsed.dialect != engine or engine == RUNNER:
        report_arguments(parsed, reporter)
    if reporter.errors > before:
        return None
    if engine == RUNNER:
        parsed = with_json(with_conditions(parsed, reporter) if parsed.dialect != engine else parsed, reporter)
    if parsed.dialect == engine:
        failed = reporter.errors > before
        allowance.admit(parsed.tree)
        return None if failed else _generated(numbered(parsed.tree.copy()), parsed, engine, reporter, allowance)
    report_misread(parsed, reporter)
    try:
        tree = rewritten(parsed, engine, reporter, allowance)
        report_hazards(SqlTree(tree, parsed.text, parsed.dialect), engine, reporter)
    except RecursionError:
        reporter.error("sql-too-deep", "the SQL is nested too deeply", parsed.span(parsed.tree))
        return None
    except TooLarge as grown:
        _report_large(parsed, grown, engine, reporter)
        return None
    if reporter.errors > before:
        return None
    named = names_of_relations(tree)
    text = _generated(numbered(tree), parsed, engine, reporter, allowance)
    return text if text is None or _has_functions(text, named, parsed, engine, reporter) else None


def _is_too_long(parsed: SqlTree, engine: str, reporter: Reporter) -> bool:
    """Whether a row of operators is longer than flowc's engine takes, which is then reported."""
    is_asked = engine == RUNNER and parsed.dialect != engine and len(parsed.written) > 2 * MOST_TERMS
    long = _too_long(parsed.tree) if is_asked else None
    if long is None:
        return False
    message = f"more than {MOST_TERMS} terms stand in a row, which flowc's engine does not take"
    helps = ["put parts of them in a CTE: `WITH parts AS (SELECT a + b AS ab, …) SELECT ab + …`"]
    reporter.error("sql-too-deep", message, parsed.span(long), helps=helps)
    return True


def _report_large(parsed: SqlTree, grown: TooLarge, engine: str, reporter: Reporter) -> None:
    message = f"the calls in each other are too large for {engine}, which is given some of their values twice"
    reporter.error("sql-too-large", message, parsed.span(grown.node or parsed.tree), helps=_NAMED)


def _report_spent(parsed: SqlTree, engine: str, reporter: Reporter) -> None:
    message = f"this is not written for {engine}: SQL before it took all that may be written for one project"
    reporter.error("sql-too-large", message, parsed.span(parsed.tree), helps=_SHARED)


def _too_long(tree: exp.Expression) -> exp.Expression | None:
    """The operand in which a row of operators begins that is too long; AND and OR are read as lists."""
    for node in tree.find_all(exp.Binary):
        start, terms = node, 1
        if isinstance(node.parent, exp.Binary) and node.parent.this is node:
            continue  # it is counted from where the row ends
        while isinstance(start, exp.Binary) and not isinstance(start, exp.Connector):
            start, terms = start.this, terms + 1
            if terms > MOST_TERMS:
                return node.expression
    return None


def _has_functions(text: str, named: Collection[str], parsed: SqlTree, engine: str, reporter: Reporter) -> bool:
    """Whether the engine has every function that the text calls; reports those that it has not."""
    try:
        missing = list(dict.fromkeys(missing_functions(text, named, engine)))
    except TokenError:  # what names no thing in its own dialect was written as something that has no end in this one
        message = f"the SQL cannot be translated from {parsed.dialect} to {engine}"
        reporter.error("untranslatable-sql", message, parsed.span(parsed.tree))
        return False
    if missing:
        span = parsed.span(parsed.tree)  # once: it takes a look at the whole tree
        words = names_in(parsed.text.text, parsed.dialect)
        for name in missing:
            report_missing(name, parsed.dialect, engine, span, reporter, written=name.lower() in words)
    return not missing


def _generated(
    tree: exp.Expression, parsed: SqlTree, engine: str, reporter: Reporter, allowance: Allowance
) -> str | None:
    """The text of a tree, which is changed on the way."""
    helps = [f"write it in {engine} with `dialect: {engine}`"]
    try:
        return allowance.text(tree, engine)
    except TooLarge as grown:
        _report_large(parsed, grown, engine, reporter)
    except UnsupportedError as error:
        for message in dict.fromkeys(str(error).split("\n")):
            text = f"{_lower(message)} (from {parsed.dialect} to {engine})"
            reporter.error("untranslatable-sql", text, parsed.span(parsed.tree), helps=helps)
    except RecursionError:
        reporter.error("sql-too-deep", "the SQL is nested too deeply", parsed.span(parsed.tree))
    except Unwritten:
        message = f"the SQL cannot be translated from {parsed.dialect} to {engine}"
        reporter.error("untranslatable-sql", message, parsed.span(parsed.tree), helps=helps)
    return None


def _lower(text: str) -> str:
    text = text.strip().rstrip(".")
    return text[:1].lower() + text[1:]
