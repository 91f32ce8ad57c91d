"""Delta tables as they are and should be: declarations, constraints, features, names, files of other writers."""

from __future__ import annotations

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from tests import lakes
from tests.integration.test_delta_loads import READ, lake, pipeline, run, specs, table

__all__ = ["lake"]  # a fixture


def test_a_live_table_that_differs_is_told_before_anything_is_read(lake):
    lakes.write(table(lake), {"id": pa.array([1], pa.int32()), "v": ["a"]})
    specs(
        lake,
        f"""
tables:
  t: {{ connection: lake, columns: {{ id: bigint primary key, v: text, w: text }}, partition_by: [v] }}
pipelines:
  p: {{ from: {READ}, to: t, mode: merge }}
""",
    )
    done = lake.flowc("run", "--once")
    assert done.code == 1
    for words in ("is integer, declared bigint", "`w` (text) is missing", "partitioned by nothing, declared is v"):
        assert words in done.err
    assert lakes.version(table(lake)) == 0


def test_what_a_spec_says_of_columns_is_kept(lake):
    specs(
        lake,
        f"""
tables:
  t:
    connection: lake
    schema: sales
    description: What was sold.
    columns:
      id: bigint primary key
      v: {{ type: varchar(2), nullable: false, description: A letter. }}
      made: {{ type: uuid }}
      at: timestamp
pipelines:
  p: {{ from: {READ}, to: t, mode: merge }}
""",
    )
    assert run(lake) == (3, 3, 0, 0, 0)
    found = DeltaTable(table(lake, "sales/t"))
    assert found.metadata().description == "What was sold."
    kinds = [(f.name, str(f.type.type), f.nullable, f.metadata.get("comment")) for f in found.schema().fields]
    assert kinds == [
        ("id", "long", False, None), ("v", "string", False, "A letter."), ("made", "string", True, None),
        ("at", "timestamp_ntz", True, None),
    ]  # fmt: skip
    assert run(lake) == (3, 0, 0, 0, 3), "the table is as declared"
    lake.write("data/rows.csv", "id,v\n1,abc\n")
    assert "does not fit `varchar(2)`" in lake.flowc("run", "--once").err
    lake.write("data/rows.csv", "id,v\n1,\n")
    assert lake.flowc("run", "--once").code == 1
    assert lakes.version(table(lake, "sales/t")) == 0


def test_constraints_of_the_table_hold(lake):
    lakes.write(table(lake), {"id": [1], "v": ["a"]})
    DeltaTable(table(lake)).alter.add_constraint({"small": "id < 3"})
    for options in ("mode: append", "mode: merge, keys: [id]", "mode: truncate"):
        pipeline(lake, options)
        done = lake.flowc("run", "--once")
        told = "error[constraint-violated]: p, lake.t: `t` refuses the rows: constraint `small` is id < 3 (`id` is `3`)"
        assert told in done.err, options
        assert lakes.rows(table(lake)) == [(1, "a")]
    lake.write("data/rows.csv", "id,v\n1,b\n2,b\n")
    pipeline(lake, "mode: merge, keys: [id]")
    assert run(lake) == (2, 1, 1, 0, 0)
    DeltaTable(table(lake)).alter.add_constraint({"known": "v <> 'zz' OR `id` = 1"})
    lake.write("data/rows.csv", "id,v\n1,zz\n2,zz\n")
    told = "constraint `known` is v != 'zz' OR id = 1 (`id` is `2`, `v` is `zz`)"
    assert told in lake.flowc("run", "--once").err


@pytest.mark.parametrize(
    ("feature", "setting", "value"),
    [("deletionVectors", "delta.enableDeletionVectors", "true"), ("columnMapping", "delta.columnMapping.mode", "name")],
)
def test_a_table_that_needs_more_than_flowc_can_is_refused(lake, feature, setting, value):
    """As other engines write them: the log says so."""
    lakes.write(table(lake), {"id": [1], "v": ["a"]})
    log = table(lake) / "_delta_log" / f"{0:020}.json"
    text = log.read_text("utf-8").replace('"configuration":{}', f'"configuration":{{"{setting}":"{value}"}}')
    text = text.replace('"minReaderVersion":1,"minWriterVersion":2', '"minReaderVersion":3,"minWriterVersion":7,'
                        f'"readerFeatures":["{feature}"],"writerFeatures":["{feature}"]')  # fmt: skip
    for number, name in enumerate(("id", "v"), 1):
        mapped = f'\\"delta.columnMapping.id\\":{number},\\"delta.columnMapping.physicalName\\":\\"{name}\\"'
        text = text.replace('\\"metadata\\":{}', f'\\"metadata\\":{{{mapped}}}', 1)
    log.write_text(text, "utf-8")
    pipeline(lake, "mode: merge, keys: [id]")
    done = lake.flowc("run", "--once")
    assert "error[unsupported-table-feature]" in done.err
    assert feature in done.err


