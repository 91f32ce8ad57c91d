"""Loads into Delta tables and out of them, through the command line."""

from __future__ import annotations

import os

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from tests import lakes
from tests.commands import Inside
from tests.stores import counts

CONNECTIONS = """
connections:
  inbox: { kind: files, uri: data, format: csv }
  lake: { kind: delta, uri: lake }
"""
READ = "{ connection: inbox, path: rows.csv, columns: { id: bigint, v: text } }"


@pytest.fixture
def lake(project: Inside) -> Inside:
    project.write("data/rows.csv", "id,v\n1,a\n2,b\n3,c\n")
    return project


def specs(project: Inside, text: str) -> None:
    project.write("specs/project.yaml", CONNECTIONS + text)


def pipeline(project: Inside, options: str, *, to: str = "{ connection: lake, table: t }") -> None:
    specs(project, f"pipelines:\n  p: {{ from: {READ}, to: {to}, {options} }}\n")


def run(project: Inside, *more: str) -> tuple[int, ...]:
    done = project.flowc("run", "--once", "--json", *more)
    assert done.code == 0, done.err + done.out
    return counts(done)["p"]


def table(project: Inside, name: str = "t"):
    return project.path / "lake" / name


def test_append_adds_and_a_run_again_adds_again(lake):
    pipeline(lake, "mode: append")
    assert run(lake) == (3, 3, 0, 0, 0)
    assert run(lake) == (3, 3, 0, 0, 0)
    assert lakes.rows(table(lake)) == sorted([(1, "a"), (2, "b"), (3, "c")] * 2)
    assert [len(lakes.actions(table(lake), n).get("remove", [])) for n in (0, 1)] == [0, 0]


def test_truncate_replaces_and_stops_before_it_empties(lake):
    pipeline(lake, "mode: truncate")
    assert run(lake) == (3, 3, 0, 0, 0)
    lake.write("data/rows.csv", "id,v\n7,z\n")
    assert run(lake) == (1, 1, 0, 3, 0)
    assert lakes.rows(table(lake)) == [(7, "z")]
    lake.write("data/rows.csv", "id,v\n")
    done = lake.flowc("run", "--once")
    assert "error[empty-source]" in done.err + done.out
    assert lakes.version(table(lake)) == 1
    pipeline(lake, "mode: truncate, allow_empty: true")
    assert run(lake) == (0, 0, 0, 1, 0)
    assert lakes.rows(table(lake)) == []
    assert run(lake) == (0, 0, 0, 0, 0)
    assert lakes.version(table(lake)) == 2, "nothing to do makes no commit"


def test_merge_writes_only_what_differs(lake):
    pipeline(lake, "mode: merge, keys: [id]")
    assert run(lake) == (3, 3, 0, 0, 0)
    assert run(lake) == (3, 0, 0, 0, 3)
    assert lakes.version(table(lake)) == 0
    lake.write("data/rows.csv", "id,v\n2,B\n4,d\n")
    assert run(lake) == (2, 1, 1, 0, 0)
    assert lakes.rows(table(lake)) == [(1, "a"), (2, "B"), (3, "c"), (4, "d")]
    lake.write("data/rows.csv", "id,v\n5,e\n")
    assert run(lake) == (1, 1, 0, 0, 0)
    assert "remove" not in lakes.actions(table(lake), 2), "new keys rewrite no file"


def test_columns_that_the_source_lacks_keep_their_values(lake):
    lakes.write(table(lake), {"id": [1, 2], "v": ["old", "b"], "other": ["x", "y"]})
    pipeline(lake, "mode: merge, keys: [id]")
    assert run(lake) == (3, 1, 1, 0, 1)
    assert lakes.rows(table(lake)) == [(1, "a", "x"), (2, "b", "y"), (3, "c", None)]


