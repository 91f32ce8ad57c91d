"""The JSON Schemas in `schemas/`: what they say, and the library's validators that judge values by them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING, Any

from jsonschema_rs import Draft202012Validator, RegexOptions, Registry

from flowc import resources
from flowc.durations import parse_size
from flowc.formats import FORMATS

if TYPE_CHECKING:
    from jsonschema_rs import KeywordValidator

PROJECT = "project.json#"
"""The schema of one spec file."""

_URI = "flowc:///"
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null", list: "array"}


def _keyword(fits: Callable[[Any, Any], bool]) -> type[KeywordValidator]:
    """A keyword of flowc's own, by whether a value fits what the keyword says."""

    class Keyword:
        def __init__(self, parent_schema: dict[str, Any], value: Any, schema_path: list[str | int]) -> None:
            del parent_schema, schema_path
            self._said = value

        def validate(self, instance: Any) -> None:
            if not fits(instance, self._said):
                raise ValueError

    return Keyword


_KEYWORDS = {
    "x-whole": _keyword(lambda value, _: not isinstance(value, float)),  # JSON Schema takes 5.0 for an integer, too
    "x-least": _keyword(lambda size, least: parse_size(size) >= parse_size(least)),  # bounds of sizes, which are texts
    "x-most": _keyword(lambda size, most: parse_size(size) <= parse_size(most)),
}


@cache
def load(name: str) -> Mapping[str, Any]:
    """One schema file, for instance `project.json` or `connectors/kafka.json`."""
    text = (resources.root("schemas") / name).read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = json.loads(text, object_hook=_with_tables)
    return loaded


def _with_tables(part: dict[str, Any]) -> dict[str, Any]:
    """A part of a schema, with what the table of formats and the folder of connectors add to its list.

    A list with `x-formats` is of formats, one with `x-connectors` of the schemas of connections. The files list what
    flowc itself has, too, for editors that read nothing else.
    """
    if "x-formats" in part:
        part["enum"] = [*dict.fromkeys([*part["enum"], *(n for n, f in FORMATS.items() if f.can(part["x-formats"]))])]
    if "x-connectors" in part:
        listed = [branch["$ref"] for branch in part["oneOf"]]
        part["oneOf"] = [{"$ref": ref} for ref in dict.fromkeys([*listed, *_connectors()])]
    return part


def _connectors() -> list[str]:
    """The schemas of connections, as `connectors/<kind>.json`."""
    return sorted(f"connectors/{path.name}" for path in (resources.root("schemas") / "connectors").glob("*.json"))


@cache
def validator(location: str = PROJECT) -> Draft202012Validator:
    """The judge by the schema at a location like `project.json#/$defs/size`. Its time is linear in what it judges."""
    reference = {"$ref": _URI + location}
    return Draft202012Validator(reference, registry=_registry(), pattern_options=RegexOptions(), keywords=_KEYWORDS)


@cache
def _registry() -> Registry:
    return Registry([(_URI + name, dict(load(name))) for name in ("project.json", *_connectors())])


def type_of(value: object) -> str:
    """JSON Schema's name for what a value is."""
    return _TYPES.get(type(value), "object")


@dataclass(frozen=True)
class Schema:
    """What the schema at a location says, for the words about a fault; it judges nothing itself."""

    location: str

    @cached_property
    def says(self) -> Mapping[str, Any]:
        """Its keywords."""
        name, _, pointer = self.location.partition("#")
        found: Any = load(name)
        for step in pointer.split("/")[1:]:
            found = found[int(step) if isinstance(found, list) else step]
        keywords: Mapping[str, Any] = found
        return keywords

    @cached_property
    def properties(self) -> Mapping[str, Schema]:
        """The schemas of the known keys."""
        return {key: self._below("properties", key) for key in self.says.get("properties", {})}

    @cached_property
    def items(self) -> Schema | None:
        """The schema of a list's items."""
        return self._below("items") if "items" in self.says else None

    @cached_property
    def branches(self) -> tuple[Schema, ...]:
        """The alternatives, of which one must hold."""
        word = "anyOf" if "anyOf" in self.says else "oneOf"
        return tuple(self._below(word, str(number)) for number in range(len(self.says.get(word, ()))))

    @cached_property
    def allowed(self) -> tuple[Any, ...]:
        """The only values there may be; empty when any may."""
        return (self.says["const"],) if "const" in self.says else tuple(self.says.get("enum", ()))

    @cached_property
    def types(self) -> frozenset[str]:
        """The types there may be, of all alternatives; empty when any may."""
        own = self.says.get("type", [type_of(value) for value in self.allowed])
        return frozenset([own] if isinstance(own, str) else own).union(*(branch.types for branch in self.branches))

    def accepts(self, value: object) -> bool:
        """Whether the value is what the schema asks for."""
        return validator(self.location).is_valid(value)

    def _below(self, *steps: str) -> Schema:
        return schema_at("/".join((self.location, *steps)))


@cache
def schema_at(location: str) -> Schema:
    """The schema at a location or URI, or what it refers to: words beside a `$ref` are for readers only."""
    found = Schema(location.removeprefix(_URI))
    if (reference := found.says.get("$ref")) is None:
        return found
    path, _, pointer = reference.partition("#")
    name = found.location.partition("#")[0]
    return schema_at(f"{normpath(join(dirname(name), path)) if path else name}#{pointer}")
