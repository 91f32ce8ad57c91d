"""Projects of many pipelines for `flowc lint`: eight kinds of queries, in the words of what runs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PER_FILE = 25


@dataclass(frozen=True, slots=True)
class Words:
    """How one engine says what the queries need.

    `raw` and `marts` stand before the names of tables, `month` is a date and `label` a text of an order's time,
    `at` makes a time of a literal.
    """

    connection: str
    raw: str
    marts: str
    month: str
    label: str
    at: str
    files: bool = False


_PG_MONTH, _PG_LABEL = "CAST(date_trunc('month', o.ordered_at) AS date)", "to_char(o.ordered_at, 'YYYY-MM')"
WORDS: Mapping[str, Words] = {
    "postgres": Words(
        "kind: postgres, url: postgresql://host/shop", "raw.", "marts.", _PG_MONTH, _PG_LABEL, "TIMESTAMPTZ "
    ),
    "mysql": Words(
        "kind: mysql, url: mysql://host/shop", "", "", "CAST(date_format(o.ordered_at, '%Y-%m-01') AS date)",
        "date_format(o.ordered_at, '%Y-%m')", "TIMESTAMP ",
    ),
    "duckdb": Words(
        "kind: duckdb, path: shop.duckdb", "raw.", "marts.", _PG_MONTH, "strftime(o.ordered_at, '%Y-%m')",
        "TIMESTAMPTZ ",
    ),
    "sqlite": Words(
        "kind: sqlite, path: shop.sqlite", "", "", "date(o.ordered_at, 'start of month')",
        "strftime('%Y-%m', o.ordered_at)", "",
    ),
    "files": Words("kind: duckdb, path: shop.duckdb", "", "", _PG_MONTH, _PG_LABEL, "TIMESTAMPTZ ", files=True),
}  # fmt: skip

_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "orders": {
        "order_id": "bigint not null", "customer_id": "bigint not null", "product_id": "bigint not null",
        "store_id": "integer not null", "quantity": "integer not null", "price": "numeric(12,2) not null",
        "ordered_at": "timestamptz not null", "note": "text",
    },
    "customers": {
        "customer_id": "bigint not null", "name": "text", "email": "text", "region": "text",
        "signed_up": "timestamptz",
    },
    "products": {
        "product_id": "bigint not null", "title": "text not null", "category": "text",
        "cost": "numeric(12,2)",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of query: what its target holds, by which keys, and the SQL."""

    columns: Mapping[str, str]
    keys: str
    sql: str


