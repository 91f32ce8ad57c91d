"""A source of files whose `path` was edited: what it no longer names is not read, and the same file is one file."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from flowc.cli.opened import open_project
from flowc.errors import EngineError
from flowc.runtime.contracts.source import Polled
from flowc.runtime.stores.folder import is_named
from flowc.runtime.systems.files.registry import SHIFT
from flowc.runtime.systems.files.source import FileSource
from flowc.service.streams.run import run_stream
from tests.commands import Inside
from tests.streams.filefolder import Memory, aged, drain, put, source

PROJECT = """
connections:
  drop: {{ kind: files, uri: drop }}
  wh: {{ kind: sqlite, path: wh.db }}
streams:
  s:
    source: {{ connection: drop, path: "{path}", format: jsonl, columns: {{ id: bigint }} }}
    sql: SELECT id FROM source
    to: {{ connection: wh, table: t, mode: append }}
"""


def run(folder: Path, path: str) -> tuple[int, list[int]]:
    made = Inside(folder)
    made.write("specs/s.yaml", PROJECT.format(path=path))
    done = made.flowc("run", "s", "--once")
    with sqlite3.connect(folder / "wh.db") as db:
        return done.code, [id_ for (id_,) in db.execute("SELECT id FROM t ORDER BY id")]


def files(folder: Path, **bodies: str) -> None:
    for seconds, (name, body) in enumerate(bodies.items(), 1):
        put(folder / "drop", f"{name}.jsonl", body + "\n", seconds)


@pytest.mark.parametrize(("path", "ids"), [("[ac]*.jsonl", [1, 3]), ("a*.jsonl", [1]), ("a.jsonl", [1])])
def test_files_that_were_found_by_a_wider_path_are_not_read(tmp_path: Path, path: str, ids: list[int]) -> None:
    files(tmp_path, a='{"id": 1}', b='{"id": "bad"}', c='{"id": 3}')
    assert run(tmp_path, "*.jsonl") == (1, [])
    assert run(tmp_path, path) == (0, ids)
    assert run(tmp_path, path) == (0, ids)


def test_files_that_a_narrower_path_left_out_are_read_when_it_names_them_again(tmp_path: Path) -> None:
    files(tmp_path, a='{"id": 1}', b='{"id": "bad"}', c='{"id": 3}', d='{"id": 4}')
    assert run(tmp_path, "*.jsonl") == (1, [])
    assert run(tmp_path, "a*.jsonl") == (0, [1])
    assert run(tmp_path, "[ac]*.jsonl") == (0, [1, 3])
    assert run(tmp_path, "[acd]*.jsonl") == (0, [1, 3, 4])
    assert run(tmp_path, "[ad]*.jsonl") == (0, [1, 3, 4])
    assert run(tmp_path, "[acd]*.jsonl") == (0, [1, 3, 4])
    with sqlite3.connect(tmp_path / "wh.db") as db:
        db.execute("DELETE FROM t")
    assert Inside(tmp_path).flowc("rewind", "s", "--to", "earliest", "--yes").code == 0
    assert run(tmp_path, "[acd]*.jsonl") == (0, [1, 3, 4])


def test_a_file_that_was_passed_over_before_a_rewind_is_read_once_behind_it(tmp_path: Path) -> None:
    files(tmp_path, a='{"id": "bad"}', b='{"id": 2}', c='{"id": 3}')
    assert run(tmp_path, "*.jsonl") == (1, [])
    assert run(tmp_path, "b*.jsonl") == (0, [2])
    for path, ids in (("[bc]*.jsonl", [2, 3]), ("b*.jsonl", [2])):
        with sqlite3.connect(tmp_path / "wh.db") as db:
            db.execute("DELETE FROM t")
        assert Inside(tmp_path).flowc("rewind", "s", "--to", "earliest", "--yes").code == 0
        assert [run(tmp_path, path) for _ in range(3)] == [(0, ids)] * 3
    assert [run(tmp_path, "[bc]*.jsonl") for _ in range(3)] == [(0, [2, 3])] * 3


class Asleep:
    """A worker with a path, in a thread of its own, that waits before its first poll."""

    def __init__(self, folder: Path, path: str) -> None:
        self.reached, self.wake = threading.Event(), threading.Event()
        Inside(folder).write("specs/s.yaml", PROJECT.format(path=path))
        self.poll, self.path = FileSource.poll, path
        self.thread = threading.Thread(target=self._work, args=(folder,))

    def _work(self, folder: Path) -> None:
        with chdir(folder):
            opened = open_project([Path("specs")], None, "nothing was run")
        self.report = run_stream(opened.checked, opened.ir, "s", opened.sessions)
        opened.sessions.close()

    def __enter__(self) -> None:
        def poll(source: FileSource, *given: Any) -> Polled | None:
            if source._read.path == self.path and not self.reached.is_set():
                self.reached.set()
                assert self.wake.wait(30)
            return self.poll(source, *given)

        FileSource.poll = poll  # type: ignore[method-assign, assignment]
        self.thread.start()
        assert self.reached.wait(30)

    def __exit__(self, *_: object) -> None:
        self.wake.set()
        self.thread.join(30)
        FileSource.poll = self.poll  # type: ignore[method-assign]


def test_a_worker_with_a_narrower_path_wakes_up_when_a_file_was_read(tmp_path: Path) -> None:
    files(tmp_path, a='{"id": 1}', b='{"id": "bad"}', c='{"id": 3}')
    assert run(tmp_path, "*.jsonl") == (1, [])
    asleep = Asleep(tmp_path, "a*.jsonl")
    with asleep:
        assert run(tmp_path, "[ac]*.jsonl") == (0, [1, 3])
    assert asleep.report.error is not None
    assert run(tmp_path, "[ac]*.jsonl") == (0, [1, 3])


def test_a_worker_with_a_wider_path_wakes_up_when_a_file_was_left_out(tmp_path: Path) -> None:
    files(tmp_path, a='{"id": 1}', b='{"id": "bad"}', c='{"id": 3}')
    assert run(tmp_path, "*.jsonl") == (1, [])
    assert run(tmp_path, "a*.jsonl") == (0, [1])
    with sqlite3.connect(tmp_path / "wh.db") as db:
        db.execute("DELETE FROM t")
    assert Inside(tmp_path).flowc("rewind", "s", "--to", "earliest", "--yes").code == 0
    with Asleep(tmp_path, "[ac]*.jsonl"):
        assert run(tmp_path, "a*.jsonl") == (0, [1])
    assert [run(tmp_path, "[ac]*.jsonl") for _ in range(2)] == [(0, [1, 3])] * 2


WINDOWS = """
connections:
  drop: {{ kind: files, uri: drop }}
  wh: {{ kind: sqlite, path: wh.db }}
