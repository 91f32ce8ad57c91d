"""Kills applies of random edits at any statement, applies them again, and looks for what was lost.

python -m benchmarks.applies                                200 trials on each engine
python -m benchmarks.applies --trials 20 --only postgres    fewer, on one engine
python -m benchmarks.applies --seed 7                       other tables, edits and kills

No value may change that the plan did not name, no row of the application be lost, no constraint, index, trigger or
grant go unnamed, and nothing of flowc stay behind; the last apply ends, and there is nothing to plan after it. Trials
whose plan refuses the edit change nothing and do not count: others are made for them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.applies.trial import Outcome, Trial
from tests.services import service, variable
from tests.services.databases import Databases
from tests.services.mysql import fresh_database
from tests.stores import KINDS, SERVERS

HEAD = "| engine | trials | refused | kills | rows written | with faults |\n|---|---|---|---|---|---|"


@contextmanager
def place(kind: str) -> Iterator[str]:
    """The DSN of an empty database; empty for a file."""
    if kind == "postgres":
        databases = Databases(os.environ[variable(kind)])
        with databases.fresh() as dsn:
            yield dsn
        databases.drop()
    elif kind == "mysql":
        with fresh_database(os.environ[variable(kind)]) as dsn:
            yield dsn
    else:
        yield ""


def campaign(kind: str, trials: int, seed: int, folder: Path, first: int = 0) -> list[Outcome]:
    """Trials on one engine until so many edits were applied."""
    outcomes, number = list[Outcome](), first
    while sum(not o.refused for o in outcomes) < trials:
        own = folder / f"{kind}-{number}"
        own.mkdir()
        with place(kind) as dsn:
            outcomes.append(Trial(kind, own, dsn, f"{seed} {kind} {number}").run())
        number += 1
        for fault in outcomes[-1].faults:
            sys.stderr.write(f"{outcomes[-1].seed}: {fault}\n")
    return outcomes


def line(kind: str, outcomes: Sequence[Outcome]) -> str:
    """A row of the table."""
    done = [outcome for outcome in outcomes if not outcome.refused]
    cells = (kind, len(done), len(outcomes) - len(done), sum(o.kills for o in done), sum(o.written for o in done))
    return "| " + " | ".join(map(str, (*cells, sum(bool(o.faults) for o in outcomes)))) + " |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the campaigns and prints a table; 1 when a trial found a fault."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.applies", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--trials", type=int, default=200, help="on each engine (default: 200)")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), metavar="ENGINE")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default: 1)")
    parser.add_argument("--first", type=int, default=0, help="number of the first trial, to see one again")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        for name in SERVERS:
            if name in options.only:
                os.environ[variable(name)] = stack.enter_context(service(name))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flowc-applies-")))
        found = {kind: campaign(kind, options.trials, options.seed, folder, options.first) for kind in options.only}
    print("\n".join([HEAD, *(line(kind, outcomes) for kind, outcomes in found.items())]))
    return int(any(outcome.faults for outcomes in found.values() for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
