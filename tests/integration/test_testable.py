"""What lints clean can be tested, whatever it says: all keys of the language, and the projects of the docs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import chdir
from pathlib import Path

import pytest
import yaml

from flowc import render
from flowc.compiler import stages
from flowc.diagnostics import Reporter, Severity
from flowc.service.checking import checker
from flowc.service.testing.embedded import embedded
from flowc.service.testing.run import chosen_tests, run_tests
from tests.test_docs import Loader, blocks, name, project_of

ROOT = Path(__file__).resolve().parents[2]
PROJECT_FILE = Path(__file__).parents[1] / "testable.yaml"
KINDS = {
    "postgres": {"kind": "postgres", "url": "${DATABASE}"},
    "mysql": {"kind": "mysql", "url": "${DATABASE}"},
}
SHOUT = """
import pyarrow.compute as pc
def shout(text):
    return pc.utf8_upper(text)
"""
GIVEN = {"id": 1, "a": "x", "since": "2026-01-01T00:00:00Z"}
TIMES = {"id": 1, "since": "2026-01-01T00:00:00Z"}
"""Rows of a stream of event times."""
TESTS: Mapping[str, dict[str, object]] = {
    "current": {"given": {"versions": [GIVEN | {"is_current": True}, {"id": 2, "a": "x", "is_current": False}]}},
    "files": {"given": {"source": [{"id": 1, "a": "x"}]}},
    "renamed": {"given": {"src": [GIVEN]}, "expect": [{"number": 1, "letter": "x"}]},
    "joined": {"given": {"one": [GIVEN], "two": [{"id": 1, "a": "x"}]}, "expect": [{"id": 1, "a": "X"}]},
    "loaded": {"given": {"src": [GIVEN]}, "expect": [{"id": 1, "a": "x", "b": "x", "counted": 0}]},
    "plain": {
        "now": "2026-01-01T00:00:00Z",  # with `max_ahead`, later event times are bad
        "given": {"source": [TIMES, TIMES], "l": [GIVEN], "q": [{"id": 1, "n": 2.5}]},
    },
    "pairs": {
        "given": {"o": [{"id": 1, "a": "x"}], "p": [{"id": 1, "b": "y"}]},
        "expect": [{"o_id": 1, "a": "x", "b": "y"}],
    },
    "minutes": {"given": {"source": [TIMES, TIMES]}, "expect": [{"id": 1, "n": 2}]},
    "totals": {"given": {"source": [{"id": 1}, {"id": 1}]}, "expect": [{"id": 1, "n": 2}]},
}
"""What is given and expected, where that is not `GIVEN` to the only source, and a row of its `id`."""


def project(kind: str) -> dict[str, object]:
    text = PROJECT_FILE.read_text("utf-8").replace("DIALECT", kind)
    made: dict[str, dict[str, object]] = yaml.load(text, Loader)
    for place in ("raw", "wh"):
        made["connections"][place] = KINDS[kind]
    made["tests"] = dict(_tests(made))
    return made


def _tests(made: dict[str, dict[str, object]]) -> Iterator[tuple[str, object]]:
    for section, noun, given in (
        ("pipelines", "pipeline", {"src": [GIVEN]}),
        ("streams", "stream", {"source": [{"id": 1}]}),
    ):
        for each in made[section]:
            yield f"of_{each}", {noun: each, "given": given, "expect": [{"id": 1}], **TESTS.get(each, {})}


def written(folder: Path, made: dict[str, object]) -> Path:
    (folder / "project_functions.py").write_text(SHOUT, "utf-8")
    (folder / "specs").mkdir()
    (folder / "specs" / "p.yaml").write_text(yaml.safe_dump(made, sort_keys=False), "utf-8")
    return folder / "specs"


@pytest.mark.parametrize("kind", KINDS)
def test_what_lints_clean_can_be_tested(kind: str, tmp_path: Path):
    specs, reporter = written(tmp_path, project(kind)), Reporter()
    with chdir(tmp_path):
        stages.lint([specs], reporter, checker=checker(), env={"LEAST": "0"})
        errors = [each for each in reporter.sorted() if each.severity is Severity.ERROR]
        assert not errors, render.full(errors)
        spec = stages.load_project([specs], Reporter())
        assert spec is not None
        reports = list(run_tests(spec, chosen_tests(spec, []), {"LEAST": "0"}))
    assert {r.name: (r.error and r.error.message, r.difference) for r in reports if not r.passed} == {}


DEFINED = (
    "pipeline", "stream", "stream_source", "source", "table", "lookup", "window", "join", "column", "expectation",
    "target", "roll",
)  # fmt: skip
UNMET = {
    "cdc", "message", "schema_file", "queue", "subscription", "exchange", "routing_key", "partition_key",  # not run yet
    "sql_file", "steps", "expect_error", "now", "expect", "given", "pipeline", "allow_paths", "environments",
    "gap", "max_duration", "hop", "step", "between",  # as other kinds of windows and joins
    "stream", "schema",
}  # fmt: skip
"""Keys that need no example: they decide nothing here, or another test has them."""


def test_every_key_of_the_language_is_tried():
    whole = project("postgres")
    language = json.loads((ROOT / "schemas" / "project.json").read_text("utf-8"))
    wanted = {key for each in DEFINED for key in _keys(language["$defs"][each])} | set(language["properties"])
    assert sorted(wanted - set(_held(whole)) - UNMET) == []


def _keys(schema: Mapping[str, object]) -> Iterator[str]:
    yield from schema.get("properties", {})
    for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _keys(branch)


def _held(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    for each in value if isinstance(value, list) else ():
        yield from _held(each)


@pytest.mark.parametrize("page", sorted({page for page, _ in blocks("yaml")}), ids=name)
def test_projects_of_the_docs_can_be_tested(page: Path, tmp_path: Path):
    for number, block in enumerate(block for at, block in blocks("yaml") if at == page):
        folder = tmp_path / str(number)
        folder.mkdir()
        specs = written(folder, project_of(block))
        with chdir(folder):
            assert untested(specs) == [], f"{page.name}:{block.first}"


@pytest.mark.parametrize("specs", ["quickstart", "events"])
def test_projects_of_the_repository_can_be_tested(specs: str):
    with chdir(ROOT / "specs" / specs):
        assert untested(Path("specs")) == []


def untested(specs: Path) -> list[str]:
    """The pipelines and streams of a project that compile, and not for a test."""
    found = stages.lint([specs], Reporter())
    spec = stages.load_project([specs], Reporter())
    assert spec is not None
    assert found is not None
    there, tested = found[1], embedded(spec, {}).ir
    names = {each.name for each in (*tested.pipelines, *tested.streams)}
    return [each.name for each in (*there.pipelines, *there.streams) if each.name not in names]
