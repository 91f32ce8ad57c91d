"""Columns of a query that are NULL alone: they have no type of their own, and fit a column of any."""

import pytest

from tests.stores import KINDS, Store, address

SPEC = """
connections: {{ w: {target}, r: {source} }}
pipelines:
{pipelines}
"""
PIPELINE = '  {name}: {{ from: r, sql: "{sql}", to: {{ connection: w, table: t }}, {mode} }}\n'
MODES = {"mode: append": 14, "mode: merge, keys: [id]": 4}
WAYS = {
    "plain": "SELECT id, NULL AS i, NULL AS d, NULL AS f, NULL AS b, NULL AS s FROM raw",
    "with a star": "SELECT *, NULL AS i, NULL AS d, (NULL) AS f, NULL AS b, NULL AS s FROM raw",
    "within": "SELECT id, n.i, d, f AS f, b, s FROM (SELECT id, NULL AS i, NULL AS d, NULL AS f, NULL AS b, NULL AS s"
    " FROM raw) AS n",
    "in a CTE": "WITH n AS (SELECT *, NULL AS i, NULL AS d, NULL AS f, NULL AS b, NULL AS s FROM raw)"
    " SELECT id, i, d, f, b, s FROM n",
    "both branches": "SELECT id, NULL AS i, NULL AS d, NULL AS f, NULL AS b, NULL AS s FROM raw"
    " UNION ALL SELECT id + 10, NULL, NULL, NULL, NULL, NULL FROM raw",
    "computed": "SELECT id, coalesce(NULL, NULL) AS i, CASE WHEN id > 0 THEN NULL END AS d, (SELECT NULL) AS f,"
    " CASE id WHEN 0 THEN NULL ELSE NULL END AS b, NULL AS s FROM raw",
}
PAIRS = [(kind, kind) for kind in KINDS] + [("postgres", "duckdb"), ("duckdb", "postgres"), ("mysql", "sqlite")]


@pytest.mark.covering
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("source_kind", "target_kind"), PAIRS)
def test_nulls_fit_columns_of_any_type(project, source_kind, target_kind, mode, request):
    store = Store(target_kind, project.path, address(request, target_kind))
    source = store if source_kind == target_kind else Store(source_kind, project.path, address(request, source_kind))
    pipelines = "".join(PIPELINE.format(name=f"p{i}", sql=sql, mode=mode) for i, sql in enumerate(WAYS.values()))
    project.write("specs/p.yaml", SPEC.format(target=store.connection, source=source.connection, pipelines=pipelines))
    store.run(
        "CREATE TABLE t (id BIGINT NOT NULL, i INTEGER, d DATE, f DOUBLE PRECISION, b BOOLEAN, "
        f"s {store.type('timestamp')})"
    )
    source.run("CREATE TABLE raw (id BIGINT)", "INSERT INTO raw VALUES (1), (2)")
    done = project.flowc("run", "--once")
    assert done.code == 0, done.out + done.err
    rows = store.rows("SELECT * FROM t")
    assert {row[1:] for row in rows} == {(None,) * 5}
    assert len(rows) == MODES[mode]
