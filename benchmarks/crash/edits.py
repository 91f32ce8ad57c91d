"""Kills workers of streams, edits the spec before the next one, and holds what the targets have against a model.

python -m benchmarks.crash.edits                              200 trials for each operator
python -m benchmarks.crash.edits --trials 20 --only hopping   fewer, of one operator
python -m benchmarks.crash.edits --only join --number 17      that trial again, as far as time lets it
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import random
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.crash.editplaces import Servers
from benchmarks.crash.editplans import OPERATORS
from benchmarks.crash.edittrial import Found, Trial
from flowc import runtime
from tests.services import service, variable
from tests.services.mysql import fresh_database
from tests.warm import LIBRARIES

_FOLDER = Path("/dev/shm")


@contextmanager
def servers() -> Iterator[Servers]:
    """Databases for one campaign, and a broker."""
    with ExitStack() as stack:
        for name in ("postgres", "mysql", "kafka"):
            os.environ[variable(name)] = stack.enter_context(service(name))
        mysql = stack.enter_context(fresh_database(os.environ[variable("mysql")]))
        yield Servers(stack.enter_context(_database()), mysql, os.environ[variable("kafka")])


@contextmanager
def _database() -> Iterator[str]:
    """The address of a PostgreSQL database."""
    import psycopg
    from psycopg.conninfo import make_conninfo

    address, name = os.environ[variable("postgres")], f"edits_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    try:
        yield make_conninfo(address, dbname=name)
    finally:
        with psycopg.connect(address, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def campaign(operator: str, numbers: Sequence[int], seed: int, given: Servers) -> Found:
    """So many trials of one operator."""
    found = Found()
    for number in numbers:
        with tempfile.TemporaryDirectory(dir=_FOLDER if _FOLDER.is_dir() else None, prefix="flowc-edits-") as folder:
            chance = random.Random(f"{seed} {operator} {number}")
            trial = Trial(Path(folder), operator, chance, given, found)
            problem = trial.run()
        found.trials += 1
        if problem:
            found.problems.append(f"{operator} {number}: {problem}")
            sys.stderr.write(f"{found.problems[-1]}\n")
    return found


def warm() -> None:
    """Imports what workers import, of which each is a copy of this process."""
    modules = (each.name for each in pkgutil.walk_packages(runtime.__path__, f"{runtime.__name__}."))
    for name in (*LIBRARIES, *modules):
        importlib.import_module(name)


HEAD = "| operator | trials | kills | edits | verdicts | stops | wrong |\n|---|---|---|---|---|---|---|"


def line(operator: str, found: Found) -> str:
    """A row of the table."""
    cells = (operator, found.trials, found.kills, found.edits, _words(found.verdicts), _words(found.stops))
    return "| " + " | ".join(map(str, (*cells, len(found.problems)))) + " |"


def _words(counted: Counter[str]) -> str:
    return " ".join(f"{name} {count}" for name, count in sorted(counted.items()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the campaigns and prints a table; 1 when a target holds what no order of the plans gives."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash.edits", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--trials", type=int, default=200, help="of each operator (default: 200)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first trial (default: 0)")
    parser.add_argument("--only", nargs="+", choices=OPERATORS, default=OPERATORS)
    parser.add_argument("--seed", type=int, default=1, help="of the edits and kills (default: 1)")
    given = parser.parse_args(arguments)
    warm()
    print(HEAD, flush=True)
    good = True
    with servers() as there:
        for operator in given.only:
            numbers = range(given.first, given.first + given.trials)
            found = campaign(operator, numbers, given.seed, there)
            print(line(operator, found), flush=True)
            good = good and not found.problems
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
