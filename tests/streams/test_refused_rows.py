"""What only the database can judge: constraints, indexes, triggers, types of its own. The row is found, others stay."""

from __future__ import annotations

import json

import pytest

from tests import topics
from tests.commands import Done, Inside
from tests.stores import Store
from tests.streams.filefolder import put

pytestmark = pytest.mark.turns("store", 2)

PROJECT = """
connections:
  inbox: {{ kind: files, uri: inbox, format: jsonl }}
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  archive: {{ kind: files, uri: archive, format: jsonl }}
  wh: {connection}
streams:
  orders:
    source: {{ connection: inbox, path: "*.jsonl", columns: {{ id: bigint, note: text }} }}
    sql: {sql}
    to: {to}
    on_error: {on_error}
    {more}
"""
SQL = "SELECT id, note FROM source"
TO = "{ connection: wh, table: orders }"
CHECKED = "CREATE TABLE orders (id BIGINT, note VARCHAR(9) CHECK (note <> 'bad'))"


def _folder(
    store: Store, on_error: str = "dlq", to: str = TO, kafka: str = "x", sql: str = SQL, more: str = ""
) -> Inside:
    folder = Inside(store.folder)
    spec = PROJECT.format(connection=store.connection, on_error=on_error, to=to, kafka=kafka, sql=sql, more=more)
    folder.write("specs/s.yaml", spec)
    return folder


def _send(folder: Inside, *notes: str | None, name: str = "a") -> None:
    lines = (json.dumps({"id": number, "note": note}) for number, note in enumerate(notes))
    put(folder.path, f"inbox/{name}.jsonl", "".join(f"{line}\n" for line in lines))


def _run(folder: Inside) -> Done:
    return folder.flowc("run", "orders", "--once", "--json")


def _letters(folder: Inside) -> list[tuple[str, str]]:
    """The message and the code of each dead letter."""
    shown = folder.flowc("dlq", "show", "orders", "--limit", "1000", "--json").json
    return sorted((json.loads(letter["message"])["note"], letter["code"]) for letter in shown)


def test_rows_that_break_a_constraint_are_dead_letters(store: Store) -> None:
    store.run(CHECKED)
    folder = _folder(store)
    _send(folder, *["good"] * 40, "bad", *["good"] * 40, "bad")
    done = _run(folder).json[0]
    assert (done["status"], done["rows"], done["bad_rows"]) == ("ok", 80, 2), done
    assert store.rows("SELECT count(*) FROM orders WHERE note = 'good'") == [(80,)]
    assert _letters(folder) == [("bad", "constraint-violated")] * 2
    assert _run(folder).json[0]["messages"] == 0


def test_the_row_that_stops_a_stream_is_told(store: Store) -> None:
    store.run(CHECKED)
    folder = _folder(store, "fail")
    _send(folder, "good", "good", "bad", "good")
    error = _run(folder).json[0]["error"]
    assert (error["code"], "`a.jsonl`, line 3" in error["message"]) == ("constraint-violated", True), error
    assert store.rows("SELECT * FROM orders") == []


def test_rows_are_dropped_where_one_says_so(store: Store) -> None:
    store.run(CHECKED)
    folder = _folder(store, "drop")
    _send(folder, "bad", "good", "bad")
    done = _run(folder).json[0]
    assert (done["rows"], done["bad_rows"]) == (1, 2), done


def test_of_rows_that_only_together_break_a_constraint_the_first_one_stays(store: Store) -> None:
    store.run("CREATE TABLE orders (id BIGINT, note VARCHAR(9) UNIQUE)")
    folder = _folder(store)
    _send(folder, *(f"n{number % 30}" for number in range(50)))
    assert _run(folder).json[0]["status"] == "ok"
    assert store.rows("SELECT id, note FROM orders") == [(number, f"n{number}") for number in range(30)]
    assert len(_letters(folder)) == 20


