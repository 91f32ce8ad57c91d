"""A rich database of each engine is imported: nothing is lost without a word, nothing is planned, nothing is drift."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from tests.commands import Inside
from tests.existing.making import imported, made
from tests.existing.rich import LEFT, TYPES
from tests.stores import Store


def test_an_import_says_what_it_does_not_hold_and_nothing_follows_from_it(store: Store):
    project = made(store)
    done = project.flowc("import", "w", "--out", "specs/tables.yaml")
    text = (project.path / "specs/tables.yaml").read_text("utf-8")
    columns = yaml.safe_load(text)["tables"]["customers"]["columns"]
    kinds = {name: entry if isinstance(entry, str) else entry["type"] for name, entry in columns.items()}
    assert {name: kinds[name] for name in TYPES[store.kind]} == TYPES[store.kind]
    silent = [words for words in LEFT[store.kind] if f"note: {words}" not in done.err]
    assert silent == [], done.err
    remarks = [words.split(": ", 1)[1] for words in LEFT[store.kind]]
    assert [words for words in remarks if f"#   {words}" not in text] == []

    assert project.flowc("lint").code == 0
    plan = project.flowc("plan", "--detailed-exitcode")
    assert (plan.code, plan.out.splitlines()[1]) == (0, "No changes: what is there is what the specs say."), plan.out
    assert project.flowc("apply", "--yes").code == 0
    assert project.flowc("drift").out == "No drift: columns, keys, indexes and comments are as they were applied.\n"


HAND = {
    "postgres": (
        "CREATE INDEX by_hand ON crm.orders (amount DESC) WHERE note IS NULL",
        "ALTER TABLE crm.orders ADD COLUMN twice numeric GENERATED ALWAYS AS (amount * 2) STORED",
        "ALTER TABLE crm.regions ADD COLUMN n bigint GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE crm.customers ADD COLUMN colder crm.status DEFAULT 'won'",
        "DROP INDEX crm.customers_name",
    ),
    "mysql": (
        "CREATE FULLTEXT INDEX by_hand ON orders (note)",
        "ALTER TABLE orders ADD COLUMN twice decimal(12,2) AS (amount * 2) STORED",
        "ALTER TABLE regions ADD COLUMN n bigint NOT NULL AUTO_INCREMENT UNIQUE",
        "ALTER TABLE customers ADD COLUMN colder enum('a', 'b') DEFAULT 'b'",
        "DROP INDEX customers_name ON customers",
    ),
    "duckdb": (
        "CREATE INDEX by_hand ON orders (lower(note))",
        "ALTER TABLE plain ADD COLUMN colder ENUM('a', 'b') DEFAULT 'b'",
        "DROP INDEX customers_total",
    ),
    "sqlite": (
        "CREATE INDEX by_hand ON orders (amount DESC) WHERE note IS NULL",
        "ALTER TABLE orders ADD COLUMN twice INTEGER GENERATED ALWAYS AS (amount * 2)",
        "ALTER TABLE plain ADD COLUMN colder MONEY DEFAULT 2",
        "DROP INDEX customers_name",
    ),
}
"""What somebody does beside flowc."""


def test_drift_shows_statements_that_make_the_same_change(store: Store):
    project = imported(store)
    store.run(*HAND[store.kind])
    drift = project.flowc("drift", "--json")
    assert drift.code == 1
    changes = drift.json["changes"]
    assert len(changes) >= len(HAND[store.kind]), changes
    statements = [statement["sql"] for change in changes for statement in change["statements"]]
    store.run(*_undone(store.kind))
    store.run(*(statement.replace("CONCURRENTLY ", "") for statement in statements))
    assert project.flowc("drift", "--json").json == drift.json


def _undone(kind: str) -> tuple[str, ...]:
    """What makes the database again what it was before those."""
    gone = {
        "postgres": "DROP INDEX crm.by_hand; ALTER TABLE crm.orders DROP COLUMN twice; ALTER TABLE crm.regions DROP n;"
        "ALTER TABLE crm.customers DROP COLUMN colder; CREATE INDEX customers_name ON crm.customers (name)",
        "mysql": "ALTER TABLE orders DROP INDEX by_hand, DROP COLUMN twice; ALTER TABLE regions DROP COLUMN n;"
        "ALTER TABLE customers DROP COLUMN colder; CREATE INDEX customers_name ON customers (name)",
        "duckdb": "DROP INDEX by_hand; ALTER TABLE plain DROP COLUMN colder;"
        "CREATE INDEX customers_total ON customers (total)",
        "sqlite": "DROP INDEX by_hand; ALTER TABLE orders DROP COLUMN twice; ALTER TABLE plain DROP COLUMN colder;"
        "CREATE INDEX customers_name ON customers (name)",
    }
    return tuple(gone[kind].split(";"))


def test_specs_with_a_secret_go_to_a_file_only(tmp_path: Path):
    project = Inside(tmp_path, {"PLACE_SECRET": "orders.db"})
    project.write("specs/c.yaml", "connections: { w: { kind: sqlite, path: '${PLACE_SECRET}' } }\n")
    with closing(sqlite3.connect(tmp_path / "orders.db")) as database:
        database.execute("CREATE TABLE t (id bigint PRIMARY KEY, origin text DEFAULT 'orders.db')")
    printed = project.flowc("import", "w")
    assert (printed.code, printed.out, "error[secret-not-printed]" in printed.err) == (2, "", True), printed.err
    assert project.flowc("import", "w", "--out", "specs/tables.yaml").code == 0
    assert project.flowc("plan", "--detailed-exitcode").code == 0


BROKEN = {
    "a connection": "connections: { w: { kind: sqlite, path: t.db }, x: { kind: sqlit, path: t.db } }\n",
    "a table": "connections: { w: { kind: sqlite, path: t.db } }\ntables: { t: { conection: w, columns: {} } }\n",
    "a file": "connections: { w: { kind: sqlite, path: t.db } }\ntables: { t: {\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_nothing_is_imported_beside_specs_that_cannot_be_read(tmp_path: Path, text: str):
    project = Inside(tmp_path, {"FLOWC_DSN_W": "sqlite:///t.db"})
    project.write("specs/c.yaml", text)
    with closing(sqlite3.connect(tmp_path / "t.db")) as database:
        database.execute("CREATE TABLE t (id bigint PRIMARY KEY)")
    done = project.flowc("import", "w", "--out", "specs/tables.yaml")
    assert (done.code, "error[" in done.err, (tmp_path / "specs/tables.yaml").exists()) == (1, True, False), done.err
