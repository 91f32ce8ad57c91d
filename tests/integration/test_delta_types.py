"""Every type into a Delta table and out again: a value arrives as it left, or the load says which does not fit."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal as D

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from flowc.catalog import Column, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.tables.ddl import spell
from flowc.errors import UsageError
from flowc.runtime.arrow import arrow_schema
from flowc.types import parse_type
from tests import lakes
from tests.commands import Inside
from tests.databases import databases
from tests.integration.test_types_matrix import VALUES, comparable
from tests.stores import counts

KEPT = {spelled: values for spelled, values in VALUES.items() if spelled != "time"}
"""Delta has no type for times of day."""


@pytest.fixture
def places(tmp_path, postgres):
    yield from databases(tmp_path, postgres)


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "postgres"])
def test_values_come_back_as_they_left(places, tmp_path, postgres, kind):
    """From a database into Delta by merge, from there into the database by append."""
    rows = max(len(values) for values in KEPT.values()) + 1
    columns = [Column("n", parse_type("bigint"))]
    columns += [Column(f"c{i}", parse_type(spelled)) for i, spelled in enumerate(KEPT)]
    data = [list(range(rows)), *([*v, *[None] * (rows - len(v))] for v in KEPT.values())]
    wanted = pa.table(data, schema=arrow_schema(columns))
    session = places.session(kind)
    for name in ("there", "back"):
        spelled = ", ".join(f"{c.name} {spell(c.type, DIALECTS[kind])}" for c in columns)
        session.execute(f"CREATE TABLE {name} ({spelled})")
    session.begin()
    session.ingest(TableName(None, "there"), columns, iter(wanted.to_batches()), temporary=False)
    session.commit()
    sent = comparable(session.query("SELECT * FROM there ORDER BY n"))
    places.close()
    option = f'url: "{postgres}"' if kind == "postgres" else f"path: test.{kind}"
    project, fields = Inside(tmp_path), ", ".join(f'c{i}: "{spelled}"' for i, spelled in enumerate(KEPT))
    project.write(
        "specs/project.yaml",
        f"""
connections:
  db: {{ kind: {kind}, {option} }}
  lake: {{ kind: delta, uri: lake }}
tables:
  kept: {{ connection: lake, columns: {{ n: bigint primary key, {fields} }} }}
pipelines:
  into: {{ from: db, table: there, to: kept, mode: merge }}
  out: {{ from: {{ connection: lake, table: kept }}, to: {{ connection: db, table: back }}, mode: append }}
""",
    )
    done = project.flowc("run", "--once")
    assert done.code == 0, done.err
    assert comparable(places.session(kind).query("SELECT * FROM back ORDER BY n")) == sent
    assert counts(project.flowc("run", "--once", "into", "--json"))["into"] == (rows, 0, 0, 0, rows)


def parquet(project: Inside, array: pa.Array, more: str = "") -> None:
    path = project.path / "data"
    path.mkdir(exist_ok=True)
    pq.write_table(pa.table({"n": list(range(len(array))), "v": array}), path / "rows.parquet")
    project.write(
        "specs/project.yaml",
        f"""
connections:
  inbox: {{ kind: files, uri: data }}
  lake: {{ kind: delta, uri: lake }}
{more}
pipelines:
  p: {{ from: {{ connection: inbox, path: rows.parquet }}, to: {"t" if more else "{ connection: lake, table: t }"} }}
