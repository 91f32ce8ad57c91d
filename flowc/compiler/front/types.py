"""Names of SQL types as people write them in specs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flowc.compiler.front.columndef import UNDERSTOOD
from flowc.compiler.front.yamlmap import mapped
from flowc.compiler.front.yamltree import Node, Scalar
from flowc.diagnostics import Reporter, did_you_mean
from flowc.source import Located, MappedText, Span
from flowc.types import UNKNOWN, DataType, Kind, parse_type, type_names

_ARGUMENTS = re.compile(r"\([^()]*\)")


def typed(text: MappedText, reporter: Reporter, *, part: tuple[int, int] | None = None) -> Located[DataType] | None:
    """The type that the text (or a part of it) names; None when it names none, which is then reported."""
    start, end = part or (0, len(text.text))
    spelled, span = text.text[start:end], text.span(start, end)
    try:
        found = parse_type(spelled)
    except (ValueError, RecursionError):
        message = f"`{spelled}` is not a type" if spelled.strip() else "the column has no type"
        reporter.error("unknown-type", message, span, helps=_near(spelled))
        return None
    if fault := type_fault(found):
        reporter.error("unknown-type", f"there is no type `{spelled}`: {fault}", span)
        return None
    return Located(found, span)


def _near(spelled: str) -> Sequence[str]:
    """What was meant: a type, or the type that comes first and a clause behind it."""
    bare = spelled.partition("(")[0].strip()
    first, _, rest = _ARGUMENTS.sub(" ", spelled).strip().partition(" ")
    if first.lower() in type_names() and (clauses := did_you_mean(rest.replace("_", " "), UNDERSTOOD)):
        return clauses
    found = did_you_mean(bare, type_names()) or did_you_mean(first, type_names())
    return found or ("for instance `bigint` or `varchar(256)`",)


def known_type(node: Node, reporter: Reporter, *, part: tuple[int, int] | None = None) -> Located[DataType]:
    """The type that a scalar names; an unknown one where it names none, or where what it says was reported before."""
    if not isinstance(node, Scalar) or node.value is None:
        return Located(UNKNOWN, node.span)
    return typed(mapped(node), reporter, part=part) or Located(UNKNOWN, node.span)


def report_clause(clause: str, span: Span, reporter: Reporter) -> None:
    """Reports a clause that a column of a source has not."""
    message = f"a column of a source cannot say `{clause}`"
    reporter.error("bad-column-definition", message, span, helps=("a type, and `not null` where it has no NULL",))


def type_fault(kind: DataType) -> str | None:
    """What is wrong with a type's numbers."""
    if kind.kind is Kind.ARRAY and kind.element:
        return type_fault(kind.element)
    if kind.length is not None and kind.length < 1:
        return "its length must be at least 1"
    if kind.kind is Kind.DECIMAL and kind.precision is not None:
        if kind.precision < 1:
            return "its precision must be at least 1"
        if (kind.scale or 0) > kind.precision:
            return "its scale is greater than its precision"
    elif kind.precision is not None and kind.precision > 9:
        return "it has at most 9 fractional digits"
    return None