def test_rows_of_another_writer_with_one_key_are_all_brought_up_to_date(lake):
    lakes.write(table(lake), {"id": [1, 1, None], "v": ["p", "q", "n"], "other": ["x", "y", "z"]})
    pipeline(lake, "mode: merge, keys: [id]")
    assert run(lake) == (3, 2, 2, 0, -1)
    assert (1, "a", "x") in lakes.rows(table(lake))
    assert (1, "a", "y") in lakes.rows(table(lake))
    assert (None, "n", "z") in lakes.rows(table(lake))


def test_hard_deletes_take_rows_whose_key_is_null_too(lake):
    lakes.write(table(lake), {"id": [1, None, None, 9], "v": ["a", "n", "m", "x"]})
    pipeline(lake, "mode: merge, keys: [id], deletes: hard")
    assert run(lake) == (3, 2, 0, 3, 1)
    assert lakes.rows(table(lake)) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_merge_rewrites_only_files_that_hold_its_keys(lake):
    for start in range(0, 50, 10):
        lakes.write(table(lake), {"id": list(range(start, start + 10)), "v": ["x"] * 10})
    lake.write("data/rows.csv", "id,v\n12,new\n13,x\n100,more\n")
    pipeline(lake, "mode: merge, keys: [id]")
    assert run(lake) == (3, 1, 1, 0, 1)
    done = lakes.actions(table(lake), 5)
    assert len(done["remove"]) == 1
    assert done["commitInfo"][0]["operationMetrics"]["num_target_files_skipped_during_scan"] == 4
    assert len(lakes.rows(table(lake))) == 51


def test_a_merge_reads_only_partitions_that_lose_rows(lake):
    specs(
        lake,
        f"""
tables:
  t:
    connection: lake
    partition_by: [v]
    columns: {{ id: bigint, v: text, n: {{ type: integer, default: "7" }} }}
pipelines:
  p: {{ from: {READ}, to: t, mode: merge, keys: [id, v] }}
""",
    )
    assert run(lake) == (3, 3, 0, 0, 0)
    assert DeltaTable(table(lake)).metadata().partition_columns == ["v"]
    assert lakes.rows(table(lake)) == [(1, "a", 7), (2, "b", 7), (3, "c", 7)]
    specs(
        lake,
        f"""
tables:
  t: {{ connection: lake, partition_by: [v], columns: {{ id: bigint, v: text, n: integer }} }}
pipelines:
  p:
    from: {READ}
    sql: SELECT id, v, CAST(8 AS INT) AS n FROM source WHERE id = 2
    to: t
    mode: merge
    keys: [id, v]
""",
    )
    assert run(lake) == (1, 0, 1, 0, 0)
    done = lakes.actions(table(lake), 1)
    assert [a["partitionValues"] for a in done["remove"]] == [{"v": "b"}]
    assert done["commitInfo"][0]["operationMetrics"]["num_target_files_skipped_during_scan"] == 2
    assert lakes.rows(table(lake)) == [(1, "a", 7), (2, "b", 8), (3, "c", 7)]


def test_a_history_keeps_versions(lake):
    pipeline(lake, "mode: scd2, keys: [id], deletes: close")
    assert run(lake) == (3, 3, 0, 0, 0)
    lake.write("data/rows.csv", "id,v\n1,a\n2,B\n")
    assert run(lake) == (2, 1, 1, 1, 1)
    assert lakes.rows(table(lake), "SELECT id, v, is_current FROM t ORDER BY ALL") == [
        (1, "a", True), (2, "B", True), (2, "b", False), (3, "c", False)
    ]  # fmt: skip
    assert run(lake)[1:4] == (0, 0, 0)
    assert lakes.version(table(lake)) == 1