SHAPES = (
    Shape(
        {"region": "text not null", "category": "text not null", "orders": "bigint", "buyers": "bigint",
         "revenue": "numeric(38,2)", "margin": "numeric(38,2)", "last_order": "timestamptz"},
        "region, category",
        """\
SELECT coalesce(c.region, 'unknown') AS region, coalesce(p.category, 'other') AS category,
       count(*) AS orders, count(DISTINCT o.customer_id) AS buyers,
       sum(o.quantity * o.price) AS revenue,
       sum(o.quantity * (o.price - coalesce(p.cost, 0))) AS margin,
       max(o.ordered_at) AS last_order
FROM {raw}orders AS o
JOIN {raw}customers AS c ON c.customer_id = o.customer_id
LEFT JOIN {raw}products AS p ON p.product_id = o.product_id
WHERE o.store_id % 1000 = {number} AND c.region IN (SELECT r.region FROM {before} AS r)
GROUP BY coalesce(c.region, 'unknown'), coalesce(p.category, 'other')
""",
    ),
    Shape(
        {"month": "date not null", "customer_id": "bigint not null", "revenue": "numeric(38,2)", "place": "bigint"},
        "month, customer_id",
        """\
WITH monthly AS (
  SELECT {month} AS month, o.customer_id, sum(o.quantity * o.price) AS revenue
  FROM {raw}orders AS o
  WHERE o.store_id = {number}
  GROUP BY {month}, o.customer_id
), ranked AS (
  SELECT m.month, m.customer_id, m.revenue,
         rank() OVER (PARTITION BY m.month ORDER BY m.revenue DESC) AS place
  FROM monthly AS m
)
SELECT month, customer_id, revenue, place
FROM ranked
WHERE place <= {small}
""",
    ),
    Shape(
        {"customer_id": "bigint not null", "name": "text", "tier": "text not null", "orders": "bigint not null"},
        "customer_id",
        """\
SELECT c.customer_id, c.name,
       CASE WHEN s.revenue >= {number} * 100 THEN 'gold'
            WHEN s.revenue >= {number} THEN 'silver'
            WHEN s.orders > {small} AND c.region IS NOT NULL THEN 'bronze'
            ELSE 'none' END AS tier,
       coalesce(s.orders, 0) AS orders
FROM {raw}customers AS c
LEFT JOIN (
  SELECT o.customer_id, count(*) AS orders, sum(o.price * o.quantity) AS revenue
  FROM {raw}orders AS o GROUP BY o.customer_id
) AS s ON s.customer_id = c.customer_id
WHERE c.region IN (SELECT r.region FROM {before} AS r)
""",
    ),
    Shape(
        {"customer_id": "bigint not null", "order_id": "bigint not null", "ordered_at": "timestamptz",
         "amount": "numeric(38,2)", "title": "text"},
        "customer_id",
        """\
SELECT last.customer_id, last.order_id, last.ordered_at, last.amount, last.title
FROM (
  SELECT o.customer_id, o.order_id, o.ordered_at, o.quantity * o.price AS amount, p.title,
         row_number() OVER (PARTITION BY o.customer_id ORDER BY o.ordered_at DESC, o.order_id DESC) AS nth
  FROM {raw}orders AS o
  JOIN {raw}products AS p ON p.product_id = o.product_id
  WHERE o.store_id IN ({number}, {number} + 1, {number} + 2)
    AND o.price BETWEEN {small} AND {small} * 1000
) AS last
WHERE last.nth = 1
""",
    ),
    Shape(
        {"period": "text not null", "product_id": "bigint not null", "sold": "bigint"},
        "period, product_id",
        """\
SELECT 'before' AS period, o.product_id, count(*) AS sold
FROM {raw}orders AS o
WHERE o.ordered_at < {at}'2024-0{small}-01 00:00:00' AND o.store_id <> {number}
GROUP BY o.product_id
UNION ALL
SELECT 'after' AS period, o.product_id, count(*) AS sold
FROM {raw}orders AS o
WHERE o.ordered_at >= {at}'2024-0{small}-01 00:00:00' AND o.store_id <> {number}
GROUP BY o.product_id
HAVING count(*) > {small}
""",
    ),
    Shape(
        {"customer_id": "bigint not null", "email": "text", "name": "text", "label": "text"},
        "customer_id",
        """\
SELECT c.customer_id,
       nullif(lower(trim(c.email)), '') AS email,
       replace(upper(coalesce(c.name, 'unknown')), '-', ' ') AS name,
       CASE WHEN c.region LIKE 'n{small}%' THEN 'north'
            WHEN c.region IN ('s{number}', 'south') THEN 'south'
            ELSE substring(coalesce(c.region, 'none'), 1, {small}) END AS label
FROM {raw}customers AS c
WHERE c.email IS NOT NULL
  AND c.email NOT LIKE '%@example{number}.com'
  AND length(c.email) > {small}
""",
    ),
    Shape(
        {"product_id": "bigint not null", "title": "text", "cost": "numeric(12,2)", "label": "text"},
        "product_id, label",
        """\
WITH sold AS (
  SELECT DISTINCT o.product_id, {label} AS label
  FROM {raw}orders AS o
  WHERE o.quantity > {small} AND o.note IS NULL
)
SELECT p.product_id, p.title, coalesce(p.cost, 0) AS cost, s.label
FROM {raw}products AS p
CROSS JOIN (SELECT DISTINCT label FROM sold) AS s
WHERE NOT EXISTS (SELECT 1 FROM sold AS x WHERE x.product_id = p.product_id AND x.label = s.label)
  AND p.product_id <> {number}
""",
    ),
    Shape(
        {"order_id": "bigint not null", "customer_id": "bigint", "running": "numeric(38,2)", "gap": "bigint",
         "share": "double precision"},
        "order_id",
        """\
SELECT o.order_id, o.customer_id,
       sum(o.quantity * o.price) OVER (
         PARTITION BY o.customer_id ORDER BY o.ordered_at, o.order_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
       ) AS running,
       o.order_id - lag(o.order_id) OVER (PARTITION BY o.customer_id ORDER BY o.order_id) AS gap,
       CAST(o.quantity AS double precision) / {number_1} AS share
FROM {raw}orders AS o
WHERE o.store_id = {number} AND o.ordered_at >= {at}'2023-01-0{small} 12:00:00'
""",
    ),
)  # fmt: skip


