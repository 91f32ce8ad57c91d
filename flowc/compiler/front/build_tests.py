"""`tests`: nodes to `TestSpec`."""

from __future__ import annotations

from flowc.compiler.front.nodes import Context, content, given, name
from flowc.compiler.front.spec import NO_GAPS, Gaps
from flowc.compiler.front.streamspec import RowSpec, RowsSpec, TestSpec
from flowc.compiler.front.yamltree import Entry, Sequence, TreeMap, plain
from flowc.source import Located


def build_test(entry: Entry, _context: Context, gaps: Gaps = NO_GAPS) -> TestSpec | None:
    """One entry of `tests`, whose shape is right but for its gaps; None for what is no mapping."""
    node = entry.value
    if not isinstance(node, TreeMap):
        return None
    rows, expect = node.entries.get("given"), node.entries.get("expect")
    tables = rows.value.entries if rows and isinstance(rows.value, TreeMap) else {}
    return TestSpec(
        name=Located(entry.key.text, content(entry.key)),
        pipeline=name(node.get("pipeline")),
        stream=name(node.get("stream")),
        given={key: _rows(held) for key, held in tables.items()},
        given_span=content(rows.key) if rows else content(entry.key),
        expect=_rows(expect) if expect else None,
        expect_error=name(node.get("expect_error")),
        now=name(node.get("now")),
        span=node.span,
        gaps=gaps,
    )


def _rows(entry: Entry) -> RowsSpec:
    items = entry.value.items if isinstance(entry.value, Sequence) else ()
    rows = tuple(_row(item) for item in items if isinstance(item, TreeMap))
    return RowsSpec(Located(entry.key.text, content(entry.key)), rows, entry.value.span)


def _row(node: TreeMap) -> RowSpec:
    keys = {key: content(held.key) for key, held in node.entries.items()}
    return RowSpec({key: plain(held.value) for key, held in node.entries.items()}, keys, given(node), node.span)
