"""What an engine says of a query while it runs is shown at the place in the spec, with the engine's own hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Folder, Inside

HEAD = """connections:
  postgres: {{ kind: postgres, url: "{postgres}" }}
  mysql: {{ kind: mysql, url: "{mysql}" }}
  sqlite: {{ kind: sqlite, path: a.db }}
  duckdb: {{ kind: duckdb, path: a.duckdb }}
  files: {{ kind: files, uri: . }}
pipelines:
  p:
    from: {source}
"""
CONNECTIONS = (
    HEAD
    + """\
    sql: |
      {sql}
    to: {{ connection: duckdb, table: x }}
"""
)
# The query, where it is marked (line from the first of the SQL, column), and some of the hint.
CASES = [
    ("postgres", "SELECT relname, relnam AS x\n      FROM pg_class", (0, 23), "Perhaps you meant to reference"),
    ("postgres", "SELECT 'lower(' AS a, lower(point '1,2') AS x", (0, 29), "No function matches"),
    ("postgres", "SELECT 'é relnam' AS \"é\",\n      relnam FROM pg_class", (1, 7), "Perhaps"),
    ("mysql", "SELECT table_name, nocol AS x\n      FROM information_schema.tables", (0, 26), ""),
    ("sqlite", "SELECT name, nocol AS x\n      FROM sqlite_master", (0, 20), ""),
    ("duckdb", "SELECT 'nothere' AS a\n      FROM nothere", (1, 12), ""),
]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    return Inside(tmp_path)


@pytest.mark.parametrize(("source", "sql", "place", "hint"), CASES)
@pytest.mark.parametrize("command", [("run", "--once"), ("validate",), ("preview", "p")], ids=lambda words: words[0])
def test_a_refused_query_is_shown_at_its_place(folder, postgres, mysql, command, source, sql, place, hint):
    folder.write("specs/a.yaml", CONNECTIONS.format(postgres=postgres, mysql=mysql, source=source, sql=sql))
    done = folder.flowc(*command)
    shown = done.out + done.err
    assert done.code == 1, shown
    assert "error[query-refused]: " in shown
    assert f"--> specs/a.yaml:{11 + place[0]}:{place[1]}\n" in shown
    assert hint in shown
    assert "LINE 1" not in shown


@pytest.mark.parametrize("command", [("run", "--once"), ("validate",), ("preview", "p")], ids=lambda words: words[0])
def test_a_column_that_files_turn_out_to_lack_is_shown_at_its_place(folder, postgres, mysql, command):
    sql = "SELECT a, b AS x,\n      colour FROM source"
    folder.write("a.csv", "a,b,color\n1,2,red\n")
    source = "{ connection: files, path: a.csv }"
    folder.write("specs/a.yaml", CONNECTIONS.format(postgres=postgres, mysql=mysql, source=source, sql=sql))
    done = folder.flowc(*command)
    assert done.code == 1, done.out + done.err
    assert "error[unknown-column]: column `colour` does not exist in source `source`" in done.out + done.err
    assert "--> specs/a.yaml:12:7\n" in done.out + done.err
    assert "did you mean `color`?" in done.out + done.err


def test_what_hides_the_words_of_the_server_is_left_out(folder, postgres, mysql):
    sql = "SELECT 1 / (oid::int - oid::int) AS a FROM pg_class"
    folder.write("specs/a.yaml", CONNECTIONS.format(postgres=postgres, mysql=mysql, source="postgres", sql=sql))
    assert "p, duckdb.x: division by zero\n" in folder.flowc("run", "--once").err


PARTS = (
    HEAD
    + """\
    sql: SELECT {columns} FROM {table}
    to: {{ connection: {target}, table: refused_parts }}
    mode: truncate
"""
)
KINDS = ("postgres", "mysql", "sqlite", "duckdb")
SOURCES = ("postgres", "information_schema.tables"), ("mysql", "information_schema.tables"), ("sqlite", "sqlite_master")


@pytest.mark.parametrize(("kind", "table"), [*SOURCES, ("duckdb", "information_schema.tables")], ids=KINDS)
@pytest.mark.parametrize("command", [("run", "--once"), ("preview", "p")], ids=lambda words: words[0])
def test_a_refused_query_of_a_source_is_shown_in_that_source(folder, postgres, mysql, command, kind, table):
    source = f'{{ s: {{ connection: {kind}, sql: "SELECT 1 AS code, codex FROM {table}" }} }}'
    spec = PARTS.format(postgres=postgres, mysql=mysql, source=source, columns="code", table="s", target="duckdb")
    folder.write("specs/a.yaml", spec)
    done = folder.flowc(*command)
    shown = done.out + done.err
    assert done.code == 1, shown
    assert "error[query-refused]: " in shown
    assert f"--> specs/a.yaml:9:{spec.splitlines()[8].index('codex') + 1}\n" in shown


FILLED = """    before:
      - CREATE TEMPORARY TABLE refused_keys (k INTEGER PRIMARY KEY)
      - INSERT INTO refused_keys VALUES (1)
"""
HOOKS = [
    ('expect: [{ name: ok, sql: "codd > 1" }]', "codd", "unknown-column"),
    ('before: ["UPDATE refused_parts SET nocol = 1"]', "nocol", "query-refused"),
    ('after: ["DELETE FROM refused_parts", "UPDATE refused_parts SET nocol = 1"]', "nocol", "query-refused"),
    ('after: ["INSERT INTO refused_keys VALUES (1)"]', "INSERT", "constraint-violated"),
]


@pytest.mark.covering
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("part", "marked", "code"), HOOKS, ids=lambda words: words.partition(":")[0])
def test_what_an_engine_refuses_around_a_load_is_shown_at_its_place(folder, postgres, mysql, kind, part, marked, code):
    source = "{ connection: files, path: a.csv }"
    head = PARTS.format(postgres=postgres, mysql=mysql, source=source, columns="*", table="source", target=kind)
    made = head + (FILLED if code == "constraint-violated" else "")
    folder.write("specs/a.yaml", head)
    assert folder.flowc("run", "--once").code == 0
    folder.write("specs/a.yaml", f"{made}    {part}\n")
    done = folder.flowc("run", "--once")
    assert done.code == 1, done.err
    assert f"error[{code}]: " in done.err
    lines = f"{made}    {part}\n".splitlines()
    assert f"--> specs/a.yaml:{len(lines)}:{lines[-1].index(marked) + 1}\n" in done.err
    assert "LINE" not in done.err
