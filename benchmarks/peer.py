"""The same loads by ematix-flow 1.0.0, which takes PostgreSQL on both sides, in a virtual environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import tables
from benchmarks.context import Context, flowc, flowc_environment
from benchmarks.measure import Side, SideFailed, compare
from benchmarks.merges import CHECK as MERGE_CHECK
from benchmarks.merges import ROWS as MERGE_ROWS
from benchmarks.merges import merge_outcome, merge_spec
from benchmarks.report import Row, speed_row
from benchmarks.tables import create_merge

VERSION = "1.0.0"
LOAD = Path(__file__).with_name("ematix_load.py")
ROWS = 500_000
NARROW_COLUMNS = "id:BigInt,account:Integer,amount:Double,name:Text,happened:TimestampTZ"
MERGE_TYPES = "id:BigInt,name:Text,amount:Numeric:12:2,updated:TimestampTZ,status:Text"


def ematix_append(context: Context) -> Iterator[Row]:
    """Five columns appended from one PostgreSQL database to another."""
    rows, server = context.rows(ROWS), context.postgres
    python = installed(context)
    server.create("narrow_source")
    server.execute(tables.NARROW_POSTGRES, tables.fill_narrow_postgres(rows), "ANALYZE", database="narrow_source")
    root = context.project("ematix_append", _spec(server.dsn("narrow_source"), server.dsn("narrow_target")))

    def check(side: str) -> None:
        if (found := server.value("SELECT count(*) FROM narrow", "narrow_target")) != rows:
            raise SideFailed(f"{side} left {found} rows in the target, not {rows}")

    def fresh() -> None:
        server.create("narrow_target")

    job = {"MODE": "append", "TABLE": "public.narrow", "COLUMNS": NARROW_COLUMNS}
    query = "SELECT id, account, amount, name, happened FROM narrow"
    given = {"EMATIX_FLOW_DSN_SOURCE": server.dsn("narrow_source"), "QUERY": query, **job}
    given["EMATIX_FLOW_DSN_TARGET"] = server.dsn("narrow_target")
    # Each makes its own table, which for ematix-flow has two columns of its own.
    theirs = Side("ematix-flow", [str(python), str(LOAD)], fresh, context.folder, given)
    ours = Side("flowc", flowc("run", "copy", "--once", "--json"), fresh, root, flowc_environment())
    results = compare(ours, [theirs], context.rounds, check)
    server.drop("narrow_source", "narrow_target")
    yield speed_row(f"postgres -> postgres, {rows:,} x 5", results, rows, wanted=1.0)


def ematix_merge(context: Context) -> Iterator[Row]:
    """The merge within one PostgreSQL database; its target has the two columns that ematix-flow wants."""
    rows, server = context.rows(MERGE_ROWS), context.postgres
    python = installed(context)
    server.create("merge_original")
    server.execute(*create_merge("postgres", rows), "VACUUM ANALYZE", "CHECKPOINT", database="merge_original")
    server.create("merge_theirs", like="merge_original")
    server.execute(*_OWN_COLUMNS, "VACUUM FULL ANALYZE target", "CHECKPOINT", database="merge_theirs")
    root = context.project("ematix_merge", merge_spec(f'kind: postgres, url: "{server.dsn("merge_copy")}"'))
    given = {"MODE": "merge", "TABLE": "public.target", "COLUMNS": MERGE_TYPES}
    given |= {"QUERY": "SELECT * FROM incoming", "EMATIX_FLOW_DSN_TARGET": server.dsn("merge_copy")}

    def copy(original: str) -> Callable[[], None]:
        return lambda: server.create("merge_copy", like=original)

    def check(side: str) -> None:
        if (found := server.value(MERGE_CHECK, "merge_copy")) != merge_outcome(rows):
            raise SideFailed(f"{side} left {found} in the target, not {merge_outcome(rows)}")

    theirs = Side("ematix-flow", [str(python), str(LOAD)], copy("merge_theirs"), context.folder, given)
    command = flowc("run", "merge", "--once", "--json")
    ours = Side("flowc", command, copy("merge_original"), root, flowc_environment())
    results = compare(ours, [theirs], context.rounds, check)
    server.drop("merge_copy", "merge_original", "merge_theirs")
    yield speed_row(f"merge of {rows:,} into {5 * rows:,}, postgres", results, rows, wanted=1.0)


CASES = (ematix_append, ematix_merge)

_OWN_COLUMNS = (
    "ALTER TABLE target ADD _loaded_at timestamptz NOT NULL DEFAULT now()",
    "ALTER TABLE target ADD _batch_id uuid NOT NULL DEFAULT gen_random_uuid()",
    "ALTER TABLE target ALTER _loaded_at DROP DEFAULT, ALTER _batch_id DROP DEFAULT",
)


def installed(context: Context) -> Path:
    """The interpreter of ematix-flow's own environment, made on first use in the folder of the run."""
    python = interpreter(context, f"ematix-flow=={VERSION}")
    context.peer_version = VERSION
    return python


def interpreter(context: Context, *packages: str) -> Path:
    """The interpreter of an environment that has the packages; it is made on first use in the folder of the run.

    A variable that is named after the first one, as FLOWC_BENCHMARK_LAMINARDB, names one that is there already. Raises
    SideFailed where they cannot be installed.
    """
    name = packages[0].partition("==")[0]
    if given := os.environ.get(f"FLOWC_BENCHMARK_{name.upper().replace('-', '_')}"):
        return Path(given)
    folder = context.folder / f"environment-{name}"
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        venv.create(folder, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = f"for {sys.version.split()[0]}: {done.stderr[-300:]}"
            raise SideFailed(f"{packages[0]} could not be installed {reason}")
        (folder / "installed").touch()
    return python


def _spec(source: str, target: str) -> str:
    return f"""\
connections:
  source: {{ kind: postgres, url: "{source}" }}
  target: {{ kind: postgres, url: "{target}" }}
tables:
  narrow:
    connection: target
    columns:
{tables.NARROW_SPEC}
pipelines:
  copy:
    from: source
    sql: SELECT id, account, amount, name, happened FROM narrow
    to: narrow
    mode: append
"""
