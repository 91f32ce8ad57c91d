"""A database file that is damaged, or none at all, is told by its path, whenever the engine comes to notice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing

import pytest

from flowc.runtime.connectors import open_database

SPEC = """
project: shop
connections: {{ d: {{ kind: {kind}, path: broken.db }}, w: {{ kind: sqlite, path: w.db }} }}
pipelines:
  p: {{ from: {{ connection: d, sql: "SELECT max(s) AS s, sum(n) AS n FROM t" }}, to: {{ connection: w, table: t }}, mode: append }}
"""  # noqa: E501
WRITING = """
project: shop
connections: {{ d: {{ kind: files, uri: in }}, w: {{ kind: {kind}, path: w/w.db }} }}
tables: {{ t: {{ connection: w, columns: {{ n: bigint }} }} }}
pipelines:
  p: {{ from: {{ connection: d, path: a.csv, columns: {{ n: bigint }} }}, to: t, mode: append }}
"""
ROWS = {
    "duckdb": "CREATE TABLE t AS SELECT range AS n, md5(range::VARCHAR) AS s FROM range(200000)",
    "sqlite": "CREATE TABLE t AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 50000) "
    "SELECT n, hex(n * 7919) AS s FROM r",
}


DAMAGES = ("first", "middle", "cut", "none", "pipe", "device")


@pytest.mark.parametrize(("kind", "damage"), [*((k, d) for k in ROWS for d in DAMAGES), ("sqlite", "words")])
def test_a_broken_database_is_told_by_its_path(project, kind, damage):
    path = project.path / "broken.db"
    with closing(open_database(kind, {"path": str(path)})) as database:
        database.execute(ROWS[kind])
    data = path.read_bytes()
    path.unlink()
    if damage == "pipe":
        os.mkfifo(path)
    elif damage == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(_damaged(data)[damage])
    project.write("specs/p.yaml", SPEC.format(kind=kind))
    told = project.flowc("run", "p", "--once").err
    assert "error[connection-failed]" in told
    assert "broken.db`: " in told


MISSING = "check the path: its folder does not exist"
FILE = "permissions forbid it: let the user that runs flowc read and write the file"
FOLDER = "permissions forbid it: let the user that runs flowc write in the folder of the file"
AS_OTHERS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
"""By which root has no more rights than others."""


@pytest.mark.skipif(bool(AS_OTHERS) and shutil.which("setpriv") is None, reason="root may write everything")
@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize(("file", "folder", "help"), [
    (0o444, 0o755, FILE), (0o000, 0o755, FILE), (0o644, 0o555, FOLDER), (None, 0o555, FOLDER), (None, None, MISSING),
])  # fmt: skip
def test_what_permissions_forbid_is_told_as_such(project, kind, file, folder, help):
    base = project.path / "w"
    if folder is not None:
        base.mkdir()
    if file is not None:
        with closing(open_database(kind, {"path": str(base / "w.db")})) as database:
            database.execute("CREATE TABLE t (n bigint)")
        (base / "w.db").chmod(file)
    project.write("in/a.csv", "n\n1\n")
    project.write("specs/p.yaml", WRITING.format(kind=kind))
    if folder is not None:
        base.chmod(folder)
    try:
        done = subprocess.run(
            [*AS_OTHERS, sys.executable, "-P", "-m", "flowc", "run", "p", "--once"],
            cwd=project.path, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        if folder is not None:
            base.chmod(0o755)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "error[connection-failed]: p" in done.stderr
    assert ": cannot " in done.stderr
    assert f"help: {help}\n" in done.stderr


def _damaged(data: bytes) -> dict[str, bytes]:
    half, noise = len(data) // 2, os.urandom(20_000)
    return {
        "first": noise + data[len(noise):], "middle": data[:half] + noise + data[half + len(noise):],
        "cut": data[:half], "none": b"id,name\n" * 1000,
        "words": data.replace(b"CREATE TABLE", b"CREATE \xd9ABLE"),  # SQLite quotes it in what it says
    }  # fmt: skip
