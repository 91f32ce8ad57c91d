"""Tables that were imported from one database are made in another one, with the sequences that number their rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.existing.making import imported
from tests.migrate.projects import specs
from tests.stores import Store, address

_MADE = {
    "postgres": """
CREATE SCHEMA "Odd one";
CREATE SEQUENCE "Odd one"."its numbers";
CREATE TABLE t (id serial PRIMARY KEY, n bigint DEFAULT nextval('"Odd one"."its numbers"'), a text);
CREATE TABLE u (id bigserial, a text)
""",
    "duckdb": """
CREATE SEQUENCE numbers;
CREATE TABLE t (id bigint DEFAULT nextval('numbers') PRIMARY KEY, a text)
""",
}


@pytest.mark.parametrize("kind", list(_MADE))
def test_an_imported_serial_works_in_a_second_environment(request: pytest.FixtureRequest, kind: str, tmp_path: Path):
    first = Store(kind, tmp_path, address(request, kind))
    project = imported(first, _MADE[kind])
    if kind == "postgres":
        first.run("DROP TABLE t, u", 'DROP SEQUENCE "Odd one"."its numbers"', "DROP SCHEMA flowc CASCADE")
    else:
        (first.folder / f"{first.file}.{kind}").unlink()
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    first.run("INSERT INTO t (a) VALUES ('x'), ('y')")
    assert [row[0] for row in first.rows("SELECT id FROM t ORDER BY id")] == [1, 2]
    assert project.flowc("plan", "--detailed-exitcode").code == 0


def test_a_column_with_a_sequence_is_added_and_a_missing_one_is_told_by_the_plan(postgres: str, tmp_path: Path):
    store = Store("postgres", tmp_path, postgres)
    project = Inside(store.folder, {"STORE": store.dsn})
    specs(project, store, {"t": "columns: { id: bigint primary key, a: bigint }"})
    assert project.flowc("apply", "--yes").code == 0
    store.run("INSERT INTO t VALUES (1, 7), (2, 8)")
    numbered = "{ type: bigint, default: \"nextval('gone')\" }"
    specs(project, store, {"t": f"columns: {{ id: bigint primary key, a: {numbered} }}"})
    assert 'the engine refuses it (relation "gone" does not exist)' in " ".join(project.flowc("plan").out.split())
    assert project.flowc("apply", "--yes").code == 2
    specs(project, store, {"t": f"columns: {{ id: bigint primary key, a: bigint, b: {numbered} }}"})
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    assert sorted(row[0] for row in store.raw("SELECT b FROM t")) == [1, 2]
