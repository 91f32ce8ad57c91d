"""The JSON Schemas in `schemas/`, compiled into small rules that check node trees.

Only the keywords that those schemas use are known; a test proves that the rules agree with the jsonschema library.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from flowc import resources
from flowc.compiler.front.yamltree import Node, Scalar, Sequence, TreeMap
from flowc.durations import parse_size

_KNOWN = frozenset({
    "type", "properties", "additionalProperties", "required", "items", "enum", "const", "pattern", "minLength",
    "maxLength", "minimum", "maximum", "minItems", "maxItems", "minProperties", "maxProperties", "anyOf", "oneOf",
    "$ref", "$defs", "$schema", "title", "description", "examples", "default", "x-type", "x-secret", "x-sql",
    "x-sql-type", "x-capabilities", "x-dialect", "x-least", "x-most",
})  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """One schema. What it refers to is compiled when first asked for, so that schemas may be recursive."""

    schema: Mapping[str, Any]
    base: str
    """The schema file that relative references start from."""
    types: frozenset[str] = field(default_factory=frozenset)
    required: tuple[str, ...] = ()

    @cached_property
    def properties(self) -> Mapping[str, Rule]:
        """The rules of the known keys."""
        return {key: rule(value, self.base) for key, value in self.schema.get("properties", {}).items()}

    @cached_property
    def additional(self) -> Rule | bool:
        """The rule of all other keys, or whether there may be any."""
        value = self.schema.get("additionalProperties", True)
        return value if isinstance(value, bool) else rule(value, self.base)

    @cached_property
    def items(self) -> Rule | None:
        """The rule of a list's items."""
        return rule(self.schema["items"], self.base) if "items" in self.schema else None

    @cached_property
    def branches(self) -> tuple[Rule, ...]:
        """The alternatives, of which one must hold."""
        found = self.schema.get("anyOf") or self.schema.get("oneOf") or ()
        return tuple(rule(branch, self.base) for branch in found)

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """What text must look like."""
        return re.compile(self.schema["pattern"]) if "pattern" in self.schema else None

    @cached_property
    def allowed(self) -> tuple[Any, ...]:
        """The only values there may be; empty when any may."""
        return (self.schema["const"],) if "const" in self.schema else tuple(self.schema.get("enum", ()))

    @cached_property
    def discriminator(self) -> tuple[str, Mapping[Any, Rule]] | None:
        """The key whose constant tells the branches apart, and the branch of each constant."""
        if len(self.branches) < 2 or not all(branch.properties for branch in self.branches):
            return None
        for key in self.branches[0].properties:
            rules = [branch.properties.get(key) for branch in self.branches]
            if all(r is not None and "const" in r.schema for r in rules):
                return key, {r.schema["const"]: b for r, b in zip(rules, self.branches, strict=True) if r}
        return None


@cache
def load(name: str) -> Mapping[str, Any]:
    """One schema file, for instance `project.json` or `connectors/kafka.json`."""
    loaded: Mapping[str, Any] = json.loads((resources.root("schemas") / name).read_text(encoding="utf-8"))
    return loaded


@cache
def project_rule() -> Rule:
    """The rule of one spec file."""
    return rule(load("project.json"), "project.json")


def rule(schema: Mapping[str, Any], base: str) -> Rule:
    """Compiles a schema, following `$ref`; words beside a `$ref` are for readers only."""
    if reference := schema.get("$ref"):
        return _referenced(reference, base)
    if unknown := schema.keys() - _KNOWN:
        raise ValueError(f"{base}: keywords without a rule: {', '.join(sorted(unknown))}")
    types = schema.get("type", ())
    return Rule(
        schema, base, frozenset((types,) if isinstance(types, str) else types), tuple(schema.get("required", ()))
    )


@cache
def _referenced(reference: str, base: str) -> Rule:
    path, _, pointer = reference.partition("#")
    if path:
        folder = base.rpartition("/")[0]
        base = path.removeprefix("../") if path.startswith("../") else f"{folder}/{path}".lstrip("/")
    schema = load(base)
    for step in pointer.split("/")[1:]:
        schema = schema[step]
    return rule(schema, base)


def type_of(node: Node) -> str:
    """JSON Schema's name for what a node is."""
    if isinstance(node, TreeMap):
        return "object"
    if isinstance(node, Sequence):
        return "array"
    return _SCALAR_TYPES[type(node.value)]


_SCALAR_TYPES: dict[type, str] = {
    str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null",
}  # fmt: skip


def has_type(node: Node, types: frozenset[str]) -> bool:
    """Whether the node is of one of the types; an empty set means any. `5.0` is no whole number here."""
    found = type_of(node)
    return not types or found in types or (found == "integer" and "number" in types)


def accepts(rule: Rule, node: Node) -> bool:
    """Whether the node is what the rule asks for."""
    if not has_type(node, rule.types) or (rule.branches and not _any_branch(rule, node)):
        return False
    if isinstance(node, Scalar):
        return scalar_fault(rule, node) is None
    if not size_fits(rule, node):
        return False
    if isinstance(node, Sequence):
        items = rule.items
        return items is None or all(accepts(items, item) for item in node.items)
    return _accepts_keys(rule, node)


def _accepts_keys(rule: Rule, node: TreeMap) -> bool:
    if any(key not in node.entries for key in rule.required) or rule.allowed:
        return False
    known, additional = rule.properties, rule.additional
    for key, entry in node.entries.items():
        own = known.get(key, additional)
        if own is False or (isinstance(own, Rule) and not accepts(own, entry.value)):
            return False
    return True


def _any_branch(rule: Rule, node: Node) -> bool:
    if rule.discriminator and isinstance(node, TreeMap):
        key, branches = rule.discriminator
        value = node.get(key)
        branch = branches.get(value.value) if isinstance(value, Scalar) else None
        return branch is not None and accepts(branch, node)
    return any(accepts(branch, node) for branch in rule.branches)


def size_fits(rule: Rule, node: Sequence | TreeMap) -> bool:
    """Whether a list or mapping has as many members as it may."""
    mapping = isinstance(node, TreeMap)
    least = rule.schema.get("minProperties" if mapping else "minItems", 0)
    most = rule.schema.get("maxProperties" if mapping else "maxItems")
    size = len(node.entries) if isinstance(node, TreeMap) else len(node.items)
    return least <= size and (most is None or size <= most)


def scalar_fault(rule: Rule, node: Scalar) -> str | None:
    """The keyword that a value of the right type breaks, if it breaks one."""
    value = node.value
    if rule.allowed and not any(type(value) is type(a) and value == a for a in rule.allowed):
        return "enum"
    if isinstance(value, str):
        if len(value) < rule.schema.get("minLength", 0):
            return "minLength"
        if len(value) > rule.schema.get("maxLength", len(value)):
            return "maxLength"
        if rule.pattern and not rule.pattern.search(value):
            return "pattern"
        return _size_fault(rule, value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        least, most = rule.schema.get("minimum"), rule.schema.get("maximum")
        if least is not None and not value >= least:  # NaN is not at least anything
            return "minimum"
        if most is not None and value > most:
            return "maximum"
    return None


def _size_fault(rule: Rule, value: str) -> str | None:
    """The keyword that a size breaks, where sizes are bounded; editors know none for texts."""
    least, most = rule.schema.get("x-least"), rule.schema.get("x-most")
    if least is not None and parse_size(value) < parse_size(least):
        return "x-least"
    return "x-most" if most is not None and parse_size(value) > parse_size(most) else None
