"""Random walks over the versions of a table, in applies of which many are cut off (`walk`).

python -m benchmarks.applies.walks                                 20 walks on each engine
python -m benchmarks.applies.walks --walks 5 --only postgres       fewer, on one
python -m benchmarks.applies.walks --only mysql --from 12 --walks 1   one of them again, as far as time lets it
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.applies.__main__ import place
from benchmarks.applies.walk import Walk
from flowc.compiler.systems.postgres import shadow as postgres_shadow
from tests.stores import KINDS

STEPS = 10


def main(arguments: Sequence[str]) -> int:
    """Walks, and prints what became of it; 1 where there is a fault."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.applies.walks")
    parser.add_argument("--walks", type=int, default=20)
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--from", type=int, default=0, dest="first")
    given = parser.parse_args(arguments)
    faults = [fault for kind in ([given.only] if given.only else KINDS) for fault in _walks(kind, given)]
    return 1 if faults else 0


def _walks(kind: str, given: argparse.Namespace) -> list[str]:
    counts, refusals, faults = Counter[str](), Counter[str](), list[str]()
    for number in range(given.first, given.first + given.walks):
        walk = walked(kind, number, STEPS)
        counts, refusals, faults = counts + walk.counts, refusals + walk.refusals, faults + walk.faults
        print("\n".join(walk.faults), end="", flush=True)
    print(f"{kind}: {given.walks} walks, {dict(counts)}, {len(faults)} faults")
    print("\n".join(f"  {often} times {words}" for words, often in refusals.most_common()))
    return faults


def walked(kind: str, number: int, steps: int) -> Walk:
    """One walk in a database of its own. Of PostgreSQL, every other one takes all tables for large ones."""
    large = postgres_shadow.LARGE
    with tempfile.TemporaryDirectory() as folder, place(kind, Path(folder)) as store:
        try:
            postgres_shadow.LARGE = 1 if number % 2 else large
            walk = Walk(store, f"{kind} {number}")
            walk.run(steps)
        finally:
            postgres_shadow.LARGE = large
    return walk


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
