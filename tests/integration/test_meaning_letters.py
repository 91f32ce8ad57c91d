"""Columns named as aliases are, of types with fields: DuckDB prefers `s.id` the field to `s.id` the column."""

import pytest

from tests.extended import with_extended
from tests.stores import Store, counts

SPEC = """
connections: { db: { kind: duckdb, path: letters.duckdb } }
pipelines:
"""
PIPELINE = """  {prefix}{load}:
    from: db
    table: {prefix}raw
    to: {{ connection: db, table: {prefix}{load}_held{keys} }}
    {words}
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


def pipeline(load: str, prefix: str) -> str:
    keys = "" if load == "copies" else ", primary_key: [id]" if load in ("merge", "soft") else ", keys: [id]"
    return PIPELINE.format(load=load, prefix=prefix, keys=keys, words=LOADS[load].replace(", ", "\n    "))


@pytest.mark.parametrize("kind", with_extended(list(VALUES)[:1], list(VALUES)[1:]))
def test_letters_are_names_of_columns(project, kind):
    """Three runs of each load from a table with a column of that type for each letter, and from one with another."""
    store, sources = Store("duckdb", project.path, file="letters"), {"": tuple(LETTERS), "other_": ("column_a",)}
    project.write("specs/p.yaml", SPEC + "".join(pipeline(load, prefix) for load in LOADS for prefix in sources))
    for prefix, names in sources.items():
        columns = ", ".join(f"{name} {kind}" for name in names)
        store.run(f"CREATE TABLE {prefix}raw (id BIGINT, seen TIMESTAMP, name VARCHAR, {columns})")
    found = []
    for rows in (((1, "a", 1), (2, "b", 1)), ((1, "a", 1), (2, "c", 2), (3, "d", 2)), ((3, "d", 2),)):
        for prefix, names in sources.items():
            more = f", {VALUES[kind]}" * len(names)
            values = ", ".join(f"({key}, '2026-01-{day:02}', '{name}'{more})" for key, name, day in rows)
            store.run(f"DELETE FROM {prefix}raw", f"INSERT INTO {prefix}raw VALUES {values}")
        done = project.flowc("run", "--once", "--json")
        assert done.code == 0, done.out + done.err
        found.append({name: count[1:] for name, count in counts(done).items()})
    for load in LOADS:
        wanted = [each[f"other_{load}"] for each in found]
        assert [each[load] for each in found] == wanted, load
        assert wanted[0] == (2, 0, 0, 0)
        assert sum(wanted[1]) >= 2
