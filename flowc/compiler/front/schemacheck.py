"""Spec files against the JSON Schemas: what does not fit, in the words of the user."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from flowc.compiler.front.cutvalues import cut_item, cut_values, quote_it, rests
from flowc.compiler.front.faults import NAMES, Broken, Fault, Path, faults, judged, meant_key, node_at, pieces
from flowc.compiler.front.forms import address_form, example, example_form, flow, list_form, mapping_form, reshaped
from flowc.compiler.front.schemas import PROJECT, Schema, type_of, validator
from flowc.compiler.front.yamltree import Node, Scalar, Sequence, TreeMap
from flowc.diagnostics import Reporter, did_you_mean
from flowc.source import Span

_SINGULAR = {
    "connections": "connection", "tables": "table", "pipelines": "pipeline", "streams": "stream",
    "functions": "function", "tests": "test", "environments": "environment",
    "alerts": "alert",
}  # fmt: skip
_TYPE_WORDS = {
    "string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "null": "nothing", "object": "a mapping", "array": "a list",
}  # fmt: skip
_KEYS = ("additionalProperties", "required")
"""What is told of a mapping together, since a key that is unknown may be the one that is missing, misspelled."""
MAX_LISTED = 16
_ENOUGH = 5_000
"""Wrong values of a file, of which aliases may make many: behind the entry that has the last of these none is told."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands: the keys that lead to it, and the span to blame when a key of it is missing."""

    path: tuple[str, ...]
    span: Span
    item: bool = False
    """Whether it is a value of the list that stands there."""

    @staticmethod
    def of(root: Node, path: Path) -> tuple[_Place, Node]:
        """The place that a path leads to, and the node there."""
        node, span = root, Span(root.span.file, root.span.start, root.span.start)
        for step in path:
            key = node.entries[str(step)].key if isinstance(node, TreeMap) else None
            node = node_at(node, (step,))
            span = key.span if key else _head(node)
        keys = tuple(step for step in path if isinstance(step, str))
        return _Place(keys, span, item=bool(path) and isinstance(path[-1], int)), node

    def __str__(self) -> str:
        """For instance: `retry` of pipeline `sync`."""
        if not self.path:
            return "the file"
        section, *rest = self.path
        noun = _SINGULAR.get(section)
        if noun is None or not rest:
            return f"`{'.'.join(self.path)}`"
        owner = f"{noun} `{rest[0]}`"
        return f"`{'.'.join(rest[1:])}` of {owner}" if rest[1:] else owner


def check(root: Node, reporter: Reporter) -> Broken:
    """Reports everything in which a spec file is not of the language's shape.

    Returns the entries that are broken, each as `(section, name)`; a section or file that is broken as a whole is
    `(section,)` or `()`. All other entries may be built.
    """
    value = judged(root)
    if validator().is_valid(value):
        return {}
    broken: dict[tuple[str, ...], tuple[Fault, ...]] = {}
    explainer, count = _Explainer(root, reporter), 0
    for piece in pieces(value):
        if count > _ENOUGH:
            message = f"more than {_ENOUGH:,} values are wrong: the others are told once these are mended"
            reporter.error("bad-value", message, Span(root.span.file, root.span.start, root.span.start))
            return {**broken, **{(section,): () for section in value}}
        explainer.broken, found = set(), tuple(faults(piece))
        count += len(found)
        explainer.explain(found)
        broken.update(dict.fromkeys(explainer.broken, found))
    return broken