def test_names_stay_below_the_folder(lake):
    for name in ('"../outside"', "_delta_log", 'x."a/b"', '".."."outside"', '"a[1]"', '"a|b"'):
        pipeline(lake, "mode: append", to=f"{{ connection: lake, table: '{name}' }}")
        done = lake.flowc("run", "--once")
        assert "error[unusable-table-name]" in done.err, name
    assert not (lake.path / "outside").exists()


def test_odd_names_of_columns(lake):
    odd = ['Übung "x"', "select", "a b", "c.d", "semi;colon"]
    names = ", ".join('"' + name.replace('"', '""') + '"' for name in odd)
    chosen = "CAST(id AS BIGINT) AS " + ", v AS ".join(names.split(", "))
    specs(
        lake,
        f"""
pipelines:
  p:
    from: {READ}
    sql: SELECT {chosen} FROM source
    to: {{ connection: lake, table: t, partition_by: ["a b"] }}
    mode: merge
    keys: ['{odd[0]}', 'c.d']
""",
    )
    assert run(lake) == (3, 3, 0, 0, 0)
    lake.write("data/rows.csv", "id,v\n1,a\n2,z\n")
    assert run(lake) == (2, 1, 0, 0, 1)
    DeltaTable(table(lake)).update({'"a b"': "'changed'"})
    assert run(lake) == (2, 0, 2, 0, 0)


def test_a_column_that_came_later_and_one_that_grew(lake):
    """Files that do not hold the table's columns as they are now, read by a reader of Delta rather than as they lie."""
    lakes.write(table(lake), {"id": pa.array([1, 2], pa.int64())})
    lakes.write(table(lake), {"id": [3], "v": ["c"]}, schema_mode="merge")
    pipeline(lake, "mode: merge, keys: [id]")
    assert run(lake) == (3, 0, 2, 0, 1)
    assert lakes.rows(table(lake)) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_folder_whose_name_is_a_pattern(lake):
    """For DuckDB, which reads the files: those of other folders are not its."""
    specs(lake, f"pipelines:\n  p: {{ from: {READ}, to: {{ connection: lake, table: '\"t?* x\"' }}, mode: merge, "
                f"keys: [id] }}\n")  # fmt: skip
    assert run(lake) == (3, 3, 0, 0, 0)
    assert run(lake) == (3, 0, 0, 0, 3)
    lakes.write(table(lake, "t1  x"), {"id": [9], "v": ["other"]})
    assert run(lake) == (3, 0, 0, 0, 3)


def test_tables_are_told_apart_as_folders_are(lake):
    specs(
        lake,
        f"""
pipelines:
  last: {{ from: {{ connection: lake, table: T }}, to: {{ connection: lake, table: copy }} }}
  first: {{ from: {READ}, to: {{ connection: lake, table: T }} }}
  other: {{ from: {{ connection: lake, table: copy }}, to: {{ connection: lake, table: t }} }}
  more: {{ from: {READ}, to: {{ connection: lake, table: main.t }}, mode: merge, keys: [id] }}
""",
    )
    done = lake.flowc("run", "--once", "--json")
    assert done.code == 0, done.out
    names = [p["name"] for p in done.json["pipelines"]]
    assert names.index("first") < names.index("last") < names.index("other")
    for name in ("T", "copy", "t", "main/t"):
        assert len(lakes.rows(table(lake, name))) == 3


