"""What of a broken entry can still be judged: its tree without the parts that are not of the language's shape.

A part is a key of a mapping or an item of a list. Where a mapping holds names of the user's own (columns, sources), a
broken value is replaced by nothing and the name stays, so that nobody calls it unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flowc.compiler.front.cutvalues import cut_values, rests
from flowc.compiler.front.schemacheck import meant_branch
from flowc.compiler.front.schemarules import Rule, accepts, has_type, project_rule
from flowc.compiler.front.yamltree import Entry, Node, Scalar, Sequence, TreeMap
from flowc.diagnostics import did_you_mean

ANY_KEY = "*"
"""The gap that an unknown key leaves which resembles no known one: it may stand for any."""


@dataclass(frozen=True, slots=True)
class Salvaged:
    """An entry's own keys as far as they can be read, and the known keys that could not be, or not whole."""

    node: TreeMap
    gaps: frozenset[str]


def salvage(section: str, entry: Entry) -> Salvaged | None:
    """What can still be read of a broken entry of a section; None when it is no mapping."""
    rule = project_rule().properties[section].additional
    if not isinstance(rule, Rule) or not isinstance(entry.value, TreeMap):
        return None
    if rule.branches and not rule.properties:
        return None
    return Salvaged(_kept(rule, entry.value), frozenset(_gaps(rule, entry.value)))


def _gaps(rule: Rule, node: TreeMap) -> Iterator[str]:
    yield from cut_values(node)
    for key, entry in node.entries.items():
        own = rule.properties.get(key)
        if own is None:
            yield next(
                (k for k in rule.properties if did_you_mean(key, rule.properties) == did_you_mean(key, (k,))), ANY_KEY
            )
        elif not accepts(own, entry.value):
            yield key
    yield from (key for key in rule.required if key not in node.entries)


def _sound(rule: Rule, node: Node) -> Node | None:
    """The node without what its rule does not accept; None when nothing is left that could be read."""
    if accepts(rule, node):
        return node
    if rule.branches and not rule.properties:
        branch = meant_branch(rule, node)
        return _sound(branch, node) if branch else None
    if isinstance(node, Scalar) or not has_type(node, rule.types):
        return None
    found = _items(rule, node) if isinstance(node, Sequence) else _kept(rule, node)
    return found if accepts(_leniently(rule), found) else None


def _leniently(rule: Rule) -> Rule:
    """The rule without what is said of values: they may be missing where names are the user's own."""
    return replace(
        rule, schema={k: v for k, v in rule.schema.items() if k not in ("additionalProperties", "properties", "items")}
    )


def _items(rule: Rule, node: Sequence) -> Sequence:
    items = rule.items
    kept = (_sound(items, item) for item in node.items) if items else iter(node.items)
    return Sequence(node.span, tuple(item for item in kept if item is not None))


def _kept(rule: Rule, node: TreeMap) -> TreeMap:
    return TreeMap(node.span, dict(_entries(rule, node)))


def _entries(rule: Rule, node: TreeMap) -> Iterator[tuple[str, Entry]]:
    cut, rest = cut_values(node), set(rests(node))
    for key, entry in node.entries.items():
        own, known = rule.properties.get(key, rule.additional), key in rule.properties
        if own is False or key in rest:
            continue
        value = None if key in cut else _sound(own, entry.value) if isinstance(own, Rule) else entry.value
        if value is not None or not known:
            yield key, Entry(entry.key, value or Scalar(entry.value.span, "", None, None))
