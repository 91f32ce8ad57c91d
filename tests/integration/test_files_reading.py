"""Files: found by path or glob, read exactly, and refused with their name and line."""

from __future__ import annotations

import bz2
import datetime as dt
import gzip
import lzma
from decimal import Decimal as D

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowc.catalog import Column, TableName
from flowc.errors import FlowcError
from flowc.loadplan import EngineRead, FilesRead, Ingest, LoadPlan
from flowc.runtime.loads.load import describe, run_load
from flowc.runtime.stores.files import Files
from flowc.runtime.systems import open_database
from flowc.types import parse_type


def declared(**kinds):
    return tuple(Column(name, parse_type(kind)) for name, kind in kinds.items())


@pytest.fixture
def rows(tmp_path):
    """Reads files of the test's folder through a load into DuckDB."""

    def read(path, form="csv", *, sql=None, columns=None, into=None, **options):
        source = FilesRead("drop", path, form, options, columns)
        whole = source if sql is None else EngineRead((("source", source),), sql)
        files = lambda _: Files({"uri": str(tmp_path)})  # noqa: E731
        found = into or describe(whole, files)
        target = open_database("duckdb", {"path": ":memory:"})
        other = {"binary": "blob", "unknown": "text"}
        spelled = ", ".join(f'"{c.name}" {other.get(str(c.type), c.type)}' for c in found)
        target.execute(f"CREATE TABLE t ({spelled})")
        step = Ingest("load", whole, TableName(None, "t"), found, temporary=False)
        result = run_load(LoadPlan("p", "d", TableName(None, "t"), "append", (step,)), target, files)
        if result.error:
            raise result.error
        return target.query("SELECT * FROM t").to_pylist()

    read.folder = tmp_path
    return read


def test_csv_types_are_inferred(rows):
    (rows.folder / "a.csv").write_text("id,price,day,name,note\n1,1.5,2024-01-01,x,\n2,,2024-01-02,,\n")
    assert rows("a.csv") == [
        {"id": 1, "price": 1.5, "day": dt.date(2024, 1, 1), "name": "x", "note": None},
        {"id": 2, "price": None, "day": dt.date(2024, 1, 2), "name": None, "note": None},
    ]


def test_a_glob_reads_files_by_name_whatever_the_order_of_their_columns(rows):
    (rows.folder / "b 1.csv").write_text("id,name\n1,a\n")
    (rows.folder / "b[2].csv").write_text("name,id\nb,2\n")
    (rows.folder / "b3.csv").write_text("")
    made = rows("b*.csv", columns=declared(id="bigint", name="text"))
    assert sorted(made, key=lambda row: row["id"]) == [
        {"id": 1, "name": "a"},
        {"id": 2, "name": "b"},
    ]


def test_declared_columns_are_exact(rows):
    text = (
        "code,price,at,zoned,ok,extra\n007,1234567890123456.78,2024-01-01 10:00:00.000001,2024-01-01T00:00:00Z,true,x\n"
    )
    (rows.folder / "a.csv").write_text(text)
    kinds = declared(price="numeric(18,2)", code="text", at="timestamp", zoned="timestamptz", ok="boolean")
    assert rows("a.csv", columns=kinds) == [
        {
            "price": D("1234567890123456.78"),
            "code": "007",
            "at": dt.datetime(2024, 1, 1, 10, 0, 0, 1),
            "zoned": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
            "ok": True,
        }
    ]


def test_a_declared_decimal_never_rounds(rows):
    (rows.folder / "a.csv").write_text("price\n1.25\n1.255\n")
    with pytest.raises(FlowcError, match=r"`1\.255` does not fit its declared type `numeric\(10,2\)`") as caught:
        rows("a.csv", columns=declared(price="numeric(10,2)"))
    assert caught.value.code == "value-does-not-fit"


def test_sql_runs_over_declared_columns(rows):
    (rows.folder / "a.csv").write_text("k,price\na,0.10\na,0.20\nb,1.00\n")
    made = rows(
        "a.csv",
        columns=declared(k="text", price="numeric(10,2)"),
        sql="SELECT k, sum(price) AS s FROM source GROUP BY k",
    )
    assert sorted(made, key=lambda r: r["k"]) == [{"k": "a", "s": D("0.30")}, {"k": "b", "s": D("1.00")}]


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.open), ("bz2", bz2.open), ("xz", lzma.open)])
def test_compression_is_seen_from_the_name(rows, ending, pack):
    for form, text in (("csv", "a,b\n1,x\n"), ("jsonl", '{"a": 1, "b": "x"}\n')):
        with pack(rows.folder / f"f.{form}.{ending}", "wt") as stream:
            stream.write(text)
        assert rows(f"f.{form}.{ending}", form) == [{"a": 1, "b": "x"}]