def test_merge_keeps_the_last_row_of_a_key_that_is_taken(store: Store) -> None:
    store.run("CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, note VARCHAR(9) CHECK (note <> 'bad'))")
    folder = _folder(
        store,
        to="{ connection: wh, table: orders, mode: merge, keys: [id] }",
        sql="SELECT id % 2 AS id, note FROM source",
    )
    _send(folder, "a", "b", "bad", "c", "d", "bad")
    assert _run(folder).json[0]["status"] == "ok"
    assert store.rows("SELECT id, note FROM orders") == [(0, "d"), (1, "c")]
    assert _letters(folder) == [("bad", "constraint-violated")] * 2


def test_all_rows_of_a_message_are_left_out(store: Store) -> None:
    store.run("CREATE TABLE orders (id BIGINT, note VARCHAR(9) CHECK (note <> 'bad' OR id = 7))")
    folder = _folder(store, sql="SELECT id, note FROM source UNION ALL SELECT 7 AS id, note FROM source")
    _send(folder, "good", "bad")
    done = _run(folder).json[0]
    assert (done["rows"], done["bad_rows"]) == (2, 1), done
    assert store.rows("SELECT id, note FROM orders") == [(0, "good"), (7, "good")]


def test_letters_that_are_refused_again_stay(store: Store) -> None:
    store.run(CHECKED)
    folder = _folder(store)
    _send(folder, "bad", "good")
    assert _run(folder).json[0]["bad_rows"] == 1
    _folder(store, sql="SELECT id, CASE WHEN id = 0 THEN 'good' ELSE note END AS note FROM source")
    _send(folder, "good", "bad", name="b")
    assert _run(folder).json[0]["bad_rows"] == 1
    assert "1 replayed into 1 row, 1 failed again" in folder.flowc("dlq", "replay", "orders").out
    assert [code for _, code in _letters(folder)] == ["constraint-violated"]
    assert store.rows("SELECT count(*) FROM orders WHERE note = 'good'") == [(3,)]


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_letters_of_refused_rows_go_into_a_topic(store: Store, kafka: str) -> None:
    store.run(CHECKED)
    failed = topics.fresh(kafka)
    folder = _folder(store, kafka=kafka, more=f"dead_letter: {{ connection: bus, topic: {failed} }}")
    _send(folder, "bad", "good")
    assert _run(folder).json[0]["status"] == "ok"
    assert [json.loads(message.value() or b"")["note"] for message in topics.committed(kafka, failed)] == ["bad"]
    topics.drop(kafka, failed)


@pytest.mark.parametrize("store", ["postgres", "sqlite"], indirect=True)
def test_other_targets_do_not_get_refused_rows(store: Store) -> None:
    store.run(CHECKED)
    folder = _folder(store, to=f"[{TO}, {{ connection: archive, path: kept }}]")
    _send(folder, "bad", "good")
    assert _run(folder).json[0]["status"] == "ok"
    (file,) = (store.folder / "archive" / "kept").glob("*.jsonl")
    assert [json.loads(line)["note"] for line in file.read_text().splitlines()] == ["good"]
    assert _letters(folder) == [("bad", "constraint-violated")]


TYPES = {
    "enum": ("postgres", "mood", "grim"),
    "inet": ("postgres", "inet", "nowhere"),
    "enum of mysql": ("mysql", "ENUM('ok')", "grim"),
    "three bytes": ("mysql", "VARCHAR(9) CHARACTER SET utf8mb3", "\N{SLICE OF PIZZA}"),
    "one byte": ("mysql", "VARCHAR(9) CHARACTER SET latin1", "\N{GREEK CAPITAL LETTER OMEGA}"),
    "255 bytes": ("mysql", "TINYTEXT", "x" * 256),
}


@pytest.mark.parametrize(("store", "kind", "bad"), TYPES.values(), ids=TYPES, indirect=["store"])
def test_values_of_types_that_only_the_database_knows(store: Store, kind: str, bad: str) -> None:
    if kind == "mood":
        store.run("CREATE TYPE mood AS ENUM ('ok')")
    store.run(f"CREATE TABLE orders (id BIGINT, note {kind})")
    folder = _folder(store)
    _send(folder, None, bad)
    assert _run(folder).json[0]["status"] == "ok"
    assert store.rows("SELECT id FROM orders") == [(0,)]
    assert _letters(folder) == [(bad, "value-refused")]
