"""Nodes against the JSON Schemas: what does not fit, in the words of the user.

Where a schema offers alternatives, the one that the author evidently meant is explained, never all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flowc.compiler.front.cutvalues import cut_item, cut_values, quote_it, rests
from flowc.compiler.front.forms import address_form, example, example_form, flow, list_form, mapping_form, reshaped
from flowc.compiler.front.schemarules import Rule, accepts, has_type, project_rule, scalar_fault, size_fits, type_of
from flowc.compiler.front.yamltree import Node, Scalar, Sequence, TreeMap
from flowc.diagnostics import Reporter, did_you_mean
from flowc.source import Span

_SINGULAR = {
    "connections": "connection", "tables": "table", "pipelines": "pipeline", "streams": "stream",
    "functions": "function", "tests": "test", "environments": "environment",
}  # fmt: skip
_TYPE_WORDS = {
    "string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "null": "nothing", "object": "a mapping", "array": "a list",
}  # fmt: skip
MAX_LISTED = 16


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands: the keys that lead to it, and the span to blame when a key of it is missing."""

    path: tuple[str, ...]
    span: Span
    item: bool = False
    """Whether it is a value of the list that stands there."""

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

    def below(self, key: str, span: Span) -> _Place:
        return _Place((*self.path, key), span)


def check(root: Node, reporter: Reporter) -> frozenset[tuple[str, ...]]:
    """Reports everything in which a spec file is not of the language's shape.

    Returns the entries that are broken, each as `(section, name)`; a section or file that is broken as a whole is
    `(section,)` or `()`. All other entries may be built.
    """
    start = Span(root.span.file, root.span.start, root.span.start)
    explainer = _Explainer(reporter)
    explainer.explain(project_rule(), root, _Place((), start))
    return frozenset(explainer.broken)


