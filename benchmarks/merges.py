"""A million rows merged into five million on each engine, against the best statement written by hand."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from benchmarks import bare
from benchmarks.context import Context, flowc, flowc_environment
from benchmarks.measure import Side, SideFailed, compare
from benchmarks.report import Row, speed_row
from benchmarks.statements import MERGES
from benchmarks.tables import MERGE_COLUMNS, MERGE_SPEC, create_merge, merge_counts
from benchmarks.transfers import BY_HAND, duckdb_value, fresh_duckdb

ROWS = 1_000_000
CHECK = "SELECT count(*) || ' ' || sum(CASE WHEN status LIKE '% new' THEN 1 ELSE 0 END) FROM target"


def merge_postgres(context: Context) -> Iterator[Row]:
    """`mode: merge` within one PostgreSQL database; each run starts from a copy of the same database."""
    rows, server = context.rows(ROWS), context.postgres
    server.create("merge_original")
    server.execute(*create_merge("postgres", rows), "VACUUM ANALYZE", "CHECKPOINT", database="merge_original")
    root = context.project("merge_postgres", merge_spec(f'kind: postgres, url: "{server.dsn("merge_copy")}"'))
    commands = {way: server.client("merge_copy", *texts) for way, texts in MERGES["postgres"].items()}
    yield _row(
        context,
        "postgres",
        root,
        commands,
        lambda: server.create("merge_copy", like="merge_original"),
        lambda: server.value(CHECK, "merge_copy"),
    )
    server.drop("merge_copy", "merge_original")


def merge_duckdb(context: Context) -> Iterator[Row]:
    """`mode: merge` within one DuckDB file; each run starts from a copy of the same file."""
    root = context.project("merge_duckdb", merge_spec("kind: duckdb, path: merge_copy"))
    original, copy = root / "merge_original", root / "merge_copy"
    fresh_duckdb(original, *create_merge("duckdb", context.rows(ROWS)), "CHECKPOINT")
    commands = {way: bare.command("duckdb_statements", str(copy), *texts) for way, texts in MERGES["duckdb"].items()}
    prepare = _copier(original, copy)
    yield _row(context, "duckdb", root, commands, prepare, lambda: duckdb_value(copy, CHECK))


def merge_sqlite(context: Context) -> Iterator[Row]:
    """`mode: merge` within one SQLite file; each run starts from a copy of the same file."""
    root = context.project("merge_sqlite", merge_spec("kind: sqlite, path: merge_copy"))
    original, copy = root / "merge_original", root / "merge_copy"
    with closing(sqlite3.connect(original, isolation_level=None)) as connection:
        for statement in ("PRAGMA synchronous = off", *create_merge("sqlite", context.rows(ROWS)), "ANALYZE"):
            connection.execute(statement)
    commands = {way: bare.command("sqlite_statements", str(copy), *texts) for way, texts in MERGES["sqlite"].items()}

    def value() -> object:
        with closing(sqlite3.connect(copy)) as connection:
            return connection.execute(CHECK).fetchone()[0]

    yield _row(context, "sqlite", root, commands, _copier(original, copy), value)


def merge_outcome(rows: int) -> str:
    """What `CHECK` gives after the merge: the rows of the target, and how many of them came with it as changed."""
    counts = merge_counts(rows)
    return f"{5 * rows + counts['inserted']} {counts['updated']}"


CASES = (merge_postgres, merge_duckdb, merge_sqlite)


def _row(
    context: Context,
    engine: str,
    root: Path,
    commands: dict[str, list[str]],
    prepare: Callable[[], None],
    value: Callable[[], object],
) -> Row:
    rows = context.rows(ROWS)
    wanted = merge_outcome(rows)

    def check(side: str) -> None:
        if (found := value()) != wanted:
            raise SideFailed(f"{side} left {found} in the target, not {wanted}")

    flowc_side = Side("flowc", flowc("run", "merge", "--once", "--json"), prepare, root, flowc_environment())
    by_hand = [Side(way, command, prepare, env=BY_HAND) for way, command in commands.items()]
    results = compare(flowc_side, by_hand, context.rounds, check)
    return speed_row(f"merge of {rows:,} into {5 * rows:,}, {engine}", results, rows, wanted=0.60)


def _copier(original: Path, copy: Path) -> Callable[[], None]:
    def prepare() -> None:
        for old in copy.parent.glob(f"{copy.name}*"):
            old.unlink()
        shutil.copyfile(original, copy)

    return prepare


def merge_spec(connection: str) -> str:
    """The project that merges `incoming` into `target` on one connection."""
    return f"""\
connections:
  here: {{ {connection} }}
tables:
  target:
    connection: here
    columns:
{MERGE_SPEC}
pipelines:
  merge:
    sql: SELECT {", ".join(MERGE_COLUMNS)} FROM incoming
    to: target
    mode: merge
"""
