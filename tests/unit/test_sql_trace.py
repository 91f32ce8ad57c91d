"""The hidden column of a stream's SQL: where it can be carried, and that it tells the truth there."""

from __future__ import annotations

import pyarrow as pa
import pytest
import sqlglot

from flowc.compiler.sql.streams.trace import traced
from flowc.compiler.systems.datafusion.sqlglot import DataFusion
from flowc.nodes import ROW
from flowc.runtime.engine.context import new_context

LOOKUP = pa.record_batch({"id": [1, 2, 2], "country": ["de", "fr", "be"]})
SOURCE = pa.record_batch(
    {"id": [1, 2, None, 7], "tags": [["a", "b"], [], None, ["c"]], "row": [0, 1, 2, 3], ROW: [0, 1, 2, 3]}
)

CARRIED = [
    "SELECT row FROM source",
    "SELECT * FROM source",
    "SELECT s.*, u.country FROM source AS s LEFT JOIN users AS u ON s.id = u.id",
    "SELECT u.*, s.row FROM users u JOIN source s ON s.id = u.id WHERE s.id > 1",
    "SELECT s.row, u.country FROM users u RIGHT JOIN source s ON s.id = u.id",
    "SELECT row, u.country FROM source CROSS JOIN users u",
    "SELECT row FROM source WHERE id IN (SELECT id FROM users)",
    "SELECT row FROM source s LEFT SEMI JOIN users u ON s.id = u.id",
    "SELECT row, unnest(tags) AS tag FROM source",
    "WITH a AS (SELECT row, id FROM source), b AS (SELECT * FROM a WHERE id > 1) SELECT b.row FROM b",
    "SELECT t.* FROM (SELECT row, id + 1 AS n FROM source WHERE id IS NOT NULL) AS t",
    "SELECT row FROM source WHERE id > 1 UNION ALL SELECT row FROM source",
    "WITH source2 AS (SELECT id FROM users) SELECT s.row FROM source s JOIN source2 x ON x.id = s.id",
]
REFUSED = [
    "SELECT count(*) AS n FROM source",
    "SELECT DISTINCT id FROM source",
    "SELECT id FROM source ORDER BY id LIMIT 2",
    "SELECT id, count(*) AS n FROM source GROUP BY id",
    "SELECT id, row_number() OVER (ORDER BY id) AS n FROM source",
    "SELECT id FROM source WHERE id > (SELECT avg(id) FROM source)",
    "SELECT a.id FROM source a JOIN source b ON a.id = b.id",
    "SELECT s.id FROM source s FULL JOIN users u ON s.id = u.id",
    "SELECT u.id FROM users u LEFT JOIN source s ON s.id = u.id",
    "SELECT id FROM source UNION SELECT id FROM source",
    "SELECT id FROM source EXCEPT SELECT id FROM users",
    "WITH a AS (SELECT sum(id) AS id FROM source) SELECT id FROM a",
    "SELECT own(id) AS n FROM source",
    "SELECT id FROM users",
]


@pytest.mark.parametrize("sql", CARRIED)
def test_each_row_tells_the_row_that_it_came_of(sql: str) -> None:
    tree = traced(sqlglot.parse_one(sql, dialect=DataFusion), frozenset(("source",)), frozenset(("own",)))
    assert tree is not None
    context = new_context(target_partitions="1")
    context.register_batch("users", LOOKUP)
    context.register_batch("source", SOURCE)
    made = context.sql(tree.sql(DataFusion)).to_arrow_table()
    plain = context.sql(sql).to_arrow_table()
    assert made.column_names[-1] == ROW
    assert made.column("row").to_pylist() == made.column(ROW).to_pylist()
    kept = [name for name in plain.column_names if name != ROW]
    assert made.column_names[:-1] == kept
    assert sorted(map(str, made.select(kept).to_pylist())) == sorted(map(str, plain.select(kept).to_pylist()))


def test_a_long_row_of_unions_is_traced() -> None:
    tree = sqlglot.parse_one(" UNION ALL ".join(["SELECT row FROM source"] * 1_000), dialect=DataFusion)
    carried = traced(tree, frozenset(("source",)), frozenset())
    assert carried is not None
    assert carried.sql(DataFusion).count(ROW) == 1_000


@pytest.mark.parametrize("sql", REFUSED)
def test_what_looks_at_many_rows_is_not_traced(sql: str) -> None:
    assert traced(sqlglot.parse_one(sql, dialect=DataFusion), frozenset(("source",)), frozenset(("own",))) is None