class _Explainer:
    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.broken: set[tuple[str, ...]] = set()

    def _error(self, place: _Place, code: str, message: str, span: Span, *, helps: tuple[str, ...] = ()) -> None:
        self.broken.add(place.path[: 4 if place.path[:1] == ("environments",) else 2])
        self._reporter.error(code, message, span, helps=helps)

    def explain(self, rule: Rule, node: Node, place: _Place) -> None:
        """Reports what keeps the node from being what the rule asks for."""
        if rule.branches and not rule.properties:
            self._branches(rule, node, place)
        elif not has_type(node, rule.types):
            self._wrong_type(rule.types, (rule,), node, place)
        elif isinstance(node, Scalar):
            self._scalar(rule, node, place)
        elif isinstance(node, Sequence):
            self._sequence(rule, node, place)
        else:
            self._mapping(rule, node, place)

    def _sequence(self, rule: Rule, node: Sequence, place: _Place) -> None:
        self._size(rule, node, len(node.items), ("minItems", "maxItems", "value"), place)
        if rule.items and rule.items.schema.get("x-sql") and (cut := cut_item(node)):
            message = f"a value of {place} is cut at its comma"
            self._error(place, "bad-value", message, cut, helps=quote_it(cut, "[…]"))
            return
        if rule.items:
            for item in node.items:
                self.explain(rule.items, item, _Place(place.path, _head(item), item=True))

    def _size(
        self, rule: Rule, node: Sequence | TreeMap, size: int, words: tuple[str, str, str], place: _Place
    ) -> None:
        if size_fits(rule, node):
            return
        least, most = rule.schema.get(words[0], 0), rule.schema.get(words[1])
        bound = "exactly" if least == most else "at least" if size < least else "at most"
        count = least if size < least else most
        message = f"{place} must hold {bound} {count} {words[2]}{'s' * (count != 1)}, not {size}"
        self._error(place, "bad-value", message, _head(node))

    def _mapping(self, rule: Rule, node: TreeMap, place: _Place) -> None:
        self._size(rule, node, len(node.entries), ("minProperties", "maxProperties", "key"), place)
        unknown = [key for key in node.entries if key not in rule.properties and rule.additional is False]
        cut = set(rests(node)) & set(unknown)
        for key in unknown:
            if key not in cut:
                self._unknown_key(rule, key, node, place)
        if cut:
            self._cut(node, cut, place)
        self._missing(rule, node, unknown, place)
        for key, entry in node.entries.items():
            own = rule.properties.get(key, rule.additional)
            if isinstance(own, Rule):
                self.explain(own, entry.value, place.below(key, entry.key.span))

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

    def _unknown_key(self, rule: Rule, key: str, node: TreeMap, place: _Place) -> None:
        free = [k for k in rule.properties if k not in node.entries]
        near = did_you_mean(key, rule.properties)
        given = next((k for k in rule.properties if k in node.entries and near == did_you_mean(key, (k,))), None)
        address = address_form(rule, node, key)
        helps = did_you_mean(key, free) or ((address,) if address else _listing("known keys", rule.properties))
        if near and given:
            helps = (f"`{given}` is given too: move what is below `{key}` into it",)
        self._error(place, "unknown-key", f"unknown key `{key}` in {place}", node.entries[key].key.span, helps=helps)

    def _missing(self, rule: Rule, node: TreeMap, unknown: list[str], place: _Place) -> None:
        missing = [key for key in rule.required if key not in node.entries and not _misspelled(key, unknown)]
        if "connection" in missing and any(address_form(rule, node, key) for key in unknown):
            missing.remove("connection")
        if missing:
            names = " and ".join(f"`{key}`" for key in missing)
            helps = tuple(f"add `{key}: {_example(rule, key)}`" for key in missing if key in rule.properties)
            self._error(place, "missing-key", f"{place} needs {names}", place.span, helps=helps)
        elif rule.branches and not any(set(branch.required) <= node.entries.keys() for branch in rule.branches):
            keys = [key for branch in rule.branches for key in branch.required]
            if not any(_misspelled(key, unknown) for key in keys):
                names = " or ".join(f"`{key}`" for key in keys)
                self._error(place, "missing-key", f"{place} needs {names}", place.span)

    def _scalar(self, rule: Rule, node: Scalar, place: _Place) -> None:
        fault = scalar_fault(rule, node)
        if fault is None:
            return
        if fault == "enum":
            self._bad_choice(rule.allowed, node, place)
            return
        wanted = _wanted(rule, fault)
        found = "not empty text" if node.text == "" else f"not `{node.text}`"
        self._error(place, "bad-value", f"{place} must be {wanted}, {found}", node.span, helps=_such_as(rule))

    def _bad_choice(self, allowed: Iterable[Any], node: Scalar, place: _Place) -> None:
        words = [str(value) for value in allowed]
        helps = did_you_mean(node.text, words) or _listing("allowed", words)
        self._error(place, "bad-value", f"{place} cannot be `{node.text}`", node.span, helps=helps)

    def _wrong_type(self, types: Iterable[str], rules: tuple[Rule, ...], node: Node, place: _Place) -> None:
        if _is_template(node):  # already reported: a mapping cannot be a key
            self.broken.add(place.path[:2])
            return
        wanted = [kind for kind in _TYPE_WORDS if kind in types and (kind != "null" or len(set(types)) == 1)]
        words = " or ".join(dict.fromkeys(_type_word(k, rules) for k in wanted))
        helps: tuple[str, ...] = ()
        if isinstance(node, Scalar) and node.value is not None and not any("x-secret" in r.schema for r in rules):
            helps = _retyped(wanted, node, rules)
        elif isinstance(node, Scalar) and place.path[-1:] and ")" in place.path[-1] and "(" not in place.path[-1]:
            helps = ('inside `{…}`, put a type that holds a comma in quotes: `"numeric(12,2)"`',)
        elif not isinstance(node, Scalar):
            helps = reshaped(wanted, node, rules)
        owner = f"a value of {place}" if place.item else str(place)
        message = f"{owner} must be {words}, not {_TYPE_WORDS[type_of(node)]}"
        span = place.span if isinstance(node, Scalar) and not node.text else _head(node)
        self._error(place, "wrong-type", message, span, helps=helps)

    def _branches(self, rule: Rule, node: Node, place: _Place) -> None:
        typed = [branch for branch in rule.branches if _may_be(branch, node)]
        if not typed:
            self._wrong_type({t for b in rule.branches for t in _types(b)}, rule.branches, node, place)
        elif rule.discriminator and isinstance(node, TreeMap):
            self._discriminated(rule, node, place)
        elif len(typed) == 1:
            self.explain(typed[0], node, place)
        elif any(accepts(branch, node) for branch in typed):
            return
        elif (branch := meant_branch(rule, node)) and not self._lacks_choice(typed, branch, node, place):
            self.explain(branch, node, place)

    def _lacks_choice(self, branches: list[Rule], meant: Rule, node: Node, place: _Place) -> bool:
        """Reports a mapping that has the key of no alternative, where each has a key of its own."""
        keys = [branch.required[0] for branch in branches if len(branch.required) == 1]
        if not isinstance(node, TreeMap) or len(set(keys)) < len(branches) or node.entries.keys() & set(keys):
            return False
        if any(key not in meant.properties for key in node.entries):  # one of them may be the missing one, misspelled
            return False
        message = f"{place} needs {' or '.join(f'`{key}`' for key in keys)}"
        helps = tuple(f"add `{key}: {flow(example(branch, key))}`" for branch, key in zip(branches, keys, strict=True))
        self._error(place, "missing-key", message, place.span, helps=helps)
        return True

    def _discriminated(self, rule: Rule, node: TreeMap, place: _Place) -> None:
        assert rule.discriminator is not None
        key, branches = rule.discriminator
        value = node.get(key)
        if value is None:
            near = next((k for k in node.entries if did_you_mean(k, (key,))), None)
            if near is not None and near not in rule.branches[0].properties:
                span = node.entries[near].key.span
                message = f"unknown key `{near}` in {place}"
                self._error(place, "unknown-key", message, span, helps=(f"did you mean `{key}`?",))
                return
            helps = _listing(f"add `{key}`, one of", map(str, branches))
            self._error(place, "missing-key", f"{place} needs `{key}`", place.span, helps=helps)
        elif not isinstance(value, Scalar) or not isinstance(value.value, str):
            self._wrong_type(("string",), (), value, place.below(key, node.entries[key].key.span))
        elif value.value not in branches:
            self._bad_choice(branches, value, place.below(key, value.span))
        else:
            self.explain(branches[value.value], node, place)


