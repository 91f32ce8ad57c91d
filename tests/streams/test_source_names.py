"""Sources that get another name in the spec: what they have read does not come again."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from flowc.runtime.systems.files.registry import Registry
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
            return f"{{ {KINDS[self.kind].format(self.places.get(name, name))}, {columns} }}"

        several = () if isinstance(names, str) else names.items()
        sources = "sources:" + "".join(f"\n      {name}: {source(place)}" for name, place in several)
        sources = f"source: {source(names)}" if isinstance(names, str) else sources
        self.write("specs/s.yaml", PROJECT.format(kafka=self.kafka, sources=sources, more=FORMS[self.form]))

    def send(self, name: str, id_: int) -> None:
        text = json.dumps({"id": id_, "at": f"2026-01-01T00:00:{id_:02}Z"})
        if self.kind == "kafka":
            produce(self.kafka, self.places[name], [Message(text.encode())])
        else:
            self.send_file(name, id_)

    def send_file(self, letter: str, id_: int) -> None:
        """A file with one row, which is there for all sources."""
        text = json.dumps({"id": id_, "at": f"2026-01-01T00:00:{id_:02}Z"})
        put(self.path / "drop", f"{letter}{id_}.jsonl", text + "\n", id_)

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


@pytest.mark.covering(2)
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


LETTERS = "abcd"
NAMES = ("a", "b", "c")


def _paths(chance: random.Random) -> dict[str, str]:
    """Disjoint paths of some sources, of one file or several."""
    letters = list(LETTERS)
    chance.shuffle(letters)
    cuts = sorted(chance.sample(range(1, len(LETTERS)), chance.choice((1, 1, 2))))
    parts = [letters[start:end] for start, end in itertools.pairwise((0, *cuts, len(letters)))]
    return {name: f"[{''.join(part)}]" for name, part in zip(chance.sample(NAMES, len(parts)), parts, strict=True)}


@pytest.mark.parametrize("seed", range(2100, 2106))
def test_sources_that_exchange_paths_read_no_file_twice(
    project: Callable[[str, str], Project], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """A run is refused exactly where a source names a file that another source has read."""
    made, chance = project("files", random.Random(seed).choice(list(FORMS))), random.Random(seed)
    monkeypatch.setattr("flowc.runtime.systems.files.source._LOOK", 0.01)
    paths: dict[str, str] = {"a": "[ab]", "b": "[cd]"}
    read: dict[int, tuple[str, str]] = {}
    for id_ in range(1, 8):
        letter, edited = chance.choice(LETTERS), chance.choice((paths, _paths(chance), _swapped(paths)))
        made.places = edited = dict(edited)
        made.spec({name: name for name in edited})
        made.send_file(letter, id_)
        taken = any(
            letter in edited.get(name, "") for name in NAMES for letter, reader in read.values() if reader != name
        )
        error = made.run()
        assert ("error[source-renamed]" in error) == taken, (edited, read, error)
        if taken:
            made.places = paths
            made.spec({name: name for name in paths})
            error = made.run()
        else:
            paths = edited
        assert error == ""
        read[id_] = letter, next(name for name, path in paths.items() if letter in path)
        assert sorted(_ids(made)) == list(read), (paths, read)


def _swapped(paths: Mapping[str, str]) -> dict[str, str]:
    names = list(paths)
    return dict(zip(names, [*list(paths.values())[1:], paths[names[0]]], strict=True))


def test_two_sources_may_read_the_same_files(project: Callable[[str, str], Project]) -> None:
    made = project("files", "positions")
    made.spec({"a": "a"})
    made.send("a", 1)
    made.send("b", 2)
    assert made.run() == ""
    made.places = {"a": "[ab]", "b": "[ab]"}
    made.spec({"a": "a", "b": "b"})
    assert made.run() == ""
    assert sorted(_ids(made)) == [1, 1, 2, 2]


@pytest.mark.parametrize("form", FORMS)
def test_a_path_that_takes_in_the_files_of_a_source_that_goes_does_not_read_them_again(
    project: Callable[[str, str], Project], form: str
) -> None:
    made = project("files", form)
    made.spec({"a": "a", "b": "b"})
    made.send("a", 1)
    made.send("b", 2)
    assert made.run() == ""
    made.spec({"a": "[ab]"})
    for _ in range(2):
        assert "error[source-renamed]: `a` reads what `b` has read" in made.run()
    made.spec({"a": "a"})
    made.send("a", 3)
    assert made.run() == ""
    assert _ids(made) == [1, 2, 3]


def test_a_source_goes_on_when_another_one_of_the_same_files_goes(project: Callable[[str, str], Project]) -> None:
    made = project("files", "positions")
    made.spec({"a": "a", "b": "[ab]"})
    made.send("a", 1)
    assert made.run() == ""
    made.spec({"b": "[ab]"})
    made.send("a", 2)
    assert made.run() == ""
    made.spec({"a": "a", "b": "[ab]"})
    assert made.run() == ""
    made.spec({"a": "[a]"})
    assert made.run() == ""
    assert _ids(made) == [1, 1, 2, 2]


def test_sources_whose_paths_stay_are_not_compared(
    project: Callable[[str, str], Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comparing files reads the whole list of each source: that is for edits alone."""
    compared: list[str] = []
    read_by = Registry.read_by
    monkeypatch.setattr(Registry, "read_by", lambda self, *at: (compared.append(at[0]), read_by(self, *at))[1])
    made = project("files", "positions")
    made.spec({"a": "a", "b": "b"})
    for id_ in range(3):
        made.send("a", id_ * 2)
        made.send("b", id_ * 2 + 1)
        assert made.run() == ""
    assert compared == []
    made.places = {"a": "[ac]", "b": "b"}
    made.spec({"a": "a", "b": "b"})
    assert made.run() == ""
    assert compared
