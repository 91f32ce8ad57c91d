"""A name in a query is that of a CTE where the engine takes it for one, and a table's elsewhere."""

from __future__ import annotations

import sqlglot

from flowc.compiler.dialects import DIALECTS
from flowc.compiler.sql.types.tablerefs import outer_tables
from tests.stores import Store

TWO = "invoices AS (SELECT 2 AS id)"
LOOP = "SELECT 2 AS id UNION ALL"
QUERIES = (
    f"WITH a AS (SELECT id FROM invoices), {TWO} SELECT id FROM a",
    f"WITH RECURSIVE a AS (SELECT id FROM invoices), {TWO} SELECT id FROM a",
    f"WITH RECURSIVE a AS (SELECT id FROM (SELECT id FROM invoices) AS t), {TWO} SELECT id FROM a",
    f"WITH RECURSIVE a AS (WITH x AS (SELECT id FROM invoices) SELECT id FROM x), {TWO} SELECT id FROM a",
    f"WITH RECURSIVE {TWO}, a AS (SELECT id FROM invoices) SELECT id FROM a",
    "WITH invoices AS (SELECT id FROM invoices) SELECT id FROM invoices",
    "WITH RECURSIVE invoices AS (SELECT id FROM invoices) SELECT id FROM invoices",
    f"WITH invoices AS ({LOOP} SELECT id + 1 FROM invoices WHERE id < 3) SELECT id FROM invoices",
    f"WITH RECURSIVE invoices AS ({LOOP} SELECT id + 1 FROM invoices WHERE id < 3) SELECT id FROM invoices",
    f"WITH RECURSIVE invoices AS (({LOOP} SELECT id + 1 FROM invoices WHERE id < 3)) SELECT id FROM invoices",
    "WITH RECURSIVE invoices AS (SELECT id FROM invoices UNION ALL SELECT 5 AS id) SELECT id FROM invoices",
    "WITH RECURSIVE invoices AS (WITH x AS (SELECT id FROM invoices) SELECT id FROM x UNION ALL "
    "SELECT id + 1 FROM invoices WHERE id < 3) SELECT id FROM invoices",
    f"WITH RECURSIVE invoices AS ({LOOP} (WITH y AS (SELECT id FROM invoices) SELECT id + 1 FROM y WHERE id < 3)) "
    "SELECT id FROM invoices",
)


def test_a_query_reads_the_tables_that_the_engine_reads(store: Store) -> None:
    store.run("CREATE TABLE invoices (id INTEGER)")
    good = [query for query in QUERIES if _works(store, query)]
    store.run("DROP TABLE invoices")
    reads = {query: not _works(store, query) for query in good}
    dialect = DIALECTS[store.kind]
    trees = {query: sqlglot.parse_one(query, read=dialect.sqlglot) for query in good}
    assert {
        query: any(t.name == "invoices" for t in outer_tables(trees[query], dialect.name)) for query in good
    } == reads
    assert len(good) > len(QUERIES) / 2


def _works(store: Store, query: str) -> bool:
    try:
        store.raw(query)
    except Exception:
        return False
    return True