class _Explainer:
    def __init__(self, root: Node, reporter: Reporter) -> None:
        self._root = root
        self._reporter = reporter
        self.broken: set[tuple[str, ...]] = set()
        self._told: set[tuple[int, str]] = set()

    def _error(self, place: _Place, code: str, message: str, span: Span, *, helps: tuple[str, ...] = ()) -> None:
        self._note(place)
        self._reporter.error(code, message, span, helps=helps)

    def _note(self, place: _Place) -> None:
        self.broken.add(place.path[: 4 if place.path[:1] == ("environments",) else 2])

    def explain(self, found: Iterable[Fault]) -> None:
        """Reports what keeps values from being what they should be: of one value its type, else its first fault."""
        by_path: dict[Path, list[Fault]] = {}
        for fault in found:
            by_path.setdefault(fault.path, []).append(fault)
        for path, own in by_path.items():
            place, node = _Place.of(self._root, path)
            others = [fault for fault in own if fault.keyword not in _KEYS]
            worst = next((fault for fault in others if fault.keyword == "type"), others[0] if others else None)
            # Of an alias, thousands may be at one place; what is not written is shown at its key.
            what = (place.span.start if _is_empty(node) else id(node), worst.keyword) if worst else None
            if what in self._told:
                self._note(place)
            elif worst and what:
                self._told.add(what)
                self._bad_value(worst, node, place)
            if isinstance(node, TreeMap):
                self._keys([fault for fault in own if fault.keyword in _KEYS], node, place)

    def _bad_value(self, fault: Fault, node: Node, place: _Place) -> None:
        if fault.keyword == NAMES:
            helps = (f"write `{place.path[-1].replace('.', '_')}`",)
            self._error(place, "bad-value", f"{place} must have {_wanted(fault)}", place.span, helps=helps)
            return
        is_text = isinstance(node, Scalar) and isinstance(node.value, str)
        if fault.keyword == "type" or (fault.keyword == "const" and not is_text):
            self._wrong_type(fault.schemas, node, place)
            return
        if isinstance(node, Scalar):
            self._scalar(fault, node, place)
            return
        size, noun = (len(node.entries), "key") if isinstance(node, TreeMap) else (len(node.items), "value")
        count = f"{_bound(fault)} {fault.value} {noun}{'s' * (fault.value != 1)}"
        self._error(place, "bad-value", f"{place} must hold {count}, not {size}", _head(node))

    def _keys(self, found: list[Fault], node: TreeMap, place: _Place) -> None:
        known = {key: fault.schemas for fault in found if fault.keyword == _KEYS[0] for key in fault.value}
        for fault in found:
            known |= {key: fault.schemas[:1] for key in node.entries if _may_be_kind(key, fault)}
        unknown = [key for key in node.entries if key in known]
        cut = set(rests(node)) & set(unknown)
        for key in unknown:
            if key not in cut:
                self._unknown_key(known[key], key, node, place)
        self._cut(node, cut, place)
        self._missing([fault for fault in found if fault.keyword == "required"], node, unknown, place)

    def _cut(self, node: TreeMap, unknown: set[str], place: _Place) -> None:
        """Unknown keys that are rests of values: one report for each value."""
        for whole in cut_values(node).values():
            rest = [
                e.key
                for key, e in node.entries.items()
                if key in unknown and whole.start < e.key.span.start < whole.end
            ]
            if rest:
                message = f"unknown key `{rest[0].text}` in {place}"
                self._error(place, "unknown-key", message, rest[0].span, helps=quote_it(whole, "{…}"))

    def _unknown_key(self, schemas: tuple[Schema, ...], key: str, node: TreeMap, place: _Place) -> None:
        names = dict.fromkeys(name for schema in schemas for name in schema.properties)
        known = sorted(names, key=lambda name: all(name in schema.properties for schema in schemas))
        free = [k for k in known if k not in node.entries]
        meant, address = meant_key(key, known), address_form(schemas[0], node, key)
        helps = did_you_mean(key, free) or ((address,) if address else _listing("known keys", known))
        section = meant_key(key, Schema(PROJECT).properties)
        if section is not None and section not in known and helps[0].startswith("known keys"):
            helps = (f"`{section}` is a key of the project, and stands at the left of the file", *helps)
        if meant in node.entries:
            helps = (f"`{meant}` is given too: move what is below `{key}` into it",)
        self._error(place, "unknown-key", f"unknown key `{key}` in {place}", node.entries[key].key.span, helps=helps)

    def _missing(self, found: list[Fault], node: TreeMap, unknown: list[str], place: _Place) -> None:
        names, helps = [], list[str]()
        for keys, schemas in ((fault.value, fault.schemas) for fault in found):
            if any(did_you_mean(name, keys) for name in unknown):
                continue
            if keys == ("connection",) and any(address_form(schemas[0], node, name) for name in unknown):
                continue
            names.append(" or ".join(f"`{key}`" for key in keys))
            if len(keys) < len(schemas):
                kinds = (str(schema.properties[keys[0]].allowed[0]) for schema in schemas)
                helps += _listing(f"add `{keys[0]}`, one of", kinds)
            else:
                pairs = ((s, key) for s, key in zip(schemas, keys, strict=True) if key in s.properties)
                helps += (f"add `{key}: {flow(example(schema, key))}`" for schema, key in pairs)
        if names:
            message = f"{place} needs {' and '.join(names)}"
            self._error(place, "missing-key", message, place.span, helps=tuple(helps))

    def _scalar(self, fault: Fault, node: Scalar, place: _Place) -> None:
        if fault.keyword in ("enum", "const"):
            words = [str(value) for schema in fault.schemas for value in schema.allowed]
            helps = did_you_mean(node.text, words) or _listing("allowed", words)
            self._error(place, "bad-value", f"{place} cannot be `{node.text}`", node.span, helps=helps)
            return
        found = "not empty text" if node.text == "" else f"not `{node.text}`"
        says = fault.schemas[0].says
        helps = (f"for instance `{says['examples'][0]}`",) if "examples" in says and "pattern" in says else ()
        self._error(place, "bad-value", f"{place} must be {_wanted(fault)}, {found}", node.span, helps=helps)

    def _wrong_type(self, schemas: tuple[Schema, ...], node: Node, place: _Place) -> None:
        if _is_template(node):  # already reported: a mapping cannot be a key
            self.broken.add(place.path[:2])
            return
        if isinstance(node, Sequence) and (cut := cut_item(node)):
            message = f"a value of {place} is cut at its comma"
            self._error(place, "bad-value", message, cut, helps=quote_it(cut, "[…]"))
            return
        types = frozenset[str]().union(*(schema.types for schema in schemas))
        wanted = [kind for kind in _TYPE_WORDS if kind in types and (kind != "null" or len(types) == 1)]
        words = " or ".join(dict.fromkeys(_type_word(kind, schemas) for kind in wanted))
        owner = f"a value of {place}" if place.item else str(place)
        message = f"{owner} must be {words}, not {_TYPE_WORDS[type_of(judged(node))]}"
        span = place.span if _is_empty(node) else _head(node)
        self._error(place, "wrong-type", message, span, helps=_typed_helps(wanted, node, schemas, place))


