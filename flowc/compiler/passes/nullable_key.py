"""`nullable-key`: a key that may be NULL, of rows that came of no message which could be set aside for it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import IntervalJoin, Ir, Running, Sql, Stream, Window
from flowc.compiler.passes.writers import keys_span
from flowc.compiler.sql.text.sqltext import parse_query
from flowc.diagnostics import Reporter
from flowc.source import Span
from flowc.types import Kind


def nullable_key(_checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Warns of keys that may be NULL behind windows, running groups, or a join whose rows come out alone."""
    for stream in ir.streams if ir is not None else ():
        node = stream.input
        if not isinstance(node, Sql) or not any(map(_lets_out, stream.nodes)):
            continue
        columns = {column.name: column for column in node.columns or ()}
        told = set[str]()
        for key, span in _keys(stream):
            column = columns.get(key)
            known = column is not None and column.nullable and column.type.kind is not Kind.UNKNOWN
            if known and key not in told and not _is_left_out(key, node):
                told.add(key)
                _report(key, _made_of(key, node), stream, span, reporter)


def _lets_out(node: object) -> bool:
    return isinstance(node, Window | Running) or (isinstance(node, IntervalJoin) and node.kind != "inner")


def _keys(stream: Stream) -> Iterator[tuple[str, Span]]:
    for apply in stream.applies:
        if apply.mode == "merge":
            yield from ((key, apply.roles.get(("key", key), keys_span(apply))) for key in apply.keys)
    for output in stream.outputs:
        yield from ((key, output.span) for key in output.key)


def _made_of(key: str, node: Sql) -> set[str]:
    """The names of the columns that a key is made of."""
    named = zip(node.columns or (), node.origins or (), strict=False)
    return {origin.column for column, origins in named if column.name == key for origin in origins}


def _is_left_out(key: str, node: Sql) -> bool:
    """Whether the query asks somewhere that a column of that name, or what one of its own is in, is not NULL."""
    if node.source is None or " not null" not in " ".join(node.source.text.lower().split()):
        return False
    parsed = parse_query(node.source, node.dialect, Reporter())
    asked = parsed.tree.find_all(exp.Is) if parsed is not None else ()
    tests = (each.this for each in asked if each.args.get("negate") or isinstance(each.parent, exp.Not))
    names = {name.lower() for name in (key, *_made_of(key, node))}
    return any(column.name.lower() in names for test in tests for column in test.find_all(exp.Column))


def _report(key: str, made_of: set[str], stream: Stream, span: Span, reporter: Reporter) -> None:
    name = next(iter(made_of)) if len(made_of) == 1 else key
    message = f"`{key}` may be NULL, and a row without it, which is of no message, would stop stream `{stream.name}`"
    helps = (
        f"where messages always have it, say so: `columns: {{ {name}: … not null }}`",
        f"or leave such rows out in the SQL, `WHERE {name} IS NOT NULL`, or give them a value: `coalesce({name}, …)`",
    )
    reporter.warning("nullable-key", message, span, helps=helps)
