"""SQL texts: what is read, and the place and words of what is not."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.compiler.sql.text.bounds import (
    MAX_DIGITS,
    MAX_INTERVAL,
    MAX_LISTED,
    MAX_NESTING,
    MAX_OPERATORS,
)
from flowc.compiler.sql.text.sqltext import parse_condition, parse_order, parse_query
from flowc.compiler.sql.translate import translate
from flowc.compiler.sql.types.infer import infer
from flowc.diagnostics import Reporter
from flowc.source import MappedText, SourceFile


def parsed(text: str, parse=parse_query, dialect: str = "postgres"):
    reporter = Reporter()
    tree = parse(MappedText.whole(SourceFile("q.sql", text)), dialect, reporter)
    return tree, [(d.code, text[d.span.start : d.span.end]) for d in reporter.sorted()], reporter.sorted()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT 1 ; -- end", "SELECT 1"),
        ("-- start\nSELECT 1 /* end */", "-- start\nSELECT 1"),
        ("(SELECT 1) UNION (SELECT 2);", "(SELECT 1) UNION (SELECT 2)"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "WITH a AS (SELECT 1) SELECT * FROM a"),
        ("VALUES (1, 2)", "VALUES (1, 2)"),
    ],
)
def test_a_query_is_cut_to_fit_into_parentheses(text: str, expected: str):
    tree, problems, _ = parsed(text)
    assert problems == []
    assert tree.text.text == expected


@pytest.mark.parametrize(
    ("text", "code", "marked"),
    [
        ("", "empty-sql", ""),
        (" ;;", "empty-sql", " ;;"),
        ("-- nothing", "empty-sql", "-- nothing"),
        ("SELECT 1; DROP TABLE x", "several-statements", "DROP"),
        ("DROP TABLE x", "not-a-query", "DROP"),
        ("EXPLAIN SELECT 1", "not-a-query", "EXPLAIN"),
        ("selct a from t", "sql-syntax", "selct"),
        ("SELECT a FROM t WHER b = 1", "sql-syntax", "b"),
        ("SELECT a b c FROM t", "sql-syntax", "c"),
        ("SELECT a, FROM t", "sql-syntax", ","),
        ("SELECT (1", "sql-syntax", "1"),
        ("SELECT 'abc", "sql-syntax", "'"),
        ('SELECT "abc', "sql-syntax", '"'),
        ("SELECT a /* b", "sql-syntax", "/*"),
        ("SELECT 1\0", "sql-syntax", "\0"),
        ("SELECT é, 'ü𝄞' x y FROM t", "sql-syntax", "y"),
        ("SELECT a FROM t JOIN u USING ('b')", "sql-syntax", "'b'"),
        ("SELECT a FROM t JOIN u USING (sum(b))", "sql-syntax", "sum(b"),
        ("SELECT f(a UNION SELECT 1)", "sql-syntax", "a UNION SELECT 1"),
        ("SELECT " + "(" * 60_000, "sql-too-deep", "("),
        ("SELECT 1 FROM t " + "JOIN t " * 60_000, "join-without-condition", "JOIN"),
    ],
)
def test_a_mistake_is_reported_at_its_place(text: str, code: str, marked: str):
    tree, problems, _ = parsed(text)
    assert tree is None
    assert problems == [(code, marked)]


def test_a_mistake_without_a_place_is_reported_too():
    _, problems, _ = parsed("SELECT TIMESTAMP_SUB(a, INTERVAL DAY) FROM t", dialect="bigquery")
    assert [code for code, _ in problems] == ["sql-syntax"]


def test_a_mistyped_keyword_is_recognised():
    for text, word in (
        ("selct a", "SELECT"), ("SELECT a fro t", "FROM"), ("SELECT a FROM t GRUP BY a", "GROUP"),
        ("SELECT id FORM orders", "FROM"), ("SELECT id FRM groups", "FROM"),
    ):  # fmt: skip
        _, _, found = parsed(text)
        assert f"did you mean `{word}`" in found[0].helps[0]


@pytest.mark.parametrize(
    ("dialect", "engine", "call", "said"),
    [
        ("postgres", "datafusion", "uper(a)", ("PostgreSQL has no function `uper`", "did you mean `upper`?")),
        ("duckdb", "postgres", "lowr(a)", ("DuckDB has no function `lowr`", "did you mean `lower`?")),
        ("mysql", "datafusion", "uper(a)", ("MySQL has no function `uper`", "did you mean `upper`?")),
        ("spark", "datafusion", "uper(a)", ("flowc's own engine has no `uper`", "did you mean `upper`?")),
        ("postgres", "datafusion", "pg_backend_pid()", ("flowc's own engine has no `pg_backend_pid`", "")),
        ("postgres", "datafusion", "similarity(a, a)", ("flowc's own engine has no `similarity`", "")),
        (
            "duckdb", "sqlite", "list_sum(a)",
            (
                "`array_sum` of duckdb has no translation to sqlite",
                "write it in sqlite's SQL and say `dialect: sqlite`",
            ),
        ),
    ],
)  # fmt: skip
def test_a_function_that_there_is_not_is_told_from_one_that_the_engine_has_not(
    dialect: str, engine: str, call: str, said: tuple[str, str]
):
    tree, _, _ = parsed(f"SELECT {call} AS x FROM t", dialect=dialect)
    assert tree is not None
    reporter = Reporter()
    assert translate(tree, engine, reporter) is None
    assert [(d.message, "".join(d.helps)) for d in reporter.found] == [said]


@pytest.mark.parametrize("engine", ["datafusion", "duckdb", "mysql", "sqlite"])
@pytest.mark.parametrize("own", ["regclass", "regtype", "mood"])
def test_a_cast_to_a_type_that_one_database_alone_has_is_refused(engine: str, own: str):
    tree, _, _ = parsed(f"SELECT CAST('t' AS {own}) AS x FROM t", dialect="postgres")
    assert tree is not None
    reporter = Reporter()
    assert translate(tree, engine, reporter) is None
    assert reporter.found[0].message == f"a cast to `{own}` (from postgres to {engine})"


@pytest.mark.parametrize(
    "call",
    ["to_timestamp(a)", "to_timestamp(a, '%d/%m/%Y')", "to_date(a)", "to_date(a, '%d/%m/%Y')", "to_char(a, b)",
     "regexp_like(a, 'x', 'i')", "uuid()"],
)  # fmt: skip
def test_words_of_flowcs_engine_stay_as_they_are_beside_json(call: str):
    tree, _, _ = parsed(f"SELECT json_build_object('x', {call}) AS x FROM t", dialect="datafusion")
    assert tree is not None
    assert call in str(translate(tree, "datafusion", Reporter()))


@pytest.mark.parametrize(
    ("engine", "written"),
    [("duckdb", "STRFTIME(a, '%d/%m/%Y')"), ("postgres", "TO_CHAR(a, 'DD/MM/YYYY')"),
     ("sqlite", "STRFTIME('%d/%m/%Y', a)")],
)  # fmt: skip
def test_formats_of_flowcs_engine_are_those_of_strftime(engine: str, written: str):
    tree, _, _ = parsed("SELECT to_char(a, '%d/%m/%Y') AS x FROM t", dialect="datafusion")
    assert tree is not None
    assert written in str(translate(tree, engine, Reporter()))


def test_messages_have_no_terminal_codes_and_show_no_classes():
    for text in ("SELECT (((", "SELECT count( FROM t", "SELECT CAST(a AS FROM t", "WITH a AS (SELECT 1), SELECT 2"):
        for diagnostic in parsed(text)[2]:
            assert "\x1b" not in diagnostic.message
            assert "<" not in diagnostic.message
            assert diagnostic.message[0].islower() or diagnostic.message[0] == "`"


@pytest.mark.parametrize("text", ["a; DROP TABLE x", "a ORDER BY 1", "a) OR (b", "", "a UNION SELECT 2", "a LIMIT 1"])
def test_a_condition_is_one_expression(text: str):
    assert parsed(text, parse_condition)[0] is None


def test_parts_keep_their_places():
    tree, problems, _ = parsed("a > 1 AND nope", parse_condition)
    assert problems == []
    span = tree.span(tree.tree.expression)
    assert span.file.text[span.start : span.end] == "nope"
    tree, _, _ = parsed("a DESC, nope", parse_order)
    span = tree.span(tree.tree.expressions[1])
    assert span.file.text[span.start : span.end] == "nope"


@pytest.mark.parametrize("piece", ["NOT ", "- ", "CASE WHEN ", "EXISTS(", "ARRAY<", "f(", "[", "(SELECT * FROM "])
def test_deep_sql_is_a_diagnostic(piece: str):
    started = time.thread_time()
    tree, problems, _ = parsed("SELECT " + piece * 30_000)
    assert tree is None
    assert problems[0][0] in ("sql-too-deep", "sql-syntax")
    assert time.thread_time() - started < 5


def test_long_sql_is_not_deep():
    for text in (
        "SELECT 1 FROM t WHERE " + " OR ".join(["a = 1"] * 3000),
        "SELECT " + " + ".join(["a"] * 3000) + " AS x FROM t",
        " UNION ALL ".join(["SELECT 1 AS x"] * 1500),
    ):
        tree, problems, _ = parsed(text)
        reporter = Reporter()
        infer(tree, "postgres", lambda _: None, reporter)
        assert problems == []
        assert reporter.found == []


WORDS = st.sampled_from(
    re.findall(
        r"\S+",
        "SELECT FROM WHERE GROUP BY ORDER HAVING a b t ( ) , . * + - / 'x' \" ' 1 1.5 AS JOIN ON USING UNION ALL"
        " WITH CASE WHEN THEN END OVER PARTITION [ ] { } :: -> $1 ; IN NOT NULL EXISTS CAST INTERVAL"
        " DATE {{ }} -- /* */",
    )
)


@given(words=st.lists(WORDS, max_size=25), dialect=st.sampled_from(["postgres", "duckdb", "sqlite", "spark", "mysql"]))
@settings(max_examples=200, deadline=None)
def test_whatever_is_written_there_is_a_diagnostic_or_a_query(words: list[str], dialect: str):
    tree, problems, _ = parsed("SELECT " + " ".join(words), dialect=dialect)
    if tree is None:
        assert problems
        return
    reporter = Reporter()
    infer(tree, "postgres", lambda _: None, reporter)
    translate(tree, "sqlite", reporter)
    translate(tree, "datafusion", reporter)


@pytest.mark.parametrize("opening", ["ARRAY[", "struct(", "date(", "bigint(", "IF < ", "IF[", "sort_array(1, "])
@pytest.mark.parametrize("dialect", ["postgres", "mysql", "duckdb", "bigquery", "snowflake"])
def test_what_the_parser_reads_twice_is_refused_before_it_is_read(opening: str, dialect: str):
    closing = {"[": "]", "(": ")", ",": ")"}.get(opening.rstrip()[-1], "")
    started = time.thread_time()
    _, problems, _ = parsed(f"SELECT {opening * 60}a{closing * 60} AS x FROM t", dialect=dialect)
    assert time.thread_time() - started < 2
    assert problems[0][0] == "sql-too-deep"


@pytest.mark.parametrize("dialect", ["postgres", "mysql", "duckdb", "sqlite", "bigquery", "snowflake"])
@pytest.mark.parametrize("name", ["if(a = 1, 'a', ", "map(a, ", "array(", "list(", "left(", "right(", "coalesce("])
def test_functions_are_read_once_however_deep_they_are(name: str, dialect: str):
    started = time.thread_time()
    _, problems, _ = parsed(f"SELECT {name * 40}a{', 1)' * 40} AS x FROM t", dialect=dialect)
    assert time.thread_time() - started < 1
    assert [code for code, _ in problems if code == "sql-too-deep"] == []


def test_arrays_in_arrays_are_read_up_to_the_limit():
    read = {n: parsed(f"SELECT {'ARRAY[' * n}1{']' * n} AS x FROM t")[1] for n in range(1, 14)}
    assert [n for n, problems in read.items() if problems == []] == list(range(1, 8))
    assert [code for code, _ in read[8]] == ["sql-too-deep"]


def test_a_long_text_may_be_read_again_oftener():
    part = "ARRAY[ARRAY[ARRAY[" + ", ".join(["1"] * 50) + "]]]"
    _, problems, _ = parsed(f"SELECT {', '.join([part] * 50)} FROM t")
    assert problems == []


@pytest.mark.parametrize(
    ("piece", "start", "end", "most"),
    [
        (".a", "SELECT t", " AS x FROM t", MAX_OPERATORS),
        ("::text", "SELECT a", " AS x FROM t", MAX_OPERATORS),
        (" IS NULL", "SELECT a", " AS x FROM t", MAX_OPERATORS),
        ("[1]", "SELECT a", " AS x FROM t", MAX_OPERATORS),
        (" OR a", "SELECT a", " AS x FROM t", MAX_LISTED - 1),
        (" || a", "SELECT a", " AS x FROM t", MAX_LISTED - 1),
    ],
)
def test_operators_in_a_row_are_read_up_to_the_limit(piece: str, start: str, end: str, most: int):
    tree, problems, _ = parsed(start + piece * most + end)
    assert (problems, tree is not None) == ([], True)
    tree, problems, _ = parsed(start + piece * (most + 1) + end)
    assert tree is None
    assert [code for code, _ in problems] == ["sql-too-deep"]


def test_parentheses_are_read_up_to_the_limit():
    for depth, codes in ((MAX_NESTING, []), (MAX_NESTING + 1, ["sql-too-deep"])):
        _, problems, _ = parsed(f"SELECT {'(' * depth}a{')' * depth} AS x FROM t")
        assert [code for code, _ in problems] == codes


def test_a_number_has_as_many_digits_as_can_be_read():
    for digits, codes in ((MAX_DIGITS, []), (MAX_DIGITS + 1, ["sql-too-large"])):
        _, problems, _ = parsed(f"SELECT {'9' * digits} AS x FROM t")
        assert [code for code, _ in problems] == codes


def test_an_interval_has_as_many_characters_as_can_be_read():
    for blanks, codes in ((MAX_INTERVAL - 5, []), (MAX_INTERVAL - 4, ["sql-too-large"])):
        _, problems, _ = parsed(f"SELECT INTERVAL '{' ' * blanks}1 day' AS x FROM t")
        assert [code for code, _ in problems] == codes


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("CASE WHEN a = 1 THEN ", " ELSE 0 END"),
        ("CASE WHEN a = 1 THEN 0 ELSE ", " END"),
        ("CASE a WHEN 1 THEN ", " END"),
        ("coalesce(CASE WHEN a = 1 THEN ", " END, 0)"),
    ],
)
def test_a_case_in_a_case_takes_no_longer_than_it_is(opening: str, closing: str):
    tree, problems, _ = parsed(f"SELECT {opening * 40}a{closing * 40} AS x FROM t")
    assert problems == []
    started = time.thread_time()
    found = infer(tree, "postgres", lambda _: None, Reporter())
    assert time.thread_time() - started < 2
    assert [field.name for field in found.fields] == ["x"]


def test_a_recursive_query_in_a_recursive_query_takes_no_longer_than_it_is():
    opening, closing = "WITH RECURSIVE c AS ((", ") UNION ALL SELECT a FROM c) SELECT a FROM c"
    tree, problems, _ = parsed(f"{opening * 40}SELECT a FROM t{closing * 40}")
    assert problems == []
    started = time.thread_time()
    found = infer(tree, "postgres", lambda _: None, Reporter())
    assert time.thread_time() - started < 2
    assert [field.name for field in found.fields] == ["a"]


def test_the_name_of_a_type_that_cannot_be_taken_apart_is_no_sql():
    """sqlglot reads it once more as a text of its own, in which the quote has no end."""
    for dialect in ("duckdb", "sqlite"):
        _, problems, _ = parsed("""SELECT CAST(seen AS "a'b") FROM versions""", dialect=dialect)
        assert [code for code, _ in problems] == ["sql-syntax"]


def test_a_value_of_which_the_parser_asks_the_type_and_finds_no_scope_is_no_sql():
    _, problems, _ = parsed("SELECT regexp_replace('a', 'b', 'c', f(EXCEPT, EXCEPT, x) 'g') AS r FROM t")
    assert [code for code, _ in problems] == ["sql-syntax"]


@pytest.mark.parametrize("dialect", ["postgres", "mysql", "sqlite", "duckdb"])
def test_an_alias_names_columns_and_takes_no_placeholders(dialect: str):
    _, problems, found = parsed("SELECT id FROM orders ts_or_ds_diff(:a)", dialect=dialect)
    assert [code for code, _ in problems] == ["sql-syntax"]
    assert found[0].message == "an alias takes names of columns"
