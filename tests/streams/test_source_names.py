"""Sources that get another name in the spec: what they have read does not come again."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.commands import Inside
from tests.stores import Store
from tests.streams.filefolder import put
from tests.topics import Message, fresh, produce

PROJECT = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  drop: {{ kind: files, uri: "./drop" }}
  wh: {{ kind: sqlite, path: store.sqlite }}
  other: {{ kind: sqlite, path: other.sqlite }}
streams:
  clean:
    {sources}
    {more}
"""
KINDS = {"kafka": "connection: bus, topic: {}", "files": 'connection: drop, path: "{}*.jsonl"'}
TO = "to: { connection: wh, table: clean, mode: append }"
FORMS = {
    "positions": TO,
    "store": "to: [{ connection: wh, table: clean, mode: append }, { connection: other, table: copy, mode: append }]",
    "dedupe": TO + "\n    dedupe: { keys: [id], within: 1h }",
}
Names = str | Mapping[str, str]
"""The places of sources by their names; a single text: that of `source`."""
RENAMED: dict[str, tuple[Names, Names]] = {
    "one of several": ({"a": "a", "b": "b"}, {"c": "a", "b": "b"}),
    "one, then several": ("a", {"a": "a", "b": "b"}),
    "several, then one": ({"a": "a", "b": "b"}, "a"),
}


class Project(Inside):
    """A project whose stream reads `a` and `b`, of topics or files."""

    def begin(self, kind: str, kafka: str, form: str) -> None:
        self.kind, self.kafka, self.form, self.count = kind, kafka, form, itertools.count()
        self.places = {name: fresh(kafka) if kind == "kafka" else name for name in "ab"}

    def spec(self, names: Names) -> None:
        columns = "columns: { id: bigint, at: timestamptz }, event_time: at"

        def source(name: str) -> str:
            return f"{{ {KINDS[self.kind].format(self.places[name])}, {columns} }}"

        several = () if isinstance(names, str) else names.items()
        sources = "sources:" + "".join(f"\n      {name}: {source(place)}" for name, place in several)
        sources = f"source: {source(names)}" if isinstance(names, str) else sources
        self.write("specs/s.yaml", PROJECT.format(kafka=self.kafka, sources=sources, more=FORMS[self.form]))

    def send(self, name: str, id_: int) -> None:
        text = json.dumps({"id": id_, "at": f"2026-01-01T00:00:{id_:02}Z"})
        if self.kind == "kafka":
            produce(self.kafka, self.places[name], [Message(text.encode())])
        else:
            put(self.path / "drop", f"{name}{id_}.jsonl", text + "\n", id_)

    def run(self) -> str:
        """Its errors."""
        return self.flowc("run", "clean", "--once").err


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, str], Project]:
    def made(kind: str, form: str) -> Project:
        found = Project(tmp_path)
        found.begin(kind, str(request.getfixturevalue("kafka")) if kind == "kafka" else "none:1", form)
        return found

    return made


def _ids(project: Project) -> list[int]:
    return [int(str(id_)) for (id_,) in Store("sqlite", project.path).rows("SELECT id FROM clean")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", RENAMED)
def test_a_source_under_another_name_does_not_begin_anew(
    project: Callable[[str, str], Project], kind: str, form: str, case: str
) -> None:
    made, (before, after) = project(kind, form), RENAMED[case]
    made.spec(before)
    made.send("a", 1)
    assert made.run() == ""
    made.send("a", 2)
    made.spec(after)
    planned = made.flowc("plan").out
    assert "from the beginning" in planned, planned
    for _ in range(2):
        assert "error[source-renamed]" in made.run()
    assert _ids(made) == [1]
    made.spec(before)
    assert made.run() == ""
    assert _ids(made) == [1, 2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_a_source_that_reads_something_else_is_a_new_one(
    project: Callable[[str, str], Project], kind: str, form: str
) -> None:
    made = project(kind, form)
    made.spec("a")
    made.send("a", 1)
    made.send("b", 2)
    assert made.run() == ""
    made.spec({"source": "a", "b": "b"})
    assert made.run() == ""
    made.spec({"c": "b"})
    assert "error[source-renamed]" in made.run()
    made.spec({"b": "b"})
    made.send("b", 3)
    assert made.run() == ""
    assert _ids(made) == [1, 2, 3]


def test_a_source_of_new_files_takes_the_place_of_one_whose_files_are_gone(
    project: Callable[[str, str], Project], tmp_path: Path
) -> None:
    made = project("files", "positions")
    made.spec({"a": "a"})
    made.send("a", 1)
    assert made.run() == ""
    (tmp_path / "drop/a1.jsonl").unlink()
    made.spec({"c": "a"})
    made.send("a", 2)
    assert made.run() == ""
    assert _ids(made) == [1, 2]
