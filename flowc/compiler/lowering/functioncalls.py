"""Calls of a project's functions in SQL: typed, checked, and written as the engine has them.

A name with a schema before it is no function of the project, and what SQL has already is the SQL's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqlglot import exp

from flowc.catalog import TableName
from flowc.compiler.dialects import dialect_of
from flowc.compiler.lowering.context import Lowering
from flowc.compiler.lowering.functions import Functions, Untyped
from flowc.compiler.names.paths import reach
from flowc.compiler.sql import marks
from flowc.compiler.sql.checks.deniedcalls import check_relation, only_allowed
from flowc.compiler.sql.rewrite.core import mark
from flowc.compiler.sql.text.allowance import Allowance
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.compiler.sql.translate import translate, translate_expression
from flowc.compiler.systems.datafusion.rules.json import is_json
from flowc.diagnostics import Reporter
from flowc.loadplan import FunctionPlan
from flowc.source import Span
from flowc.types import UNKNOWN, DataType, Kind, goes_into


def called(query: SqlTree, functions: Functions) -> tuple[FunctionPlan, ...]:
    """Those that a query calls, each once."""
    return tuple(dict.fromkeys(plan for plan, _ in _calls(query, functions) if isinstance(plan, FunctionPlan)))


def announce(query: SqlTree, lowering: Lowering) -> bool:
    """Leaves on each call what it returns, for inference; False, and reported, where the types of one are not known."""
    untyped: dict[str, tuple[Untyped, Span]] = {}
    for plan, node in _calls(query, lowering.functions):
        if isinstance(plan, FunctionPlan):
            marks.RETURNS.set(node, plan.returns)
        else:
            untyped.setdefault(plan.name, (plan, _name_span(query, node)))
    for found, span in untyped.values():
        if found.reason is not None:
            message = f"the types of the function `{found.name}` are not known: {found.reason}"
            helps = ("write its `args` and `returns` beside `python`",)
            lowering.reporter.error("untyped-function", message, span, helps=helps)
    return not untyped


def check_calls(query: SqlTree, functions: Functions, reporter: Reporter) -> None:
    """Reports calls with arguments that a function does not take; inference has left the types on them."""
    for plan, node in _calls(query, functions):
        if isinstance(plan, Untyped):
            continue
        takes, count = ", ".join(map(str, plan.args)), len(plan.args)
        if len(node.expressions) != count:
            arguments = "1 argument" if count == 1 else f"{count} arguments"
            message = f"`{plan.name}` takes {arguments} ({takes}), and is given {len(node.expressions)}"
            reporter.error("wrong-arguments", message, query.span(node))
            continue
        for argument, given, wanted in zip(node.expressions, marks.ARGUMENTS.get(node) or (), plan.args, strict=False):
            if not _takes(wanted, given):
                message = f"`{plan.name}` takes {takes}, and this is `{given}`"
                reporter.error("wrong-arguments", message, query.span(argument), helps=[f"CAST it AS {wanted}"])


def _takes(wanted: DataType, given: DataType) -> bool:
    """Whether values of a type go into another one exactly, or are refused one by one."""
    if wanted.kind is given.kind is Kind.ARRAY:
        return _takes(wanted.element or UNKNOWN, given.element or UNKNOWN)
    return UNKNOWN in (wanted, given) or goes_into(given, wanted)


def check_reach(query: SqlTree, connection: str, kind: str, mend: str, lowering: Lowering) -> bool:
    """Whether SQL that runs in a database calls only what it may: its own functions, and of those none that is denied.

    Reports other calls; `mend` is that of a function of the project.
    """
    calls = list(_calls(query, lowering.functions))
    place = f"`{connection}` ({kind})"
    for function, node in calls:
        name = function.name
        message = f"`{name}` is a Python function of the project, and this SQL runs in {place}, where it is not"
        helps = (mend, f"write a schema before the name of a function of `{connection}` itself: `schema.{name}(…)`")
        lowering.reporter.error("unreachable-function", message, _name_span(query, node), helps=helps)
    return not calls and only_allowed(query, kind, reach(lowering.checked.project), lowering.reporter)


def is_table(name: TableName, kind: str, span: Span, lowering: Lowering) -> bool:
    """Whether the name of a source is one of a table, and not of a file that the project does not reach."""
    before = lowering.reporter.errors
    if dialect_of(kind).reads_files:
        whole = ".".join(filter(None, (name.schema, name.name)))
        check_relation(whole, reach(lowering.checked.project), span, lowering.reporter)
    return lowering.reporter.errors == before


def engine_text(
    query: SqlTree, engine: str, functions: Functions, reporter: Reporter, allowance: Allowance
) -> str | None:
    """The query for an engine that has the functions under their `called`; None after an error.

    What was written for this engine keeps its words.
    """
    if query.dialect == engine and not any(map(is_json, query.tree.walk())):
        return translate(_with_own_words(query, functions), engine, reporter, allowance)
    own = with_own_calls(query, functions) if called(query, functions) else query
    return translate_expression(own, engine, reporter, allowance)


def with_own_calls(query: SqlTree, functions: Functions) -> SqlTree:
    """The query with each function of the project under the name that the engine has it by."""
    own = replace(query, tree=query.tree.copy())
    for plan, node in list(_calls(own, functions)):
        if isinstance(plan, FunctionPlan):
            mark(node).set("this", plan.called)
    return own


def _with_own_words(query: SqlTree, functions: Functions) -> SqlTree:
    text = query.text.text
    for plan, node in sorted(_calls(query, functions), key=lambda found: -marks.START.of(found[1])):
        if isinstance(plan, FunctionPlan):
            start, end = marks.position(node)
            text = text[:start] + plan.called + text[end:]
    return replace(query, text=replace(query.text, text=text))


def _calls(query: SqlTree, functions: Functions) -> Iterator[tuple[FunctionPlan | Untyped, exp.Anonymous]]:
    for node in query.tree.find_all(exp.Anonymous) if functions else ():
        if not isinstance(node.parent, exp.Dot) and (name := node.name.lower()) in functions:
            yield functions[name], node


def _name_span(query: SqlTree, node: exp.Expression) -> Span:
    return query.text.span(*marks.position(node))
