"""How long `flowc plan` takes to compare a thousand declared tables with those of a live PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.context import Context, flowc, flowc_environment
from benchmarks.measure import Side, compare, run
from benchmarks.report import Row, time_row

TABLES = 1000

_TABLE = """\
  t{number:04}:
    connection: warehouse
    columns: {{ id: bigint primary key, name: varchar(40) not null, amount: "numeric(12,2)", at: timestamptz,
      note: text, ok: boolean, ratio: double, day: date{more} }}
    indexes: [{{ columns: [at] }}]
"""


def plan_postgres(context: Context) -> Iterator[Row]:
    """`flowc plan` of tables of which every tenth changes, as a whole process."""
    count = max(10, round(TABLES * context.scale))
    context.postgres.create("plans")
    root = context.project("plan_postgres", _project(context, count, changed=0))
    made = run("flowc", flowc("apply", "specs", "--yes"), cwd=root, env=flowc_environment())
    context.project("plan_postgres", _project(context, count, changed=count // 10))
    plan = Side("flowc", flowc("plan", "specs"), cwd=root, env=flowc_environment())
    (result,) = compare(plan, (), context.rounds)
    context.postgres.drop("plans")
    assert f"Plan: {count // 10} to add" in result.samples[0].output, made.output + result.samples[0].output
    yield time_row(f"`flowc plan`, {count:,} tables of a live PostgreSQL", result, below=3.0)


def _project(context: Context, count: int, *, changed: int) -> str:
    tables = (_TABLE.format(number=n, more=", later: text" if n < changed else "") for n in range(count))
    head = f'connections:\n  warehouse: {{ kind: postgres, url: "{context.postgres.dsn("plans")}" }}\ntables:\n'
    return head + "".join(tables)
