"""A connection that gets another name is the same database: its loads go on, and attempts load nothing twice."""

from __future__ import annotations

from pathlib import Path

from tests.commands import Inside
from tests.integration.test_projects import done
from tests.lakes import Lake
from tests.stores import HALF, OTHER_HALF, Store

SPECS = """
connections:
  source: {{ kind: files, uri: . }}
  wh: {connection}
pipelines:
  fill:
    from: {{ connection: source, path: rows.csv, format: csv, columns: {{ id: bigint, name: text }} }}
    to: {{ connection: wh, table: {schema}t }}
    mode: append
    incremental: {{ column: id }}
  whole:
    from: {{ connection: source, path: rows.csv, format: csv, columns: {{ id: bigint, name: text }} }}
    to: {{ connection: wh, table: {schema}whole }}
    mode: append
"""
ATTEMPT = ("run", "--once", "--run-id", "one")


ROWS = [(1, "a"), (2, "b"), (3, "c")]


def goes_on(folder: Path, connection: str, schema: str = "") -> None:
    """An attempt loads nothing again, and a run reads on: a version of a row that it has passed does not come again."""
    project, specs = Inside(folder), SPECS.format(connection=connection, schema=schema)
    project.write("specs/a.yaml", specs)
    project.write("rows.csv", "id,name\n1,a\n2,b\n")
    done(project, *ATTEMPT)
    project.write("specs/a.yaml", specs.replace("wh:", "house:").replace(": wh,", ": house,"))
    assert done(project, *ATTEMPT).count("passed by: an earlier attempt") == 2
    project.write("rows.csv", "id,name\n1,changed\n2,b\n3,c\n")
    done(project, "run", "--once", "fill")
    assert '"watermark": "3"' in done(project, "status", "fill", "--json")


def check(store: Store, schema: str) -> None:
    goes_on(store.folder, store.connection, schema)
    assert store.rows(f"SELECT id, name FROM {schema}t") == ROWS
    assert store.rows(f"SELECT count(*) FROM {schema}whole") == [(2,)]


@HALF
def test_a_load_goes_on_where_the_connection_of_its_target_has_another_name(store: Store):
    check(store, "")


@OTHER_HALF
def test_the_same_of_a_table_that_is_named_with_its_schema(store: Store):
    check(store, "" if store.kind == "mysql" else "main.")


def test_the_same_of_a_lake(tmp_path: Path):
    goes_on(tmp_path, "{ kind: delta, uri: lake }")
    lake = Lake(tmp_path)
    assert sorted(lake.raw("SELECT id, name FROM t")) == ROWS
    assert lake.raw("SELECT count(*) FROM whole") == [(2,)]
