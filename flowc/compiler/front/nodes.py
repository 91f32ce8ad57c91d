"""Small readers of checked nodes: a name, a list of names, a duration, SQL from the spec or from a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from flowc.compiler.front.reach import Reach
from flowc.compiler.front.spec import Json, Name
from flowc.compiler.front.specfiles import read_text
from flowc.compiler.front.streamkinds import address_keys
from flowc.compiler.front.yamlmap import mapped
from flowc.compiler.front.yamltree import Node, Scalar, Sequence, TreeMap, plain
from flowc.diagnostics import Reporter
from flowc.durations import parse_duration
from flowc.source import Located, MappedText, SourceFile, Span


@dataclass
class Context:
    """What every builder needs: which files it may read, where problems go, and which SQL files were read."""

    reach: Reach
    reporter: Reporter
    files: dict[str, SourceFile | None] = field(default_factory=dict)


def content(scalar: Scalar) -> Span:
    """The span of a scalar's own characters, without its quotes."""
    if scalar.style in ("'", '"'):
        return Span(scalar.span.file, scalar.span.start + 1, scalar.span.end - 1)
    return scalar.span


def name(node: Node | None) -> Name | None:
    """A scalar as a located text; None for a key that is not there."""
    if not isinstance(node, Scalar) or node.value is None:
        return None
    return Located(node.text, content(node))


def names(node: Node | None) -> tuple[Name, ...]:
    """A list of scalars as located texts."""
    items = node.items if isinstance(node, Sequence) else ()
    return tuple(found for item in items if (found := name(item)))


def place(node: Node) -> Span:
    """Where a value stands, without its quotes."""
    return content(node) if isinstance(node, Scalar) else node.span


def given(node: TreeMap) -> Mapping[str, Span]:
    """The keys of a mapping, and where their values stand."""
    return {key: place(entry.value) for key, entry in node.entries.items()}


def named(node: TreeMap, keys: Iterable[str]) -> Mapping[str, Name]:
    """The texts at those of the keys that are there."""
    found = ((key, name(node.get(key))) for key in keys)
    return {key: value for key, value in found if value}


def addresses(node: TreeMap) -> Mapping[str, Name]:
    """What of a connection is named, by the keys that systems have for it."""
    return named(node, address_keys())


def items(node: TreeMap | None) -> Iterator[tuple[Name, TreeMap]]:
    """The mappings in a mapping, by names of the user's own; one that could not be read holds nothing."""
    for entry in node.entries.values() if node is not None else ():
        found = entry.value if isinstance(entry.value, TreeMap) else TreeMap(entry.value.span, {})
        yield Located(entry.key.text, content(entry.key)), found


def name_pairs(node: Node | None) -> tuple[tuple[Name, Name], ...]:
    """A mapping of names to names, in the order of the file."""
    entries = node.entries.values() if isinstance(node, TreeMap) else ()
    pairs = ((name(entry.key), name(entry.value)) for entry in entries)
    return tuple((left, right) for left, right in pairs if left and right)


def located(node: Node | None) -> Located[Json] | None:
    """Any value with its place."""
    return Located(plain(node), node.span) if node is not None else None


def text(node: Node | None) -> str | None:
    """A scalar's text without its place."""
    return node.text if isinstance(node, Scalar) and node.value is not None else None


def flag(node: Node | None, *, default: bool) -> bool:
    """A boolean."""
    return bool(node.value) if isinstance(node, Scalar) and node.value is not None else default


def whole(node: Node | None) -> int | None:
    """A whole number."""
    return node.value if isinstance(node, Scalar) and isinstance(node.value, int) else None


def seconds(node: Node | None) -> float | None:
    """A duration in seconds, without its place."""
    return found.value if (found := duration(node)) else None


def duration(node: Node | None) -> Located[float] | None:
    """A duration in seconds."""
    return Located(parse_duration(found.value), found.span) if (found := name(node)) else None


def signed_duration(node: Node | None) -> Located[float] | None:
    """A duration in seconds that may be negative."""
    found = name(node)
    if found is None:
        return None
    length = parse_duration(found.value.removeprefix("-"))
    return Located(-length if found.value.startswith("-") else length, found.span)


def mapping(node: Node | None) -> TreeMap | None:
    """The node when it is a mapping."""
    return node if isinstance(node, TreeMap) else None


def plain_map(node: Node | None) -> Mapping[str, Json]:
    """A mapping as plain values; empty when it is not there."""
    return {key: plain(entry.value) for key, entry in node.entries.items()} if isinstance(node, TreeMap) else {}


def sql(node: TreeMap, context: Context) -> MappedText | None:
    """The text of `sql`, or of the file that `sql_file` names."""
    inline, file = node.get("sql"), node.get("sql_file")
    if isinstance(inline, Scalar) and isinstance(file, Scalar):
        helps = ("remove one of the two",)
        context.reporter.error("conflicting-keys", "`sql` and `sql_file` exclude each other", file.span, helps=helps)
    if isinstance(inline, Scalar):
        return mapped(inline)
    return _sql_file(file, context) if isinstance(file, Scalar) else None


def _sql_file(node: Scalar, context: Context) -> MappedText | None:
    file = context.files.get(node.text) or _read(node, context)  # what cannot be read is told to each that names it
    context.files[node.text] = file
    return MappedText.whole(file) if file else None


def _read(node: Scalar, context: Context) -> SourceFile | None:
    path = context.reach.root / node.text
    if not context.reach.check(node.text, content(node), context.reporter):
        return None
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or a device"
        message = f"`{node.text}` is {what}, not a file"
        context.reporter.error("unreadable-file", message, content(node), helps=("name a file of SQL",))
        return None
    if not path.is_file():
        message = f"the file `{node.text}` does not exist"
        helps = (f"create it, or correct the path; it starts at the project root `{context.reach.root}`",)
        context.reporter.error("missing-file", message, content(node), helps=helps)
        return None
    return read_text(path, context.reporter, span=content(node))
