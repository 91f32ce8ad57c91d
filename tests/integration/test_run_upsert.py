"""Counts of a merge on PostgreSQL, where new rows are told apart by what the upsert returns, or counted before it."""

import psycopg
import pytest

from tests.commands import Inside

SPECS = """
connections: {{ store: {{ kind: postgres, url: "{dsn}" }} }}
pipelines:
  load: {{ sql: "SELECT id, name FROM raw", to: {{ connection: store, table: dim }}, mode: merge, keys: [id] }}
"""
PLAIN = "CREATE TABLE dim (id bigint PRIMARY KEY, name text)"
PARTITIONED = f"{PLAIN} PARTITION BY RANGE (id); CREATE TABLE dim_low PARTITION OF dim FOR VALUES FROM (0) TO (5)"
DEFAULT = "CREATE TABLE dim_rest PARTITION OF dim DEFAULT"


@pytest.mark.parametrize("created", [PLAIN, f"{PARTITIONED}; {DEFAULT}"], ids=["plain", "partitioned"])
def test_new_changed_and_equal_rows_are_told_apart(tmp_path, postgres, created):
    folder = Inside(tmp_path)
    folder.write("specs/project.yaml", SPECS.format(dsn=postgres))
    with psycopg.connect(postgres, autocommit=True) as session:
        session.execute(created)
        session.execute("CREATE TABLE raw AS SELECT id, 'a' AS name FROM generate_series(1, 10) AS id")
        session.execute("INSERT INTO dim SELECT id, CASE WHEN id < 4 THEN 'old' ELSE 'a' END FROM raw WHERE id < 8")
        done = folder.flowc("run", "--once", "--json")
        held = session.execute("SELECT count(*), count(*) FILTER (WHERE name = 'a') FROM dim").fetchone()
    [target] = done.json["pipelines"][0]["targets"]
    assert target["counts"] == {"read": 10, "inserted": 3, "updated": 3, "deleted": 0, "unchanged": 4}
    assert held == (10, 10)
