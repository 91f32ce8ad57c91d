"""SQL of other dialects in MySQL's words, and what is refused since MySQL or MariaDB computes something else."""

from __future__ import annotations

import pytest

from flowc.compiler.sql.text.sqltext import parse_query
from flowc.compiler.sql.translate import translate
from flowc.compiler.sql.types.infer import infer
from flowc.compiler.systems.mysql.dialect import DIALECT
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
    short = text.replace(DIALECT.compare.binary_order, " COLLATE EXACT") if text is not None else None
    return short, "; ".join(d.message for d in reporter.found)


@pytest.mark.parametrize(
    ("dialect", "sql", "expected"),
    [
        ("postgres", "SELECT id FROM orders WHERE status = 'paid'", "status = 'paid' COLLATE EXACT"),
        ("duckdb", "SELECT quantity / 2 FROM orders", "(CAST(quantity AS DOUBLE) / 2)"),
        ("postgres", "SELECT amount / 2 FROM orders", "(CAST(amount AS DOUBLE) / 2)"),
        ("postgres", "SELECT CAST(id AS BIGINT) FROM orders", "CAST(id AS SIGNED)"),
        ("postgres", "SELECT CAST(id AS INT) FROM orders", "WHEN id >= 2147483647.5 OR id <= -2147483648.5 THEN"),
        ("postgres", "SELECT CAST(amount AS DECIMAL(5, 1)) FROM orders", "ABS(ROUND(amount, 1)) >= 10000"),
        ("postgres", "SELECT shipped_on < '2024-02-01' FROM orders", "shipped_on < CAST('2024-02-01' AS DATE)"),
        ("postgres", "SELECT status || '!' FROM orders", "CONCAT(status, '!')"),
        ("postgres", "SELECT id FROM orders ORDER BY rating", "ORDER BY rating IS NULL ASC, rating ASC"),
        ("spark", "SELECT id FROM orders ORDER BY rating", "ORDER BY rating ASC"),
        ("postgres", "SELECT upper(note) AS status FROM orders ORDER BY status", "ORDER BY UPPER(note) IS NULL"),
        ("postgres", "SELECT id FROM orders UNION SELECT id FROM metrics ORDER BY 1", "ORDER BY `id` IS NULL ASC"),
        ("postgres", "SELECT id FROM orders WHERE status LIKE 'p%'", "COLLATE EXACT) LIKE 'p%'"),
        ("postgres", "SELECT id FROM orders OFFSET 2", "LIMIT 18446744073709551615 OFFSET 2"),
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
        ("postgres", "SELECT a.id FROM orders a FULL JOIN orders b ON a.id = b.id", "FULL, ASOF and NATURAL joins"),
        ("postgres", "SELECT unknown < 'a' FROM elsewhere", "`lt` of values of different types"),
        ("postgres", "SELECT status + 1 FROM orders", "`add` of what are not known to be numbers"),
        ("postgres", "SELECT CAST(status AS INT) FROM orders", "a cast to INT of such a value"),
        ("duckdb", "SELECT TRY_CAST(id AS INT) FROM orders", "a cast to INT of such a value"),
        ("postgres", "SELECT quantity / 2 FROM orders", "a division of what may be integers"),
        ("postgres", "SELECT initcap(status) FROM orders", "`INITCAP` of postgres is not known"),
        ("postgres", "SELECT count(*) FILTER (WHERE id > 1) FROM orders", "`filter` of postgres is not known"),
        ("postgres", "SELECT status ~ '^p' FROM orders", "`REGEXP_LIKE` of postgres is not known"),
        ("postgres", "SELECT degrees(rating) FROM orders", "`DEGREES` of postgres is not known"),
        ("postgres", "SELECT shipped_on - DATE '2024-01-01' FROM orders", "`sub` of what are not known to be numbers"),
        ("postgres", "SELECT a.id FROM customers a JOIN customers b USING (name)", "a join by the names of columns"),
        ("postgres", "SELECT * FROM orders a JOIN metrics b USING (quantity, id)", "a join by the names of columns"),
        ("postgres", "SELECT placed_at::timestamp(0) FROM orders", "a cast to TIMESTAMP(0)"),
        ("postgres", "SELECT '2024-02-09 10:11:12+02'::timestamp", "`2024-02-09 10:11:12+02` as a timestamp"),
        ("postgres", "SELECT id FROM orders WHERE shipped_on < '2024-02-01 10:00'", "`2024-02-01 10:00` as a date"),
        ("postgres", "SELECT d FROM (VALUES (date '2024-01-01'), ('2024-2-1')) AS v(d)", "values of different types"),
        ("postgres", "SELECT id FROM orders WHERE (note, rating) IS NULL", "`tuple` of postgres is not known"),
        ("postgres", "SELECT CASE WHEN id > 3 THEN '0' ELSE note END FROM orders ORDER BY note", "an order by a name"),
        ("postgres", "SELECT note AS id FROM orders ORDER BY id + 0", "an order by a name"),
        ("postgres", "SELECT id AS z, quantity AS id FROM orders ORDER BY z", "a column whose name another one has"),
        ("postgres", "SELECT id, 1 AS one FROM orders ORDER BY 2", "an order by a constant"),
        ("postgres", "SELECT id FROM orders LIMIT ALL", "such a limit"),
        ("postgres", "SELECT n FROM (SELECT 1) AS q(n)", "names for a subquery's columns"),
        ("postgres", "SELECT greatest(n, d) FROM metrics", "GREATEST and LEAST that skip NULL"),
        ("postgres", "SELECT id FROM metrics WHERE id IN (SELECT rank() OVER (ORDER BY id) FROM orders)", "IN rows of"),
        ("postgres", "SELECT max(id) FROM orders HAVING max(id) IN (SELECT n FROM metrics)", "a subquery in HAVING"),
        ("sqlite", "SELECT id FROM orders WHERE status LIKE 'P%'", "SQL of sqlite for MySQL"),
        ("tsql", "SELECT id FROM orders WHERE status LIKE '[a-p]%'", "SQL of tsql for MySQL"),
        ("spark", "SELECT last_value(note) IGNORE NULLS OVER (ORDER BY id) FROM orders", "`ignorenulls` of spark"),
    ],
)
def test_what_cannot_be_kept_is_refused(dialect: str, sql: str, why: str):
    text, found = translated(sql, dialect)
    assert text is None
    assert why in found


def test_what_is_refused_once_is_not_refused_for_its_parts():
    _, found = translated("SELECT CAST(status AS DECIMAL(5, 1)) FROM orders", "postgres")
    assert found == "a cast to DECIMAL(5, 1) of such a value (from postgres to mysql)"