def meant_branch(rule: Rule, node: Node) -> Rule | None:
    """The alternative that the author evidently meant; None when the node is of no type that any of them takes."""
    if rule.discriminator and isinstance(node, TreeMap):
        key, branches = rule.discriminator
        value = node.get(key)
        return branches.get(value.value) if isinstance(value, Scalar) else None
    typed = [branch for branch in rule.branches if _may_be(branch, node)]
    return max(typed, key=lambda branch: _likeness(branch, node), default=None)


def _head(node: Node) -> Span:
    """The smallest span that shows a node: a mapping's first key, a list's bracket or dash, a value itself."""
    if isinstance(node, TreeMap) and node.entries:
        return next(iter(node.entries.values())).key.span
    if isinstance(node, Scalar):
        return node.span
    return Span(node.span.file, node.span.start, min(node.span.start + 1, node.span.end))


def _types(rule: Rule) -> frozenset[str]:
    return rule.types or frozenset(t for branch in rule.branches for t in _types(branch))


def _may_be(rule: Rule, node: Node) -> bool:
    if rule.branches and not rule.types:
        return any(_may_be(branch, node) for branch in rule.branches)
    return has_type(node, rule.types)


def _likeness(rule: Rule, node: Node) -> tuple[int, int]:
    """How much a mapping looks like what the rule asks for; anything else is judged by acceptance alone."""
    if not isinstance(node, TreeMap):
        return (0, 0)
    has_required = bool(rule.required) and all(key in node.entries for key in rule.required)
    own = rule.additional
    points = 0
    for key, entry in node.entries.items():
        if key in rule.properties:
            points += 2
        elif isinstance(own, Rule):
            points += _may_be(own, entry.value)
    return (has_required, points)


