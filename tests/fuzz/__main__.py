"""Mutants of specs, SQL, templates, names, files, messages, tests and requests: nothing may fail in flowc for them.

python -m tests.fuzz                          1,000 mutants
python -m tests.fuzz --count 100000 --seed 7  more, and others
python -m tests.fuzz --only sql names         of these kinds
python -m tests.fuzz --number 4711 --seed 7   one of them, again
python -m tests.fuzz --plant raises           with a fault in flowc that it has to find

What breaks a rule is kept in a folder, as the project that does it, made smaller, with what it did.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.fuzz.campaign import Campaign
from tests.fuzz.faults import FAULTS
from tests.fuzz.kinds import KINDS


def main() -> int:
    """Runs a campaign, or what there is time for until Ctrl-C; 1 when it found something."""
    options = _parser().parse_args()
    first, count = (options.number, 1) if options.number is not None else (0, options.count)
    campaign = Campaign(count, options.seed, tuple(options.only), tuple(options.plant), options.out, first=first)
    started = time.monotonic()
    with suppress(KeyboardInterrupt):
        campaign.run(options.jobs)
    sys.stdout.write(f"{report(campaign)}, in {time.monotonic() - started:.0f} s\n")
    return 1 if campaign.found else 0


def report(campaign: Campaign) -> str:
    """What was examined and found, in lines."""
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(campaign.examined.items()))
    found = "".join(f"{count:6} {signature}\n" for signature, count in campaign.found.most_common())
    took, number = campaign.slowest
    findings = f"{len(campaign.found)} findings" if campaign.found else "nothing found"
    return f"{found}{campaign.examined.total():,} mutants ({kinds}): {findings}; slowest {number} with {took:.1f} s"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=1000, help="how many mutants (default: 1000)")
    parser.add_argument("--seed", type=int, default=1, help="of the mutants (default: 1)")
    parser.add_argument("--number", type=int, help="the one mutant of this number")
    parser.add_argument(
        "--only", nargs="+", default=(), metavar="KIND", choices=list(KINDS), help=f"of {', '.join(KINDS)}"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes at once (default: 1)")
    parser.add_argument(
        "--plant", nargs="+", default=(), metavar="FAULT", choices=list(FAULTS), help=f"of {', '.join(FAULTS)}"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("fuzz-findings"), help="where findings are kept (default: fuzz-findings)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
