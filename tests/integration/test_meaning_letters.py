"""Columns named as aliases are, of types with fields: DuckDB prefers `s.id` the field to `s.id` the column."""

import pytest

from tests.stores import Store, counts

SPEC = """
connections: {{ db: {{ kind: duckdb, path: {file}.duckdb }} }}
pipelines:
  p:
    from: db
    table: raw
    to: {{ connection: db, table: held{keys} }}
    {load}
    expect: [{{ unique: [id, seen] }}]
"""
LETTERS = "abcdefghkmnopqrstvwx"
LOADS = {
    "merge": "mode: merge, deletes: hard",
    "soft": "mode: merge, deletes: soft",
    "history": "mode: scd2, deletes: close, ttl: 3000d, event_time: seen",
    "gone": "mode: scd2, deletes: soft",
    "append": "mode: append, incremental: { column: seen }",
    "copies": "mode: append, incremental: { column: seen }",
}


STRUCT = "STRUCT(id BIGINT, seen TIMESTAMP, flowc_t TIMESTAMP)"
VALUES = {STRUCT: "{'id': 99, 'seen': NULL, 'flowc_t': NULL}", "JSON": """'{"id": 99}'"""}
"""Fields with the names of real columns that say something else."""


def loaded(project, load: str, prefix: str, kind: str) -> list[tuple[int, ...]]:
    """The counts of three runs whose source has a column of that type for each letter."""
    file = prefix or "letters"
    store = Store("duckdb", project.path, file=file)
    keys = "" if load == "copies" else ", primary_key: [id]" if load in ("merge", "soft") else ", keys: [id]"
    project.write("specs/p.yaml", SPEC.format(file=file, keys=keys, load=LOADS[load].replace(", ", "\n    ")))
    columns = ", ".join(f"{prefix}{x} {kind}" for x in LETTERS)
    store.run(f"CREATE TABLE raw (id BIGINT, seen TIMESTAMP, name VARCHAR, {columns})")
    found = []
    for rows in (((1, "a", 1), (2, "b", 1)), ((1, "a", 1), (2, "c", 2), (3, "d", 2)), ((3, "d", 2),)):
        values = (
            f"({key}, '2026-01-{day:02}', '{name}'{f', {VALUES[kind]}' * len(LETTERS)})" for key, name, day in rows
        )
        store.run("DELETE FROM raw", f"INSERT INTO raw VALUES {', '.join(values)}")
        done = project.flowc("run", "--once", "--json")
        assert done.code == 0, done.out + done.err
        found.append(counts(done)["p"][1:])
    return found


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("load", LOADS)
def test_letters_are_names_of_columns(project, load, kind):
    wanted = loaded(project, load, "column_", kind)
    assert loaded(project, load, "", kind) == wanted
    assert wanted[0] == (2, 0, 0, 0)
    assert sum(wanted[1]) >= 2
