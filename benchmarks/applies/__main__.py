"""Kills applies of random edits to random tables, beside an application that writes them, and looks for what is lost.

python -m benchmarks.applies                               200 trials on each engine
python -m benchmarks.applies --trials 20 --only postgres   fewer, on one
python -m benchmarks.applies --seed 7                      the same again, as far as time lets it
python -m benchmarks.applies --only mysql --from 12 --trials 1   one of them again

A trial makes a table by `flowc apply`, fills it, puts on it what no spec knows (`furniture`), edits the spec, and
applies that while a process inserts and updates rows. The apply is killed before one of its statements, or at a moment,
and made again. Then every row that the application was told is committed must be there with its values; what the
engine's own catalog says (`witness`) must be what it said before but for what the edits are about; nothing of flowc's
may be left; and there may be nothing more to plan. DuckDB lets one process in, so nobody writes there meanwhile. On
PostgreSQL, half of the trials take every table for a large one. An edit that is refused must have changed nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from benchmarks.applies.trial import Outcome, Trial
from tests.services import mysql, service, variable
from tests.stores import KINDS, SERVERS, Store

HEAD = "| engine | trials | killed | refused | rows written | applies | faulty |\n|---|---|---|---|---|---|---|"


@contextmanager
def place(kind: str, folder: Path) -> Iterator[Store]:
    """An empty database of a kind."""
    address = os.environ.get(variable(kind), "")
    if kind == "mysql":
        with mysql.fresh_database(address) as dsn:
            yield Store(kind, folder, dsn)
    elif kind == "postgres":
        name = f"applies_{uuid.uuid4().hex[:12]}"
        _administer(address, f"CREATE DATABASE {name}")
        try:
            yield Store(kind, folder, urlunsplit(urlsplit(address)._replace(path=f"/{name}")))
        finally:
            _administer(address, f"DROP DATABASE {name} WITH (FORCE)")
    else:
        yield Store(kind, folder)


def _administer(address: str, sql: str) -> None:
    with psycopg.connect(address, autocommit=True) as session:
        session.execute(sql)


def trial(kind: str, number: int, seed: int, folder: Path) -> Outcome:
    """One trial in a folder of its own."""
    own = folder / f"{kind}-{number}"
    own.mkdir()
    user = f"r_{uuid.uuid4().hex[:10]}" if kind == "mysql" else ""
    with place(kind, own) as store:
        if user:
            store.run(f"CREATE USER '{user}'@'%'")
        try:
            return Trial(store, f"{seed} {kind} {number}", user).run()
        finally:
            if user:
                store.run(f"DROP USER '{user}'@'%'")


def line(kind: str, outcomes: Sequence[Outcome]) -> str:
    """A row of the table."""
    cells = (
        kind, len(outcomes), sum(o.killed for o in outcomes), sum(bool(o.refused) for o in outcomes),
        sum(o.written for o in outcomes), sum(o.applies for o in outcomes), sum(bool(o.faults) for o in outcomes),
    )  # fmt: skip
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def campaign(kind: str, numbers: range, seed: int, folder: Path) -> list[Outcome]:
    """So many trials on one engine; what is wrong is told as it comes."""
    outcomes = []
    for number in numbers:
        outcomes.append(trial(kind, number, seed, folder))
        if outcomes[-1].faults:
            found = "\n  ".join(outcomes[-1].faults[:12])
            sys.stderr.write(f"{kind} {number} {outcomes[-1].pieces}:\n  {found}\n")
            sys.stderr.flush()
    return outcomes


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the campaigns and prints a table; 1 when anything was wrong."""
    options = _parser().parse_args(arguments)
    with ExitStack() as stack:
        kinds = options.only or list(KINDS)
        for name in [kind for kind in kinds if kind in SERVERS]:
            os.environ[variable(name)] = stack.enter_context(service(name))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flowc-applies-")))
        numbers = range(options.start, options.start + options.trials)
        found = {kind: campaign(kind, numbers, options.seed, folder) for kind in kinds}
    print("\n".join([HEAD, *(line(kind, outcomes) for kind, outcomes in found.items())]))
    reasons = Counter(o.refused.strip().splitlines()[1].strip() for each in found.values() for o in each if o.refused)
    print("\n".join(f"refused {count}: {reason}" for reason, count in reasons.most_common()))
    return 1 if any(outcome.faults for outcomes in found.values() for outcome in outcomes) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.applies", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--trials", type=int, default=200, help="on each engine (default: 200)")
    parser.add_argument("--only", nargs="+", metavar="ENGINE", choices=KINDS, help=f"of {', '.join(KINDS)}")
    parser.add_argument("--seed", type=int, default=1, help="of tables, edits and kills (default: 1)")
    parser.add_argument("--from", type=int, default=0, dest="start", help="the first trial (default: 0)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
