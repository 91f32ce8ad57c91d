"""A stream over files for trials with workers that sleep: its project, and what each of its targets holds."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import chdir, closing
from dataclasses import dataclass, replace
from pathlib import Path

from flowc.cli.opened import OpenProject, open_project
from flowc.service.streams.rewinding import prepare_rewind
from flowc.service.streams.run import StreamReport, no_pause, run_stream

Target = str
_OLD = 10**9
_OPENING = threading.Lock()
"""One thread at a time is in the folder of the project."""
_SPEC = """
connections:
  drop: {{ kind: files, uri: in }}
  one: {{ kind: sqlite, path: one.db }}
  other: {{ kind: sqlite, path: other.db }}
  out: {{ kind: files, uri: out }}
  lake: {{ kind: delta, uri: lake }}
functions:
  grown: {{ python: "grow{code}:grown", args: [bigint], returns: bigint }}
streams:
  s:
    source: {{ connection: drop, path: "{path}", columns: {{ id: text, x: bigint, at: timestamptz }}, event_time: at }}
    sql: SELECT id, {factor} * grown(x) AS x FROM {source}
    to: [{to}]
    batch: {{ max_rows: 1 }}
{letters}"""
_LETTERS = "    on_error: dlq\n    dead_letter: { connection: one, table: letters }\n"
BAD = "b1"
"""The file whose row is a dead letter, in a stream that keeps letters."""
REFUSED = "a2"
"""The file whose row the first target refuses, where it refuses any."""
_TO = {
    "one": "{ connection: one, table: t }",
    "other": "{ connection: other, table: t }",
    "files": "{ connection: out, path: t, format: jsonl }",
    "delta": "{ connection: lake, table: t, mode: append }",
}
_TARGETS = (
    ("one",), ("files",), ("delta",), ("one", "delta"), ("files", "one"), ("one", "other"), ("delta", "files"),
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """One version of the spec."""

    code: int = 10
    factor: int = 1
    path: str = "*.jsonl"


@dataclass
class Stream:
    """The stream in its folder."""

    folder: Path
    targets: tuple[Target, ...]
    source: str
    letters: bool = False
    refuses: bool = False
    plan: Plan = Plan()
    files: int = 0

    @classmethod
    def drawn(cls, folder: Path, chance: random.Random) -> Stream:
        """A stream with or without state, of one target or of two."""
        for name in ("specs", "in", "lake", "out"):
            (folder / name).mkdir()
        source = chance.choice(("source", "dedupe(source, id, INTERVAL '1 hour')"))
        made = cls(folder, chance.choice(_TARGETS), source, chance.random() < 0.4)
        if made.targets[0] == "one" and chance.random() < 0.4:
            made.refuse()
        return made

    def refuse(self) -> None:
        """Has the first target refuse a row."""
        self.refuses = True
        with closing(sqlite3.connect(self.folder / "one.db")) as database:
            database.execute(f"CREATE TABLE t (id TEXT, x BIGINT, CHECK (id <> '{REFUSED}'))")

    @property
    def aside(self) -> tuple[str, ...]:
        """The files whose rows no target gets."""
        return (BAD,) * self.letters + (REFUSED,) * self.refuses

    def edit(self, **values: object) -> None:
        """Changes the spec."""
        self.plan = replace(self.plan, **values)

    def put(self, *names: str) -> None:
        """Adds files of one row."""
        for name in names:
            self.files += 1
            path = self.folder / "in" / f"{name}.jsonl"
            x = "none" if self.letters and name == BAD else 1
            row = {"id": name, "x": x, "at": f"2026-01-01T10:00:{self.files:02}Z"}
            path.write_text(f"{json.dumps(row)}\n", "utf-8")
            os.utime(path, (_OLD + self.files, _OLD + self.files))

    def _opened(self) -> OpenProject:
        with _OPENING, chdir(self.folder):
            for path in self.folder.glob("grow*.py"):
                path.unlink()
            code = f"def grown(x):\n    return x * {self.plan.code}\n"
            (self.folder / f"grow{self.plan.code}.py").write_text(code, "utf-8")
            to = ", ".join(_TO[target] for target in self.targets)
            letters = _LETTERS if self.letters else "    on_error: drop\n" * self.refuses
            text = _SPEC.format(to=to, source=self.source, letters=letters, **vars(self.plan))
            (self.folder / "specs/s.yaml").write_text(text, "utf-8")
            return open_project([Path("specs")], None, "nothing was run")

    def run(self, pause: Callable[[str], None] = no_pause) -> StreamReport:
        """A worker, up to the end that there is now."""
        opened = self._opened()
        with closing(opened.sessions):
            return run_stream(opened.checked, opened.ir, "s", opened.sessions, pause)

    def rewind(self, to: str, pause: Callable[[str], None] = no_pause) -> None:
        """Moves the stream."""
        opened = self._opened()
        with closing(opened.sessions):
            prepared = prepare_rewind(opened.checked, opened.ir, "s", sessions=opened.sessions, to=to, pause=pause)
            with closing(prepared):
                prepared.make()

    def letter_count(self) -> int:
        """The dead letters that there are."""
        return len(_table(self.folder / "one.db", "topic", "letters"))

    def held(self) -> Mapping[Target, Counter[tuple[str, int]]]:
        """The rows of each target."""
        return {target: self.rows(target) for target in self.targets}

    def rows(self, target: Target) -> Counter[tuple[str, int]]:
        """The rows of a target, of none where it was not made yet."""
        if target == "files":
            there = [path for path in (self.folder / "out/t").glob("*.jsonl") if path.name[0] not in "._"]
            made = [json.loads(line) for path in there for line in path.read_text("utf-8").splitlines()]
        elif target == "delta":
            made = _delta(self.folder / "lake/t")
        else:
            made = _table(self.folder / f"{target}.db", "id, x", "t")
        return Counter((row["id"], row["x"]) for row in made)


def _delta(path: Path) -> list[dict[str, object]]:
    from deltalake import DeltaTable

    return DeltaTable(path).to_pyarrow_table().to_pylist() if path.exists() else []


def _table(path: Path, columns: str, name: str) -> list[dict[str, object]]:
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=10)) as database:
        database.row_factory = sqlite3.Row
        there = database.execute("SELECT count(*) FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
        return [dict(row) for row in database.execute(f"SELECT {columns} FROM {name}")] if there else []
