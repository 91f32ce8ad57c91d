"""Every type from each engine and to each engine: a value arrives as it left, or the load fails and says which."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal as D

import pyarrow as pa
import pytest

from flowc.catalog import Column, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.tables.ddl import spell
from flowc.loadplan import QueryRead
from flowc.runtime.arrow import arrow_schema
from flowc.types import parse_type
from tests.databases import KINDS, databases, load
from tests.extended import with_extended

DAY, TIME, STAMP = dt.date, dt.time, dt.datetime
UTC = dt.UTC
IDENTITY = "6f9619ff-8b86-d011-b42d-00c04fc964ff"

VALUES = {
    "boolean": [True, False],
    "smallint": [-(2**15), 0, 2**15 - 1],
    "integer": [-(2**31), 0, 2**31 - 1],
    "bigint": [-(2**63), 0, 2**63 - 1],
    "real": [0.0, 1.5, -3.4028234663852886e38, float("inf")],
    "double": [0.1, -1.7976931348623157e308, 5e-324, 1e22, float("-inf")],
    "numeric(10,2)": [D("0.00"), D("-99999999.99"), D("19.90")],
    "numeric(38,10)": [D("1234567890123456789012345678.0123456789"), D("0.0000000001"), D("-1.5")],
    "text": ["", "a", "Größe 日本 🐘", 'it\'s "quoted"\\ \n\t', " padded "],
    "varchar(5)": ["", "12345", "日本日本日"],
    "binary": [b"", b"\x00\xff", b"abc"],
    "date": [DAY(1, 1, 1), DAY(1970, 1, 1), DAY(2024, 2, 29), DAY(9999, 12, 31)],
    "time": [TIME(0, 0), TIME(23, 59, 59, 999999), TIME(12, 30, 0, 1)],
    "timestamp": [STAMP(1, 1, 1), STAMP(2024, 2, 29, 12, 30, 59, 123456), STAMP(9999, 12, 31, 23, 59, 59, 999999)],
    "timestamptz": [STAMP(1970, 1, 1, tzinfo=UTC), STAMP(2024, 3, 31, 1, 30, 0, 1, tzinfo=UTC)],
    "uuid": [IDENTITY, str(uuid.UUID(int=0))],
    "json": ['{"a":[1,2.50,null,"x"]}', '"text"', "[]"],
    "integer[]": [[1, 2], [], [None, -5]],
    "text[]": [["a", "", 'quo"te', None, "comma,"], []],
    "double[]": [[0.1, 1e300], [None]],
    "boolean[]": [[True, None, False]],
    "numeric(10,2)[]": [[D("1.50"), None]],
    "timestamp[]": [[STAMP(2024, 1, 1, 10, 0, 0, 5), None]],
    "uuid[]": [[IDENTITY, None]],
    "binary[]": [[b"\x00\xff", None]],
}


LIMITS = {
    "mysql": {
        "real": [float("inf")],
        "double": [float("-inf")],
        "timestamptz": [STAMP(1970, 1, 1, tzinfo=UTC)],
        "arrays": True,
    }
}
"""What an engine has no room for, a load into it refuses; where arrays become JSON they arrive as such."""


def kept(spelled, *kinds):
    """The values of a type that all of these engines can hold."""
    limits = [LIMITS.get(kind, {}) for kind in kinds]
    if spelled.endswith("]") and any(limit.get("arrays") for limit in limits):
        return []
    return [value for value in VALUES[spelled] if not any(value in limit.get(spelled, ()) for limit in limits)]


@pytest.fixture
def three(tmp_path, postgres, mysql):
    yield from databases(tmp_path, postgres, mysql)


def declaration(kind, spelled):
    return spell(parse_type(spelled), DIALECTS[kind])


def comparable(table):
    """Rows with JSON by its meaning and numbers by their value, not by their spelling."""

    def plain(field, value):
        kind = (field.metadata or {}).get(b"flowc.type", b"")
        return json.loads(value) if kind == b"json" and value is not None else value

    return [tuple(plain(f, row[f.name]) for f in table.schema) for row in table.to_pylist()]


PAIRS = [(a, b) for place, a in enumerate(KINDS) for b in KINDS[(place + 1) % 2 :: 2]]
"""Every other pair; `test_meaning_values` tries those between."""
RING = [(KINDS[place - 1], kind) for place, kind in enumerate(KINDS)]
"""Those of them that have each kind as a source and as a target."""


@pytest.mark.parametrize(("source", "target"), with_extended(RING, (pair for pair in PAIRS if pair not in RING)))
def test_values_arrive_as_they_left(three, source, target):
    failures, origin, goal = [], three.session(source), three.session(target)
    for i, spelled in enumerate(VALUES):
        if not kept(spelled, source, target):
            continue
        name, values = f"t{i}", [*kept(spelled, source, target), None]
        columns = (Column("n", parse_type("bigint")), Column("v", parse_type(spelled)))
        rows = pa.table([list(range(len(values))), values], schema=arrow_schema(columns))
        origin.execute(f"CREATE TABLE {name}_s (n BIGINT, v {declaration(source, spelled)})")
        goal.execute(f"CREATE TABLE {name}_t (n BIGINT, v {declaration(target, spelled)})")
        origin.begin()
        origin.ingest(TableName(None, f"{name}_s"), columns, iter(rows.to_batches()), temporary=False)
        origin.commit()
        sent = origin.query(f"SELECT n, v FROM {name}_s ORDER BY n")
        assert comparable(sent) == comparable(rows), f"{spelled} is not stored as it was"
        read = QueryRead(source, f"SELECT n, v FROM {name}_s")
        result = load(three, source, target, columns, read=read, table=f"{name}_t")
        three.close(but=2)
        if result.error:
            failures.append((spelled, result.error.code, result.error.message))
            continue
        came = goal.query(f"SELECT n, v FROM {name}_t ORDER BY n")
        if comparable(came) != comparable(rows):
            failures.append((spelled, comparable(came)))
    assert not failures


@pytest.mark.parametrize("source", ["duckdb", "postgres", "sqlite"])
@pytest.mark.parametrize("spelled", ["real", "double", "timestamptz"])
def test_what_mysql_has_no_room_for_is_refused(three, source, spelled):
    columns = (Column("v", parse_type(spelled)),)
    origin, goal = three.session(source), three.session("mysql")
    origin.execute(f"CREATE TABLE t_source (v {declaration(source, spelled)})")
    goal.execute(f"CREATE TABLE t_target (v {declaration('mysql', spelled)})")
    origin.begin()
    rows = pa.table([LIMITS["mysql"][spelled]], schema=arrow_schema(columns))
    origin.ingest(TableName(None, "t_source"), columns, iter(rows.to_batches()), temporary=False)
    origin.commit()
    result = load(three, source, "mysql", columns)
    assert result.error.code in ("value-does-not-fit", "value-refused")
    assert three.session("mysql").query("SELECT v FROM t_target").num_rows == 0


@pytest.mark.parametrize("source", ["duckdb", "postgres", "sqlite"])
def test_arrays_arrive_in_mysql_as_json(three, source):
    columns = (Column("v", parse_type("text[]")),)
    origin, goal = three.session(source), three.session("mysql")
    origin.execute(f"CREATE TABLE t_source (v {declaration(source, 'text[]')})")
    goal.execute("CREATE TABLE t_target (v JSON)")
    values = [["a", "", 'quo"te\\', None, "comma,"], []]
    origin.begin()
    batches = pa.table([values], schema=arrow_schema(columns)).to_batches()
    origin.ingest(TableName(None, "t_source"), columns, iter(batches), temporary=False)
    origin.commit()
    result = load(three, source, "mysql", (Column("v", parse_type("json")),))
    assert result.error is None
    found = three.session("mysql").query("SELECT v FROM t_target").column(0).to_pylist()
    assert [json.loads(text) for text in found] == values
