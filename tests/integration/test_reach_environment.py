"""What SQL may read of the environment: what the project lists, and never what opens a connection."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.commands import Inside

SECRET = "hunter2-hunter2"
SPECS = """
{top}
connections:
  wh: {{ kind: sqlite, path: wh.db }}
  shop: {{ kind: postgres, url: "postgres://u:${{SHOP_PASSWORD}}@nowhere/x" }}
environments:
  prod: {{ connections: {{ shop: {{ kind: mysql, url: "mysql://u:${{env:PROD_PASSWORD}}@nowhere/x" }} }} }}
pipelines:
  p:
    sql: |
      SELECT {sql} AS v
    to: {{ connection: wh, table: t, mode: append }}
"""
ENV = dict.fromkeys(("API_KEY", "SHOP_PASSWORD", "PROD_PASSWORD", "PGPASSWORD"), SECRET) | {"REGION": "eu"}


def _project(folder: Path, sql: str, top: str = "") -> Inside:
    made = Inside(folder, dict(ENV))
    made.write("specs/s.yaml", SPECS.format(sql=sql, top=top))
    return made


@pytest.mark.parametrize(
    "sql",
    [
        "'{{ env.API_KEY }}'",
        "'{{ env.API_KEY | upper }}'",
        "'{{ env.API_KEY | default('') }}'",
        "'{% if env.API_KEY is defined %}x{% endif %}'",
        "'{{ env['API_KEY'] }}'",
        "'{{ env['API_KEY'] | default('') | upper }}'",
        "'{{ env['API_' ~ 'KEY'] }}'",
        "'{{ env | attr('API_KEY') }}'",
        "'{% for e in [env] %}{{ e.API_KEY }}{% endfor %}'",
    ],
)
@pytest.mark.parametrize("command", ["lint", "compile", "plan"])
def test_a_variable_that_is_not_listed_is_not_read(sql: str, command: str, tmp_path: Path) -> None:
    made = _project(tmp_path, sql, "env: [REGION]")
    done = made.flowc(command)
    assert done.code != 0
    assert SECRET not in (done.out + done.err).lower()
    if "attr" not in sql:
        assert ("error[unlisted-variable]: SQL may not read" in done.err) or "[unlisted-variable]" in done.out, done.err
        assert "specs/s.yaml:11:" in done.out + done.err
        assert "env: [API_KEY]" in done.out + done.err


def test_a_listed_variable_is_read(tmp_path: Path) -> None:
    made = _project(tmp_path, "'{{ env.REGION | upper }}'", "env: [REGION, UNSET]")
    assert "'EU'" in made.flowc("compile").out
    made = _project(tmp_path, "'{{ env['REGION'] }}{{ env.UNSET | default('none') }}'", "env: [REGION, UNSET]")
    assert "'eunone'" in made.flowc("compile").out
    made = _project(tmp_path, "'{{ env.UNSET }}'", "env: [REGION, UNSET]")
    assert "undefined-environment-variable" in made.flowc("lint").out


@pytest.mark.parametrize(
    "name",
    ["SHOP_PASSWORD", "PROD_PASSWORD", "PGPASSWORD", "FLOWC_DSN_SHOP", "motherduck_token", "AZURE_STORAGE_ACCOUNT_KEY"],
)
def test_what_connections_use_cannot_be_listed(name: str, tmp_path: Path) -> None:
    made = _project(tmp_path, f"'{{{{ env.{name} }}}}'", f"env: [REGION, {name}]")
    for command in ("lint", "compile"):
        done = made.flowc(command)
        said = done.out + done.err
        assert (done.code, SECRET in said) == (1, False), said
        assert f"error[variable-of-connection]: SQL may not read `{name}`" in said
        assert "specs/s.yaml:2:15" in said
        assert said.count("error[") == 1, said


def test_what_a_connection_uses_is_told_before_it_is_listed(tmp_path: Path) -> None:
    done = _project(tmp_path, "'{{ env.SHOP_PASSWORD }}'").flowc("lint")
    said = done.out + done.err
    assert "error[variable-of-connection]: SQL may not read `SHOP_PASSWORD`: connection `shop` uses it" in said
    assert "by a variable of its own" in said
    assert "list it" not in said


def test_files_that_hold_sql_or_rows_are_their_owners_alone(tmp_path: Path) -> None:
    made = _project(tmp_path, "1")
    (tmp_path / "old").touch(0o644)
    made.write(
        "specs/q.yaml",
        """
connections:
  drop: { kind: files, uri: ./drop }
  lake: { kind: delta, uri: ./lake }
tables:
  kept: { connection: lake, columns: { id: bigint } }
pipelines:
  bad:
    from: { connection: drop, path: "*.csv", format: csv, columns: { id: bigint } }
    on_bad_row: quarantine
    quarantine: { path: aside }
    to: { connection: wh, table: b, mode: append }
streams:
  s:
    source: { connection: drop, path: "*.csv", format: csv, columns: { id: bigint } }
    to: { connection: drop, path: out, format: jsonl }
    on_error: drop
""",
    )
    made.write("drop/a.csv", "id\nx\n1\n")
    before = os.umask(0o022)
    try:
        assert made.flowc("plan", "--out", "new").code == 0
        assert made.flowc("plan", "--out", "old").code == 0
        assert made.flowc("apply", "--yes", "kept").code in (0, 2)
        assert made.flowc("run", "bad", "s", "--once").code == 0
        assert made.flowc("apply", "--yes").code == 0
    finally:
        os.umask(before)
    aside = list((tmp_path / "drop").rglob("*.bad.jsonl"))
    control = [*(tmp_path / "lake").rglob("*.db"), *(tmp_path / "lake").rglob("*.sqlite")]
    state = [path for path in (tmp_path / ".flowc").rglob("*") if path.is_file()]
    assert aside
    assert control
    assert state
    for path in (tmp_path / "new", tmp_path / "old", *aside, *control, *state):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
