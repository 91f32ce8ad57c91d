"""Put small errors into flowc, one at a time, and print which of them no test finds.

python -m tests.mutation --trace FOLDER              run the tests once, and record which functions each of them runs
python -m tests.mutation --trace FOLDER --count 100  make 100 mutants, and run the tests of the function of each
python -m tests.mutation --trace FOLDER --seed 2     other mutants
python -m tests.mutation --trace FOLDER --only flowc/compiler/migrate

A mutant is killed when a test fails or does not end. One that survives is an error that the tests do not find, or a
change that is no error. Set FLOWC_TEST_LONG=1 to record the long run instead of the short one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from tests.mutation import calls, selection
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.tracing import instrument
from tests.mutation.trees import ROOT, Tree, copied

PACKAGES = {"flowc/runtime/streams": 6, "flowc/compiler/migrate": 3, "flowc/runtime/loads": 1}
"""What mutants are made of, and their shares: data is wrong where these are."""
_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.M)


@dataclass(frozen=True)
class Verdict:
    """What the tests said of a mutant."""

    mutant: Mutant
    killer: str
    """The first test that failed; empty where the mutant survived."""
    tests: int
    tests_of_function: int

    def __str__(self) -> str:
        seen = f"killed by {self.killer}" if self.killer else "survived"
        return f"{self.mutant}\n    {seen} ({self.tests} of {self.tests_of_function} tests)"


def main() -> int:
    """Record a trace where there is none, else run mutants; 0 whatever they say."""
    options = _parser().parse_args()
    paths = [path for package in options.only for path in sorted((ROOT / package).rglob("*.py"))]
    if not any(options.trace.glob("times.*.tsv")):
        return _record(options.trace.resolve(), paths)
    trace = selection.read(options.trace)
    verdicts = []
    with copied() as tree:
        for mutant in sample(options.only, options.count, options.seed)[options.first :]:
            verdicts.append(judged(tree, mutant, trace, options.budget))
            sys.stdout.write(f"{verdicts[-1]}\n")
            sys.stdout.flush()
            if options.out:
                with options.out.open("a") as file:
                    file.write(json.dumps([str(mutant), verdicts[-1].killer]) + "\n")
    sys.stdout.write(report(verdicts))
    return 0


def sample(packages: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """Mutants of the packages by their shares, at most two of a function, the same ones for the same seed."""
    chance = random.Random(seed)
    shares = [PACKAGES.get(package, 1) for package in packages]
    ends = [count * end // sum(shares) for end in accumulate(shares, initial=0)]
    counts = [end - begin for begin, end in pairwise(ends)]
    chosen = [mutant for share in zip(packages, counts, strict=True) for mutant in _of_package(chance, *share)]
    chance.shuffle(chosen)
    return chosen


def _of_package(chance: random.Random, package: str, count: int) -> Iterator[Mutant]:
    paths = sorted((ROOT / package).rglob("*.py"))
    names = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in paths}
    candidates = [mutant for name, source in names.items() for mutant in mutants(name, source)]
    chance.shuffle(candidates)
    mutants_of: Counter[tuple[str, str]] = Counter()
    for mutant in candidates:
        mutants_of[mutant.path, mutant.function] += 1
        if count and mutants_of[mutant.path, mutant.function] <= 2:
            count -= 1
            yield mutant


def judged(tree: Tree, mutant: Mutant, trace: selection.Trace, budget: float) -> Verdict:
    """Run the tests of the mutant's function against it."""
    path = tree.root / mutant.path
    source = path.read_text("utf-8")
    tests, total = trace.selected(f"{mutant.path}:{mutant.function}", budget)
    listed = tree.root.parent / "tests"
    listed.write_text("".join(f"{test}\n" for test in tests), "utf-8")
    try:
        path.write_text(mutant.applied(source), "utf-8")
        code, output = (
            (0, "")
            if not tests
            else tree.pytest(["-x", "-n", "0", "--tb", "no", "-rfE", f"@{listed}"], timeout=4 * budget + 60)
        )
    finally:
        path.write_text(source, "utf-8")
    killer = (_FAILED.findall(output) or ["no test, but an exit code" if code else ""])[0]
    return Verdict(mutant, "a test that did not end" if code < 0 else killer, len(tests), total)


def report(verdicts: Sequence[Verdict]) -> str:
    """The counts by package, in lines."""
    killed = Counter(verdict.mutant.path.rsplit("/", 1)[0] for verdict in verdicts if verdict.killer)
    made = Counter(verdict.mutant.path.rsplit("/", 1)[0] for verdict in verdicts)
    lines = [f"{folder:40} {killed[folder]:4} of {count} killed\n" for folder, count in sorted(made.items())]
    return "".join([*lines, f"{'all':40} {killed.total():4} of {made.total()} killed\n"])


def _record(folder: Path, paths: Sequence[Path]) -> int:
    """Run the tests over an instrumented copy."""
    folder.mkdir(parents=True, exist_ok=True)
    marks = [] if "FLOWC_TEST_LONG" in os.environ else ["-m", "not extended"]
    with copied() as tree:
        instrument(tree.root, [tree.root / path.relative_to(ROOT) for path in paths])
        environment = {calls.FOLDER: str(folder)}
        arguments = [
            "-n",
            str(os.cpu_count() or 1),
            "-p",
            "tests.mutation.tracing",
            "--deselect",
            "tests/test_house.py",
        ]
        code, output = tree.pytest([*marks, *arguments], None, **environment)
    sys.stdout.write(output)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--trace", type=Path, required=True, help="the folder of the records of a run")
    parser.add_argument("--count", type=int, default=100, help="how many mutants (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="of the mutants (default: 1)")
    parser.add_argument("--first", type=int, default=0, help="skip so many of them, to go on with a run that was ended")
    parser.add_argument("--only", nargs="+", default=list(PACKAGES), metavar="PACKAGE", help="mutate these packages")
    parser.add_argument(
        "--budget", type=float, default=60.0, help="seconds of tests for a mutant, as they took (default: 60)"
    )
    parser.add_argument("--out", type=Path, help="append each verdict to this file, as a line of JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
