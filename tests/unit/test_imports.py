"""The heavy packages that each command loads, so that no command comes to load one that it does not use."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT

HEAVY = (
    "adbc_driver_postgresql", "aiohttp", "boto3", "confluent_kafka", "datafusion", "duckdb", "_duckdb", "jinja2",
    "jsonschema_rs", "numpy", "opentelemetry", "pandas", "psycopg", "pyarrow", "rich", "sqlglot", "starlette", "yaml",
)  # fmt: skip
SPECS = {"jsonschema_rs", "yaml"}
ARROW = {"numpy", "pyarrow"}
COMPILER = {*SPECS, "jinja2", "sqlglot"}
LOADED = {
    "--help": set(),
    "--version": set(),
    "explain unknown-key": set(),
    "runs --help": SPECS,
    "logs --help": SPECS,
    "alerts --help": SPECS,
    "alerts test": SPECS,
    "runs list": {*SPECS, *ARROW},
    "logs": {*SPECS, *ARROW},
    "lint": {*COMPILER, "_duckdb"},
    "connections list": COMPILER,
    "status": {*COMPILER, *ARROW},
    "schedule list": {*COMPILER, *ARROW},
}
"""What may be loaded, and is, by each command in a project of one pipeline on DuckDB."""
SPEC = """\
connections:
  shop: { kind: duckdb, path: shop.duckdb }
tables:
  people: { connection: shop, columns: { id: bigint primary key } }
pipelines:
  load: { sql: SELECT id FROM people, from: shop, to: { connection: shop, table: copies } }
"""
CODE = f"""\
import json, sys
from flowc.cli.main import run
code = run(sys.argv[1:])
print(json.dumps(sorted({{name.split(".")[0] for name in sys.modules}} & {set(HEAVY)!r})), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("command", LOADED)
def test_a_command_loads_the_packages_that_it_uses_and_no_others(command: str, tmp_path: Path):
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "project.yaml").write_text(SPEC)
    done = subprocess.run(
        [sys.executable, "-c", CODE, *command.split()],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert {*json.loads(done.stderr.splitlines()[-1])} == LOADED[command]
