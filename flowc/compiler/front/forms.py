"""How to write a value that is given in too short a form: `retry: 5` as `{attempts: 5}`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowc.compiler.front.schemas import Schema
from flowc.compiler.front.yamltree import Node, Scalar, Sequence, TreeMap, plain

_SHORT = 60
_NAME = re.compile(r"[A-Za-z_]\w*")
_UNQUOTED = re.compile(r"[A-Za-z_$./%0-9*(][^,\[\]{}#:'\"]*")


def mapping_form(schemas: tuple[Schema, ...], node: Scalar) -> str | None:
    """The mapping that the author of a scalar evidently meant; None when no key would take the scalar.

    Never of a URL, which may hold a password.
    """
    if "://" in node.text:
        return _url_form(schemas, node.text.partition(":")[0])
    found = [
        (_score(own, key, schema, node), schema, key)
        for schema in _objects(schemas)
        for key, own in schema.properties.items()
    ]
    points, schema, key = max(found, key=lambda f: f[0], default=(0, None, ""))
    if not points or schema is None:
        return None
    own = schema.properties[key]
    value = [plain(node)] if own.items else plain(node)
    shown = [
        (k, value if k == key else example(schema, k))
        for k in schema.properties
        if k == key or k in schema.says.get("required", ())
    ]
    return flow(dict(shown))


def _url_form(schemas: tuple[Schema, ...], scheme: str) -> str | None:
    kinds = (
        str(schema.properties["kind"].says.get("const")) for schema in _objects(schemas) if "url" in schema.properties
    )
    kind = next((kind for kind in kinds if scheme.startswith(kind)), None)
    return f'{{kind: {kind}, url: "${{DATABASE_URL}}"}}' if kind else None


def list_form(schema: Schema, node: Scalar) -> str:
    """The list that the author of a scalar evidently meant."""
    items = schema.items
    form = mapping_form((items,), node) if items is not None and "string" not in items.types else None
    return f"[{form or node.text}]"


def example_form(schemas: tuple[Schema, ...]) -> str | None:
    """An example of the mapping that is wanted."""
    examples = (schema.says["examples"][0] for schema in (*schemas, *_objects(schemas)) if schema.says.get("examples"))
    return next((flow(example) for example in examples if isinstance(example, dict)), None)


def reshaped(wanted: list[str], node: Node, schemas: tuple[Schema, ...]) -> tuple[str, ...]:
    """How to write a list or mapping that stands where something else is wanted."""
    if wanted == ["object"] and (form := example_form(schemas)):
        return (f"for instance `{form}`",)
    if wanted == ["array"] and isinstance(node, TreeMap):
        node = _rows_alone(node, schemas)
        if isinstance(node, Sequence):
            return (f"write the list alone: `{flow(plain(node))}`",) if _is_short(node) else ("write the list alone",)
        return (f"write it as a list: `[{flow(plain(node))}]`",) if _is_short(node) else ("write `- ` before it",)
    only = node.items[0] if isinstance(node, Sequence) and len(node.items) == 1 else None
    if isinstance(node, TreeMap) and node.entries.keys() == {"type"}:
        only = node.get("type")
    return (f"write `{only.text}`",) if wanted == ["string"] and isinstance(only, Scalar) else ()


def address_form(schema: Schema, node: TreeMap, key: str) -> str | None:
    """`{warehouse: orders}` as the place it evidently means."""
    value = node.get(key)
    if "connection" not in schema.properties or "connection" in node.entries or not isinstance(value, Scalar):
        return None
    address = (
        "path" if "path" in schema.properties and re.search(r"[*/]|\.(csv|jsonl|json|parquet)", value.text) else "table"
    )
    return f"write `{flow({'connection': key, address: value.text})}`"


def _rows_alone(node: TreeMap, schemas: tuple[Schema, ...]) -> TreeMap | Sequence:
    """The list of rows below a single key, where rows with any columns are wanted: the key names their table."""
    values = [entry.value for entry in node.entries.values()]
    takes_any = not any(True for schema in schemas if schema.items for _ in _objects((schema.items,)))
    return values[0] if takes_any and len(values) == 1 and isinstance(values[0], Sequence) else node


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


def _objects(schemas: tuple[Schema, ...]) -> Iterator[Schema]:
    for schema in schemas:
        if schema.properties:
            yield schema
        else:
            yield from _objects(schema.branches)


def _score(own: Schema, key: str, schema: Schema, node: Scalar) -> int:
    """How likely a key was meant: a value of a strict form says more than a text, a required key more than another."""
    needed = key in schema.says.get("required", ())
    if own.says.get("x-secret"):
        return 0
    if own.items:
        fits = own.items.accepts(plain(node)) and _NAME.fullmatch(node.text) is not None
        return (2 + needed) * fits
    is_sql = own.says.get("x-sql") and " " in node.text
    strict = bool(own.allowed) or "pattern" in own.says or "string" not in own.types or bool(is_sql)
    return (1 + 2 * strict + needed) * own.accepts(plain(node))


def example(schema: Schema, key: str) -> object:
    """What a key may say: the example beside its `$ref`, else that of what it refers to."""
    examples = schema.says["properties"][key].get("examples") or schema.properties[key].says.get("examples") or ["…"]
    return schema.properties[key].says.get("const", examples[0])
