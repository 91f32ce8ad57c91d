"""A database file that is damaged, or none at all, is told by its path, whenever the engine comes to notice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing

import pytest

from flowc.runtime.systems import open_database
from tests.commands import Inside

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
FORBIDDEN = {
    "to write the file": (0o444, 0o755, FILE), "to read it": (0o000, 0o755, FILE),
    "to write beside it": (0o644, 0o555, FOLDER), "to make it": (None, 0o555, FOLDER),
    "no folder": (None, None, MISSING),
}  # fmt: skip
RUNS = """
import os, sys
from flowc.cli.main import run
for name in sys.argv[1:]:
    os.chdir(name)
    print("\\nend", run(["run", "p", "--once"]), file=sys.stderr, flush=True)
    os.chdir("..")
"""
"""A run in each folder that is named; what it says ends with its exit code."""


@pytest.mark.skipif(bool(AS_OTHERS) and shutil.which("setpriv") is None, reason="root may write everything")
@pytest.mark.parametrize("kind", ROWS)
def test_what_permissions_forbid_is_told_as_such(tmp_path, kind):
    """One process runs the projects one after the other."""
    for name, (file, folder, _) in FORBIDDEN.items():
        forbidden(Inside(tmp_path / name), kind, file, folder)
    command = [*AS_OTHERS, sys.executable, "-P", "-c", RUNS, *FORBIDDEN]
    try:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    finally:
        for base in tmp_path.glob("*/w"):
            base.chmod(0o755)
    said = dict(zip(FORBIDDEN, done.stderr.split("\nend 1\n"), strict=False))
    assert len(said) == len(FORBIDDEN), done.stderr
    for name, (*_, help) in FORBIDDEN.items():
        assert "error[connection-failed]: p" in said[name], name
        assert ": cannot " in said[name]
        assert f"help: {help}\n" in said[name] + "\n"


def forbidden(project, kind, file, folder):
    """Makes a project whose target may not be written."""
    project.write("in/a.csv", "n\n1\n")
    project.write("specs/p.yaml", WRITING.format(kind=kind))
    base = project.path / "w"
    if folder is not None:
        base.mkdir()
    if file is not None:
        with closing(open_database(kind, {"path": str(base / "w.db")})) as database:
            database.execute("CREATE TABLE t (n bigint)")
        (base / "w.db").chmod(file)
    if folder is not None:
        base.chmod(folder)


def _damaged(data: bytes) -> dict[str, bytes]:
    half, noise = len(data) // 2, os.urandom(20_000)
    return {
        "first": noise + data[len(noise):], "middle": data[:half] + noise + data[half + len(noise):],
        "cut": data[:half], "none": b"id,name\n" * 1000,
        "words": data.replace(b"CREATE TABLE", b"CREATE \xd9ABLE"),  # SQLite quotes it in what it says
    }  # fmt: skip
