"""Writes `docs/reference/spec.md` from the JSON Schemas: `python scripts/make_reference.py [--check]`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "schemas"
OUTPUT = ROOT / "docs" / "reference" / "spec.md"

Schema = Mapping[str, Any]

HEADER = """# The spec, key by key

<!-- Written by scripts/make_reference.py from schemas/. Change those, then run it. -->

A project is a folder of YAML files. Every `*.yaml` below it is read and merged; a name is unique in the whole project.
The JSON Schemas in `schemas/` decide what may be written; editors complete from them. What of it runs today is said in
the table of the [README](../../README.md#what-works-today).

A key in **bold** must be given.
"""


def main() -> int:
    """Writes the file, or with `--check` says whether it is current."""
    text = reference()
    if "--check" in sys.argv[1:]:
        current = OUTPUT.exists() and OUTPUT.read_text("utf-8") == text
        print("current" if current else f"{OUTPUT.relative_to(ROOT)} is not current: python scripts/make_reference.py")
        return 0 if current else 1
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(text, "utf-8")
    return 0


def reference() -> str:
    """The whole page."""
    project = json.loads((SCHEMAS / "project.json").read_text("utf-8"))
    parts = [HEADER, "## project\n", *_keys(project)]
    for name, schema in project["$defs"].items():
        if name == "connection":
            parts += _connections(schema)
        else:
            parts += [f"## {name}\n", *_definition(schema)]
    return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def _connections(schema: Schema) -> Iterator[str]:
    yield "## connection\n"
    yield f"{schema.get('description', '')} Its `kind` decides the other keys."
    for entry in schema["oneOf"]:
        connector = json.loads((SCHEMAS / entry["$ref"]).read_text("utf-8"))
        kind = connector["properties"]["kind"]["const"]
        yield f"### {kind}\n"
        yield from _definition(connector)


def _definition(schema: Schema) -> Iterator[str]:
    if text := schema.get("description"):
        yield text
    for choice in schema.get("anyOf", schema.get("oneOf", ())):
        yield from _choice(choice)
    yield from _keys(schema)
    if not _properties(schema) and (example := _example(schema)):
        yield f"Example: {example}"


def _choice(choice: Schema) -> Iterator[str]:
    """One of several forms: a sentence, and a table where it has keys."""
    words = choice.get("description", "")
    yield " ".join(f"- {choice.get('title', 'As')}: {words} {_type(choice)}".split())
    yield from _keys(choice)


def _properties(schema: Schema) -> Mapping[str, Schema]:
    found: Mapping[str, Schema] = schema.get("properties", {})
    return found


def _keys(schema: Schema) -> Iterator[str]:
    rows = list(_rows(schema, ""))
    if rows:
        yield "\n".join(["| key | is | what | example |", "|---|---|---|---|", *rows])


def _rows(schema: Schema, prefix: str) -> Iterator[str]:
    """One row for each key; the keys of an object inside follow it with a dot."""
    required = set(schema.get("required", ()))
    for name, value in _properties(schema).items():
        key = f"**`{prefix}{name}`**" if name in required else f"`{prefix}{name}`"
        words = " ".join((value.get("description", ""), *_bounds(value)))
        yield f"| {key} | {_type(value)} | {_cell(words)} | {_example(value)} |"
        yield from _rows(value, f"{prefix}{name}.")


def _bounds(schema: Schema) -> Iterator[str]:
    """Between which numbers a number must be, in a sentence."""
    for form in (schema, *schema.get("anyOf", ())):
        if "maximum" in form:
            yield f"From {form['minimum']:,} to {form['maximum']:,}."


def _type(schema: Schema) -> str:
    """What a value is, in a few words, with links to the sections."""
    if reference := schema.get("$ref"):
        return _link(reference)
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " ".join(f"`{_plain(choice)}`" for choice in schema["enum"])
    if choices := schema.get("anyOf", schema.get("oneOf")):
        return " or ".join(dict.fromkeys(_type(choice) for choice in choices))
    return _structure(schema)


def _structure(schema: Schema) -> str:
    kind = schema.get("type", "any value")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"mapping of names to {_type(schema['additionalProperties'])}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _link(reference: str) -> str:
    name = reference.removesuffix(".json").rsplit("/", 1)[-1]
    return f"[{name}](#{name})"


def _example(schema: Schema) -> str:
    examples = schema.get("examples", ())
    return f"`{_plain(examples[0])}`".replace("|", "\\|") if examples else ""


def _plain(value: object) -> str:
    return value.replace("\n", " ") if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
