"""How to write a value that is given in too short a form: `retry: 5` as `{attempts: 5}`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowc.compiler.front.schemarules import Rule, accepts
from flowc.compiler.front.yamltree import Node, Scalar, Sequence, TreeMap, plain

_SHORT = 60
_NAME = re.compile(r"[A-Za-z_]\w*")
_UNQUOTED = re.compile(r"[A-Za-z_$./%0-9*(][^,\[\]{}#:'\"]*")


def mapping_form(rules: tuple[Rule, ...], node: Scalar) -> str | None:
    """The mapping that the author of a scalar evidently meant; None when no key would take the scalar.

    Never of a URL, which may hold a password.
    """
    if "://" in node.text:
        return _url_form(rules, node.text.partition(":")[0])
    found = [
        (_score(own, key, rule, node), rule, key) for rule in _objects(rules) for key, own in rule.properties.items()
    ]
    points, rule, key = max(found, key=lambda f: f[0], default=(0, None, ""))
    if not points or rule is None:
        return None
    own = rule.properties[key]
    value = [plain(node)] if "array" in own.types else plain(node)
    shown = [(k, value if k == key else example(rule, k)) for k in rule.properties if k == key or k in rule.required]
    return flow(dict(shown))


def _url_form(rules: tuple[Rule, ...], scheme: str) -> str | None:
    kinds = (str(rule.properties["kind"].schema.get("const")) for rule in _objects(rules) if "url" in rule.properties)
    kind = next((kind for kind in kinds if scheme.startswith(kind)), None)
    return f'{{kind: {kind}, url: "${{DATABASE_URL}}"}}' if kind else None


def list_form(rule: Rule, node: Scalar) -> str:
    """The list that the author of a scalar evidently meant."""
    items = rule.items
    form = mapping_form((items,), node) if items is not None and "string" not in _types(items) else None
    return f"[{form or node.text}]"


def example_form(rules: tuple[Rule, ...]) -> str | None:
    """An example of the mapping that is wanted."""
    examples = (rule.schema["examples"][0] for rule in (*rules, *_objects(rules)) if rule.schema.get("examples"))
    return next((flow(example) for example in examples if isinstance(example, dict)), None)


def reshaped(wanted: list[str], node: Node, rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """How to write a list or mapping that stands where something else is wanted."""
    if wanted == ["object"] and (form := example_form(rules)):
        return (f"for instance `{form}`",)
    if wanted == ["array"] and isinstance(node, TreeMap):
        return (f"write it as a list: `[{flow(plain(node))}]`",) if _is_short(node) else ("write `- ` before it",)
    only = node.items[0] if isinstance(node, Sequence) and len(node.items) == 1 else None
    if isinstance(node, TreeMap) and node.entries.keys() == {"type"}:
        only = node.get("type")
    return (f"write `{only.text}`",) if wanted == ["string"] and isinstance(only, Scalar) else ()


def address_form(rule: Rule, node: TreeMap, key: str) -> str | None:
    """`{warehouse: orders}` as the place it evidently means."""
    value = node.get(key)
    if "connection" not in rule.properties or "connection" in node.entries or not isinstance(value, Scalar):
        return None
    address = (
        "path" if "path" in rule.properties and re.search(r"[*/]|\.(csv|jsonl|json|parquet)", value.text) else "table"
    )
    return f"write `{flow({'connection': key, address: value.text})}`"


def _is_short(node: Node) -> bool:
    return node.span.end - node.span.start <= _SHORT


def flow(value: object) -> str:
    """A value as YAML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    if isinstance(value, str):
        return value if _UNQUOTED.fullmatch(value) else f'"{value}"'
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _objects(rules: tuple[Rule, ...]) -> Iterator[Rule]:
    for rule in rules:
        if rule.properties:
            yield rule
        else:
            yield from _objects(rule.branches)


def _types(rule: Rule) -> frozenset[str]:
    return rule.types or frozenset(t for branch in rule.branches for t in _types(branch))


def _score(own: Rule, key: str, rule: Rule, node: Scalar) -> int:
    """How likely a key was meant: a value of a strict form says more than a text, a required key more than another."""
    needed = key in rule.required
    if own.schema.get("x-secret"):
        return 0
    if "array" in own.types:
        fits = own.items is not None and accepts(own.items, node) and _NAME.fullmatch(node.text) is not None
        return (2 + needed) * fits
    is_sql = own.schema.get("x-sql") and " " in node.text
    strict = bool(own.allowed) or own.pattern is not None or "string" not in _types(own) or bool(is_sql)
    return (1 + 2 * strict + needed) * accepts(own, node)


def example(rule: Rule, key: str) -> object:
    """What a key may say: the example beside its `$ref`, else that of what it refers to."""
    examples = rule.schema["properties"][key].get("examples") or rule.properties[key].schema.get("examples") or ["…"]
    return rule.properties[key].schema.get("const", examples[0])