def test_zstandard(rows):
    for form, text in (("csv", b"a,b\n1,x\n"), ("jsonl", b'{"a": 1, "b": "x"}\n')):
        with pa.output_stream(str(rows.folder / f"f.{form}.zst"), compression="zstd") as stream:
            stream.write(text)
        assert rows(f"f.{form}.zst", form) == [{"a": 1, "b": "x"}]


def test_csv_options(rows):
    text = "# a comment\n1;'x;''y';n/a\n2;'line\nend'\n"
    (rows.folder / "a.csv").write_text(text)
    made = rows(
        "a.csv", header=False, delimiter=";", quote="'", comment="#", null_regex="^n/a$", ragged=True,
        columns=declared(a="bigint", b="text", c="text"),
    )  # fmt: skip
    assert made == [{"a": 1, "b": "x;'y", "c": None}, {"a": 2, "b": "line\nend", "c": None}]


def test_where_something_else_means_null_an_empty_text_is_a_value(rows):
    (rows.folder / "a.csv").write_text('n,t\n1,\n2,""\n3,NA\n,x\n')
    made = rows("a.csv", null_regex="^(NA)?$", columns=declared(n="bigint", t="text"))
    assert [row["t"] for row in made] == [None, None, None, "x"]
    made = rows("a.csv", null_regex="^NA$", columns=declared(n="bigint", t="text"))
    assert made == [{"n": 1, "t": ""}, {"n": 2, "t": ""}, {"n": 3, "t": None}, {"n": None, "t": "x"}]


def test_a_byte_order_mark_is_no_part_of_a_name(rows):
    (rows.folder / "a.csv").write_bytes("\ufeffid,b\n1,2\n".encode())
    assert rows("a.csv", columns=declared(id="bigint")) == [{"id": 1}]
    assert rows("a.csv") == [{"id": 1, "b": 2}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"id,b\n1,2\nx,3\n", "line 3"),
        (b"id,b\n1,2\n1,2,3\n", "line"),
        (b"id,b\n1\n", "line"),
        (b"id,id\n1,1\n", "twice"),
        (b"x,y\n1,2\n", "no column `id`"),
        (b"id,b\n1,\xff\xfe\n", "UTF-8"),
    ],
)
def test_a_bad_csv_file_is_named(rows, content, words):
    (rows.folder / "a.csv").write_bytes(content)
    with pytest.raises(FlowcError) as caught:
        rows("a.csv", columns=declared(id="bigint", b="text"), into=declared(id="bigint", b="text"))
    assert caught.value.code == "unreadable-file"
    assert "a.csv" in caught.value.message
    assert words.lower() in caught.value.message.lower()


@pytest.mark.parametrize("path", ["none.csv", "none*.csv", "folder"])
def test_missing_files_are_said(rows, path):
    (rows.folder / "folder").mkdir()
    with pytest.raises(FlowcError) as caught:
        rows(path)
    assert caught.value.code == "file-not-found"
    assert path.split("*")[0] in caught.value.message


def test_an_empty_file_without_declared_columns(rows):
    (rows.folder / "a.csv").write_text("")
    with pytest.raises(FlowcError, match="empty"):
        rows("a.csv")
    assert rows("a.csv", columns=declared(id="bigint")) == []


def test_an_unknown_option_is_said(rows):
    (rows.folder / "a.csv").write_text("a\n1\n")
    with pytest.raises(FlowcError, match="no option `sep`"):
        rows("a.csv", sep=";")


def test_json_lines(rows):
    text = '{"id": 1, "at": "2024-01-01T00:00:00Z", "tags": ["a"], "deep": {"x": [1, 2]}}\n\n{"id": 2}\n'
    (rows.folder / "a.jsonl").write_text(text)
    assert rows("a.jsonl", "jsonl") == [
        {"id": 1, "at": "2024-01-01T00:00:00Z", "tags": ["a"], "deep": '{"x": [1, 2]}'},
        {"id": 2, "at": None, "tags": None, "deep": None},
    ]


def test_declared_json_lines_are_exact(rows):
    (rows.folder / "a.jsonl").write_text('{"p": 1.50, "at": "2024-01-01T00:00:00Z", "more": 1}\n')
    kinds = declared(p="numeric(10,2)", at="timestamptz")
    assert rows("a.jsonl", "jsonl", columns=kinds) == [{"p": D("1.50"), "at": dt.datetime(2024, 1, 1, tzinfo=dt.UTC)}]


ANY_SHAPE = (
    '{"b": 1.50, "a": [1e400, 12345678901234567890123], "b": "é\\u00e9"}',
    "[1, [2]]", "1.50", '"text"', "true", '{ "x" : {} }',
)  # fmt: skip


