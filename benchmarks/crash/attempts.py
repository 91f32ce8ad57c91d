"""Ends attempts of loads with two targets at any of their steps, and counts rows that are lost, or there twice.

python -m benchmarks.crash.attempts                            40 due times for each kind of target
python -m benchmarks.crash.attempts --trials 8 --only sqlite   fewer, of one kind
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from benchmarks.crash.attemptworker import AFTER, BEFORE, VARIABLE
from benchmarks.crash.cutting import Proxy
from benchmarks.crash.schedulers import place
from flowc.durations import instant_text
from flowc.service.runs import executors
from tests import keptfiles, lakes, warmflowc
from tests.commands import Inside
from tests.stores import SERVERS, Store

KINDS = ("sqlite", "duckdb", "postgres", "mysql", "delta")
_PORTS = {"postgres": 5432, "mysql": 3306}
CUT = "cut"
"""The answer to a COMMIT is lost on its way from the server."""
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_ROWS, _MOST_FAULTS = 3, 3
_LAST_CALL = 30
"""About how many calls a run makes of its sessions."""
SPEC = """
project: campaign
connections: {{ src: {{ kind: sqlite, path: src.sqlite }}, db: {connection} }}
tables:
  events: {{ connection: src, columns: {{ trial: bigint, n: bigint }} }}
  a: {{ connection: db, columns: {{ trial: bigint, n: bigint }} }}
  b: {{ connection: db, columns: {{ trial: bigint, n: bigint }} }}
pipelines:
  copy:
    from: src
    sql: SELECT trial, n FROM events
    to: [{{ table: a, mode: append }}, {{ table: b, mode: append }}]
    schedule: "0 * * * *"
    timeout: {timeout}s
    retry: {{ attempts: 20, backoff: 0s }}
"""


@dataclass
class Found:
    """What a campaign found."""

    trials: int = 0
    attempts: int = 0
    passed_by: int = 0
    lost: int = 0
    """Rows that are not there."""
    twice: int = 0
    """Rows that are there more than once."""
    ways: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every row is there once."""
        return not (self.lost or self.twice or self.problems)


