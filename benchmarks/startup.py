"""How long flowc takes to start, to check one spec, and to check a project of a thousand pipelines."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.context import Context, flowc, flowc_environment
from benchmarks.lintprojects import PER_FILE, WORDS, write_project
from benchmarks.measure import Side, compare
from benchmarks.report import Row, seconds, time_row

STARTS = 15

ONE_SPEC = """\
connections:
  shop: { kind: duckdb, path: shop.duckdb }
tables:
  orders:
    connection: shop
    columns: { order_id: bigint primary key, customer_id: bigint, amount: "numeric(12,2)", ordered_at: timestamptz }
  daily_sales:
    connection: shop
    columns: { day: date not null, orders: bigint not null, revenue: "numeric(38,2)" }
    primary_key: [day]
pipelines:
  summarize_sales:
    sql: |
      SELECT CAST(ordered_at AS date) AS day, count(*) AS orders, sum(amount) AS revenue
      FROM orders
      WHERE ordered_at IS NOT NULL
      GROUP BY 1
    to: daily_sales
    mode: merge
"""

PIPELINES = 1000

PROCESSOR = {
    "--help": 0.100, "lint specs": 0.350, "runs list": 0.300, "logs": 0.300, "alerts test": 0.300, "status": 0.300,
    "schedule list": 0.900, "connections list": 0.550, "compile": 0.600,
}  # fmt: skip
"""Commands, and the processor seconds that each may take in a project of one spec on a calm machine."""


def help_text(context: Context) -> Iterator[Row]:
    """`flowc --help`, as a whole process, beside an interpreter that does nothing."""
    yield _against_nothing(context, "`flowc --help`", ["--help"], below=0.150)


def lint_one(context: Context) -> Iterator[Row]:
    """`flowc lint` of one small spec."""
    root = context.project("one_spec", ONE_SPEC)
    yield _against_nothing(context, "`flowc lint`, one spec", ["lint", "specs"], below=0.400, cwd=root)


def processor_times(context: Context) -> Iterator[Row]:
    """The processor time of whole commands, beside that of an interpreter that does nothing."""
    root = context.project("one_spec", ONE_SPEC)
    rounds = STARTS if context.rounds > 1 else 3
    nothing = _processor([sys.executable, "-c", "pass"], root, rounds)
    for words, below in PROCESSOR.items():
        used = _processor(flowc(*words.split()), root, rounds)
        yield Row(
            f"`flowc {words}`, processor time",
            seconds(used),
            f"`python -c pass`: {seconds(nothing)}",
            f"{nothing / used:.2f}",
            f"< {seconds(below)}",
            used < below,
        )


def _processor(command: Sequence[str], folder: Path, rounds: int) -> float:
    """The median of processor seconds, user and system, after one run that compiles modules."""
    given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**given, **flowc_environment()}
    samples = []
    for _ in range(rounds + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        samples.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(samples[1:])


def lint_project(context: Context) -> Iterator[Row]:
    """`flowc lint` of a generated project for each engine, nothing of it kept from an earlier run."""
    count = max(PER_FILE, round(PIPELINES * context.scale))
    for kind in WORDS:
        root = context.folder / f"lint_{kind}"
        write_project(root / "specs", kind, count)
        lint = Side("flowc", flowc("lint", "specs"), cwd=root, env=flowc_environment())
        (result,) = compare(lint, (), context.rounds)
        case = f"`flowc lint`, {count:,} pipelines of 10 lines of SQL, {kind}"
        yield time_row(case, result, below=5.0 * count / PIPELINES)


def _against_nothing(context: Context, case: str, words: list[str], *, below: float, cwd: Path | None = None) -> Row:
    rounds = STARTS if context.rounds > 1 else 3
    side = Side("flowc", flowc(*words), cwd=cwd, env=flowc_environment())
    nothing = Side("`python -c pass`", [sys.executable, "-c", "pass"])
    result, other = compare(side, [nothing], rounds)
    return time_row(case, result, below=below, other=other)
