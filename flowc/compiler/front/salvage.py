"""What of a broken entry can still be judged: its tree without the parts that are not of the language's shape.

A part is a key of a mapping or an item of a list. Where a mapping holds names of the user's own (columns, sources), a
broken value is replaced by nothing and the name stays, so that nobody calls it unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

from flowc.compiler.front.cutvalues import cut_values, rests
from flowc.compiler.front.faults import Fault, Path, faults, judged, meant_key, node_at
from flowc.compiler.front.yamltree import Entry, Node, Scalar, Sequence, TreeMap

ANY_KEY = "*"
"""The gap that an unknown key leaves which resembles no known one: it may stand for any."""


@dataclass(frozen=True, slots=True)
class Salvaged:
    """An entry's own keys as far as they can be read, and the known keys that could not be, or not whole."""

    node: TreeMap
    gaps: frozenset[str]


def salvage(section: str, entry: Entry, told: Iterable[Fault]) -> Salvaged | None:
    """What can still be read of an entry of a section, in which that is wrong; None when it is no mapping."""
    node, found = entry.value, _own(told)
    if not isinstance(node, TreeMap):
        return None
    gaps = frozenset([*cut_values(node), *(gap for fault in found for gap in _gaps(fault))])
    while lost := dict(_lost(found, node)):
        # What holds a lost part may be sound without it.
        held = {path[:size] for path in lost for size in range(len(path))}
        rest = {path: named for path, named in lost.items() if path not in held}
        node = TreeMap(node.span, dict(_kept(node, (), rest)))
        found = _own(faults({section: {"entry": judged(node)}}))
    return Salvaged(node, gaps)


def _own(found: Iterable[Fault]) -> list[Fault]:
    """Faults with paths that start at the entry."""
    return [replace(fault, path=fault.path[2:]) for fault in found]


def _gaps(fault: Fault) -> Iterator[str]:
    if fault.path:
        yield str(fault.path[0])
    elif fault.keyword == "additionalProperties":
        yield from (meant_key(key, fault.schemas[0].properties) or ANY_KEY for key in fault.value)
    elif fault.keyword == "required":
        yield from fault.value


def _lost(found: Iterable[Fault], node: TreeMap) -> Iterator[tuple[Path, bool]]:
    """The paths of what cannot be read, each with whether its name stays."""

    @cache
    def bare(path: Path) -> set[str]:
        """The names in a mapping that have no value, but for rests of values that were cut."""
        holder = node_at(node, path)
        entries = holder.entries if isinstance(holder, TreeMap) else {}
        empty = {key for key, e in entries.items() if isinstance(e.value, Scalar) and e.value.value is None}
        return empty.difference(rests(holder)) if isinstance(holder, TreeMap) else empty

    for fault in found:
        if fault.keyword == "additionalProperties":
            yield from (((*fault.path, key), False) for key in fault.value)
        elif fault.path and not (fault.named and fault.path[-1] in bare(fault.path[:-1])):
            yield fault.path, fault.named


def _kept(node: TreeMap, path: Path, lost: Mapping[Path, bool]) -> Iterator[tuple[str, Entry]]:
    cut, rest = cut_values(node), set(rests(node))
    names = any(lost.get((*path, key)) for key in rest)
    for key, entry in node.entries.items():
        below = (*path, key)
        if key in rest:
            continue
        if key not in cut and below not in lost:
            yield key, Entry(entry.key, _readable(entry.value, below, lost))
        elif lost.get(below, names):
            yield key, Entry(entry.key, Scalar(entry.value.span, "", None, None))


def _readable(node: Node, path: Path, lost: Mapping[Path, bool]) -> Node:
    if isinstance(node, TreeMap):
        return TreeMap(node.span, dict(_kept(node, path, lost)))
    if isinstance(node, Sequence):
        items = ((item, (*path, number)) for number, item in enumerate(node.items))
        return Sequence(node.span, tuple(_readable(item, below, lost) for item, below in items if below not in lost))
    return node
