"""Names, types, nullability and origins of a query's columns; types are compared with what real engines say."""

from __future__ import annotations

import duckdb
import psycopg
import pytest

from flowc.catalog import Column, TableName
from flowc.compiler.sql.relations import Catalogue, Relation
from flowc.compiler.sql.text.sqltext import parse_query
from flowc.compiler.sql.types.infer import Inferred, infer
from flowc.diagnostics import Reporter
from flowc.source import MappedText, SourceFile
from flowc.types import UNKNOWN, parse_type

TABLES = {
    "orders": "id! bigint, customer_id bigint, amount numeric(12,2), qty integer, note text, "
    "placed timestamptz, day date",
    "sales.customers": "id! bigint, name text, country! text",
}


def columns(text: str) -> list[Column]:
    pairs = [part.split(" ", 1) for part in text.split(", ")]
    return [Column(name.rstrip("!"), parse_type(kind), not name.endswith("!")) for name, kind in pairs]


def inferred(sql: str, engine: str = "postgres", dialect: str | None = None) -> tuple[Inferred, list[tuple[str, str]]]:
    catalogue, reporter = Catalogue(), Reporter()
    for name, text in TABLES.items():
        table = TableName.parse(name)
        catalogue.add("c", engine, table, Relation.of_table(table, columns(text), f"table `{name}`"))
    tree = parse_query(MappedText.whole(SourceFile("q.sql", sql)), dialect or engine, reporter)
    assert tree is not None
    result = infer(tree, engine, lambda name: catalogue.find("c", engine, name), reporter)
    return result, [(d.code, sql[d.span.start : d.span.end]) for d in reporter.sorted()]


@pytest.mark.parametrize(
    ("sql", "problems"),
    [
        ("SELECT custmer_id FROM orders", [("unknown-column", "custmer_id")]),
        ("SELECT o.nope, z.id FROM orders o", [("unknown-column", "nope"), ("unknown-table-alias", "z")]),
        ("SELECT orders.id FROM orders o", [("unknown-table-alias", "orders")]),
        ("SELECT id FROM orders JOIN sales.customers c ON c.id = customer_id", [("ambiguous-column", "id")]),
        ("SELECT amount AS total FROM orders WHERE total > 1", [("unknown-column", "total")]),
        ('SELECT ID, "ID" FROM orders', [("unknown-column", '"ID"')]),
        (
            "SELECT 1 AS x FROM orders WHERE EXISTS (SELECT 1 FROM sales.customers WHERE nope = orders.id)",
            [("unknown-column", "nope")],
        ),
        ("WITH a AS (SELECT id FROM orders) SELECT id, qty FROM a", [("unknown-column", "qty")]),
        ("SELECT x.b FROM (SELECT id AS a FROM orders) x", [("unknown-column", "b")]),
        ("SELECT id FROM orders UNION ALL SELECT id, qty FROM orders", [("unequal-columns", "id, qty FROM orders")]),
        ("SELECT row_number() OVER w AS n FROM orders WINDOW w AS (ORDER BY att)", [("unknown-column", "att")]),
        ("SELECT o.id FROM orders o JOIN sales.customers c USING (nope)", [("unknown-column", "nope")]),
        ("SELECT FROM orders", [("empty-select", "orders")]),
        ("SELECT sum(qty) OVER (PARTITION BY nope) AS s FROM orders", [("unknown-column", "nope")]),
    ],
)  # fmt: skip
def test_a_wrong_name_is_reported_at_its_place(sql: str, problems: list[tuple[str, str]]):
    assert inferred(sql)[1] == problems


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT anything, e.other FROM external e",
        "SELECT id, whatever FROM orders, external",
        "SELECT public.orders.id, sales.customers.name FROM orders, sales.customers",
        "SELECT amount AS total, count(*) AS n FROM orders GROUP BY total ORDER BY n, total",
        "SELECT (SELECT max(c.id) FROM sales.customers c WHERE c.id = o.customer_id) AS m FROM orders o",
        "SELECT a.id FROM orders a JOIN LATERAL (SELECT a.id AS q FROM sales.customers) b ON true",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 9) SELECT n FROM r",
        "SELECT id, c.name FROM orders LEFT JOIN sales.customers c USING (id)",
        "SELECT id, name FROM orders NATURAL JOIN sales.customers",
        "SELECT g, v.a FROM generate_series(1, 3) g, (VALUES (1, 2)) v(a, b)",
        "SELECT o FROM orders o",
        "SELECT current_date AS d, current_user AS u, ctid FROM orders",
        "SELECT date_trunc('day', placed) AS d, extract(year FROM placed) AS y, placed + interval '1 day' AS t"
        " FROM orders",
        "SELECT count(*) FILTER (WHERE qty > 1) AS c, string_agg(note, ',' ORDER BY placed) AS s FROM orders",
        "SELECT DISTINCT ON (customer_id) customer_id, placed FROM orders ORDER BY customer_id, placed DESC",
        "SELECT id FROM orders WHERE (id, qty) IN (SELECT id, qty FROM orders) ORDER BY 1",
        "SELECT id FROM (orders o JOIN sales.customers USING (id))",
        "SELECT Id, CUSTOMER_ID FROM Orders",
        "TABLE orders",
    ],
)
def test_right_names_are_left_alone(sql: str):
    assert inferred(sql)[1] == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT amount AS total, total + 1 AS more FROM orders WHERE total > 1",
        "SELECT * EXCLUDE (note) REPLACE (qty + 1 AS qty) FROM orders",
        "FROM orders SELECT id",
        "SELECT list_transform([1, 2], x -> x + qty) AS l FROM orders",
        "SELECT [y * 2 FOR y IN [1, 2]] AS l FROM orders",
        "SELECT s.a FROM (SELECT {'a': 1} AS s) t",
        "SELECT unnest([1, 2]) AS n FROM orders",
        "SELECT ID FROM orders",
    ],
)
def test_duckdb_has_names_of_its_own(sql: str):
    assert inferred(sql, "duckdb")[1] == []


