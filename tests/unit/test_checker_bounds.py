"""Engines that lint asks end soon, whatever they are asked."""

from __future__ import annotations

import time
from importlib import import_module

import pytest

from flowc.catalog import Column, TableName
from flowc.compiler.sql.checker import NamedTable, Statement
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
    ],
)
def test_no_query_keeps_an_engine_busy(engine: str, sql: str):
    text = MappedText.whole(SourceFile("q.sql", sql))
    asked = import_module(f"flowc.service.checking.{engine}").engine()
    started = time.thread_time()
    assert asked(Statement(engine, engine, "", text, (TABLE,), runs=sql)) is None
    assert time.thread_time() - started < 3
