"""Specs changed as trees: keys that the schema knows beside those that are there, its examples, values of elsewhere."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

import yaml

from flowc.resources import root
from tests.fuzz.mutant import Chance, Mutant, spec
from tests.fuzz.names import NAMES
from tests.fuzz.texts import EMBEDDED, SPECS

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, 10**40, 1.5, float("inf"), float("nan"), "", " ", [], {}, [[]], [None], {"": ""}, "a" * 300,
    "0s", "1ms", "999999d", "1h", "0.0000001%", "30 days", "30D", "50%", "numeric(38,38)", "numeric(39,1)", "varchar(1)", "timestamp(9)", "text[][]", "json",
    "struct<a int>", "2020-01-01", "2020-02-30", "select 1", "SELECT 1 AS id", "{{ var.region }}", "${FUZZ_SECRET}", "*.csv", "../x",
    "/etc/passwd", "s3://b/k", "md:d?motherduck_token=t0ken", "Europe/Berlin", "Nowhere/Town", "* * * * *", "61 * * * *", "a.b", "a.b.c", "id desc", "id desc nulls last",
)  # fmt: skip


@cache
def schema() -> tuple[dict[str, list[Any]], dict[str, set[str]]]:
    """Examples by key, and by key those that may stand beside it."""
    examples: dict[str, list[Any]] = {}
    beside: dict[str, set[str]] = {}
    folder = root("schemas")
    for path in (folder / "project.json", *sorted((folder / "connectors").glob("*.json"))):
        for properties in _properties(json.loads(path.read_text("utf-8"))):
            for key, said in properties.items():
                values = [*said.get("examples", ()), *said.get("enum", ()), *_const(said)]
                examples.setdefault(key, []).extend(v for v in values if v not in examples.get(key, ()))
                beside.setdefault(key, set()).update(properties)
    return examples, beside


def _const(said: dict[str, Any]) -> tuple[Any, ...]:
    return (said["const"],) if "const" in said else ()


def _properties(node: Any) -> Iterator[dict[str, Any]]:
    """All objects of properties in a schema."""
    if isinstance(node, dict):
        found = node.get("properties")
        if isinstance(found, dict) and all(isinstance(value, dict) for value in found.values()):
            yield found
        for value in node.values():
            yield from _properties(value)
    elif isinstance(node, list):
        for value in node:
            yield from _properties(value)


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Each collection with each of its keys or indexes."""
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        yield node, key
        if isinstance(value, (dict, list)):
            yield from _places(value)


def add_key(tree: Any, chance: Chance) -> None:
    examples, beside = schema()
    known = [(node, key) for node, key in _places(tree) if isinstance(node, dict) and key in beside]
    node, key = chance.choice(known)
    new = chance.choice(sorted(beside[key]))
    node[new] = deepcopy(chance.choice(examples[new] or ODD))


def example(tree: Any, chance: Chance) -> None:
    examples, _ = schema()
    known = [(node, key) for node, key in _places(tree) if isinstance(node, dict) and examples.get(key)]
    node, key = chance.choice(known)
    node[key] = deepcopy(chance.choice(examples[key]))


def odd(tree: Any, chance: Chance) -> None:
    node, key = chance.choice(list(_places(tree)))
    node[key] = deepcopy(chance.choice(ODD))  # or the next change would change it for all mutants


def move(tree: Any, chance: Chance) -> None:
    places = list(_places(tree))
    (node, key), (other, at) = chance.choice(places), chance.choice(places)
    node[key] = deepcopy(other[at]) if at in other or isinstance(other, list) else None


def drop(tree: Any, chance: Chance) -> None:
    node, key = chance.choice(list(_places(tree)))
    del node[key]


def rename(tree: Any, chance: Chance) -> None:
    node, key = chance.choice([(node, key) for node, key in _places(tree) if isinstance(node, dict)])
    node[chance.choice((*NAMES, *(str(each) for each in node)))] = node.pop(key)


CHANGES = (add_key, add_key, add_key, example, example, odd, move, drop, rename)


@cache
def _loaded(path: Any) -> str:
    return json.dumps(yaml.safe_load(path.read_text("utf-8")), default=str)


def mutant(chance: Chance) -> Mutant:
    path = chance.choice((*SPECS, *EMBEDDED * 3))
    tree = json.loads(_loaded(path))
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        try:
            chance.choice(CHANGES)(tree, chance)
        except (IndexError, KeyError):  # what an earlier change left has no such place
            continue
    return spec(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), plan=path in EMBEDDED)
