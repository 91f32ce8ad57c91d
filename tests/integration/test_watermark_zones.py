"""Local times west of UTC as cursors: their watermark is the local time, also after one that was kept as an instant."""

import pytest

from tests.stores import Store, counts

SPEC = """
connections:
  w: {{ kind: sqlite, path: store.sqlite }}
  files: {{ kind: files, uri: ., format: csv }}
tables:
  t: {{ connection: w, columns: {{ id: bigint primary key, seen: timestamptz }} }}
pipelines:
  p:
    {source}
    to: t
    mode: {mode}
    keys: [id]
    timezone: America/New_York
    incremental: {{ column: seen }}
"""
SOURCES = {
    "csv": "from: { connection: files, path: raw.csv, columns: { id: bigint, seen: timestamp } }",
    "table": "from: w\n    table: raw",
    "templated": 'from: w\n    sql: "SELECT * FROM raw {% if incremental %} WHERE seen >= {{ watermark }} {% endif %}"',
}


@pytest.mark.parametrize("mode", ["append", "merge"])
@pytest.mark.parametrize("source", SOURCES)
def test_no_hour_is_skipped(project, source, mode):
    store = Store("sqlite", project.path)
    store.run("CREATE TABLE raw (id BIGINT, seen TIMESTAMP)")
    project.write("specs/p.yaml", SPEC.format(source=SOURCES[source], mode=mode))
    lines = ["id,seen"]

    def run(*times):
        for time in times:
            lines.append(f"{len(lines)},{time}")
            store.run(f"INSERT INTO raw VALUES ({lines[-1].replace(',', ', ', 1).replace(time, repr(time))})")
        project.write("raw.csv", "\n".join(lines) + "\n")
        done = project.flowc("run", "--once", "--json")
        assert done.code == 0, done.out + done.err
        return counts(done)["p"][:2]

    assert run("2026-06-01 09:00:00", "2026-06-01 12:00:00") == (2, 2)
    assert store.rows("SELECT value FROM flowc_watermarks") == [("2026-06-01 12:00:00",)]
    # Four hours from UTC: as an instant, the watermark would be past it.
    assert run("2026-06-01 12:30:00") == (2, 1)
    store.run("UPDATE flowc_watermarks SET value = '2026-06-01 16:30:00.000000+00:00'")
    assert run("2026-06-01 13:00:00") == (2, 1)
    assert run() == (1, 0)
    assert store.rows("SELECT value FROM flowc_watermarks") == [("2026-06-01 13:00:00",)]
    assert len(store.rows("SELECT id FROM t")) == 4
