"""The schemas: every property is described, its examples are right, and specs are judged as another library judges."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from flowc import resources
from flowc.compiler.front.faults import Fault, faults, judged, node_at
from flowc.compiler.front.kinds import STREAM_SOURCE, STREAM_TARGET, can, kinds, schema_of
from flowc.compiler.front.salvage import salvage
from flowc.compiler.front.schemacheck import check
from flowc.compiler.front.schemas import load, schema_at
from flowc.compiler.front.streamkinds import source_kind, target_kind
from flowc.compiler.front.yamltree import Scalar, TreeMap, parse, plain
from flowc.diagnostics import Reporter
from flowc.formats import FORMATS, Format
from flowc.source import SourceFile
from flowc.systems import systems_with

ROOT = resources.root("schemas")
SPECS = [*Path("tests/fuzz/corpus").glob("*.yaml"), *Path("specs").rglob("*.yaml")]
FILES = ["project.json", *(f"connectors/{kind}.json" for kind in kinds())]
BASE = "https://flowc.test/"
MUTATIONS = 50
SALVAGED = ("tables", "pipelines", "streams", "functions", "tests")
REPLACEMENTS = [None, True, 0, -1, 2.5, 3.0, "", "x", "5m", "64MiB", "1%", [], {}, ["a"], {"a": 1}]


def _registry() -> Registry[Any]:
    loaded = {BASE + name: json.loads((ROOT / name).read_text()) for name in FILES}
    return Registry().with_resources((uri, Resource(s, DRAFT202012)) for uri, s in loaded.items())


VALIDATOR = Draft202012Validator({"$ref": BASE + "project.json"}, registry=_registry())


def verdicts(value: object) -> tuple[bool, bool]:
    """Whether jsonschema and the check find the value right, of whose broken entries something sound is kept."""
    tree = parse(SourceFile("spec.yaml", json.dumps(value, ensure_ascii=False)), reporter := Reporter())
    assert tree is not None, reporter.found
    # What was read is what both judge: YAML's numbers are not JSON's in every corner.
    valid = VALIDATOR.is_valid(plain(tree))
    broken = check(tree, reporter)
    assert bool(broken) == reporter.has_errors
    for section, name in (entry for entry in broken if len(entry) == 2 and entry[0] in SALVAGED):
        assert_sound(section, tree, name, broken[section, name])
    return valid, not broken


def assert_sound(section: str, tree: Any, name: str, told: tuple[Fault, ...]) -> None:
    """What is kept of an entry lacks at most keys of its own, and what the author's names stand for."""
    found = salvage(section, tree.entries[section].value.entries[name], told)
    assert (found is None) == (not isinstance(tree.entries[section].value.entries[name].value, TreeMap))
    for fault in faults({section: {name: judged(found.node)}}) if found else ():
        left = node_at(found.node, fault.path[2:])
        assert len(fault.path) == 2 or (fault.named and isinstance(left, Scalar) and left.value is None), fault


def mutated(value: Any, chance: random.Random) -> Any:
    """The value with one thing changed: a key renamed, lost or added, a value replaced or wrapped."""
    value = copy.deepcopy(value)
    places = list(walk(value))
    if not places:
        return value
    holder, key = chance.choice(places)
    action = chance.randrange(5)
    if action == 0 and isinstance(holder, dict):
        holder[str(key) + chance.choice(["x", "_", "S", ".x"])] = holder.pop(key)
    elif action == 1:
        del holder[key]
    elif action == 2 and isinstance(holder, dict):
        holder[chance.choice(["kind", "mode", "table", "connection", "sql", "zzz"])] = chance.choice(["x", 1, None, []])
    else:
        holder[key] = chance.choice([*REPLACEMENTS, [holder[key]]])
    return value


