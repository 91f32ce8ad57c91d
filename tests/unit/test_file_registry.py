"""Files that a stream finds get their numbers when they are whole, and what was there at its start may not count."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowc.errors import TransientError
from flowc.runtime.stores.local import LocalStore
from flowc.runtime.systems.files import registry as filestream_registry
from flowc.runtime.systems.files.registry import EVER, Passing, Registry

HOUR, SECOND = 3600 * 10**9, 10**9
NOON = 1_800_000_000 * SECOND


class Clocks:
    """The time of day, which jumps, and the time that passes."""

    def __init__(self, folder: Path) -> None:
        self.day, self.passed = NOON, 0
        self.registry = Registry("s", LocalStore(folder), "*.csv", Passing(), lambda: self.day, lambda: self.passed)

    def wait(self, seconds: float, jump: int = 0) -> None:
        self.passed += int(seconds * SECOND)
        self.day += int(seconds * SECOND) + jump

    def look(self) -> list[str]:
        self.registry.look()
        return [seen.path for seen in self.registry.files]


def write(folder: Path, name: str, modified: int, text: str = "id\n1\n") -> None:
    (folder / name).write_text(text)
    os.utime(folder / name, ns=(modified, modified))


@pytest.mark.parametrize("jump", [-HOUR, 0, HOUR])
@pytest.mark.parametrize("server", [-HOUR, 0, HOUR])
def test_a_file_is_whole_when_it_stays_for_two_seconds_whatever_clocks_say(
    tmp_path: Path, jump: int, server: int
) -> None:
    """`server` is how far the clock that writes the times of files is from that of this machine."""
    at = Clocks(tmp_path)
    at.registry.begin(-EVER)
    assert at.look() == []
    at.wait(1)
    write(tmp_path, "a.csv", at.day + server)
    assert at.look() == []
    at.wait(1.5, jump)
    write(tmp_path, "a.csv", at.day + server, "id\n1\n2\n")
    assert at.look() == []
    at.wait(1.5)
    assert at.look() == []
    at.wait(0.5)
    assert at.look() == ["a.csv"]


def test_at_the_first_look_files_tell_how_long_they_have_been_whole(tmp_path: Path) -> None:
    write(tmp_path, "old.csv", NOON - HOUR)
    write(tmp_path, "young.csv", NOON - SECOND)
    write(tmp_path, "before1970.csv", -HOUR)
    write(tmp_path, "future.csv", NOON + HOUR)
    at = Clocks(tmp_path)
    assert at.look() == ["before1970.csv", "old.csv"]
    at.wait(1, -HOUR)
    assert at.look()[2:] == ["young.csv"]
    at.wait(1)
    assert at.look()[3:] == ["future.csv"]


def test_what_does_not_count_of_a_large_folder_is_remembered_in_few_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filestream_registry, "_TOGETHER", 60)
    for number in range(150):
        (tmp_path / f"{number}.csv").touch()
    at = Clocks(tmp_path)
    at.registry.begin(EVER)
    facts = at.registry.facts.facts()
    assert len(facts) == 4
    assert max(map(len, facts.values())) == 60 * 16 * 4 / 3
    again = Clocks(tmp_path)
    again.registry.facts = at.registry.facts
    again.registry.load()
    write(tmp_path, "more.csv", 0)
    assert again.look() == ["more.csv"]


def test_nothing_is_left_out_for_ever_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "share"
    at = Clocks(folder)
    with pytest.raises(TransientError, match="is not there"):
        at.registry.begin(EVER)
    folder.mkdir()
    write(folder, "old.csv", NOON - HOUR)
    at.registry.begin(EVER)
    assert at.look() == []
    Clocks(tmp_path / "none").registry.begin(-EVER)


@dataclass
class Counted(Passing):
    """Facts that count how many were read."""

    read: int = 0

    def facts(self) -> dict[str, str]:
        self.read += len(self.known)
        return super().facts()

    def recall(self, names: Iterable[str]) -> dict[str, str]:
        asked = list(names)
        self.read += len(asked)
        return super().recall(asked)


@dataclass
class Raced(Passing):
    """Facts of a worker before which another one stores its own."""

    other: Callable[[], object] = lambda: None

    def remember(self, facts: Mapping[str, str]) -> None:
        other, self.other = self.other, lambda: None
        other()
        super().remember(facts)


def test_a_worker_takes_no_number_that_another_one_has_given(tmp_path: Path) -> None:
    one, other = Clocks(tmp_path), Clocks(tmp_path)
    one.registry.path, other.registry.path = "a*.csv", "b*.csv"
    one.registry.begin(-EVER)
    other.registry.facts = one.registry.facts
    other.registry.load()
    for name in ("a.csv", "b.csv"):
        write(tmp_path, name, NOON - HOUR)
    one.registry.facts = Raced(one.registry.facts.facts(), other.look)
    assert (one.look(), other.look()) == (["b.csv", "a.csv"], ["b.csv"])
    assert [json.loads(other.registry.facts.facts()[f"files.s.{n}"])["path"] for n in (0, 1)] == ["b.csv", "a.csv"]


def test_a_worker_leaves_out_nothing_more_behind_the_start_of_another_one(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", NOON - HOUR)
    one, other, third = (Clocks(tmp_path) for _ in range(3))
    other.registry.facts = third.registry.facts = one.registry.facts
    one.registry.load()
    other.registry.begin(EVER)
    write(tmp_path, "b.csv", NOON - HOUR)
    one.registry.begin(EVER)
    third.registry.load()
    assert (third.look(), one.look()) == (["b.csv"], ["b.csv"])


@pytest.mark.parametrize("before", [10, 2000])
def test_a_new_file_costs_the_same_however_many_came_before(tmp_path: Path, before: int) -> None:
    at, facts = Clocks(tmp_path), Counted()
    at.registry.facts = facts
    old = {f"files.s.{n}": f'{{"path":"gone{n}.csv","size":1,"mtime":0}}' for n in range(before)}
    facts.remember({"files.s.since": "0", "files.s.left.0": "", **old})
    at.registry.load()
    facts.read = 0
    write(tmp_path, "more.csv", NOON - HOUR)
    assert at.look()[before:] == ["more.csv"]
    assert facts.read <= 4
    again = Clocks(tmp_path)
    again.registry.facts = facts
    again.registry.load()
    assert again.registry.files == at.registry.files


def test_numbers_that_another_worker_gave_stay(tmp_path: Path) -> None:
    one, other = Clocks(tmp_path), Clocks(tmp_path)
    other.registry.facts = one.registry.facts
    one.registry.begin(-EVER)
    other.registry.load()
    for name in ("a.csv", "b.csv"):
        write(tmp_path, name, NOON - HOUR)
    assert one.look() == ["a.csv", "b.csv"]
    third = Clocks(tmp_path)
    third.registry.facts = one.registry.facts
    assert third.look() == ["a.csv", "b.csv"]
    write(tmp_path, "c.csv", NOON - HOUR)
    assert other.look() == ["a.csv", "b.csv", "c.csv"]
