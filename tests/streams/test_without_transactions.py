"""Streams into MySQL: a table without transactions is refused before an epoch is written."""

from __future__ import annotations

from pathlib import Path

from tests.commands import Inside
from tests.stores import Store
from tests.streams.filefolder import put

PROJECT = """
connections:
  inbox: {{ kind: files, uri: inbox, format: jsonl }}
  wh: {connection}
streams:
  orders:
    source: {{ connection: inbox, path: "*.jsonl", columns: {{ id: bigint }} }}
    dedupe: {{ keys: [id], within: 1h }}
    to: {{ connection: wh, table: orders }}
    on_error: dlq
    state: {{ connection: wh }}
"""


def run(folder: Inside) -> str | None:
    found = folder.flowc("run", "orders", "--once", "--json").json[0]["error"]
    return found and found["code"]


def test_the_target_is_refused(tmp_path: Path, mysql: str) -> None:
    store, folder = Store("mysql", tmp_path, mysql), Inside(tmp_path)
    folder.write("specs/s.yaml", PROJECT.format(connection=store.connection))
    put(tmp_path, "inbox/a.jsonl", '{"id": 1}\n')
    store.run("CREATE TABLE orders (id BIGINT) ENGINE = MyISAM")
    assert run(folder) == "no-transactions"
    assert store.rows("SELECT * FROM orders") == []
    store.run("ALTER TABLE orders ENGINE = InnoDB")
    assert run(folder) is None
    assert store.rows("SELECT * FROM orders") == [(1,)]


def test_what_flowc_keeps_is_refused_too(tmp_path: Path, mysql: str) -> None:
    store, folder = Store("mysql", tmp_path, mysql), Inside(tmp_path)
    folder.write("specs/s.yaml", PROJECT.format(connection=store.connection))
    put(tmp_path, "inbox/a.jsonl", '{"id": 1}\n')
    assert run(folder) is None
    made = [str(name) for (name,) in store.rows("SHOW TABLES")]
    assert {"flowc_positions", "flowc_checkpoints", "orders"} <= set(made)
    put(tmp_path, "inbox/b.jsonl", '{"id": 2}\n')
    for table in made:
        definition = str(store.rows(f"SHOW CREATE TABLE {table}")[0][1])
        assert "ENGINE=InnoDB" in definition
        store.run(f"CREATE TABLE kept AS SELECT * FROM {table}", f"DROP TABLE {table}")
        store.run(f"ALTER TABLE kept RENAME {table}, ENGINE = MyISAM")
        assert run(folder) == "no-transactions", table
        store.run(f"RENAME TABLE {table} TO kept", definition, f"INSERT INTO {table} SELECT * FROM kept")
        store.run("DROP TABLE kept")
    assert run(folder) is None
    assert store.rows("SELECT * FROM orders") == [(1,), (2,)]
