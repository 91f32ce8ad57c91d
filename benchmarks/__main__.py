"""Measures and prints one table.

python -m benchmarks                               everything at full size: about a quarter of an hour
python -m benchmarks --scale 0.1 --rounds 1        a tenth of the rows, each once
python -m benchmarks --only merge_duckdb help_text some cases
python -m benchmarks --markdown                    the table as it stands in docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import (
    backlog,
    kafka_read,
    lakes,
    latency,
    merges,
    mysql,
    nexmark,
    peer,
    plans,
    poison,
    startup,
    state,
    streams,
    transfers,
    windowpeers,
    windows,
    windowstreams,
)
from benchmarks.context import Context
from benchmarks.machine import facts
from benchmarks.measure import SideFailed
from benchmarks.report import Row, failed_row, table
from tests.services import MissingService

Case = Callable[[Context], Iterator[Row]]

CASES: Mapping[str, Case] = {
    case.__name__: case
    for case in (
        startup.help_text,
        startup.lint_one,
        startup.processor_times,
        startup.lint_project,
        *transfers.CASES,
        *mysql.CASES,
        *merges.CASES,
        *lakes.CASES,
        plans.plan_postgres,
        *peer.CASES,
        *kafka_read.CASES,
        *latency.CASES,
        *streams.CASES,
        *backlog.CASES,
        *poison.CASES,
        *state.CASES,
        *windows.CASES,
        *windowstreams.CASES,
        *windowpeers.CASES,
        *nexmark.CASES,
    )
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen cases, prints the table, and returns 1 when one failed or missed what is wanted."""
    options = _parser().parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flowc-benchmarks-", dir=options.folder)))
        context = Context(folder, options.scale, options.rounds, stack)
        rows = [row for name in options.only or CASES for row in _run(name, context)]
        known = facts(context.postgres_version, context.peer_version)
    print(_page(rows, known, options))
    return 0 if all(row.met for row in rows) else 1


def _run(name: str, context: Context) -> list[Row]:
    """The rows of one case; a case that cannot be run is a row that says why."""
    sys.stderr.write(f"{name} …\n")
    try:
        rows = list(CASES[name](context))
    except (SideFailed, MissingService) as failed:
        sys.stderr.write(f"  {failed}\n")
        rows = [failed_row(name, str(failed))]
    for row in rows:
        sys.stderr.write(f"  {'  '.join(row.cells())}\n")
    return rows


def _page(rows: Sequence[Row], known: Sequence[tuple[str, str]], options: argparse.Namespace) -> str:
    bullet = "- " if options.markdown else ""
    head = [f"{bullet}{name}: {value}" for name, value in known]
    head.append(f"{bullet}scale {options.scale:g}, median of {options.rounds} rounds, flowc and the other in turn")
    return "\n".join([*head, "", table(rows, markdown=options.markdown)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--scale", type=float, default=1.0, help="part of the full number of rows (default: 1)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each side; the median counts (default: 3)")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=list(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--folder", type=Path, help="where the data goes (default: the system's temporary folder)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
