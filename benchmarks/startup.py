"""How long flowc takes to start, to check one spec, and to check a project of a thousand pipelines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.context import Context, flowc, flowc_environment
from benchmarks.lintprojects import PER_FILE, WORDS, write_project
from benchmarks.measure import Side, compare
from benchmarks.report import Row, time_row

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


def help_text(context: Context) -> Iterator[Row]:
    """`flowc --help`, as a whole process, beside an interpreter that does nothing."""
    yield _against_nothing(context, "`flowc --help`", ["--help"], below=0.150)


def lint_one(context: Context) -> Iterator[Row]:
    """`flowc lint` of one small spec."""
    root = context.project("one_spec", ONE_SPEC)
    yield _against_nothing(context, "`flowc lint`, one spec", ["lint", "specs"], below=0.400, cwd=root)


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
