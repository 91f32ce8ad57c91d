"""How long flowc takes to start, to check one spec, and to check a project of a thousand pipelines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.context import Context, flowc, flowc_environment
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
PER_FILE = 25


def help_text(context: Context) -> Iterator[Row]:
    """`flowc --help`, as a whole process, beside an interpreter that does nothing."""
    yield _against_nothing(context, "`flowc --help`", ["--help"], below=0.150)


def lint_one(context: Context) -> Iterator[Row]:
    """`flowc lint` of one small spec."""
    root = context.project("one_spec", ONE_SPEC)
    yield _against_nothing(context, "`flowc lint`, one spec", ["lint", "specs"], below=0.400, cwd=root)


def lint_project(context: Context) -> Iterator[Row]:
    """`flowc lint` of a generated project, nothing of it kept from an earlier run."""
    count = max(PER_FILE, round(PIPELINES * context.scale))
    root = context.folder / "lint_project"
    write_project(root / "specs", count)
    lint = Side("flowc", flowc("lint", "specs"), cwd=root, env=flowc_environment())
    (result,) = compare(lint, (), context.rounds)
    yield time_row(f"`flowc lint`, {count:,} pipelines of 10 lines of SQL", result, below=5.0 * count / PIPELINES)


def _against_nothing(context: Context, case: str, words: list[str], *, below: float, cwd: Path | None = None) -> Row:
    rounds = STARTS if context.rounds > 1 else 3
    side = Side("flowc", flowc(*words), cwd=cwd, env=flowc_environment())
    nothing = Side("`python -c pass`", [sys.executable, "-c", "pass"])
    result, other = compare(side, [nothing], rounds)
    return time_row(case, result, below=below, other=other)


def write_project(folder: Path, count: int) -> None:
    """Writes a project of `count` pipelines in files of 25, each with its declared target, over shared sources."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sources.yaml").write_text(SOURCES, "utf-8")
    for first in range(0, count, PER_FILE):
        numbers = range(first, min(count, first + PER_FILE))
        tables = "".join(_TABLE.format(number=number) for number in numbers)
        pipelines = "".join(_PIPELINE.format(number=number, before=_before(number)) for number in numbers)
        (folder / f"marts_{first:04}.yaml").write_text(f"tables:\n{tables}pipelines:\n{pipelines}", "utf-8")


def _before(number: int) -> str:
    """The table whose regions a pipeline keeps: a mart of the file before, so that the project has depth."""
    return f"marts.mart_{number - PER_FILE:04}" if number >= PER_FILE else "raw.customers"


SOURCES = """\
connections:
  warehouse: { kind: postgres, url: "${WAREHOUSE_URL}" }
tables:
  orders:
    connection: warehouse
    schema: raw
    columns:
      order_id: bigint primary key
      customer_id: bigint not null
      product_id: bigint not null
      store_id: integer
      quantity: integer not null
      price: numeric(12,2) not null
      ordered_at: timestamptz not null
      note: text
  customers:
    connection: warehouse
    schema: raw
    columns:
      customer_id: bigint primary key
      name: text
      email: { type: varchar(256), normalize: [lower, trim, empty_to_null] }
      region: text
      signed_up: timestamptz
  products:
    connection: warehouse
    schema: raw
    columns: { product_id: bigint primary key, title: text not null, category: text, cost: "numeric(12,2)" }
"""

_TABLE = """\
  mart_{number:04}:
    connection: warehouse
    schema: marts
    description: Sales by region and category, view {number}.
    columns:
      region: {{ type: text, nullable: false }}
      category: {{ type: text, nullable: false }}
      orders: bigint
      buyers: bigint
      revenue: numeric
      margin: numeric
      last_order: timestamptz
    primary_key: [region, category]
"""

_PIPELINE = """\
  build_mart_{number:04}:
    description: Builds view {number}.
    sql: |
      SELECT coalesce(c.region, 'unknown') AS region, coalesce(p.category, 'other') AS category,
             count(*) AS orders, count(DISTINCT o.customer_id) AS buyers,
             sum(o.quantity * o.price) AS revenue,
             sum(o.quantity * (o.price - coalesce(p.cost, 0))) AS margin,
             max(o.ordered_at) AS last_order
      FROM raw.orders AS o
      JOIN raw.customers AS c ON c.customer_id = o.customer_id
      LEFT JOIN raw.products AS p ON p.product_id = o.product_id
      WHERE o.store_id % 1000 = {number} AND c.region IN (SELECT r.region FROM {before} AS r)
      GROUP BY 1, 2
    to: mart_{number:04}
    mode: merge
    keys: [region, category]
    schedule: "0 * * * *"
"""
