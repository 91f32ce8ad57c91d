"""`tests`: nodes to `TestSpec`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowc.compiler.front.nodes import Context, content, duration, given, name
from flowc.compiler.front.spec import NO_GAPS, Gaps
from flowc.compiler.front.streamspec import RowSpec, RowsSpec, StepSpec, TestSpec
from flowc.compiler.front.yamltree import Entry, Node, Scalar, Sequence, TreeMap, plain
from flowc.source import Located

_EMITS = "emits"


def build_test(entry: Entry, _context: Context, gaps: Gaps = NO_GAPS) -> TestSpec | None:
    """One entry of `tests`, whose shape is right but for its gaps; None for what is no mapping."""
    node = entry.value
    if not isinstance(node, TreeMap):
        return None
    rows, expect, steps = (node.entries.get(key) for key in ("given", "expect", "steps"))
    return TestSpec(
        name=Located(entry.key.text, content(entry.key)),
        pipeline=name(node.get("pipeline")),
        stream=name(node.get("stream")),
        given=_named_rows(rows.value) if rows else {},
        given_span=content(rows.key) if rows else content(entry.key),
        steps=tuple(_steps(steps.value)) if steps else (),
        steps_span=content(steps.key) if steps else None,
        expect=_rows(expect) if expect else None,
        expect_error=name(node.get("expect_error")),
        now=name(node.get("now")),
        span=node.span,
        gaps=gaps,
    )


def _steps(node: Node) -> Iterator[StepSpec]:
    for item in node.items if isinstance(node, Sequence) else ():
        if isinstance(item, TreeMap):
            yield _step(item)
        elif found := name(item):
            yield StepSpec((found,), None, {}, seconds=0.0, emits=None, span=item.span)


def _step(node: TreeMap) -> StepSpec:
    """A step that is a mapping; one without an action is told by its own place."""
    actions = [entry for key, entry in node.entries.items() if key != _EMITS]
    value = next((entry.value for entry in actions if isinstance(entry.value, Scalar)), None)
    rows, emits, advance = node.entries.get("rows"), node.entries.get(_EMITS), duration(node.get("advance"))
    return StepSpec(
        actions=tuple(Located(entry.key.text, content(entry.key)) for entry in actions),
        value=name(value),
        rows=_step_rows(rows) if rows else {},
        seconds=advance.value if advance else 0.0,
        emits=_rows(emits) if emits else None,
        span=node.span,
    )


def _step_rows(entry: Entry) -> Mapping[str, RowsSpec]:
    return {"": _rows(entry)} if isinstance(entry.value, Sequence) else _named_rows(entry.value)


def _named_rows(node: Node) -> Mapping[str, RowsSpec]:
    return {key: _rows(held) for key, held in node.entries.items()} if isinstance(node, TreeMap) else {}


def _rows(entry: Entry) -> RowsSpec:
    items = entry.value.items if isinstance(entry.value, Sequence) else ()
    rows = tuple(_row(item) for item in items if isinstance(item, TreeMap))
    return RowsSpec(Located(entry.key.text, content(entry.key)), rows, entry.value.span)


def _row(node: TreeMap) -> RowSpec:
    keys = {key: content(held.key) for key, held in node.entries.items()}
    return RowSpec({key: plain(held.value) for key, held in node.entries.items()}, keys, given(node), node.span)