def walk(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a value, as its holder and its key there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from walk(item)


@pytest.mark.parametrize("name", FILES)
def test_schemas_are_schemas(name: str) -> None:
    Draft202012Validator.check_schema(json.loads((ROOT / name).read_text()))


@pytest.mark.parametrize("name", FILES)
def test_every_property_is_described_and_its_examples_are_right(name: str) -> None:
    schema = json.loads((ROOT / name).read_text())
    registry = _registry()
    for pointer, part in parts(schema, ""):
        if "/properties/" not in pointer or pointer.count("/properties/") == 0:
            continue
        if pointer.endswith("/properties/properties/properties"):
            continue  # the keyword, below a property of that name
        if pointer.rpartition("/")[0].endswith("/properties"):
            assert part.get("title"), pointer
            if "$ref" not in part:
                assert part.get("description"), pointer
                assert part.get("examples"), pointer
            validator = Draft202012Validator({"$ref": f"{BASE}{name}#{pointer}"}, registry=registry)
            for example in part.get("examples", ()):
                assert validator.is_valid(example), (pointer, example)


@pytest.mark.parametrize("name", FILES)
def test_every_whole_number_is_written_as_one(name: str) -> None:
    for pointer, part in parts(json.loads((ROOT / name).read_text()), ""):
        assert ("integer" in part.get("type", ()) and "properties" not in pointer[-11:]) == ("x-whole" in part), pointer


def test_every_reference_leads_to_a_schema() -> None:
    for name in FILES:
        for pointer, part in parts(json.loads((ROOT / name).read_text()), ""):
            if isinstance(part.get("$ref"), str):
                assert "$ref" not in schema_at(f"{name}#{pointer}").says, pointer


def parts(schema: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    if isinstance(schema, dict):
        yield pointer, schema
        for key, value in schema.items():
            if key not in ("examples", "enum", "const", "default"):
                yield from parts(value, f"{pointer}/{key}")
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from parts(value, f"{pointer}/{number}")


@pytest.mark.parametrize("path", SPECS, ids=str)
def test_the_check_agrees_with_jsonschema_on_specs(path: Path) -> None:
    value = yaml.load(path.read_text(), yaml.CBaseLoader) and plain(parse(SourceFile("", path.read_text()), Reporter()))
    assert verdicts(value) == (True, True)


@pytest.mark.parametrize("path", SPECS, ids=str)
def test_the_check_agrees_with_jsonschema_on_mutations(path: Path) -> None:
    chance = random.Random(path.name)
    tree = parse(SourceFile("", path.read_text()), Reporter())
    assert tree is not None
    original, wrong = plain(tree), 0
    for _ in range(MUTATIONS):
        value = mutated(original, chance)
        for _ in range(chance.randrange(2)):
            value = mutated(value, chance)
        found = verdicts(value)
        assert len(set(found)) == 1, (found, value)
        wrong += not found[0]
    assert wrong > MUTATIONS // 10, "the mutations break nothing"


@pytest.mark.parametrize("kind", kinds())
def test_streams_know_each_system_that_can_be_read_or_written(kind: str) -> None:
    """What a schema says of streams is what its capabilities and the language have, and what can be opened."""
    said, source, target = schema_of(kind).get("x-stream", {}), source_kind(kind), target_kind(kind)
    assert ("source" in said) == can(kind, STREAM_SOURCE)
    assert bool(target.addresses) or not can(kind, STREAM_TARGET)
    assert (
        "source" not in said
        or {source.address, "format"} <= schema_at("project.json#/$defs/stream_source").properties.keys()
    )
    assert bool(source.formats) == (kind in systems_with("runtime", "source"))


def test_of_a_file_with_very_many_wrong_values_the_first_are_told():
    """Ninety pipelines with an alias of hundreds of numbers where a target stands: not 75,000 are told."""
    numbers = ", ".join(map(str, range(800)))
    head = f"vars: {{ a: &a [{numbers}] }}\npipelines:\n"
    text = head + "".join(f"  p{i}: {{ from: db, sql: SELECT 1 AS id, to: *a }}\n" for i in range(90))
    reporter = Reporter()
    root = parse(SourceFile("a.yaml", text), reporter)
    assert root is not None
    broken = check(root, reporter)
    assert len(reporter.found) == 801
    assert "more than 5,000 values are wrong" in reporter.found[-1].message
    assert {("vars",), ("pipelines",)} <= broken.keys()


def test_lists_of_formats_in_the_files_hold_those_of_the_table() -> None:
    """Editors read the files alone."""
    lists = [
        (name, pointer, part["enum"])
        for name in FILES
        for pointer, part in parts(json.loads((ROOT / name).read_text()), "")
        if "x-formats" in part
    ]
    assert len(lists) == 4
    for name, pointer, names in lists:
        assert schema_at(f"{name}#{pointer}").says["enum"] == names, pointer


def test_formats_of_the_table_are_in_the_lists_of_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "mail", Format("tests", messages=True))
    load.cache_clear()
    try:
        loaded = load("project.json")["$defs"]
        lists = [loaded[of]["properties"]["format"]["enum"] for of in ("stream_source", "source")]
    finally:
        monkeypatch.undo()
        load.cache_clear()
    assert ["mail" in names for names in lists] == [True, False]
