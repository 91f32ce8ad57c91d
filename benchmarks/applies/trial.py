"""One trial: a table with data and what it bears, an edit of its spec, kills, and what must be true at the end."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.applies.bearings import bear
from benchmarks.applies.facts import Fact, facts, left_behind
from benchmarks.applies.shapes import edited, table
from benchmarks.applies.writer import Writer
from tests import warm
from tests.commands import Done, Folder
from tests.migrate.looking import plain
from tests.stores import Store

ROWS, LARGE = 120, 50
_NEVER = 10**12
_MODULE = "benchmarks.applies.dying"
_KILLED = -9
_AGAIN = 3
"""How often an apply that gave way to the application is tried again."""


@dataclass
class Outcome:
    """What came of a trial. `refused` is why the plan said that it does not do the edit; nothing was changed then."""

    seed: str
    kills: int = 0
    refused: str = ""
    written: int = 0
    faults: list[str] = field(default_factory=list)


class Project(Folder):
    """A project whose commands can be killed at a point; `large` rows make a table large."""

    large = _NEVER

    def flowc(self, *arguments: str) -> Done:
        """A command that lives."""
        return self.dying(0, *arguments)

    def dying(self, point: int, *arguments: str) -> Done:
        """A command that is killed at a point, if it comes to it."""
        words = [str(point), str(self.large), *arguments]
        done = warm.run(_MODULE, *words, cwd=self.path, env=self.environment())
        return Done(done.returncode, done.stdout, done.stderr)


@dataclass
class Trial:
    """A trial on one engine; all that is random comes from its seed, but for when the application writes."""

    kind: str
    folder: Path
    dsn: str
    seed: str

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.store = Store(self.kind, self.folder, self.dsn)
        self.project = Project(self.folder, {"STORE": self.dsn})
        shape = table(self.chance, folds=self.kind != "postgres")
        self.edit = edited(shape, self.chance, comments=self.kind != "sqlite")
        self.writer = Writer(self.store, self.edit, random.Random(self.seed))
        self.outcome = Outcome(self.seed)

    def run(self) -> Outcome:
        """Makes the table, applies the edit over kills beside the application, and looks at what is there."""
        self._begin()
        before = facts(self.store)
        self._specs(self.edit.after.yaml())
        plan = self.project.flowc("plan", "--json")
        changes = json.loads(plan.out)["changes"] if plan.code == 0 else []
        if plan.code:
            self._fault(f"plan: {plan.err}")
        elif why := next((str(c["summary"]) for c in changes if c["refused"]), ""):
            self.outcome.refused = why
        elif self._apply(changes):
            self._look(before, plan.out)
        return self.outcome

    def _begin(self) -> None:
        self._specs(self.edit.before.yaml())
        done = self.project.flowc("apply", "--yes")
        assert done.code == 0, done.err
        bear(self.store, self.edit.before, self.chance)
        self.writer.write(ROWS)
        if self.kind == "postgres":
            self.store.run("ANALYZE")
            self.project.large = LARGE if self.chance.random() < 0.5 else _NEVER
        plan = self.project.flowc("plan", "--detailed-exitcode")
        if plan.code:
            self._fault(f"a plan where nothing was edited: {plan.out}{plan.err}")

    def _specs(self, text: str) -> None:
        where = "url: '${STORE}'" if self.dsn else f"path: {self.store.file}.{self.kind}"
        lines = ["connections:", f"  w: {{ kind: {self.kind}, {where} }}", "tables:", "  t:", "    connection: w"]
        lines += [f"    {line}" for line in text.splitlines()]
        self.project.write("specs/project.yaml", "\n".join(lines) + "\n")

    def _apply(self, changes: list[dict[str, Any]]) -> bool:
        """Applies the edit, killed once or twice at any point, and then to its end; whether it came there."""
        losses = [word for c in changes if c["destructive"] for word in ("--allow-destructive", str(c["name"]))]
        words = ("apply", "--yes", *losses, "--lock-timeout", "20")
        calls = 6 * sum(len(change["statements"]) for change in changes) + 8
        self.writer.start()
        for _ in range(self.chance.randrange(1, 3)):
            done = self.project.dying(self.chance.randrange(1, calls), *words)
            self.outcome.kills += done.code == _KILLED
            if self.kind == "duckdb":
                self.writer.write(10)
        for _ in range(_AGAIN):
            done = self.project.flowc(*words)
            if done.code == 0:
                break
        self.writer.stop()
        if done.code:
            self._fault(f"the last apply: {done.err}")
        return done.code == 0

    def _look(self, before: Iterable[Fact], plan: str) -> None:
        self.outcome.written = len(self.writer.rows)
        again = self.project.flowc("plan", "--detailed-exitcode")
        if again.code:
            self._fault(f"the plan afterwards: {again.out}{again.err}")
        self.outcome.faults += [*self._lost(before, plan), *self._wrong_values()]
        if left := left_behind(self.store):
            self._fault(f"left behind: {left}")

    def _lost(self, before: Iterable[Fact], plan: str) -> Iterator[str]:
        """Facts that are no longer true, and that the plan did not name."""
        after = facts(self.store)
        for fact in before:
            if not self._may_go(fact, plan) and (now := self._renamed(fact)) not in after:
                near = sorted(f for f in after if f[:2] == now[:2])
                yield f"lost: {now}; there is {near}"

    def _may_go(self, fact: Fact, plan: str) -> bool:
        """Whether the edit, or the plan, takes it away or changes it."""
        kind, name, words = fact
        edit = self.edit
        gone = {*edit.dropped, *map(edit.old_name, edit.changed)}
        if kind in ("column", "grant"):
            return name in (gone if kind == "column" else edit.dropped)
        if kind == "index" and edit.unindexed is not None and name not in _OURS:
            return all(re.search(rf"\b{edit.old_name(n)}\b", words) for n in edit.unindexed)
        mentions = any(re.search(rf"\b{column}\b", words) for column in edit.dropped)
        return mentions and (kind == "primary key" or (bool(name) and name in plan.lower()))

    def _renamed(self, fact: Fact) -> Fact:
        kind, name, words = fact
        for was, now in self.edit.renamed.items():
            words = re.sub(rf"\b{was}\b", now, words)
            name = now if kind in ("column", "grant") and name == was else name
        return kind, name, words

    def _wrong_values(self) -> Iterator[str]:
        """Rows that are missing, and values that are not what the application wrote."""
        names = [f.name for f in self.edit.before.fields if f.name not in self.edit.dropped]
        columns = ", ".join(f'"{self.edit.renamed.get(name, name)}"' for name in names)
        held = {row[0]: [plain(v) for v in row[1:]] for row in self.store.raw(f"SELECT id, {columns} FROM t")}
        if held.keys() != self.writer.rows.keys():
            wrote = self.writer.rows.keys()
            yield f"rows lost: {wrote - held.keys()}, too many: {held.keys() - wrote}"
        for row, written in self.writer.rows.items():
            must = [plain(written.get(name)) for name in names]
            if row in held and held[row] != must:
                yield f"row {row} holds {held[row]} in {columns}, and must hold {must}"
                return

    def _fault(self, words: str) -> None:
        self.outcome.faults.append(words)


_OURS = frozenset(("by_two", "by_lower", "by_part", "by_letters"))
"""Indexes that the campaign made itself, which no spec ever declares."""