@pytest.mark.parametrize("block", [8, 1 << 20])
def test_json_columns_hold_the_text_of_the_file(rows, monkeypatch, block):
    monkeypatch.setattr("flowc.runtime.formats.json.lines._BLOCK", block)
    lines = [f'{{"id": {i}, "payload": {text}, "name": "n{i}"}}' for i, text in enumerate(ANY_SHAPE)]
    lines += ['{"id": 6, "payload": null}', "", '{"name": "n7"}']
    (rows.folder / "a.jsonl").write_text("\n".join(lines))
    made = rows("a.jsonl", "jsonl", columns=declared(id="bigint", payload="json", name="text"))
    assert [row["payload"] for row in made] == [*ANY_SHAPE, None, None]
    assert [row["id"] for row in made] == [*range(7), None]
    assert [row["name"] for row in made] == [*(f"n{i}" for i in range(6)), None, "n7"]


def test_inferred_objects_are_the_text_of_the_file(rows):
    text = '{"id": 1, "o": {"b": 1.50, "a": 2}, "l": [{"z": 1.0}, null]}\n{"id": 2, "o": {"c": []}}\n'
    (rows.folder / "a.jsonl").write_text(text)
    assert rows("a.jsonl", "jsonl", infer_rows=1, sql="SELECT * FROM source") == [
        {"id": 1, "o": '{"b": 1.50, "a": 2}', "l": ['{"z": 1.0}', None]},
        {"id": 2, "o": '{"c": []}', "l": None},
    ]


def test_a_list_of_json(rows):
    (rows.folder / "a.jsonl").write_text('{"l": [1.0, {"a": 1.50}, null]}\n{"l": null}\n{"l": []}\n')
    made = rows("a.jsonl", "jsonl", columns=declared(l="json[]"))
    assert [row["l"] for row in made] == [["1.0", '{"a": 1.50}', None], None, []]


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        ('{"id": 2, "o": {"a":}}', declared(id="bigint", o="json")),
        ('{"id": 2, "o": 01}', declared(id="bigint", o="json")),
        ('{"id": "x", "o": 1}', declared(id="bigint", o="json")),
        ('{"id": 2, "o": NaN}', declared(id="bigint", o="json")),
        ('{"id": 2, "o": {}, "late": 1}', None),
    ],
)
def test_a_bad_line_beside_json_is_named(rows, line, columns):
    (rows.folder / "a.jsonl").write_text('{"id": 1, "o": {"a": 1}}\n' + line + "\n")
    with pytest.raises(FlowcError, match=r"a\.jsonl.*line 2") as caught:
        rows("a.jsonl", "jsonl", columns=columns, into=declared(id="bigint"), infer_rows=1)
    assert caught.value.code == "unreadable-file"


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        ('{"id": 2.5}', declared(id="bigint")),
        ('{"id": "2"}', declared(id="bigint")),
        ('{"id": 2', declared(id="bigint")),
        ("[1]", declared(id="bigint")),
        ('{"id": 1.255}', declared(id="numeric(10,2)")),
        ('{"id": 2, "late": 1}', None),
    ],
)
def test_a_bad_json_line_is_named(rows, line, columns):
    (rows.folder / "a.jsonl").write_text('{"id": 1}\n' + line + "\n")
    with pytest.raises(FlowcError, match=r"a\.jsonl.*line 2") as caught:
        rows("a.jsonl", "jsonl", columns=columns, into=declared(id="bigint"), infer_rows=1)
    assert caught.value.code == "unreadable-file"


def test_parquet(rows):
    table = pa.table(
        {
            "d": pa.array([D("1.50")], pa.decimal128(20, 2)),
            "l": pa.array([[1]], pa.list_(pa.int32())),
            "s": pa.array([{"x": 1}]),
            "t": pa.array([1_000], pa.timestamp("ns")),
            "e": pa.array(["x"]).dictionary_encode(),
        }
    )
    pq.write_table(table, rows.folder / "a.parquet")
    pq.write_table(table, rows.folder / "b.parquet")
    made = rows("*.parquet", "parquet", columns=declared(d="numeric(10,2)", l="integer[]", e="text"))
    assert made == [{"d": D("1.50"), "l": [1], "e": "x"}] * 2
    whole = rows("a.parquet", "parquet", sql="SELECT s, t FROM source")
    assert whole[0]["s"] == '{"x":1}'


def test_a_file_that_is_not_parquet(rows):
    (rows.folder / "a.parquet").write_text("x")
    with pytest.raises(FlowcError, match=r"a\.parquet"):
        rows("a.parquet", "parquet")


def test_remote_files_cannot_run_yet():
    with pytest.raises(FlowcError) as caught:
        Files({"uri": "s3://bucket/x"})
    assert caught.value.code == "not-runnable-yet"
