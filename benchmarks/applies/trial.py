"""One trial: a random table with rows and a writer, an edit of its spec, and an apply that is killed and made again."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.applies import furniture, witness
from benchmarks.applies.command import Death, Ended, run
from benchmarks.applies.shape import VALUES, Edited, Shape, edit, literal, make
from benchmarks.applies.writer import Writer
from tests.commands import Inside
from tests.migrate.looking import plain
from tests.migrate.projects import specs
from tests.stores import Store

_AGAIN = 4
"""So many applies may have to wait for the writer before one ends."""


@dataclass
class Outcome:
    """What became of a trial. `faults` are what must not be; `refused` says why an apply would not begin."""

    faults: list[str] = field(default_factory=list)
    refused: str = ""
    killed: bool = False
    applies: int = 0
    written: int = 0
    pieces: tuple[str, ...] = ()


@dataclass
class Trial:
    """A store that is empty, and what decides all that chance decides."""

    store: Store
    seed: str
    user: str = ""
    """Who gets grants on MySQL."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.before: Shape = make(self.chance)
        self.edited: Edited = edit(self.before, self.chance)
        self.online = self.store.kind == "postgres" and self.chance.random() < 0.5
        self.project = Inside(self.store.folder, {"STORE": self.store.dsn})
        self.rows: dict[int, dict[str, str | None]] = {}
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Carries it out."""
        self._begin()
        found = witness.facts(self.store)
        extra = self._extra(found)
        specs(self.project, self.store, {"t": self.edited.shape.yaml})
        away = self.edited.dropped | set(self.edited.renamed)
        values = {p.name: VALUES[p.kind] for p in self.before.parts if p.name not in away}
        writer = Writer(self.store, values, tuple(self.rows), self.seed)
        process = self._started(writer)
        ended = self._apply(writer)
        self._stopped(writer, process)
        self._read(writer)
        if ended.refused:
            self.outcome.refused = ended.err
            now = witness.facts(self.store)
            self.outcome.faults += [f"refused, and changed: {fact}" for fact in sorted(found ^ now)]
            self.outcome.faults += self._wrong_rows(extra, now, {})
        elif ended.code != 0:
            self.outcome.faults.append(f"apply {self.outcome.applies} ended with {ended.code}: {ended.err[-1500:]}")
        else:
            now = witness.facts(self.store)
            self.outcome.faults += [*self._wrong_plan(), *self._lost(found, now)]
            self.outcome.faults += self._wrong_rows(extra, now, self.edited.renamed)
        return self.outcome

    def _begin(self) -> None:
        """The table as it was declared, with rows, and what no spec knows."""
        specs(self.project, self.store, {"t": self.before.yaml})
        made = run(self.project, "apply", "--yes")
        assert made.code == 0, made.err
        for number in range(1, self.chance.randint(20, 120)):
            self.rows[number] = self._row(number)
        self._insert("t", self.rows)
        pieces = furniture.chosen(self.store.kind, self.before, self.edited, self.chance)
        self.outcome.pieces = tuple(piece.name for piece in pieces if self._put(piece))
        if "heir" in self.outcome.pieces:
            heirs = {-number: self._row(-number) for number in range(1, 9)}
            if "identity" not in self.outcome.pieces:  # which heirs do not have, though it is NOT NULL
                self._insert("heir", heirs)
                self.rows |= heirs
        if self.store.kind == "postgres":
            self.store.run("ANALYZE t")

    def _row(self, number: int) -> dict[str, str | None]:
        row: dict[str, str | None] = {}
        for part in self.before.parts:
            value = VALUES[part.kind](self.chance)
            row[part.name] = value if part.filled or self.chance.random() < 0.7 else None
        return row | {"u": str(number)}

    def _insert(self, table: str, rows: dict[int, dict[str, str | None]]) -> None:
        names = ", ".join(("id", *(part.name for part in self.before.parts)))
        values = ", ".join(f"({number}, {', '.join(map(literal, row.values()))})" for number, row in rows.items())
        self.store.run(f"INSERT INTO {table} ({names}) VALUES {values}")

    def _put(self, piece: furniture.Piece) -> bool:
        """Puts a piece on the table, where what is there lets it."""
        try:
            self.store.run(*(sql.replace("{user}", self.user) for sql in piece.statements))
        except Exception:
            return False
        return True

    def _extra(self, facts: set[str]) -> dict[int, dict[str, object]]:
        """The columns that no spec knows, row by row."""
        declared = {"id", *(part.name for part in self.before.parts)}
        return {
            number: {n: v for n, v in row.items() if n not in declared} for number, row in self._held(facts).items()
        }

    def _held(self, facts: set[str]) -> dict[int, dict[str, object]]:
        """Every row, all columns that the facts name."""
        names = {fact.split()[1] for fact in facts if fact.startswith("column ")}
        listed = sorted(names)
        rows = self.store.raw(f"SELECT {', '.join(listed)} FROM t")
        return {int(row[listed.index("id")]): dict(zip(listed, row, strict=True)) for row in rows}

    def _started(self, writer: Writer) -> int | None:
        """Where no other process may open the file, the rows come before and between."""
        if self.store.kind == "duckdb":
            writer.journal.touch()
            return None
        process = writer.start()
        _await_lines(writer, 3)
        return process

    def _stopped(self, writer: Writer, process: int | None) -> None:
        if process is not None:
            _await_lines(writer, _lines(writer) + 2)
            os.kill(process, signal.SIGTERM)
            _, status = os.waitpid(process, 0)
            if status:
                self.outcome.faults.append("the application died")

    def _apply(self, writer: Writer) -> Ended:
        """The apply that dies, and those after it until one ends."""
        arguments = ["apply", "--yes"]
        arguments += [word for name in sorted(self.edited.dropped) for word in ("--allow-destructive", f"w.t.{name}")]
        ended = run(self.project, *arguments, death=self._death(), online=self.online)
        self.outcome.killed, self.outcome.applies = ended.code is None, 1
        while ended.code != 0 and not ended.refused and self.outcome.applies <= _AGAIN:
            ended = run(self.project, *arguments, online=self.online)
            self.outcome.applies += 1
        return ended

    def _death(self) -> Death:
        if self.chance.random() < 0.75:
            return Death(self.store.kind, point=self.chance.randint(1, self.chance.choice((12, 30, 60))))
        return Death(self.store.kind, seconds=self.chance.uniform(0.05, 0.8))

    def _read(self, writer: Writer) -> None:
        """What the application was told is committed."""
        self.written: set[int] = set()
        for line in writer.journal.read_text("utf-8").splitlines():
            entry = json.loads(line)
            if entry["error"]:
                self.outcome.faults.append(f"the application could not write: {entry['error']}")
            else:
                self.rows[entry["id"]] = {**self.rows.get(entry["id"], {}), **entry["row"]}
                self.written.add(entry["id"])
        self.outcome.written = len(self.written)

    def _wrong_plan(self) -> Iterator[str]:
        plan = run(self.project, "plan", "--detailed-exitcode", online=self.online)
        if plan.code != 0:
            yield f"there is more to plan: {plan.code} {plan.out[-1500:]} {plan.err[-500:]}"

    def _lost(self, before: set[str], now: set[str]) -> Iterator[str]:
        yield from (f"left behind: {fact}" for fact in witness.left_behind(now))
        yield from (f"lost: {fact}" for fact in sorted(self._expected(before) - now))

    def _expected(self, before: set[str]) -> set[str]:
        """The facts that no edit is about, under the names that columns have then."""
        edited, after = self.edited, self.edited.shape
        held = {tuple(edited.renamed.get(c, c) for c in columns): columns for columns, _ in self.before.indexes}
        gone = [f"t_{'_'.join(held[names])}_idx" for names in held if (names, dict(self.before.indexes)[held[names]])
                not in [(columns, unique) for columns, unique in after.indexes]]  # fmt: skip
        touched = {f"column {name} {what}:" for name, what in edited.touched}
        touched |= {f"column {part.was or part.name} comment:" for part in after.parts if part.comment}
        touched |= {"comment of table t:", "comment of t:"} if after.comment else set()
        # MySQL keys only the beginning of a text, so a key of what becomes one is another key.
        texts = {p.was or p.name for p in after.parts if p.kind == "text"} if self.store.kind == "mysql" else set()
        found = set()
        for fact in before:
            named = any(_says(fact, word) for word in (*edited.dropped, *gone))
            named = named or (" key " in fact and any(_says(fact, name) for name in texts & edited.changed))
            if not named and not fact.startswith(tuple(touched)):
                for old, new in edited.renamed.items():
                    fact = re.sub(rf"\b{old}\b", new, fact)
                found.add(fact)
        return found

    def _wrong_rows(
        self, extra: dict[int, dict[str, object]], facts: set[str], renamed: dict[str, str]
    ) -> Iterator[str]:
        """Rows that are not there, and values that are not what they were, or what was written."""
        held = self._held(facts)
        gone = set() if self.outcome.refused else self.edited.dropped
        for number, row in self.rows.items():
            now = held.get(number)
            if now is None:
                yield f"row {number} is lost"
                continue
            for name, value in row.items():
                seen = None if name in gone else now[renamed.get(name, name)]
                if name not in gone and plain(seen) != plain(value):
                    yield f"row {number}: {name} is {seen!r} and must be {value!r}"
            if number not in self.written:
                yield from (f"row {number}: {n} was {v!r}" for n, v in extra.get(number, {}).items() if now[n] != v)
        yield from (f"row {number} is nobody's" for number in held.keys() - self.rows.keys())


def _says(fact: str, word: str) -> bool:
    return re.search(rf"\b{re.escape(word)}\b", fact) is not None


def _lines(writer: Writer) -> int:
    return len(writer.journal.read_text("utf-8").splitlines())


def _await_lines(writer: Writer, count: int) -> None:
    until = time.monotonic() + 60
    while _lines(writer) < count and time.monotonic() < until:
        time.sleep(0.01)
