"""MySQL's key that counts by itself: a 0 that is loaded is the value 0."""

import pytest

from tests.stores import Store

SPEC = """
connections:
  w: {{ kind: mysql, url: "{dsn}" }}
  far: {{ kind: sqlite, path: far.sqlite }}
pipelines:
  p: {{ from: {source}, sql: "SELECT id, v FROM raw", to: {{ connection: w, table: t }}, mode: {mode}, keys: [id] }}
"""


@pytest.mark.parametrize("source", ["w", "far"])
@pytest.mark.parametrize("mode", ["append", "truncate", "merge"])
def test_zero_is_a_value(project, mysql, source, mode):
    project.write("specs/p.yaml", SPEC.format(dsn=mysql, source=source, mode=mode))
    store, far = Store("mysql", project.path, mysql), Store("sqlite", project.path, file="far")
    store.run("CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, v BIGINT)")
    for place in (store, far):
        place.run("CREATE TABLE raw (id BIGINT, v BIGINT)", "INSERT INTO raw VALUES (0, 1), (7, 2)")
    for _ in range(1 if mode == "append" else 2):
        done = project.flowc("run", "--once")
        assert done.code == 0, done.out + done.err
    assert store.rows("SELECT * FROM t") == [(0, 1), (7, 2)]
    store.run("INSERT INTO t (v) VALUES (3)")
    assert store.rows("SELECT id FROM t WHERE v = 3") == [(8,)]
