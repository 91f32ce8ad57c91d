"""Functions of a project: their names, and what goes together with what."""

from __future__ import annotations

from sqlglot.dialects.dialect import Dialect

from flowc.compiler.front.spec import Name
from flowc.compiler.front.streamspec import FunctionSpec
from flowc.compiler.names.doubt import sure_only
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.names.paths import check_module

_DIALECT = "postgres"
"""The names that its parser knows are those of all dialects, nearly."""


def check_functions(lookup: Lookup) -> None:
    """Checks every function."""
    for function in lookup.project.functions.values():
        with sure_only(lookup, function.gaps):
            _check_name(function.name, lookup)
            _check_types(function, lookup)
            check_module(function, lookup)


def _check_types(function: FunctionSpec, lookup: Lookup) -> None:
    """Reports what an aggregate lacks, and what a scalar function cannot have."""
    report, owner, name = lookup.reporter.error, f"function `{function.name.value}`", function.name
    if (function.args is None) != (function.returns is None):
        first, second = ("args", "returns") if function.returns is None else ("returns", "args")
        message, helps = f"{owner} has `{first}` and needs `{second}`", (f"add `{second}:`",)
        report("missing-key", message, name.span, helps=helps)
    if function.kind and function.aggregates and function.state is None and function.args is not None:
        helps = ("add `state: [ … ]`, the types of what `state` returns",)
        report("missing-key", f"{owner} is an aggregate and needs `state`", function.kind.span, helps=helps)
    if function.state_span is not None and not function.aggregates:
        helps = ("add `kind: aggregate`, or remove `state`",)
        message = f"{owner} has `state`, which only an aggregate keeps"
        report("conflicting-keys", message, function.state_span, helps=helps)


def _check_name(name: Name, lookup: Lookup) -> None:
    """A call of a function that SQL has is a call of that one, whatever the project declares."""
    known = Dialect.get_or_raise(_DIALECT).parser_class
    upper = name.value.upper()
    if any(upper in names for names in (known.FUNCTIONS, known.FUNCTION_PARSERS, known.NO_PAREN_FUNCTION_PARSERS)):
        message = f"SQL has a function `{name.value}` already, and calls that one"
        lookup.reporter.error("duplicate-name", message, name.span, helps=(f"call it otherwise: `my_{name.value}`",))
