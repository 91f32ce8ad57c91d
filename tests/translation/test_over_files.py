"""What PostgreSQL's SQL says and flowc's own engine would not: the same there, or refused before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from flowc.catalog import TableName
from flowc.compiler.sql.relations import Relation
from flowc.compiler.sql.types.inferfrom import Find
from flowc.types import BIGINT, DataType, Kind
from tests.translation.corpus import Case
from tests.translation.engines import Failed, Run, open_datafusion, open_postgres
from tests.translation.outcomes import RELATIONS, translated

SAME = """
floor(-0.5)
ceil(CAST('0.5' AS numeric(2,2)))
floor(-99.5::numeric(3,1))
ceil(99999999.5) * 2
floor(sum(amount)) FROM orders
ceil(amount)::text FROM orders
floor(-amount) FROM orders
ceil(x) FROM metrics
floor(amount / 3) FROM orders
extract(hr FROM placed_at) FROM orders
extract(m FROM placed_at) FROM orders
date_part('mon', placed_at) FROM orders
extract(sec FROM placed_at) FROM orders
to_char(placed_at, 'YYYY') || '%' FROM orders
to_char(placed_at, 'YYYYMM') FROM orders WHERE status LIKE '%a%'
count(*) FROM orders WHERE id IN (SELECT row_number() OVER () FROM customers)
id FROM (SELECT id, row_number() OVER (ORDER BY id) AS r FROM orders) AS t WHERE r = 1
abs(-5.0)
greatest(id, amount, rating) FROM orders
id FROM orders WHERE coalesce(shipped_on, placed_at) > '2024-01-20'
id FROM orders WHERE shipped_on < placed_at AND placed_at >= '2024-01-02' AND id = '2'
nullif(status, 'open') FROM orders
CASE status WHEN 'paid' THEN amount ELSE 0 END FROM orders
coalesce(id::text, note) FROM orders
id FROM orders WHERE id IN (1, 2.0, '3')
count(*) FROM (SELECT id FROM orders UNION ALL SELECT amount FROM orders UNION ALL SELECT NULL) AS t
count(*) FROM (SELECT status FROM orders UNION ALL SELECT 'none') AS t
""".strip().splitlines()

FOUND = """
sum(id) / 2 FROM orders
sum(id) / count(*) FROM orders
sum(quantity) / sum(id) FROM orders
100 * sum(id) / 7 FROM orders
100.0 * sum(id) / 7 FROM orders
sum(id) / 2.0 FROM orders
(sum(id) + 1) / 2 FROM orders
sum(id) OVER () / 4 FROM orders
sum(id) FILTER (WHERE id > 1) / nullif(count(*), 0) FROM orders
sum(x) / 2 FROM metrics
sum(x) / count(*) FROM metrics
avg(id) = 3.5 FROM orders
avg(id) / 2 FROM orders
avg(id) * 0.1 FROM orders
avg(id)::int FROM orders
round(avg(id), 2) FROM orders
round(avg(id), 2)::text FROM orders
avg(x) FROM metrics
avg(x) * 0.1 FROM metrics
sum(id) = 21 FROM orders
id / 2 FROM orders
id / 2.0 FROM orders
id * 0.1 FROM orders
id * 0.1 = 0.3 FROM orders
id + 1 FROM orders
id * 2147483647 FROM orders
id * 3000000000 FROM orders
quantity % 2 FROM orders
id ^ 2 FROM orders
power(id, 2) FROM orders
sqrt(id) FROM orders
stddev(id) FROM orders
abs(quantity) FROM orders
-id FROM orders
round(id) FROM orders
round(id / 2) FROM orders
floor(id) / 2 FROM orders
id::text FROM orders
CASE WHEN id > 2 THEN 1 ELSE id END / 2 FROM orders
coalesce(quantity, 0) / 2 FROM orders
greatest(id, 2.5) / 2 FROM orders
least(id, 2) / 2 FROM orders
id / quantity FROM orders WHERE quantity <> 0
id = 1.0 FROM orders
id IN (1, 2.0) FROM orders
id BETWEEN 0.5 AND 1.5 FROM orders
max(id) / 4 FROM orders
count(*) / 4 FROM orders
SELECT s / 2 FROM (SELECT sum(id) AS s FROM orders) t
SELECT a / 2 FROM (SELECT avg(id) AS a FROM orders) t
SELECT m / 2 FROM (SELECT max(id) AS m FROM orders) t
id << 2 FROM orders
id & 3 FROM orders
to_jsonb(id) FROM orders
id::numeric / 3 FROM orders
id::float8 / 3 FROM orders
CASE WHEN x > 0 THEN x ELSE 0.5 END FROM metrics
coalesce(x, 0.1) FROM metrics
x = 0.5 FROM metrics
x * 0.1 FROM metrics
x IN (0.5, 2.5) FROM metrics
nullif(x, 0.5) FROM metrics
greatest(x, 0.1) FROM metrics
id * id * id FROM orders
row_number() OVER (ORDER BY id) / 2 FROM orders
sum(id) OVER (ORDER BY id) / 2 FROM orders
sum(id + 1) / 4 FROM orders
sum(id * 2) / 4 FROM orders
sum(CASE WHEN id > 1 THEN id ELSE 0 END) / 4 FROM orders
sum(CASE WHEN id > 1 THEN 1 ELSE 0 END) / 4 FROM orders
sum(1) / 4 FROM orders
sum(length(status)) / 4 FROM orders
sum(quantity)::int / 4 FROM orders
round(sum(id) / count(*), 2) FROM orders
variance(id) * 2 FROM orders
id % 0.7 FROM orders
mod(id, 2) FROM orders
div(id, 2) FROM orders
sum(id) / count(*) * 100 FROM orders
sum(id) * 100 / count(*) FROM orders
100 * (sum(id) / count(*)) FROM orders
sum(id) / count(*) + 1 FROM orders
sum(id) / count(*) - sum(quantity) / count(*) FROM orders
coalesce(sum(id), 0) / count(*) FROM orders
coalesce(sum(id), 0) / nullif(count(*), 0) * 100 FROM orders
CASE WHEN count(*) > 0 THEN sum(id) / count(*) * 1.5 END FROM orders
sum(id) / count(*) > 3.4 FROM orders
extract(month FROM placed_at) / 5 FROM orders
(extract(month FROM placed_at) - 1) / 3 * 10 FROM orders
(sum(id) / count(*)) ^ 2 FROM orders
sum(id) / 4 % 3 FROM orders
-(sum(id) / 4) FROM orders
abs(sum(id) / 4) FROM orders
SELECT q.a / q.b * 100 FROM (SELECT sum(id) AS a, count(*) AS b FROM orders) q
max(id)/avg(id) FROM orders
100/avg(id) FROM orders
count(*)/avg(id) FROM orders
avg(quantity) / avg(id) FROM orders
(max(id)-avg(id))/avg(id) FROM orders
avg(quantity) * avg(id) FROM orders
(sum(quantity)/count(*)) * (sum(id)/count(*)) FROM orders
sum(quantity)/sum(id)*avg(id) FROM orders
sum(quantity) / sum(id)::numeric FROM orders
sum(quantity)::numeric / sum(id) FROM orders
quantity::numeric / sum(quantity) OVER () FROM orders
sum(id) OVER (ORDER BY id)::numeric / sum(id) OVER () FROM orders
sum(quantity) / avg(id) FROM orders
avg(CASE WHEN status='paid' THEN quantity ELSE 0.0 END) FROM orders
sum(CASE WHEN status='paid' THEN amount ELSE 0 END)/count(*) FROM orders
exp(-0.1 * quantity) FROM orders
100 * quantity / sum(quantity) OVER () FROM orders
count(*)/sum(id) FROM orders
1/sum(id) FROM orders
(id+1)/sum(id) OVER () FROM orders
SELECT id / a.s FROM orders, (SELECT sum(id) AS s FROM orders) a
SELECT id / a.m FROM orders, (SELECT sum(id)/count(*) AS m FROM orders) a
id / (SELECT sum(id) FROM orders) FROM orders
round(power(1.05, id), 4) FROM orders
round(100.0 * sum(id) / count(*), 1) FROM orders
round(avg(id), 2) FROM orders
round(sum(id) / count(*), 2) FROM orders
round(sum(quantity) * 100.0 / sum(id), 2) FROM orders
round(100 * quantity / sum(quantity) OVER (), 2) FROM orders
SELECT count(*) FROM (SELECT status FROM orders GROUP BY status HAVING count(*) > 1) q
sum(x) / count(*) * 100 FROM metrics
""".strip().splitlines()
"""Over columns that are found in files: a whole number is a `bigint`, and one with a point a `double`."""

REFUSED = {
    "to_char(placed_at, 'YYYY%m') FROM orders": "`%` in a format of to_char",
    "trim(to_char(placed_at, 'YYYY%')) FROM orders": "`%` in a format of to_char",
    "to_date(status, '%Y') FROM orders": "`%` in a format of to_date",
    "id FROM orders WHERE row_number() OVER (ORDER BY id) = 1": "a window function in WHERE",
    "count(*) FROM orders HAVING row_number() OVER () = 1": "a window function in HAVING",
    "1 FROM orders AS o JOIN customers AS c ON row_number() OVER () = c.id": "a window function in ON",
    "extract(nope FROM shipped_on) FROM orders": "the part nope of a date",
    "date_part('nope', placed_at) FROM orders": "the part nope of a date",
    "greatest(shipped_on, id) FROM orders": "GREATEST of date and bigint",
    "coalesce(id, note) FROM orders": "COALESCE of bigint and",
    "id FROM orders UNION ALL SELECT note FROM orders": "UNION of bigint and",
    "CASE WHEN id > 1 THEN id ELSE note END FROM orders": "CASE of bigint and",
    "CASE id WHEN note THEN 1 END FROM orders": "a comparison of bigint and",
    "nullif(id, note) FROM orders": "a comparison of bigint and",
    "id FROM orders WHERE note = id": "a comparison of ",
    "id FROM orders WHERE note < amount": "a comparison of ",
    "id FROM orders WHERE note = 5": "a comparison of ",
    "id FROM orders WHERE note IN ('a', 5)": "a comparison of ",
    "id FROM orders WHERE id BETWEEN 1 AND note": "a comparison of ",
    "id FROM orders WHERE shipped_on > 20240101": "a comparison of date and",
    "id FROM orders WHERE (id > 1) = 1": "a comparison of boolean and",
    "@ -5.0": "`@`",
    "@ x FROM metrics": "`@`",
    "x * @x FROM metrics": "`@`",
}


@pytest.fixture(scope="module")
def runs(postgres_module: str) -> Iterator[dict[str, Run]]:
    with open_postgres(postgres_module) as postgres, open_datafusion() as own:
        yield {"postgres": postgres, "datafusion": own}


def _translated(line: str, find: Find = RELATIONS.get) -> tuple[str | None, str]:
    return translated(Case("files", "postgres", line, _query(line), ()), "datafusion", find)


def _query(line: str) -> str:
    return line if line.startswith("SELECT") else f"SELECT {line}"


@pytest.mark.parametrize("line", SAME)
def test_it_is_the_same_there(line: str, runs: dict[str, Run]):
    text, why = _translated(line)
    assert text is not None, why
    assert sorted(map(repr, _plain(runs["datafusion"](text)))) == sorted(
        map(repr, _plain(runs["postgres"](f"SELECT {line}")))
    )


_IN_FILES = {Kind.INT16: BIGINT, Kind.INT32: BIGINT, Kind.DECIMAL: DataType(Kind.FLOAT64)}


def _found(name: TableName) -> Relation | None:
    """A table as a file of its rows would be read."""
    relation = RELATIONS.get(name)
    if relation is None or relation.fields is None:
        return relation
    fields = (replace(field, type=_IN_FILES.get(field.type.kind, field.type)) for field in relation.fields)
    return replace(relation, fields=tuple(fields))


@pytest.mark.parametrize("line", FOUND)
def test_it_is_the_same_over_columns_that_are_found_in_files(line: str, runs: dict[str, Run]):
    text, why = _translated(line, _found)
    assert text is not None, why
    assert sorted(map(repr, _plain(runs["datafusion"](text)))) == sorted(
        map(repr, _plain(runs["postgres"](_query(line))))
    )


def _plain(rows: list[tuple[object, ...]]) -> list[object]:
    return [value if isinstance(value, str | bool | None) else round(float(str(value)), 9) for (value,) in rows]


@pytest.mark.parametrize("line", REFUSED)
def test_it_is_refused_where_postgresql_refuses_it_or_no_tree_keeps_it(line: str, runs: dict[str, Run]):
    if "`" not in REFUSED[line]:
        with pytest.raises(Failed):
            runs["postgres"](f"SELECT {line}")
    text, why = _translated(line)
    assert text is None
    assert REFUSED[line] in why


@pytest.mark.parametrize("nothing", ["NULL", "NULL::float8"])
def test_distinct_floats_are_counted(nothing: str, runs: dict[str, Run]):
    values = f"(VALUES (0.0::float8), (-0.5::float8), ('NaN'::float8), (0.0::float8), ({nothing})) AS t(v)"
    text, why = _translated(f"approx_distinct(v) FROM {values}")
    assert text is not None, why
    assert runs["datafusion"](text) == [(3,)]


def test_a_zero_is_the_negative_zero(runs: dict[str, Run]):
    text, why = _translated("approx_distinct(v * 0) FROM (VALUES (1.0::float8), (-1.0::float8)) AS t(v)")
    assert text is not None, why
    assert runs["datafusion"](text) == [(1,)]
