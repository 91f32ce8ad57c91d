"""A database file that is damaged, or none at all, is told by its path, whenever the engine comes to notice."""

from __future__ import annotations

import os
from contextlib import closing

import pytest

from flowc.runtime.connectors import open_database

SPEC = """
project: shop
connections: {{ d: {{ kind: {kind}, path: broken.db }}, w: {{ kind: sqlite, path: w.db }} }}
pipelines:
  p: {{ from: {{ connection: d, sql: "SELECT max(s) AS s, sum(n) AS n FROM t" }}, to: {{ connection: w, table: t }}, mode: append }}
"""  # noqa: E501
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


def _damaged(data: bytes) -> dict[str, bytes]:
    half, noise = len(data) // 2, os.urandom(20_000)
    return {
        "first": noise + data[len(noise):], "middle": data[:half] + noise + data[half + len(noise):],
        "cut": data[:half], "none": b"id,name\n" * 1000,
        "words": data.replace(b"CREATE TABLE", b"CREATE \xd9ABLE"),  # SQLite quotes it in what it says
    }  # fmt: skip
