"""Values without quotes that YAML cuts at a comma: `{ sql: greatest(a, b) }` holds the keys `sql` and `b)`.

What is behind the comma is a key without a value, or an item of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from flowc.compiler.front.yamltree import Entry, Scalar, Sequence, TreeMap
from flowc.source import Span

_BARE = re.compile(r"\s*[,}]")


def cut_values(node: TreeMap) -> Mapping[str, Span]:
    """The keys of a `{…}` whose values were cut, each with the whole of what was meant as its value."""
    if not node.span.file.text.startswith("{", node.span.start):
        return {}
    found: dict[str, Span] = {}
    last: Entry | None = None
    for entry in node.entries.values():
        if last is not None and _is_bare(entry):
            assert isinstance(last.value, Scalar)
            found[last.key.text] = Span(node.span.file, last.value.span.start, entry.key.span.end)
        else:
            last = entry if isinstance(entry.value, Scalar) and entry.value.style is None else None
    return found


def rests(node: TreeMap) -> Iterator[str]:
    """The keys that are only the rest of a value that was cut."""
    spans = tuple(cut_values(node).values())
    for key, entry in node.entries.items():
        if any(span.start < entry.key.span.start < span.end for span in spans):
            yield key


def cut_item(node: Sequence) -> Span | None:
    """The first item of a `[…]` that was cut, together with the next: it opens a bracket and does not close it."""
    if not node.span.file.text.startswith("[", node.span.start):
        return None
    for item, following in zip(node.items, node.items[1:], strict=False):
        if isinstance(item, Scalar) and item.style is None and item.text.count("(") > item.text.count(")"):
            return Span(node.span.file, item.span.start, following.span.end)
    return None


def quote_it(span: Span, collection: str) -> tuple[str, ...]:
    """The help that shows the whole value in quotes."""
    text = span.file.text[span.start : span.end]
    mark = "'" if '"' in text else '"'
    if "\n" in text or mark in text:
        return (f"inside `{collection}`, put a value that holds a comma in quotes",)
    return (f"inside `{collection}`, put a value that holds a comma in quotes: `{mark}{text}{mark}`",)


def _is_bare(entry: Entry) -> bool:
    """Whether a key stands alone, without even a colon."""
    value, text = entry.value, entry.key.span.file.text
    if not isinstance(value, Scalar) or value.text or value.style is not None:
        return False
    return _BARE.match(text, entry.key.span.end) is not None
