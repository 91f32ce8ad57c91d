"""`null-group`: a running aggregate by what may be NULL, into a table that finds no row by that."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir, Running, Stream
from flowc.diagnostics import Diagnostic, Reporter, Severity


def null_group(_checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Tells of groups that a merge cannot place: NULL is a group, and no key."""
    for stream in ir.streams if ir is not None else ():
        for node, key in _nullable(stream):
            message = f"rows whose `{key}` is NULL are a group, which a merge cannot place: the stream would stop there"
            helps = (f"leave them out: `WHERE {key} IS NOT NULL`; or give them a value: `coalesce({key}, …)`",)
            reporter.add(Diagnostic("null-group", Severity.INFO, message, node.span, helps=helps))


def _nullable(stream: Stream) -> Iterator[tuple[Running, str]]:
    """Running aggregates, each with the first of its keys that may be NULL."""
    if not any(apply.mode == "merge" for apply in stream.applies):
        return
    for node in (each for each in stream.nodes if isinstance(each, Running)):
        nullable = {column.name: column.nullable for column in node.columns or ()}
        keys = (value for key, value in zip(node.keys, node.values, strict=True) if nullable.get(key))
        key = next((value for value in keys if not _is_asked(value, node.before)), None)
        if key is not None:
            yield node, key


def _is_asked(value: str, query: str) -> bool:
    """Whether a query asks that a value is there; both are in the same way of writing."""
    return re.search(rf'(?<![\w".]){re.escape(value)} IS NOT NULL', query) is not None
