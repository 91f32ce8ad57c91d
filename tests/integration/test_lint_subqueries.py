"""Subqueries that flowc's own engine cannot run: refused by lint at their place, with what to write, which runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Folder, Inside

SPECS = """connections:
  drop: {{ kind: files, uri: . }}
  db: {{ kind: duckdb, path: a.duckdb }}
pipelines:
  p:
    from:
      t: {{ connection: drop, path: t.csv, columns: {{ id: bigint, a: bigint }} }}
      u: {{ connection: drop, path: u.csv, columns: {{ id: bigint, a: bigint }} }}
    sql: {sql}
    to: {{ connection: db, table: out }}
    mode: append
"""
_RUN = "error[query-refused]: the engine cannot run this "
_SAY = "error[untranslatable-sql]: a subquery that reads a column of the query around it"
# The query with a mark before what is refused, the message, some of the mend.
REFUSED = [
    ("SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u) AND CASE WHEN a = 1 THEN true END"
     " UNION ALL SELECT CASE WHEN @EXISTS (SELECT 1 FROM u) THEN 1 END FROM t", f"{_RUN}EXISTS", "LEFT JOIN"),
    ("SELECT id, @EXISTS (SELECT 1 FROM u) AS e FROM t", f"{_RUN}EXISTS", "(SELECT count(*) FROM"),
    ("SELECT id, NOT @EXISTS (SELECT 1 FROM u WHERE u.id > t.id) AS e FROM t", f"{_RUN}EXISTS", "LEFT JOIN"),
    ("SELECT id, id @IN (SELECT id FROM u WHERE u.a = t.a) AS e FROM t", f"{_RUN}IN", "LEFT JOIN"),
    ("SELECT id FROM t WHERE id NOT IN @(SELECT id FROM u WHERE u.a <> t.a)", f"{_RUN}subquery as a value", "join"),
    ("SELECT id, (SELECT @max(a) FROM u WHERE u.id > t.id) AS e FROM t", f"{_SAY} and computes a value", "GROUP BY"),
    ("SELECT id, (SELECT @a FROM u WHERE u.id = t.id) AS e FROM t", f"{_SAY} and may have several rows", "aggregate"),
    ("SELECT id FROM t ORDER BY @(SELECT max(a) FROM u WHERE u.id = t.id)", f"{_RUN}subquery as a value", "join"),
    ("SELECT id FROM t WHERE a = (SELECT max(a) FROM u WHERE @u.id IN (SELECT v.id FROM u v WHERE v.a = t.a))",
     f"{_SAY} that is not the next one", "LEFT JOIN"),
    ("SELECT id FROM t WHERE a IS DISTINCT FROM (SELECT @a FROM u WHERE u.id = t.id)",
     f"{_SAY} and may have several rows", "aggregate"),
]  # fmt: skip
TAKEN = [
    "SELECT id, (SELECT count(*) FROM u WHERE u.id = t.id) > 0 AS e FROM t",
    "SELECT t.id, found.id IS NOT NULL AS e FROM t LEFT JOIN (SELECT DISTINCT id FROM u) AS found ON found.id = t.id",
    "SELECT id, id IN (1, 3) AS e FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id) OR a = 2",
    "SELECT id, EXISTS (SELECT 1 FROM u WHERE u.id = t.id) AS e FROM t",
    "SELECT s.id, EXISTS (SELECT 1 FROM u WHERE u.id = s.id) AS e FROM (SELECT id FROM t) AS s",
    "SELECT id, id IN (SELECT id FROM u) AS e FROM t",
    "SELECT id, CASE WHEN id NOT IN (SELECT id FROM u) THEN false ELSE true END AS e FROM t",
]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "t.csv").write_text("id,a\n1,1\n2,2\n")
    (tmp_path / "u.csv").write_text("id,a\n1,1\n1,3\n")
    return Inside(tmp_path)


@pytest.mark.parametrize(("marked", "message", "mend"), REFUSED)
def test_what_cannot_run_is_refused_at_its_place(folder, marked, message, mend):
    folder.write("specs/a.yaml", SPECS.format(sql=marked.replace("@", "")))
    done = folder.flowc("lint")
    assert done.code == 1, "it would fail when it runs"
    assert message in done.out
    assert f"--> specs/a.yaml:9:{10 + marked.index('@')}\n" in done.out, done.out
    assert mend in done.out.partition("help: ")[2]
    assert folder.flowc("run", "--once").code == 1


def test_a_lateral_in_the_words_of_the_engine_is_refused_at_its_place(folder):
    sql = "SELECT t.id, x.m FROM t, LATERAL (SELECT t.a + 1 AS m) x"
    folder.write("specs/a.yaml", SPECS.format(sql=sql) + "    dialect: datafusion\n")
    out = folder.flowc("lint").out
    assert "error[query-refused]: the engine cannot run this LATERAL" in out
    assert "--> specs/a.yaml:9:35\n" in out
    assert "row_number()" in out
    assert folder.flowc("run", "--once").code == 1


def test_of_many_queries_each_is_judged_at_its_place(folder):
    head, pipeline = SPECS.split("  p:\n")
    wrong, right = "SELECT id, EXISTS (SELECT 1 FROM u) AS e FROM t", "SELECT id FROM t"
    numbers = range(120)
    parts = [f"  p{i}:\n{pipeline.format(sql=wrong if i in (3, 59, 60, 119) else right)}" for i in numbers]
    folder.write("specs/a.yaml", head.format() + "".join(parts))
    out = folder.flowc("lint", "--format", "concise").out
    lines = [5 + 7 * i + 4 for i in (3, 59, 60, 119)]
    assert [int(line.split(":")[1]) for line in out.splitlines() if "query-refused" in line] == lines, out


@pytest.mark.parametrize("sql", TAKEN)
def test_what_it_is_mended_by_runs(folder, sql):
    folder.write("specs/a.yaml", SPECS.format(sql=sql))
    assert folder.flowc("lint").code == 0, folder.flowc("lint").out
    rows = folder.flowc("preview", "p", "--json").json["rows"]
    assert [(row["row"]["id"], row["row"]["e"]) for row in sorted(rows, key=lambda r: r["row"]["id"])] == [
        (1, True), (2, False),
    ]  # fmt: skip
