"""SQL of other dialects in MySQL's words, and what is refused since MySQL or MariaDB computes something else."""

from __future__ import annotations

import pytest

from flowc.compiler.dialects.mysql import MYSQL
from flowc.compiler.sql.infer import infer
from flowc.compiler.sql.sqltext import parse_query
from flowc.compiler.sql.translate import translate
from flowc.diagnostics import Reporter
from flowc.source import MappedText, SourceFile
from tests.translation.outcomes import RELATIONS


def translated(sql: str, dialect: str) -> tuple[str | None, str]:
    """The SQL for MySQL with `EXACT` for the collation, and what was reported."""
    reporter = Reporter()
    tree = parse_query(MappedText.whole(SourceFile("query.sql", sql)), dialect, reporter)
    assert tree is not None
    infer(tree, "mysql", RELATIONS.get, reporter)
    text = translate(tree, "mysql", reporter)
    short = text.replace(MYSQL.compare.binary_order, " COLLATE EXACT") if text is not None else None
    return short, "; ".join(d.message for d in reporter.found)


@pytest.mark.parametrize(
    ("dialect", "sql", "expected"),
    [
        ("postgres", "SELECT id FROM orders WHERE status = 'paid'", "status = 'paid' COLLATE EXACT"),
        ("postgres", "SELECT quantity / 2 FROM orders", "(quantity DIV 2)"),
        ("duckdb", "SELECT quantity / 2 FROM orders", "(CAST(quantity AS DOUBLE) / 2)"),
        ("postgres", "SELECT CAST(id AS NUMERIC) / 3 FROM orders", "(CAST(CAST(id AS DECIMAL(65, 0)) AS DOUBLE) / 3)"),
        ("duckdb", "SELECT CAST(x AS INT) FROM metrics", "ROUND(CAST(x AS DECIMAL(65, 30)) / 2) * 2"),
        ("postgres", "SELECT shipped_on - DATE '2024-01-01' FROM orders", "DATEDIFF(shipped_on,"),
        ("postgres", "SELECT status || id FROM orders", "CONCAT(status, CAST(id AS CHAR))"),
        ("postgres", "SELECT id FROM orders ORDER BY rating", "ORDER BY rating IS NULL ASC, rating ASC"),
        ("spark", "SELECT id FROM orders ORDER BY rating", "ORDER BY rating ASC"),
        ("postgres", "SELECT count(*) FILTER (WHERE id > 1) FROM orders", "COUNT(CASE WHEN id > 1 THEN 1 END)"),
        ("duckdb", "SELECT trim(status, 'pd') FROM orders", "REGEXP_REPLACE(status, '(?-i)^[pd]+|[pd]+\\\\z', '')"),
        ("postgres", "SELECT status ~ '^p' FROM orders", "(REGEXP_INSTR(status, '(?-i)^p') > 0)"),
        ("snowflake", "SELECT payload:a.b::text FROM events", 'JSON_UNQUOTE(JSON_EXTRACT(payload, \'$."a"."b"\'))'),
        ("duckdb", "SELECT id FROM orders QUALIFY row_number() OVER (ORDER BY id) = 1", "WHERE _kept = TRUE"),
        ("snowflake", "SELECT O.ID FROM orders o", "SELECT o.ID FROM orders AS o"),
    ],
)
def test_the_meaning_is_kept(dialect: str, sql: str, expected: str):
    text, found = translated(sql, dialect)
    assert text is not None, found
    assert expected in text


@pytest.mark.parametrize(
    ("dialect", "sql", "why"),
    [
        ("postgres", "SELECT a.id FROM orders a FULL JOIN orders b ON a.id = b.id", "FULL, ASOF and LATERAL joins"),
        ("postgres", "SELECT unknown < 'a' FROM elsewhere", "a comparison of values"),
        ("postgres", "SELECT status + 1 FROM orders", "arithmetic with what are not known to be numbers"),
        ("postgres", "SELECT CAST('12x' AS INT)", "`12x` as a number"),
        ("postgres", "SELECT initcap(status) FROM orders", "INITCAP, which MySQL lacks"),
        ("postgres", "SELECT placed_at AT TIME ZONE 'Europe/Berlin' FROM orders", "a time zone other than UTC"),
        ("postgres", "SELECT a.id FROM customers a JOIN customers b USING (name)", "a join by the names of columns"),
        ("spark", "SELECT last_value(note) IGNORE NULLS OVER (ORDER BY id) FROM orders", "IGNORE NULLS"),
        ("duckdb", "SELECT substr(status, id - 10) FROM orders", "a position that may be 0 or negative"),
    ],
)
def test_what_cannot_be_kept_is_refused(dialect: str, sql: str, why: str):
    text, found = translated(sql, dialect)
    assert text is None
    assert why in found
