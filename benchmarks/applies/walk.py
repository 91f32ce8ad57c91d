"""A random walk over the versions of a table: edits, earlier specs, and rollbacks, each of which may be cut off.

The value of a column in a row is a number that tells both, so that a column is known by what it holds. No column may
be lost that no plan showed as lost, none may come under a name that is another's, and in the end there is nothing left
to plan, and the table is what the spec says.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from benchmarks.applies import children, values
from benchmarks.applies.command import Death, Ended, run
from benchmarks.applies.versions import Version, edited, first
from tests.commands import Done, Inside
from tests.migrate.killing import failed
from tests.migrate.looking import declared, look, look_between, plain
from tests.migrate.projects import specs
from tests.services.mysql_zones import load_zones
from tests.stores import Store

_STEP = 1000
"""What lies between the values of two rows; a column's number is less."""
_INDEX = re.compile(r"(unique )?index `[^`]*` on \(([^)]*)\)")
"""An index that is left alone, as a plan says it."""


@dataclass
class Finished:
    """A version that was applied to its end: its number, what was declared, and which column each name was."""

    version: int
    declared: Version
    held: dict[str, int]


@dataclass
class Walk:
    """The table, and the model of it. `lost` are the columns whose loss a plan showed and somebody allowed."""

    store: Store
    seed: str
    chance: random.Random = field(init=False)
    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    finished: list[Finished] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)
    planned: set[frozenset[str]] = field(default_factory=set)
    """Two names of one column, by the plans that were cut off since the last version."""
    rows: int = 0
    columns: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.project = Inside(self.store.folder, {"STORE": self.store.dsn})
        self.zone = self.chance.choice(values.ZONES)
        if self.store.kind == "mysql":
            load_zones(self.store.dsn, [self.zone])
        self.spec = first(self.zone, self.chance)
        self.children = self.chance.random() < 0.25

    def run(self, steps: int) -> None:
        """Walks so many steps, and stops at the first fault."""
        self._step(None)
        if self.children:
            children.make(self.store)
        for _ in range(steps):
            back = self.chance.choice(self.finished) if self.chance.random() < 0.5 else None
            rollback = back is not None and self.chance.random() < 0.6
            if back is None and self.chance.random() < 0.8:
                self.spec = edited(self.finished[-1].declared, self.store.kind, self.chance)
            elif back is not None and not rollback:
                self.spec = back.declared
            self._insert()
            self._step(back if rollback else None)
            if self.faults:
                return

    def _step(self, back: Finished | None) -> None:
        """One plan, which is applied, cut off, or refused."""
        specs(self.project, self.store, {"t": self.spec.yaml})
        of = ("--rollback-to", str(back.version), "--out", "plan.json") if back else ("--out", "plan.json")
        plan = self.project.flowc("plan", "--json", *of)
        if plan.code != 0:
            self._refused(plan)
            return
        changes = plan.json["changes"]
        gone = [change["name"] for change in changes if change["destructive"]]
        before = self._columns()
        self.lost |= {before[name.split(".")[2]] or 0 for name in gone if name.split(".")[2] in before}
        self.planned |= {frozenset((c["before"], c["after"])) for c in changes if c["kind"] == "rename_column"}
        words = [word for name in gone for word in ("--allow-destructive", name)]
        words = ["plan.json", *words] if back else ["--yes", *words]
        cut = self.chance.random() if self.finished else 1
        done = self._apply(cut, *words)
        self._unlock()
        if done.code is None:
            self.counts["killed"] += 1
            self._find_lost(plan.out)
        elif done.code == 0:
            self._applied(back, plan.out)
        elif "nothing was changed" in done.err:
            self._refused(done)
        elif "cut off" in done.err:
            self.counts["failed"] += 1
            self._find_lost(plan.out)
        else:
            self._fault(f"apply ended with {done.code}: {done.err}", plan.out)

    def _apply(self, cut: float, *words: str) -> Ended | Done:
        """Killed, refused by the database at some statement, or as it is."""
        point = self.chance.randint(1, 40)
        if cut < 0.45:
            return run(self.project, "apply", *words, death=Death(self.store.kind, point=point))
        if cut < 0.6:
            return failed(self.project, self.store.kind, point, *words)
        return self.project.flowc("apply", *words)

    def _refused(self, done: Ended | Done) -> None:
        self.counts["refused"] += 1
        self.refusals[" / ".join(done.err.splitlines()[:4])[:300]] += 1

    def _fault(self, words: str, plan: str) -> None:
        changes = json.loads(plan)["changes"] if plan else ()
        lines = [f"{c['class']}: {c['summary']}: {'; '.join(s['sql'] for s in c['statements'])}" for c in changes]
        self.faults.append("\n".join([f"{self.seed}: {words}", self.spec.yaml, *lines]))

    def _unlock(self) -> None:
        """The lease of a dead owner ends too late for the next one."""
        self.store.run(f"DELETE FROM {self._state('locks')}")

    def _find_lost(self, plan: str) -> None:
        there = set(self._columns(plan).values())
        if self.children and self.finished and (words := children.wrong(self.store, self.rows)):
            self._fault(words, plan)
        expected = set(self.finished[-1].held.values()) - self.lost if self.finished else set()
        if missing := expected - there:
            self._fault(f"columns {missing} are nowhere; there are {self._columns()}", plan)

    def _applied(self, back: Finished | None, plan: str) -> None:
        self.counts["rolled back" if back else "applied"] += 1
        self._find_lost(plan)
        wanted = back.declared if back else self.spec
        seen = look(self.store, "t")
        must = declared(wanted.yaml, self.store.kind)
        again = self.project.flowc("plan", "--json", *(("--rollback-to", str(back.version)) if back else ()))
        # A column that an unfinished version added stays, and the plan says so.
        said = again.out.partition('"unmanaged"')[2]
        columns = {n: c for n, c in seen.columns.items() if f"column `{n}`" not in said} if seen else {}
        columns = {n: (null, plain(default), words) for n, (null, default, words) in columns.items()}
        # So does an index that it made, which somebody may have come to need.
        told = {(tuple(of.split(", ")), bool(unique)) for unique, of in _INDEX.findall(said)}
        if seen is None or (columns, seen.key, seen.indexes - told) != (must.columns, must.key, must.indexes):
            self._fault(f"the table is {seen}, declared {must}", plan)
        if again.code or again.json["changes"]:
            self._fault(f"there is more to plan: {again.out}{again.err}", plan)
        held = self._columns(plan)
        expected = self._expected(wanted, back)
        for name in wanted.names:
            if held.get(name) != expected.get(name) and not (held.get(name) is None and expected[name] in self.lost):
                self._fault(f"{name} holds column {held.get(name)} and must hold {expected.get(name)}: {held}", plan)
        self.lost.clear()
        self.planned.clear()
        self._number(wanted, held)

    def _expected(self, wanted: Version, back: Finished | None) -> dict[str, int]:
        """Which column each name must be: as it was in that version, else as in the one before."""
        was = self.finished[-1].held if self.finished else {}
        found, named = {}, set(wanted.renames.values())
        for name in wanted.names:
            then = back.held.get(name) if back else None
            if then is not None and then in was.values():
                found[name] = then
            elif name in was:
                found[name] = was[name]
            elif not back and wanted.renames.get(name) in was:
                found[name] = was[wanted.renames[name]]
            elif earlier := self._names_of(name).intersection(was) - set(wanted.names) - (named if not back else set()):
                found[name] = was[min(earlier)]
        return found

    def _names_of(self, name: str) -> set[str]:
        """All names that the column may have got by plans that were cut off."""
        found = {name}
        while more := {other for pair in self.planned if pair & found for other in pair} - found:
            found |= more
        return found

    def _number(self, wanted: Version, held: dict[str, int | None]) -> None:
        """Gives new columns values of their own, and remembers the version."""
        for column in wanted.columns:
            if held.get(column.name) is None:
                self.columns += 1
                held[column.name] = self.columns
                if self.rows:
                    empty = "" if column.required else f" WHERE id % 5 <> {self.columns % 5}"
                    numbers = ((row, row * _STEP + self.columns) for row in range(1, self.rows + 1))
                    kind = values.types(self.store)[column.name]
                    value = values.each(numbers, kind, self.zone, self.store)
                    self.store.run(f"UPDATE t SET {column.name} = {value}{empty}")
        rows = self.store.raw(f"SELECT max(version) FROM {self._state('migrations')} WHERE status = 'done'")
        names = {name: held[name] or 0 for name in wanted.names}
        if not self.finished or rows[0][0] != self.finished[-1].version:
            self.finished.append(Finished(rows[0][0], wanted, names))

    def _insert(self) -> None:
        """A few rows, in what columns there are now."""
        held = {name: column for name, column in self._columns().items() if column and not name.endswith("__flowc")}
        if not self.rows:
            held = dict(self.finished[-1].held)
        kinds = values.types(self.store)
        for _ in range(3):
            self.rows += 1
            of = ((self.rows * _STEP + column, kinds[name]) for name, column in held.items())
            row = [str(self.rows), *(values.written(number, kind, self.zone, self.store) for number, kind in of)]
            self.store.run(f"INSERT INTO t ({', '.join(('id', *held))}) VALUES ({', '.join(row)})")
            if self.children:
                self.store.run(f"INSERT INTO r VALUES ({self.rows}, {self.rows})")

    def _columns(self, plan: str = "") -> dict[str, int | None]:
        """The live columns, each with the number that its values tell; None where it holds no such values."""
        seen = look_between(self.store, "t")
        names = [name for name in seen.columns if name != "id"] if seen else []
        if not names:
            return {}
        rows = self.store.raw(f"SELECT id, {', '.join(names)} FROM t ORDER BY id")
        if len(rows) != self.rows:
            self._fault(f"there are {len(rows)} rows of {self.rows}", plan)
        kinds = values.types(self.store)
        return {
            name: self._column([(row[0], row[place]) for row in rows], kinds[name])
            for place, name in enumerate(names, 1)
        }

    def _column(self, held: list[tuple[int, Any]], kind: str) -> int | None:
        told = [(row, divmod(values.read(v, kind, self.zone), _STEP)) for row, v in held if v is not None]
        found = {number for row, (of, number) in told if of == row and number}
        if len(found) > 1 or (found and any(of != row for row, (of, _) in told if of)):
            self._fault(f"a column has values of several: {held}", "")
        return min(found, default=None)

    def _state(self, name: str) -> str:
        return f"flowc.{name}" if self.store.kind in ("postgres", "duckdb") else f"flowc_{name}"
