"""Calls without their arguments are refused by name and place; what fails in a rule is a bug, and is seen as one."""

from __future__ import annotations

import random

import pytest
from sqlglot import exp

from flowc.compiler.sql.rewrite import rewrite
from flowc.compiler.sql.text.sqltext import parse_query
from flowc.compiler.sql.translate import translate
from flowc.compiler.sql.types.infer import infer
from flowc.compiler.systems.datafusion import sqlglot as datafusion_sqlglot
from flowc.diagnostics import Reporter
from flowc.source import MappedText, SourceFile
from tests.fuzz.statements import functions
from tests.translation.engines import ENGINES
from tests.translation.outcomes import RELATIONS


def translated(sql: str, dialect: str, engine: str) -> tuple[str | None, list[tuple[str, str]]]:
    """The SQL for an engine, and what was reported with the text that it marks."""
    reporter = Reporter()
    tree = parse_query(MappedText.whole(SourceFile("query.sql", sql)), dialect, reporter)
    if tree is not None:
        infer(tree, engine, RELATIONS.get, reporter)
    text = None if tree is None else translate(tree, engine, reporter)
    return text, [(d.message, sql[d.span.start : d.span.end]) for d in reporter.found]


@pytest.mark.parametrize(
    ("dialect", "sql", "name"),
    [
        ("snowflake", "SELECT width_bucket(1) FROM orders", "width_bucket"),
        ("oracle", "SELECT datefromparts(2024, id) FROM orders", "datefromparts"),
        ("spark", "SELECT datediff(shipped_on) FROM orders", "datediff"),
        ("spark", "SELECT weekofyear() FROM orders", "weekofyear"),
        ("mysql", "SELECT sum(DISTINCT) FROM orders", "sum"),
        ("duckdb", "SELECT arg_max(id) FROM orders", "arg_max"),
        ("snowflake", "SELECT timestamp_seconds()", "timestamp_seconds"),
    ],
)
@pytest.mark.parametrize("engine", ["datafusion", "postgres", "sqlite"])
def test_what_is_missing_is_said_of_the_call(dialect: str, sql: str, name: str, engine: str):
    text, ((message, place),) = translated(sql, dialect, engine)
    assert text is None
    assert message.startswith((f"`{name}` lacks an argument", f"a call of `{name}` that lacks an argument"))
    assert place.startswith((name, "id"))  # some calls have no place but that of their arguments


def test_names_that_only_the_parser_has_are_no_functions():
    _, found = translated("SELECT J_S_O_N_OBJECT(id) FROM orders", "duckdb", "postgres")
    assert [message for message, _ in found] == ["DuckDB has no function `J_S_O_N_OBJECT`"]


@pytest.mark.parametrize("dialect", ["postgres", "mysql", "duckdb", "spark", "snowflake", "bigquery", "tsql"])
def test_calls_of_anything_with_anything_are_translated_or_refused(dialect: str):
    chance = random.Random(dialect)
    given = ("id", "status", "shipped_on", "'a'", "-1", "NULL", "*", "x -> x", "DISTINCT id", "interval '1 day'")
    for name in chance.sample(functions(), 60):
        arguments = ", ".join(chance.choice(given) for _ in range(chance.choice([0, 1, 2, 3])))
        for engine in ENGINES:
            text, found = translated(f"SELECT {name}({arguments}) FROM orders", dialect, engine)
            assert text is not None or found, (name, arguments, engine)


def test_a_bug_in_a_rule_is_no_refusal(monkeypatch: pytest.MonkeyPatch):
    def rule(node: exp.Expression, pair: object) -> None:
        raise KeyError("planted")

    monkeypatch.setattr(rewrite, "_rules_of", lambda engine: ({exp.Sum: (rule,)},))
    with pytest.raises(KeyError, match="planted"):
        translated("SELECT sum(id) FROM orders", "duckdb", "postgres")


def test_a_bug_in_a_handler_of_the_generator_is_none_either(monkeypatch: pytest.MonkeyPatch):
    def handler(generator: object, node: exp.Expression) -> str:
        raise KeyError("planted")

    monkeypatch.setitem(datafusion_sqlglot._STRUCTURE, exp.Star, handler)
    monkeypatch.setitem(globals(), "__name__", "flowc.planted")
    with pytest.raises(KeyError, match="planted"):
        translated("SELECT count(*) FROM orders", "duckdb", "datafusion")


def test_what_fails_in_the_generator_itself_is_refused():
    text, ((message, _),) = translated("SELECT array_insert(id, true, id, amount) FROM orders", "presto", "datafusion")
    assert text is None
    assert message == "the SQL cannot be translated from presto to datafusion"