@dataclass
class Campaign:
    """Trials of one kind of target: each is a due time, whose first attempts end in some way."""

    kind: str
    folder: Inside
    store: Store | None
    chance: random.Random
    timeout: int = 8
    """Seconds after which an attempt is ended."""
    proxy: Proxy | None = None
    workers: dict[str, str] = field(default_factory=dict)
    """Variables of the environment that workers have for themselves."""
    faults: list[str] = field(default_factory=list)
    found: Found = field(default_factory=Found)

    def run(self, trials: int) -> Found:
        """Runs them one after the other."""
        self.source = Store("sqlite", self.folder.path, file="src")
        connection = self._connection()
        self.folder.write("specs/s.yaml", SPEC.format(connection=connection, timeout=self.timeout))
        assert self.folder.flowc("apply", "--yes").code == 0
        self._due(_FIRST - timedelta(minutes=1))
        for trial in range(trials):
            self._try(trial)
        return self.found

    def _connection(self) -> str:
        if self.store is None:
            return "{ kind: delta, uri: lake }"
        if self.kind not in SERVERS:
            return self.store.connection
        # A driver waits for its server without letting the threads of a proxy run, so commands here go around it.
        self.folder.env["DSN"] = self.store.dsn
        address = urlsplit(self.store.dsn)
        self.proxy = Proxy(address.hostname or "", address.port or _PORTS[self.kind])
        through = address._replace(netloc=f"{address.netloc.rpartition('@')[0]}@127.0.0.1:{self.proxy.port}")
        self.workers = {"DSN": through.geturl()}
        return f'{{ kind: {self.kind}, url: "${{DSN}}" }}'

    def _try(self, trial: int) -> None:
        values = ", ".join(f"({trial}, {n})" for n in range(_ROWS))
        self.source.run("DELETE FROM events", f"INSERT INTO events VALUES {values}")
        self.faults = [self._fault() for _ in range(self.chance.randint(1, _MOST_FAULTS))]
        told = ", ".join(self.faults)
        done = self._due(_FIRST + timedelta(hours=trial))
        self.found.trials += 1
        runs = [run for run in self.folder.flowc("runs", "list", "--json").json if run["due_at"] == self.due]
        if not runs or runs[0]["status"] != "ok":
            self.found.problems.append(f"{self.kind} {trial} ({told}): {done.err}")
        self.found.attempts += len(runs)
        shown = self.folder.flowc("runs", "show", "last", "--json").json
        targets = [target for each in shown["detail"]["pipelines"] for target in each["targets"]]
        self.found.passed_by += sum(target["passed_by"] for target in targets)
        for name in ("a", "b"):
            self._count(name, trial, told)

    def _due(self, at: datetime) -> Any:
        self.due = instant_text(at)
        return self.folder.flowc("run-due", "--now", self.due)

    def _fault(self) -> str:
        ways = [*BEFORE, *AFTER, *([CUT] if self.proxy is not None else [])]
        way = self.chance.choices(ways, [1 if way == "hung" else 4 for way in ways])[0]
        number = self.chance.randint(1, _LAST_CALL if way in BEFORE else 2)
        return f"{way} {number} {self.kind}"

    def _count(self, name: str, trial: int, told: str) -> None:
        sql = f"SELECT n FROM {name if self.store else 't'} WHERE trial = {trial}"
        held = self.store.raw(sql) if self.store else lakes.rows(self.folder.path / "lake" / name, sql)
        counts = Counter(int(n) for (n,) in held)
        lost = sum(n not in counts for n in range(_ROWS))
        twice = sum(count - 1 for count in counts.values())
        self.found.lost += lost
        self.found.twice += twice
        if lost or twice:
            self.found.problems.append(f"{self.kind} {trial} ({told}): {name} lacks {lost}, has twice {twice}")

    def begin(self, command: Sequence[str], *, env: Mapping[str, str], **options: Any) -> warmflowc.Run:
        """Starts an attempt, to which the next fault happens."""
        keptfiles.release()  # a DuckDB file is open in one process at a time
        fault = self.faults.pop(0) if self.faults else ""
        cut = fault.startswith(CUT)
        self.found.ways.update(fault.split()[:1])
        if self.proxy is not None:
            self.proxy.cut(int(fault.split()[1]) if cut else 0)
        at = list(command).index("flowc")
        words = [*command[:at], "benchmarks.crash.attemptworker", *command[at + 1 :]]
        environ = {**env, **self.workers, VARIABLE: "" if cut else fault}
        return warmflowc.runs().Popen(words, env=environ, **options)


@contextmanager
def _stands_in(campaign: Campaign) -> Iterator[None]:
    """Has schedulers of this process begin workers by the campaign."""
    before, names = executors.subprocess, ("PIPE", "STDOUT")
    made = SimpleNamespace(Popen=campaign.begin, **{name: getattr(subprocess, name) for name in names})
    executors.subprocess = made  # type: ignore[assignment]
    try:
        yield
    finally:
        executors.subprocess = before
        if campaign.proxy is not None:
            campaign.proxy.close()


def main() -> int:
    """Runs the campaigns and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--only", nargs="*", choices=KINDS, default=KINDS)
    parser.add_argument("--timeout", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print("| target | due times | attempts | passed by | lost | twice | ways |\n|---|---|---|---|---|---|---|")
    good = True
    for kind in given.only:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            options = stack.enter_context(place(kind, folder)) if kind in SERVERS else {}
            store = None if kind == "delta" else Store(kind, folder, str(options.get("url", "")))
            campaign = Campaign(kind, Inside(folder), store, random.Random(f"{given.seed} {kind}"), given.timeout)
            stack.enter_context(_stands_in(campaign))
            found = campaign.run(given.trials)
        ways = " ".join(f"{way} {count}" for way, count in found.ways.items())
        cells = (kind, found.trials, found.attempts, found.passed_by, found.lost, found.twice, ways)
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
        for problem in found.problems:
            print(problem, file=sys.stderr)
        good = good and found.good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