def test_columns_that_differ_only_in_case_are_told(lake):
    specs(
        lake,
        f"""
tables:
  t: {{ connection: lake, columns: {{ id: bigint, ID: text }} }}
pipelines:
  p: {{ from: {READ}, to: t }}
""",
    )
    assert "error[case-clash]" in lake.flowc("lint").err + lake.flowc("lint").out


def test_a_table_to_which_rows_are_only_added(lake):
    lakes.write(table(lake), {"id": [1], "v": ["x"]}, configuration={"delta.appendOnly": "true"})
    for options in ("mode: merge, keys: [id]", "mode: truncate"):
        pipeline(lake, options)
        done = lake.flowc("run", "--once")
        assert "error[constraint-violated]" in done.err
        assert "append-only" in done.err
    pipeline(lake, "mode: append")
    assert run(lake) == (3, 3, 0, 0, 0)


def test_the_change_data_feed_has_what_a_merge_changes(lake):
    lakes.write(table(lake), {"id": [1, 9], "v": ["x", "y"]}, configuration={"delta.enableChangeDataFeed": "true"})
    pipeline(lake, "mode: merge, keys: [id]")
    assert run(lake) == (3, 2, 1, 0, 0)
    feed = pa.table(DeltaTable(table(lake)).load_cdf(starting_version=1).read_all()).to_pylist()
    changes = sorted((row["_change_type"], row["id"], row["v"]) for row in feed)
    assert changes == [("delete", 1, "x"), ("insert", 1, "a"), ("insert", 2, "b"), ("insert", 3, "c")]


@pytest.mark.parametrize("kind", ["double", "real", "numeric(10,2)", "binary", "ubigint"])
def test_partitions_that_folders_do_not_keep(lake, kind):
    """The library writes them in a form that it reads otherwise, or not at all."""
    specs(
        lake,
        f"""
tables:
  t: {{ connection: lake, partition_by: [v], columns: {{ id: bigint, v: '{kind}' }} }}
pipelines:
  p: {{ from: {READ.replace("v: text", f"v: '{kind}'")}, to: t }}
""",
    )
    lake.write("data/rows.csv", "id,v\n1,\n")
    assert "cannot be partitioned by `v`" in lake.flowc("run", "--once").err
    assert not table(lake).exists()
    if kind == "double":
        lakes.write(table(lake), {"id": [1], "v": [1.5]}, partition_by=["v"])
        assert "error[unsupported-table-feature]" in lake.flowc("run", "--once").err


@pytest.mark.parametrize("lost", ["", "__HIVE_DEFAULT_PARTITION__"])
@pytest.mark.parametrize("mode", ["append", "merge, keys: [id]"])
def test_a_text_in_a_partition_that_would_come_back_as_null(lake, mode, lost):
    to = "{ connection: lake, table: t, partition_by: [v] }"
    pipeline(lake, f"mode: {mode}, sql: \"SELECT id, replace(v, 'b', '{lost}') AS v FROM source\"", to=to)
    done = lake.flowc("run", "--once")
    assert "error[value-does-not-fit]" in done.err
    assert not (table(lake) / "_delta_log").exists()


def test_partitions_of_odd_texts_and_of_times(lake):
    odd = ["b c", "x=y", "50%", "ü/ö", "a%20b", "q'", "*?[x]", "../up", " "]
    lake.write("data/rows.csv", "id,v\n" + "".join(f'{n},"{text}"\n' for n, text in enumerate(odd)))
    specs(
        lake,
        f"""
pipelines:
  p:
    from: {READ}
    sql: SELECT id, v, CAST('2026-01-01 10:00:00.000001' AS TIMESTAMP) AS at FROM source
    to: {{ connection: lake, table: t, partition_by: [v, at] }}
    mode: merge
    keys: [id]
    compare: [v]
""",
    )
    assert run(lake) == (9, 9, 0, 0, 0)
    assert [row[1] for row in lakes.rows(table(lake), "SELECT id, v FROM t ORDER BY id")] == odd
    assert run(lake) == (9, 0, 0, 0, 9)
    lake.write("data/rows.csv", "id,v\n" + "".join(f'{n},"{text}!"\n' for n, text in enumerate(odd)))
    assert run(lake) == (9, 0, 9, 0, 0)
    assert [row[1] for row in lakes.rows(table(lake), "SELECT id, v FROM t ORDER BY id")] == [f"{v}!" for v in odd]