def _misspelled(key: str, unknown: list[str]) -> bool:
    return any(did_you_mean(name, (key,)) for name in unknown)


def _type_word(kind: str, rules: tuple[Rule, ...]) -> str:
    named = next((r.schema["x-type"] for r in rules if "x-type" in r.schema and kind in r.types), None)
    return named or _TYPE_WORDS[kind]


_BOUNDS = {"minimum": "at least", "maximum": "at most", "x-least": "at least", "x-most": "at most"}


def _wanted(rule: Rule, fault: str) -> str:
    if fault in _BOUNDS:
        return f"{_BOUNDS[fault]} {rule.schema[fault]}"
    if fault == "maxLength":
        return f"at most {rule.schema[fault]} character{'s' * (rule.schema[fault] != 1)} long"
    return str(rule.schema.get("x-type", "text"))


def _such_as(rule: Rule) -> tuple[str, ...]:
    examples = rule.schema.get("examples", ())
    return (f"for instance `{examples[0]}`",) if examples and "pattern" in rule.schema else ()


def _example(rule: Rule, key: str) -> str:
    """What a key may say: the example beside its `$ref`, else that of what it refers to."""
    examples = rule.schema["properties"][key].get("examples") or rule.properties[key].schema.get("examples") or ["…"]
    example = examples[0]
    return str(example) if isinstance(example, (str, int, float)) else "…"


def _is_template(node: Node) -> bool:
    """Whether this is `{{ … }}` without quotes, which YAML takes for a mapping in a mapping."""
    return isinstance(node, TreeMap) and node.span.file.text.startswith("{{", node.span.start)


_PLAIN = 1e15
"""Below it, a whole number that was written as a float is written out in the help."""
_TRUTH = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def _retyped(wanted: list[str], node: Scalar, rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """How to write a scalar that has the wrong type."""
    text = node.text
    choices = [str(value) for rule in rules for value in rule.allowed]
    if choices and text not in choices:
        return _listing("allowed", choices)
    if wanted == ["array"]:
        return (f"write `{list_form(rules[0], node)}`",)
    if wanted == ["object"]:
        form, example = mapping_form(rules, node), example_form(rules)
        return (f"write `{form}`",) if form else (f"for instance `{example}`",) if example else ()
    if "boolean" in wanted:
        word = text.lower()
        return (f"write `{_TRUTH.get(word, word)}`",) if word in (*_TRUTH, "true", "false") else ()
    if any(rule.schema.get("x-type") == "a duration" for rule in rules):
        return (f"add its unit: `{text}s`, `{text}m`, `{text}h` or `{text}d`",)
    if any(rule.schema.get("x-type") == "a size" for rule in rules):
        return (f"add its unit: `{text}B`, `{text}KiB` or `{text}MiB`",)
    if "integer" in wanted and text.isdecimal():
        return (f"write it without quotes: `{text}`",)
    if "integer" in wanted and isinstance(node.value, float) and node.value.is_integer():
        return (f"write `{node.value:.0f}`",) if abs(node.value) < _PLAIN else ()
    return (f'put it in quotes: `"{text}"`',) if "string" in wanted else ()


def _listing(words: str, names: Iterable[str]) -> tuple[str, ...]:
    shown = [f"`{name}`" for name in names]
    more = ", …" if len(shown) > MAX_LISTED else ""
    return (f"{words}: {', '.join(shown[:MAX_LISTED])}{more}",) if shown else ()