def write_project(folder: Path, kind: str, count: int) -> None:
    """Writes a project of `count` pipelines in files of 25, each with its declared target, over shared sources."""
    folder.mkdir(parents=True, exist_ok=True)
    words = WORDS[kind]
    (folder / "sources.yaml").write_text("\n".join(_sources(words)) + "\n", "utf-8")
    for first in range(0, count, PER_FILE):
        numbers = range(first, min(count, first + PER_FILE))
        lines = ["tables:"]
        for number in numbers:
            lines += _mart(number, words)
        lines.append("pipelines:")
        for number in numbers:
            lines += _pipeline(number, words)
        (folder / f"marts_{first:04}.yaml").write_text("\n".join(lines) + "\n", "utf-8")


def _sources(words: Words) -> Iterator[str]:
    yield f"connections:\n  warehouse: {{ {words.connection} }}"
    if words.files:
        yield "  drop: { kind: files, uri: ./incoming }"
        return
    yield "tables:"
    for name, columns in _COLUMNS.items():
        yield from _table(name, words.raw, columns, next(iter(columns)))


def _mart(number: int, words: Words) -> Iterator[str]:
    shape = SHAPES[number % len(SHAPES)]
    return _table(f"mart_{number:04}", words.marts, shape.columns, shape.keys)


def _table(name: str, schema: str, columns: Mapping[str, str], keys: str) -> Iterator[str]:
    yield f"  {name}:\n    connection: warehouse"
    if schema:
        yield f"    schema: {schema.removesuffix('.')}"
    yield f"    description: What `{name}` holds.\n    columns:"
    yield from (f"      {column}: {kind}" for column, kind in columns.items())
    yield f"    primary_key: [{keys}]"


def _pipeline(number: int, words: Words) -> Iterator[str]:
    shape = SHAPES[number % len(SHAPES)]
    sql = shape.sql.format(
        number=number, number_1=number + 1, small=number % 7 + 1, before=_before(number, words), raw=words.raw,
        month=words.month, label=words.label, at=words.at,
    )  # fmt: skip
    yield f"  build_mart_{number:04}:\n    description: Builds view {number}."
    if words.files:
        yield "    from:"
        for name, columns in _COLUMNS.items():
            if f" {name} " in sql:
                listed = ", ".join(f'{column}: "{kind}"' for column, kind in columns.items())
                yield f'      {name}: {{ connection: drop, path: "{number}/{name}*.csv", columns: {{ {listed} }} }}'
    yield "    sql: |"
    yield from (f"      {line}" for line in sql.splitlines())
    yield f'    to: mart_{number:04}\n    mode: merge\n    keys: [{shape.keys}]\n    schedule: "0 * * * *"'


def _before(number: int, words: Words) -> str:
    """The table whose regions a pipeline keeps: a mart of some files before, so that the project has depth."""
    depth = PER_FILE * len(SHAPES)
    back = number - depth - number % len(SHAPES)  # a mart of the first shape, which has regions
    return f"{words.marts}mart_{back:04}" if back >= 0 and not words.files else f"{words.raw}customers"