def test_incremental_goes_on_from_the_watermark_that_came_with_the_rows(lake):
    pipeline(lake, "mode: append, keys: [id], incremental: { column: id }")
    assert run(lake) == (3, 3, 0, 0, 0)
    assert run(lake) == (1, 0, 0, 0, 1)
    assert lakes.version(table(lake)) == 0, "nothing new makes no commit"
    lake.write("data/rows.csv", "id,v\n1,a\n2,b\n3,c\n4,d\n")
    assert run(lake) == (2, 1, 0, 0, 1)
    assert lakes.rows(table(lake)) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
    assert [t["appId"] for t in lakes.actions(table(lake), 1)["txn"]] == [f"flowc:{lake.path.name}/p:lake.t"]
    DeltaTable(table(lake)).vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
    DeltaTable(table(lake)).create_checkpoint()
    assert run(lake) == (1, 0, 0, 0, 1)


@pytest.mark.parametrize("cursor", ["text", "timestamp", "timestamptz", "date", "numeric(12,3)"])
def test_watermarks_of_every_type(lake, cursor):
    special = {"text": ["x", "y"], "numeric(12,3)": ["1.500", "2.125"]}
    special["timestamptz"] = ["2026-01-02T00:00:00Z", "2026-03-04T00:00:00.000001Z"]
    values = special.get(cursor, ["2026-01-02", "2026-03-04"])
    read = f"{{ connection: inbox, path: rows.csv, columns: {{ id: bigint, v: '{cursor}' }} }}"
    specs(lake, f"pipelines:\n  p: {{ from: {read}, to: {{ connection: lake, table: s.t }}, mode: append, "
                f"incremental: {{ column: v }} }}\n")  # fmt: skip
    lake.write("data/rows.csv", f"id,v\n1,{values[0]}\n")
    assert run(lake) == (1, 1, 0, 0, 0)
    lake.write("data/rows.csv", f"id,v\n1,{values[0]}\n2,{values[1]}\n3,{values[0]}\n")
    assert run(lake) == (3, 2, 0, 0, 1)
    assert run(lake) == (1, 0, 0, 0, 1)
    assert lakes.rows(table(lake, "s/t"), "SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]


def test_several_targets_and_a_source_that_is_a_table(lake):
    specs(
        lake,
        f"""
pipelines:
  p: {{ from: {READ}, to: {{ connection: lake, table: raw.t }}, mode: merge, keys: [id] }}
  q:
    from: {{ left: {{ connection: lake, table: raw.t }}, right: {READ} }}
    sql: SELECT l.id, r.v || '!' AS v FROM "left" AS l JOIN "right" AS r ON r.id = l.id WHERE l.id > 1
    to: [{{ connection: lake, table: one }}, {{ connection: lake, table: two, mode: merge, keys: [id] }}]
  r: {{ from: {{ connection: lake, table: one }}, to: {{ connection: lake, table: three }}, mode: truncate }}
""",
    )
    done = lake.flowc("run", "--once", "--json")
    assert done.code == 0, done.out
    assert [p["name"] for p in done.json["pipelines"]] == ["p", "q", "r"], "in the order of what reads what"
    for name in ("one", "two", "three"):
        assert lakes.rows(table(lake, name)) == [(2, "b!"), (3, "c!")]


def test_a_table_that_is_missing_says_so(lake):
    specs(lake, "pipelines:\n  p: { from: { connection: lake, table: no.such }, to: { connection: lake, table: t } }\n")
    done = lake.flowc("run", "--once")
    assert done.code == 1
    assert "there is no Delta table `no.such`" in done.err


def test_a_preview_leaves_nothing_behind(lake):
    pipeline(lake, "mode: merge, keys: [id]")
    before = sorted(os.walk(lake.path))
    done = lake.flowc("preview", "p")
    assert done.code == 0, done.err
    assert "3" in done.out
    assert [w for w in sorted(os.walk(lake.path)) if "home" not in w[0]] == before
    run(lake)
    lake.write("data/rows.csv", "id,v\n1,changed\n9,new\n")
    before = sorted(os.walk(table(lake)))
    assert lake.flowc("preview", "p").code == 0
    assert sorted(os.walk(table(lake))) == before
    assert lakes.rows(table(lake)) == [(1, "a"), (2, "b"), (3, "c")]


def test_checks_see_the_whole_table(lake):
    lakes.write(table(lake), {"id": [7], "v": ["a"]})
    pipeline(lake, "mode: append, expect: [{ unique: [v] }]")
    done = lake.flowc("run", "--once")
    assert "error[expectation-failed]" in done.err
    assert lakes.rows(table(lake)) == [(7, "a")]


def test_versions_that_nothing_tells_apart_are_not_lost(lake):
    """One is said to be current and one is not, with the same bounds: only the first is brought in for `deletes`."""
    pipeline(lake, "mode: scd2, keys: [id], deletes: close")
    assert run(lake) == (3, 3, 0, 0, 0)
    rows = DeltaTable(table(lake)).to_pyarrow_table()
    false = pa.array([False] * rows.num_rows)
    lakes.write(table(lake), rows.set_column(rows.schema.get_field_index("is_current"), "is_current", false))
    lake.write("data/rows.csv", "id,v\n1,a\n")
    done = lake.flowc("run", "--once")
    assert "error[duplicate-keys]" in done.err
    assert len(lakes.rows(table(lake))) == 6


def test_every_option_of_a_load(lake):
    """Normalisers, a zone, dedupe, compare, soft deletes and checks that warn, into a lake and a database alike."""
    rows = "id,name,seen,n\n1, Ann ,01/02/2026 10:00,5\n1,older,01/01/2026 10:00,9\n2,,02/02/2026 00:30,x\n"
    lake.write("data/rows.csv", rows.replace(",x\n", ",7\n"))
    columns = """
      id: bigint primary key
      name: { type: varchar(10), normalize: [trim, lower, empty_to_null, { default: nobody }] }
      seen: { type: timestamptz, normalize: [{ parse_timestamp: "%d/%m/%Y %H:%M" }] }
      n: { type: integer, normalize: [parse_int] }
      upper: { type: text, normalize: [{ derive: "upper(name)" }] }
      deleted_at: timestamptz
"""
    specs(
        lake,
        f"""
  store: {{ kind: duckdb, path: store.duckdb }}
tables:
  there: {{ connection: lake, columns: {{ {", ".join(line.strip() for line in columns.strip().splitlines())} }} }}
  here: {{ connection: store, columns: {{ {", ".join(line.strip() for line in columns.strip().splitlines())} }} }}
pipelines:
  p:
    from: {{ connection: inbox, path: rows.csv, columns: {{ id: bigint, name: text, seen: text, n: text }} }}
    to: [there, here]
    mode: merge
    dedupe: {{ order_by: seen desc }}
    compare: [name]
    deletes: soft
    timezone: Europe/Berlin
    expect:
      - {{ sql: "n < 6", severity: warn, name: small }}
      - {{ unique: [name] }}
      - {{ not_null: [seen] }}
""",
    )
    for text in (rows.replace(",x\n", ",7\n"), "id,name,seen,n\n1,ANN,03/02/2026 10:00,1\n3,Zoe,03/02/2026 10:00,8\n"):
        lake.write("data/rows.csv", text)
        done = lake.flowc("run", "--once", "--json")
        assert done.code == 0, done.out
        there, here = done.json["pipelines"][0]["targets"]
        assert there["counts"] == here["counts"]
        assert [e["failed"] for e in there["expects"]] == [e["failed"] for e in here["expects"]] == [1, 0, 0]
    with duckdb.connect(lake.path / "store.duckdb") as session:
        session.execute("SET TimeZone = 'UTC'")
        wanted = session.execute("SELECT * EXCLUDE deleted_at, deleted_at IS NULL FROM here ORDER BY id").fetchall()
    found = lakes.rows(table(lake, "there"), "SELECT * EXCLUDE deleted_at, deleted_at IS NULL FROM t ORDER BY id")
    assert found == wanted
    assert [(row[0], row[1], row[-1]) for row in found] == [(1, "ann", True), (2, "nobody", False), (3, "zoe", True)]
