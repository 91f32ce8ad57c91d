"""The table of rows in quarantine is none that holds something else."""

from __future__ import annotations

import pytest

from tests.integration.test_quarantine import COPIES
from tests.stores import HALF

TAKEN = {
    ("table: src", "main.T"): "among the rows that it writes",
    ("table: src", "src"): "among the rows that it reads",
    ("sql: SELECT s.id FROM src AS s JOIN other AS o ON o.id = s.id", "other"): "among the rows that it reads",
    ("from: { connection: w, table: src }", "src"): "among the rows that it reads",
    ("from: { connection: f, path: a.csv }", "t"): "among the rows that it writes",
    ("table: src", "flowc.watermarks"): "which flowc keeps its own state in",
}


@pytest.mark.parametrize(("place", "words"), TAKEN.items())
def test_lint_refuses_a_table_that_holds_something_else(project, place, words):
    read, name = place
    spec = COPIES.replace(
        "table: src", f"{read.replace('{', '{{').replace('}', '}}')}\n    quarantine: {{{{ table: {name} }}}}"
    )
    spec = spec.replace("w: {connection}", "w: {connection}, f: {{ kind: files, uri: in }}")
    project.write("specs/p.yaml", spec.format(connection="{ kind: duckdb, path: w.duckdb }"))
    found = project.flowc("lint")
    assert found.code == 1
    assert f"the bad rows of `p` would go into `{name}`, {words}" in " ".join((found.out + found.err).split())


ELSEWHERE = """
  q: {{ table: src, to: {{ connection: w, table: written }}, mode: append }}
tables:
  told: {{ connection: w, columns: {{ id: bigint }} }}
  meant: {{ connection: w, columns: {{ pipeline: text, file: text, line: bigint, error_code: text, error: text,
    row_text: text, seen: boolean }} }}
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [("written", "which `q` writes"), ("told", "which is declared with other columns"), ("meant", None)],
)
def test_lint_refuses_a_table_that_others_write_or_declare(project, name, words):
    spec = COPIES.replace("table: src", f"table: src\n    quarantine: {{{{ table: {name} }}}}") + ELSEWHERE
    project.write("specs/p.yaml", spec.format(connection="{ kind: duckdb, path: w.duckdb }"))
    found = project.flowc("lint")
    assert found.code == (words is not None), found.out + found.err
    assert words is None or f"would go into `{name}`, {words}" in " ".join((found.out + found.err).split())


@HALF
def test_import_leaves_it_out(project, store):
    spec = COPIES.replace("table: src", "table: src\n    quarantine: {{ table: src_bad }}")
    project.write("specs/p.yaml", spec.format(connection=store.connection))
    store.run("CREATE TABLE src (id BIGINT)", "INSERT INTO src VALUES (1), (2)")
    assert project.flowc("run", "--once").code == 0
    found = project.flowc("import", "w")
    assert "src:" in found.out
    assert "src_bad:\n" not in found.out
    assert "src_bad: it holds bad rows of pipelines, and is left out" in found.err
    assert "src_bad:\n" in project.flowc("import", "w", "src_bad").out


@pytest.mark.parametrize("name", ["flowc.bad_rows", "src_bad"])
def test_a_table_of_their_own_is_none_of_those(project, name):
    spec = COPIES.replace("table: src", f"table: src\n    quarantine: {{{{ table: {name} }}}}")
    project.write("specs/p.yaml", spec.format(connection="{ kind: duckdb, path: w.duckdb }"))
    assert project.flowc("lint").code == 0
