"""A table whose foreign key points at the table of a walk, made by hand: it keeps its rows and its key."""

from __future__ import annotations

from tests.stores import Store

_KEYS = {
    "sqlite": "SELECT count(*) FROM pragma_foreign_key_list('r') WHERE \"table\" = 't'",
    "duckdb": "SELECT count(*) FROM duckdb_constraints() WHERE table_name = 'r' AND constraint_type = 'FOREIGN KEY'",
    "postgres": "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = 'r'::regclass "
    "AND confrelid = 't'::regclass",
    "mysql": "SELECT count(*) FROM information_schema.referential_constraints "
    "WHERE constraint_schema = database() AND table_name = 'r' AND referenced_table_name = 't'",
}


def make(store: Store) -> None:
    """Makes the table, without rows."""
    store.run("CREATE TABLE r (id bigint PRIMARY KEY, of bigint, FOREIGN KEY (of) REFERENCES t (id))")


def wrong(store: Store, rows: int) -> str | None:
    """What is wrong with it, which must have so many rows, each of a row of the other table."""
    keys = store.raw(_KEYS[store.kind])[0][0]
    found = store.raw("SELECT count(*) FROM r JOIN t ON t.id = r.of")[0][0]
    return None if (keys, found) == (1, rows) else f"the other table has {keys} foreign keys and {found} of {rows} rows"