def _is_empty(node: Node) -> bool:
    """Whether nothing is written, so that its key is what can be shown."""
    return isinstance(node, Scalar) and not node.text


def _head(node: Node) -> Span:
    """The smallest span that shows a node: a mapping's first key, a list's bracket or dash, a value itself."""
    if isinstance(node, TreeMap) and node.entries:
        return next(iter(node.entries.values())).key.span
    if isinstance(node, Scalar):
        return node.span
    return Span(node.span.file, node.span.start, min(node.span.start + 1, node.span.end))


def _may_be_kind(key: str, fault: Fault) -> bool:
    """Whether a key is the missing one that says which alternative is meant, misspelled."""
    of_kinds = fault.keyword == "required" and len(fault.value) < len(fault.schemas)
    return of_kinds and key not in fault.schemas[0].properties and bool(did_you_mean(key, fault.value))


def _type_word(kind: str, schemas: tuple[Schema, ...]) -> str:
    named = (s.says["x-type"] for s in schemas if "x-type" in s.says and kind in s.types)
    return next(named, _TYPE_WORDS[kind])


def _wanted(fault: Fault) -> str:
    says = fault.schemas[0].says
    if fault.keyword in ("minimum", "maximum", "x-least", "x-most"):
        return f"{_bound(fault)} {says[fault.keyword]}"
    if fault.keyword == "maxLength":
        return f"{_bound(fault)} {fault.value} character{'s' * (fault.value != 1)} long"
    return str(says.get("x-type", "text"))