streams:
  s:
    source:
      {{ connection: drop, path: "{path}", format: jsonl, columns: {{ id: bigint, at: timestamptz }}, event_time: at }}
    sql: SELECT window_end, sum(id) AS id FROM tumble(source, INTERVAL '{minutes} minutes') GROUP BY window_end
    to: {{ connection: wh, table: t, mode: append }}
"""


def windows(folder: Path, path: str, minutes: int, *more: str) -> list[int]:
    made = Inside(folder)
    made.write("specs/s.yaml", WINDOWS.format(path=path, minutes=minutes))
    done = made.flowc("run", "s", "--once", *more)
    assert done.code == 0, done.err
    with sqlite3.connect(folder / "wh.db") as db:
        return [id_ for (id_,) in db.execute("SELECT id FROM t ORDER BY id")]


@pytest.mark.parametrize(
    ("first", "second", "total"),
    [("*.jsonl", "a*.jsonl", 3), ("a*.jsonl", "*.jsonl", 3), ("a*.jsonl", "[ac]*.jsonl", 1)],
)
def test_edited_windows_are_made_anew_of_the_files_that_were_read(
    tmp_path: Path, first: str, second: str, total: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both files are found before the first path is in use; what it left out is read behind it, once."""
    a, b = (f'{{"id": {n}, "at": "2026-01-01T10:00:0{n}Z"}}' for n in (1, 2))
    files(tmp_path, a=a, b=b)
    made = Inside(tmp_path)
    made.write("specs/s.yaml", WINDOWS.format(path="*.jsonl", minutes=10))
    with monkeypatch.context() as patched:
        patched.setattr(FileSource, "poll", fails)
        assert made.flowc("run", "s", "--once").code == 1
    assert windows(tmp_path, first, 10) == []
    assert windows(tmp_path, second, 5) == []
    files(tmp_path, a=a, b=b, a2='{"id": 0, "at": "2026-01-01T10:00:03Z"}')
    assert windows(tmp_path, second, 5, "--drain") == [total]


