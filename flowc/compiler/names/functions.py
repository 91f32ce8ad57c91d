"""Functions and the types that entries name which are carried whole."""

from __future__ import annotations

from sqlglot.dialects.dialect import Dialect

from flowc.compiler.front.spec import Name, RawSpec
from flowc.compiler.front.types import report_clause, typed
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.names.raw import column_at, keys_at, name_at, names_at, place
from flowc.source import MappedText, Segment

_DIALECT = "postgres"
"""The names that its parser knows are those of all dialects, nearly."""


def check_function(function: RawSpec, lookup: Lookup) -> None:
    """Reports a name that SQL has, types that are none, and what an aggregate lacks or a scalar one cannot have."""
    _check_name(function.name, lookup)
    returns = name_at(function, "returns")
    for name in (*names_at(function, "args"), *names_at(function, "state"), *((returns,) if returns else ())):
        check_type(name, lookup)
    kind, given = name_at(function, "kind"), function.value.keys()
    report, owner = lookup.reporter.error, f"function `{function.name.value}`"
    for first, second in (("args", "returns"), ("returns", "args")):
        if first in given and second not in given:
            message, helps = f"{owner} has `{first}` and needs `{second}`", (f"add `{second}:`",)
            report("missing-key", message, function.name.span, helps=helps)
    is_aggregate = kind is not None and kind.value == "aggregate"
    if kind and is_aggregate and "state" not in given and "args" in given:
        helps = ("add `state: [ … ]`, the types of what `state` returns",)
        report("missing-key", f"{owner} is an aggregate and needs `state`", kind.span, helps=helps)
    if "state" in given and not is_aggregate:
        message = f"{owner} has `state`, which only an aggregate keeps"
        report(
            "conflicting-keys", message, place(function, "state"), helps=("add `kind: aggregate`, or remove `state`",)
        )


def _check_name(name: Name, lookup: Lookup) -> None:
    """A call of a function that SQL has is a call of that one, whatever the project declares."""
    known = Dialect.get_or_raise(_DIALECT).parser_class
    upper = name.value.upper()
    if any(upper in names for names in (known.FUNCTIONS, known.FUNCTION_PARSERS, known.NO_PAREN_FUNCTION_PARSERS)):
        message = f"SQL has a function `{name.value}` already, and calls that one"
        lookup.reporter.error("duplicate-name", message, name.span, helps=(f"call it otherwise: `my_{name.value}`",))


def check_source_types(stream: RawSpec, lookup: Lookup) -> None:
    """Reports declared column types that are none."""
    for path in ("source", *(f"sources.{key.value}" for key in keys_at(stream, "sources"))):
        for key in keys_at(stream, f"{path}.columns"):
            kind, _, strange = column_at(stream, f"{path}.columns.{key.value}")
            if strange is not None:
                report_clause(strange, stream.spans[f"{path}.columns.{key.value}"], lookup.reporter)
            if kind is not None:
                check_type(kind, lookup)


def check_type(name: Name, lookup: Lookup) -> None:
    """Reports a type that is none."""
    size, span = len(name.value), name.span
    typed(MappedText(name.value, span.file, (Segment(0, size, span.start, span.end),)), lookup.reporter)
