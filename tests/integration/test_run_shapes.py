"""Shapes of pipelines that meet one database in several roles, and watermarks from run to run."""

import duckdb
import pytest

from tests.commands import Inside

SPECS = """
connections:
  inbox: { kind: files, uri: data }
  here: { kind: duckdb, path: here.duckdb }
  alias: { kind: duckdb, path: ./sub/../here.duckdb }
  lite: { kind: sqlite, path: lite.db }
  memory: { kind: duckdb, path: ":memory:" }
tables:
  events: { connection: here, columns: { id: bigint primary key, at: timestamp, region: text } }
  regions: { connection: lite, columns: { code: text primary key, name: text } }
pipelines:
  events:
    from: { connection: inbox, path: events.jsonl, format: jsonl }
    sql: SELECT id, CAST(at AS TIMESTAMP) AS at, region FROM source
    to: events
    mode: append
    incremental: { column: at, start: "2026-01-01" }
  regions: { from: { connection: inbox, path: regions.csv, format: csv }, to: regions, mode: truncate }
  joined:
    from: { e: { connection: here, table: events }, r: { connection: lite, table: regions } }
    sql: SELECT e.id, r.name FROM e JOIN r ON r.code = e.region
    to: { connection: here, table: joined, primary_key: [id] }
    mode: merge
    keys: [id]
  counted:
    from: alias
    sql: SELECT region, count(*) AS n FROM events WHERE {{ incremental }} GROUP BY region
    incremental: { column: n, start: 0 }
    to: { connection: lite, table: counted }
    mode: append
  volatile: { from: here, sql: SELECT id FROM events, to: { connection: memory, table: t }, mode: append }
"""


@pytest.fixture
def folder(tmp_path) -> Inside:
    made = Inside(tmp_path)
    (tmp_path / "sub").mkdir()
    made.write("specs/project.yaml", SPECS.replace("WHERE {{ incremental }} ", ""))
    made.write(
        "data/events.jsonl",
        '{"id": 1, "at": "2026-01-02 00:00:00", "region": "n"}\n'
        '{"id": 2, "at": "2026-01-03 00:00:00", "region": "s"}\n',
    )
    made.write("data/regions.csv", "code,name\nn,North\ns,South\n")
    return made


def test_all_shapes_run_and_run_again(folder):
    first = folder.flowc("run", "--once", "--json")
    assert first.code == 0, first.out
    names = [p["name"] for p in first.json["pipelines"]]
    assert names.index("joined") > max(names.index("events"), names.index("regions"))
    with (folder.path / "data/events.jsonl").open("a") as file:
        file.write('{"id": 3, "at": "2026-01-03 00:00:00", "region": "n"}\n')
    again = folder.flowc("run", "--once", "--json")
    assert again.code == 0, again.out
    counts = {p["name"]: p["targets"][0]["counts"] for p in again.json["pipelines"]}
    assert counts["events"] == {"read": 2, "inserted": 1, "updated": 0, "deleted": 0, "unchanged": 1}
    assert (counts["joined"]["inserted"], counts["joined"]["unchanged"]) == (1, 2)
    assert counts["volatile"]["inserted"] == 3
    with duckdb.connect(str(folder.path / "here.duckdb")) as connection:
        assert connection.execute("SELECT name FROM joined ORDER BY id").fetchall() == [
            ("North",),
            ("South",),
            ("North",),
        ]