def _bound(fault: Fault) -> str:
    says, what = fault.schemas[0].says, fault.keyword[3:]
    if says.get(f"min{what}", says) == says.get(f"max{what}"):
        return "exactly"
    return "at least" if fault.keyword.startswith(("min", "x-least")) else "at most"


def _is_template(node: Node) -> bool:
    """Whether this is `{{ … }}` without quotes, which YAML takes for a mapping in a mapping."""
    return isinstance(node, TreeMap) and node.span.file.text.startswith("{{", node.span.start)


def _typed_helps(wanted: list[str], node: Node, schemas: tuple[Schema, ...], place: _Place) -> tuple[str, ...]:
    """How to write a value that has the wrong type."""
    if wanted == ["null"]:
        return ("leave its value out",)
    if not isinstance(node, Scalar):
        return reshaped(wanted, node, schemas)
    if node.value is not None and not any("x-secret" in schema.says for schema in schemas):
        return _retyped(wanted, node, schemas)
    if place.path[-1:] and ")" in place.path[-1] and "(" not in place.path[-1]:
        return ('inside `{…}`, put a type that holds a comma in quotes: `"numeric(12,2)"`',)
    return ()


_PLAIN = 1e15
"""Below it, a whole number that was written as a float is written out in the help."""
_UNITS = {"a duration": ("s", "m", "h", "d"), "a size": ("B", "KiB", "MiB")}
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_TRUTH = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def _retyped(wanted: list[str], node: Scalar, schemas: tuple[Schema, ...]) -> tuple[str, ...]:
    """How to write a scalar that has the wrong type."""
    text = node.text
    choices = [str(value) for schema in schemas for value in schema.allowed]
    if choices and text not in choices:
        return _listing("allowed", choices)
    if wanted == ["array"]:
        return (f"write `{list_form(schemas[0], node)}`",)
    if wanted == ["object"]:
        form, example = mapping_form(schemas, node), example_form(schemas)
        return (f"write `{form}`",) if form else (f"for instance `{example}`",) if example else ()
    if "boolean" in wanted:
        word = text.lower()
        return (f"write `{_TRUTH.get(word, word)}`",) if word in (*_TRUTH, "true", "false") else ()
    for kind, units in _UNITS.items():
        measure = next((each for each in schemas if each.says.get("x-type", "").startswith(kind)), None)
        if measure is not None and _NUMBER.fullmatch(text) and float(text):
            *others, last = (f"`{text}{unit}`" for unit in units)
            return (f"add its unit: {', '.join(others)} or {last}",)
        if measure is not None:
            return (f"for instance `{measure.says['examples'][0]}`",)
    if "integer" in wanted and text.isdecimal():
        return (f"write it without quotes: `{text}`",)
    if "integer" in wanted and isinstance(node.value, float) and node.value.is_integer():
        return (f"write `{node.value:.0f}`",) if abs(node.value) < _PLAIN else ()
    return (f'put it in quotes: `"{text}"`',) if "string" in wanted else ()


def _listing(words: str, names: Iterable[str]) -> tuple[str, ...]:
    shown = [f"`{name}`" for name in names]
    more = ", …" if len(shown) > MAX_LISTED else ""
    return (f"{words}: {', '.join(shown[:MAX_LISTED])}{more}",) if shown else ()