def shown(sql: str, engine: str = "postgres") -> list[str] | None:
    fields = inferred(sql, engine)[0].fields
    return None if fields is None else [f"{f.name} {f.type}{'' if f.nullable else '!'}" for f in fields]


def test_stars_are_expanded():
    assert shown("SELECT c.* FROM sales.customers c") == ["id bigint!", "name text", "country text!"]
    assert shown("SELECT * FROM external") is None
    joined = shown("SELECT * FROM sales.customers a LEFT JOIN sales.customers b USING (id)")
    assert joined == ["id bigint!", "name text", "country text!", "name text", "country text"]


def test_nullability_follows_joins_and_functions():
    sql = "SELECT id, coalesce(qty, 0) AS q, CASE WHEN qty > 1 THEN 'a' ELSE 'b' END AS c, count(*) AS n FROM orders"
    assert shown(sql) == ["id bigint!", "q integer!", "c text!", "n bigint!"]
    sql = "SELECT c.id, o.id AS o FROM orders o RIGHT JOIN sales.customers c ON c.id = o.id"
    assert shown(sql) == ["id bigint!", "o bigint"]
    assert shown("SELECT min(id) AS m, sum(qty) AS s FROM orders") == ["m bigint", "s bigint"]
    assert shown("SELECT min(id) AS m FROM orders GROUP BY qty") == ["m bigint!"]


def test_origins_are_followed_through_ctes_and_subqueries():
    sql = "WITH a AS (SELECT amount * qty AS v, id FROM orders) SELECT sum(v) AS s, x.y FROM a, external x GROUP BY x.y"
    fields = inferred(sql)[0].fields
    assert fields is not None
    assert [sorted(f"{o.table}.{o.column}" for o in f.origins) for f in fields] == [
        ["orders.amount", "orders.qty"],
        ["external.y"],
    ]


def test_the_tables_that_are_read_are_listed_without_ctes():
    sql = "WITH a AS (SELECT * FROM orders) SELECT * FROM a, s.b, a a2 WHERE x IN (SELECT 1 FROM c)"
    assert [str(name) for name in inferred(sql)[0].reads] == ["orders", "s.b", "c"]


EXPRESSIONS = [
    "id", "qty", "amount", "note", "placed", "day", "1", "1.5", "'x'", "true", "id + 1", "qty + 1", "qty * qty", "-qty",
    "abs(id)", "qty % 2", "id + qty", "upper(note)", "note || 'x'", "trim(note)", "substring(note, 1, 2)",
    "length(note)", "coalesce(note, 'x')", "coalesce(qty, id)", "nullif(qty, 0)", "replace(note, 'a', 'b')",
    "CASE WHEN qty > 1 THEN 1 ELSE 2 END", "CASE WHEN qty > 1 THEN 'a' END", "qty > 1", "qty IS NULL", "note LIKE 'a%'",
    "qty BETWEEN 1 AND 2", "NOT (qty > 1)", "CAST(qty AS bigint)", "CAST(note AS varchar(9))",
    "CAST(qty AS numeric(9,2))", "CAST(note AS date)", "CAST(placed AS timestamp)", "CAST(id AS double precision)",
    "current_date", "now()", "(SELECT max(id) FROM orders)", "EXISTS (SELECT 1)", "id IN (1, 2)", "concat(note, 'x')",
    "left(note, 2)", "reverse(note)", "md5(note)", "sqrt(id)", "qty::text", "placed::date", "lower(note) = 'x'",
]  # fmt: skip
AGGREGATES = [
    "count(*)", "count(DISTINCT id)", "sum(qty)", "sum(id)", "sum(amount)", "avg(qty)", "avg(amount)", "min(note)",
    "max(placed)", "min(day)", "row_number() OVER ()", "string_agg(note, ',')", "sum(count(*)) OVER ()",
]  # fmt: skip
QUERIES = [f"SELECT {e} AS x FROM orders" for e in (*EXPRESSIONS, *AGGREGATES)]
QUERIES += [
    "SELECT id AS x FROM orders UNION ALL SELECT qty FROM orders",
    "SELECT lag(qty) OVER (ORDER BY id) AS x FROM orders",
    "SELECT first_value(note) OVER (ORDER BY id) AS x FROM orders",
    "SELECT x FROM (VALUES (1), (2)) v(x)",
]
DDL = f"CREATE TABLE orders ({TABLES['orders'].replace('!', '')})"
KNOWN_SHARE = 0.85


def check_types(engine: str, real: dict[str, str]) -> None:
    known = 0
    for sql, spelled in real.items():
        (found,) = inferred(sql, engine)[0].fields or ()
        if found.type != UNKNOWN:
            known += 1
            assert (sql, str(found.type)) == (sql, str(parse_type(spelled)))
    assert known > KNOWN_SHARE * len(real)


def test_types_are_duckdbs():
    with duckdb.connect() as session:
        session.execute(DDL)
        check_types("duckdb", {sql: session.execute(f"DESCRIBE {sql}").fetchall()[0][1] for sql in QUERIES})


def test_types_are_postgresqls(postgres: str):
    real = {}
    with psycopg.connect(postgres) as session:
        session.execute(DDL)
        for sql in QUERIES:
            session.execute(f"CREATE TEMP VIEW v AS {sql}".encode())
            row = session.execute(
                "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
                " WHERE attrelid = 'v'::regclass AND attnum = 1"
            ).fetchone()
            assert row is not None
            real[sql] = row[0]
            session.execute("DROP VIEW v")
    check_types("postgres", real)