""",
    )


STORED = {
    "uint8": (pa.array([0, 255], pa.uint8()), "short", [0, 255]),
    "uint16": (pa.array([0, 2**16 - 1], pa.uint16()), "integer", [0, 2**16 - 1]),
    "uint32": (pa.array([0, 2**32 - 1], pa.uint32()), "long", [0, 2**32 - 1]),
    "uint64": (pa.array([0, 2**64 - 1], pa.uint64()), "decimal(20,0)", [D(0), D(2**64 - 1)]),
    "int8": (pa.array([-128, 127], pa.int8()), "byte", [-128, 127]),
    "timestamp": (pa.array([1], pa.timestamp("us")), "timestamp_ntz", [dt.datetime(1970, 1, 1, 0, 0, 0, 1)]),
    "timestamptz": (
        pa.array([1], pa.timestamp("us", "UTC")), "timestamp", [dt.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=dt.UTC)]
    ),
    "whole nanoseconds": (pa.array([1000], pa.timestamp("ns")), "timestamp_ntz", [dt.datetime(1970, 1, 1, 0, 0, 0, 1)]),
    "milliseconds": (pa.array([1], pa.timestamp("ms")), "timestamp_ntz", [dt.datetime(1970, 1, 1, 0, 0, 0, 1000)]),
    "decimal": (pa.array([D("1.5")], pa.decimal128(38, 10)), "decimal(38,10)", [D("1.5000000000")]),
    "list": (pa.array([[1, None], [], None]), "array", [[1, None], [], None]),
    "nested": (pa.array([{"a": 1, "b": ["x"]}, None]), "struct", [{"a": 1, "b": ["x"]}, None]),
    "nan": (pa.array([float("nan"), float("-inf"), -0.0]), "double", None),
}  # fmt: skip


@pytest.mark.parametrize("case", STORED)
def test_what_a_new_table_makes_of_a_type(project, case):
    array, kind, values = STORED[case]
    parquet(project, array)
    done = project.flowc("run", "--once")
    assert done.code == 0, done.err
    found = DeltaTable(project.path / "lake" / "t")
    assert str(getattr(found.schema().fields[1].type, "type", found.schema().fields[1].type)) == kind
    came = [row[1] for row in lakes.rows(project.path / "lake" / "t", "SELECT * FROM t ORDER BY n")]
    if values is None:
        assert str(came) == str(array.to_pylist())
    else:
        assert came == values
    assert project.flowc("run", "--once").code == 0, "and again, into the table as it is"


@pytest.mark.parametrize(
    ("array", "declared", "words"),
    [
        (pa.array([2**63], pa.uint64()), "bigint", "does not fit `bigint`"),
        (pa.array([2**64 - 1], pa.uint64()), "integer", "does not fit `integer`"),
        (pa.array([1], pa.timestamp("ns")), "timestamp", "does not fit `timestamp`"),
        (pa.array([1], pa.timestamp("us")), "timestamptz", "`v` is timestamp, its column in `t` timestamptz"),
        (pa.array([1], pa.timestamp("us", "UTC")), "timestamp", "`v` is timestamptz, its column in `t` timestamp"),
        (pa.array([D("1.005")], pa.decimal128(10, 3)), "numeric(10,2)", "does not fit `numeric(10,2)`"),
        (pa.array([1.5]), "bigint", "does not fit `bigint`"),
        (pa.array(["no"]), "uuid", "does not fit `uuid`"),
        (pa.array(["{"]), "json", "does not fit `json`"),
    ],
)
def test_what_does_not_fit_is_told_and_nothing_is_written(project, array, declared, words):
    parquet(project, array, f"tables:\n  t: {{ connection: lake, columns: {{ n: bigint, v: '{declared}' }} }}")
    done = project.flowc("run", "--once")
    assert words in done.err
    assert not (project.path / "lake" / "t").exists()


def test_a_nanosecond_that_is_lost_is_told_in_a_new_table_too(project):
    parquet(project, pa.array([1], pa.timestamp("ns")))
    assert "does not fit `timestamp`" in project.flowc("run", "--once").err


def test_types_that_delta_lacks_are_refused(project):
    parquet(project, pa.array([1], pa.time64("us")))
    assert "delta cannot store column `v`, which is of type time" in project.flowc("run", "--once").err
    with pytest.raises(UsageError, match="delta cannot store a column of type interval"):
        spell(parse_type("interval"), DIALECTS["delta"])


def test_uuid_and_json_are_checked_and_kept_as_text(project):
    uuid = "6F9619FF-8B86-D011-B42D-00C04FC964FF"
    more = "tables:\n  t: { connection: lake, columns: { n: bigint primary key, v: uuid } }"
    parquet(project, pa.array([uuid]), more)
    assert project.flowc("run", "--once").code == 0
    assert lakes.rows(project.path / "lake" / "t") == [(0, uuid.lower())]
    assert project.flowc("validate", "p").code == 0


def test_tables_of_other_writers_keep_what_flowc_does_not_load(project):
    """Structs, lists and partitions of a table that flowc did not make, through a merge that rewrites their rows."""
    path = project.path / "lake" / "t"
    with duckdb.connect() as session:
        table = session.sql(
            "SELECT range AS n, 'x' AS v, {'a': range, 'b': [range]} AS parts, [1.5::DECIMAL(5,2)] AS l, "
            "range % 2 AS part, now()::TIMESTAMP AS at, 'b'::BLOB AS bin FROM range(4)"
        ).to_arrow_table()
    lakes.write(path, table, partition_by=["part"])
    before = lakes.rows(path, "SELECT * EXCLUDE v FROM t ORDER BY n")
    parquet(project, pa.array(["x", "y", "z"]))
    text = (project.path / "specs/project.yaml").read_text().replace("table: t }", "table: t, mode: merge, keys: [n] }")
    project.write("specs/project.yaml", text)
    assert project.flowc("run", "--once").code == 0
    assert lakes.rows(path, "SELECT * EXCLUDE v FROM t ORDER BY n") == before
    assert [v for (v,) in lakes.rows(path, "SELECT v FROM t ORDER BY n")] == ["x", "y", "z", "x"]
