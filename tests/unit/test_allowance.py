"""What is written in the place of SQL is bounded, for one query and for all of a project, by what its author wrote."""

from __future__ import annotations

import time

import pytest
from sqlglot import exp

from flowc.compiler.sql.text.allowance import Allowance, TooLarge
from flowc.compiler.sql.text.sqltext import parse_query
from flowc.compiler.sql.translate import translate
from flowc.diagnostics import Reporter
from flowc.source import MappedText, SourceFile

ENGINES = ["postgres", "mysql", "sqlite", "duckdb", "datafusion"]


def written(sql: str, dialect: str, engine: str, allowance: Allowance) -> list[str]:
    """What is reported of a query in the place of which another one is written."""
    reporter = Reporter()
    tree = parse_query(MappedText.whole(SourceFile("query.sql", sql)), dialect, reporter)
    assert tree is not None
    spent = allowance.spent
    assert (translate(tree, engine, reporter, allowance) is None) == (spent or bool(reporter.found))
    return [d.code for d in reporter.found]


@pytest.mark.parametrize("engine", ENGINES)
def test_as_much_is_written_as_is_allowed(engine: str):
    tree = exp.select(*[f"a{i}" for i in range(20)])
    assert Allowance(20).text(tree.copy(), engine).count("a") == 20
    with pytest.raises(TooLarge):
        Allowance(19).text(tree, engine)


@pytest.mark.parametrize(
    ("dialect", "engine", "opening", "closing", "most"),
    [
        ("duckdb", "postgres", "array_contains(a, ", ")", 6),
        ("duckdb", "postgres", "arg_min(a, ", ")", 4),
        ("postgres", "datafusion", "to_array(", ")", 6),
    ],
)
def test_calls_that_double_their_values_are_refused_soon(
    dialect: str, engine: str, opening: str, closing: str, most: int
):
    def query(depth: int) -> str:
        return f"SELECT {opening * depth}b{closing * depth} AS x FROM t"

    assert "sql-too-large" not in written(query(most), dialect, engine, Allowance(5_000))
    started = time.thread_time()
    assert written(query(30), dialect, engine, Allowance(5_000)) == ["sql-too-large"]
    assert time.thread_time() - started < 2


def test_queries_of_a_project_share_what_is_allowed():
    shared = Allowance(5_000)
    hard, simple = "SELECT round(round(round(CAST(a AS double precision)))) AS x FROM t", "SELECT a + 1 AS x FROM t"
    found = []
    while not shared.spent:
        found.append(written(hard, "postgres", "datafusion", shared))
    assert len(found) > 5
    assert found == [*[[]] * (len(found) - 1), ["sql-too-large"]]
    for query in (hard, simple):
        assert written(query, "postgres", "datafusion", shared) == ["sql-too-large"], "each query that is not written"


@pytest.mark.parametrize(
    ("name", "most", "dialect", "engine"),
    [("greatest", 40, "postgres", "sqlite"), ("least", 40, "postgres", "sqlite"), ("greatest", 40, "duckdb", "sqlite")],
)
def test_values_that_are_each_written_for_all_others_are_counted_first(name: str, most: int, dialect: str, engine: str):
    def call(count: int) -> str:
        return f"SELECT {name}({', '.join(f'a{i}' for i in range(count))}) AS x FROM t"

    assert written(call(most), dialect, engine, Allowance()) == []
    started = time.thread_time()
    assert written(call(15_000), dialect, engine, Allowance()) == ["untranslatable-sql"]
    assert written(call(most + 1), dialect, engine, Allowance()) == ["untranslatable-sql"]
    assert time.thread_time() - started < 5


def test_a_long_row_that_is_refused_at_each_node_is_refused_in_seconds():
    """Each node of it holds all those before it, and is looked at no more once enough is told."""
    row = f"SELECT {' || '.join(['a'] * 240)} AS x FROM t"
    started = time.thread_time()
    found = [written(row, "postgres", "mysql", Allowance()) for _ in range(30)]
    assert time.thread_time() - started < 5  # 10 s without
    assert found == [["untranslatable-sql"]] * 30