def fails(*_: object) -> None:
    raise EngineError("it is cut off", code="file-not-found")


def test_many_files_that_are_left_out_cost_little(tmp_path: Path) -> None:
    count, memory = 20_000, Memory()
    (tmp_path / "z.jsonl").write_text('{"id": 1}\n')
    aged(tmp_path / "z.jsonl")
    memory.remember({f"files.source.{n}": f'{{"path":"a{n}.jsonl","size":1,"mtime":0}}' for n in range(count)})
    memory.remember({"files.source.since": "0"})
    began = time.process_time()
    messages, position = drain(source(tmp_path, memory, "z*.jsonl"))
    assert (len(messages), position >> SHIFT, len(memory.kept)) == (1, count + 1, count + 3)
    wider = source(tmp_path, memory, "[z]*.jsonl")
    wider.open()
    wider.stand({0: position}, {0: next(key[18:] for key in memory.kept if "path" in key)})
    wider.assign({0: position})
    assert len(wider._registry.files) == count + 1
    assert time.process_time() - began < 5


def test_files_that_a_wider_path_names_are_read(tmp_path: Path) -> None:
    files(tmp_path, a='{"id": 1}', b='{"id": 2}')
    assert run(tmp_path, "a*.jsonl") == (0, [1])
    assert run(tmp_path, "*.jsonl") == (0, [1, 2])


@pytest.mark.parametrize("path", ["./*.jsonl", "**/*.jsonl", "./a.jsonl"])
def test_another_spelling_of_a_path_finds_no_file_again(tmp_path: Path, path: str) -> None:
    files(tmp_path, a='{"id": 1}')
    assert run(tmp_path, "*.jsonl") == (0, [1])
    assert run(tmp_path, path) == (0, [1])


def test_a_link_to_another_folder_is_refused_as_before(tmp_path: Path) -> None:
    files(tmp_path, a='{"id": 1}')
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "drop" / "x").symlink_to(tmp_path / "elsewhere")
    assert run(tmp_path, "**/*.jsonl") == (1, [])


@pytest.mark.parametrize(
    ("pattern", "named", "others"),
    [
        ("a.csv", ["a.csv"], ["x/a.csv", "b.csv"]),
        ("./*.csv", ["a.csv"], ["x/a.csv", "a.csv.gz"]),
        ("x/*/a?.csv", ["x/y/a1.csv"], ["x/a1.csv", "x/y/z/a1.csv"]),
        ("**/*.csv", ["a.csv", "x/y/a.csv"], ["a.json"]),
        ("x/**", ["x/a.csv", "x/y/a.csv"], ["a.csv", "y/a.csv"]),
        ("x/**/y/**/a.csv", ["x/y/a.csv", "x/1/y/2/3/a.csv"], ["x/a.csv", "y/a.csv"]),
        ("[a].csv", ["a.csv", "[a].csv"], ["b.csv"]),
    ],
)
def test_names_of_a_pattern(pattern: str, named: list[str], others: list[str]) -> None:
    assert [is_named(name, pattern) for name in (*named, *others)] == [True] * len(named) + [False] * len(others)
