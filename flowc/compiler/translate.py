"""SQL of one dialect as SQL of another, or a diagnostic: nothing is dropped and no meaning changes in silence."""

from __future__ import annotations

from sqlglot import ErrorLevel
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError, UnsupportedError

from flowc.compiler.dialects.datafusion_sqlglot import DataFusion
from flowc.compiler.hazards import report_hazards
from flowc.compiler.sqltext import SqlTree
from flowc.diagnostics import Reporter, Severity

__all__ = ["DataFusion", "translate", "translate_expression"]


def translate(parsed: SqlTree, engine: str, reporter: Reporter) -> str | None:
    """The query for `engine` (a sqlglot dialect), verbatim when it was written for it; None after an error."""
    if parsed.dialect == engine:
        return parsed.text.text
    return translate_expression(parsed, engine, reporter)


def translate_expression(parsed: SqlTree, engine: str, reporter: Reporter) -> str | None:
    """The tree as text for `engine`; None after an error."""
    if parsed.dialect != engine:
        before = len(reporter.found)
        report_hazards(parsed, engine, reporter)
        if any(d.severity is Severity.ERROR for d in reporter.found[before:]):
            return None
    helps = [f"write it in {engine} with `dialect: {engine}`"]
    generator = Dialect.get_or_raise(engine).generator(unsupported_level=ErrorLevel.RAISE, max_unsupported=20)
    span = parsed.span(parsed.tree)
    try:
        return str(generator.generate(parsed.tree, copy=True))
    except UnsupportedError as error:
        for message in dict.fromkeys(str(error).split("\n")):
            text = f"{_lower(message)} (from {parsed.dialect} to {engine})"
            reporter.error("untranslatable-sql", text, span, helps=helps)
    except RecursionError:
        reporter.error("sql-too-deep", "the SQL is nested too deeply", span)
    except (SqlglotError, ValueError, TypeError, AttributeError, KeyError):
        message = f"the SQL cannot be translated from {parsed.dialect} to {engine}"
        reporter.error("untranslatable-sql", message, span, helps=helps)
    return None


def _lower(text: str) -> str:
    text = text.strip().rstrip(".")
    return text[:1].lower() + text[1:]
