"""Engines that lint asks end soon, whatever they are asked."""

from __future__ import annotations

import time
from dataclasses import replace
from importlib import import_module

import pyarrow as pa
import pytest

from flowc.catalog import Column, TableName
from flowc.compiler.sql.checks.checker import NamedTable, Statement
from flowc.runtime.engine.context import frame_of, new_context, selected
from flowc.service.checking import checker
from flowc.source import MappedText, SourceFile
from flowc.types import DataType, Kind

TABLE = NamedTable(TableName(None, "s"), (Column("a", DataType(Kind.INT64)), Column("t", DataType(Kind.TEXT))))


@pytest.mark.parametrize(
    ("engine", "sql"),
    [
        ("postgres", f"SELECT {' + '.join(['a'] * 3000)} AS x FROM s"),
        ("duckdb", f"SELECT {'nullif(' * 30}a{', 1)' * 30} AS x FROM s"),
        ("duckdb", f"SELECT {'split_part(' * 30}t{(chr(44) + chr(39) + 'a' + chr(39) + ', 1)') * 30} AS x FROM s"),
        ("datafusion", f"SELECT a FROM s WHERE {' OR '.join(f'a = {i}' for i in range(3000))}"),
        ("datafusion", f"SELECT {'abs(' * 90}a{')' * 90} AS x FROM s"),
    ],
)
def test_no_query_keeps_an_engine_busy(engine: str, sql: str):
    text = MappedText.whole(SourceFile("q.sql", sql))
    asked = import_module(f"flowc.service.checking.{engine}").engine()
    started = time.thread_time()
    assert asked(Statement(engine, engine, "", text, (TABLE,), runs=sql)) is None
    assert time.thread_time() - started < 3


def test_all_columns_of_a_wide_table_are_planned_in_a_time_that_grows_with_their_number():
    wide = tuple(Column(f"c{n}", DataType(Kind.INT64)) for n in range(9_999))
    table, sql = NamedTable(TableName(None, "s"), wide), "SELECT *\nFROM s"
    asked = import_module("flowc.service.checking.datafusion").engine()
    started = time.thread_time()
    text = MappedText.whole(SourceFile("q.sql", sql))
    assert asked(Statement("datafusion", "datafusion", "", text, (table,), runs=sql)) is None
    assert time.thread_time() - started < 2  # 9 s by the engine's parser


def test_all_of_a_table_is_what_the_engine_reads_in_its_place():
    context = new_context()
    for name in ("s", "A b", 'q"q'):
        context.register_record_batches(name, [[pa.record_batch({"x": [1], "Y": ["a"]})]])
    for sql in ("SELECT * FROM s", "select *  from S ", 'SELECT * FROM "A b"', 'SELECT * FROM "q""q"'):
        assert frame_of(context, sql).to_pydict() == context.sql(sql).to_pydict() == {"x": [1], "Y": ["a"]}
    with pytest.raises(Exception, match="not found"):
        frame_of(context, "SELECT * FROM nothing")


def test_columns_of_a_wide_file_are_chosen_in_a_time_that_grows_with_their_number():
    context, names = new_context(), [f"c{n}" for n in range(9_999)]
    context.register_record_batches("raw", [[pa.record_batch({name: [1] for name in names})]])
    started = time.thread_time()
    columns = [(f'"{name}"', name) for name in names[1:]]
    frame = selected(context, "raw", [*columns, ('CAST("c0" AS VARCHAR)', 'a "b"')])
    assert time.thread_time() - started < 3  # 17 s by the engine's parser
    assert frame.schema().names == [*names[1:], 'a "b"']


def test_many_hard_queries_keep_the_engine_no_longer_than_some():
    """What it would be asked of all of them is too much: some are judged, and then what is simple."""
    hard, simple = f"SELECT nope{' + a' * 450} AS x FROM s", "SELECT nope FROM s"
    asked = import_module("flowc.service.checking.datafusion").engine()
    started = time.thread_time()
    judged = [asked(_of(hard)) is not None for _ in range(30)]
    assert time.thread_time() - started < 5
    assert judged[0]
    assert sum(judged) < 15
    assert asked(_of(simple)) is not None


def _of(sql: str) -> Statement:
    return Statement("postgres", "datafusion", "", MappedText.whole(SourceFile("q.sql", sql)), (TABLE,), runs=sql)


def test_many_columns_are_no_hard_query():
    """What stands between commas is planned by itself: wide queries are asked about, and so are those behind."""
    asked = import_module("flowc.service.checking.datafusion").engine()
    wide = "SELECT " + ", ".join(f"a * 2 + a / {i + 1} - a * 3 AS c{i}" for i in range(300)) + " FROM s"
    assert [asked(_of(wide)) for _ in range(4)] == [None] * 4
    assert asked(_of(wide.replace("SELECT ", "SELECT nope + 1, "))) is not None


@pytest.mark.parametrize(
    ("engine", "sql"),
    [
        ("duckdb", "SELECT " + "+".join(["a"] * 1500) + " AS x FROM s"),
        ("sqlite", "SELECT " + "+".join(["a"] * 1500) + " AS x FROM s"),
        ("sqlite", "SELECT " + "(" * 140 + "a" + ")" * 140 + " AS x FROM s"),
        ("sqlite", " UNION ALL ".join(["SELECT a FROM s"] * 501)),
    ],
)
def test_what_is_too_deep_for_an_engine_is_told_as_that(engine: str, sql: str):
    statement = replace(_of(sql), dialect=engine, engine=engine)
    ((_, refusal),) = checker()([statement])
    assert refusal.kind == "depth"
    assert "SET " not in refusal.message
    assert refusal.helps
