"""`flowc run STREAM --once` with lookups, functions and bad messages, on a real broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowc.runtime.contracts.database import Database
from flowc.runtime.systems import open_database
from tests import topics
from tests.commands import Inside

PROJECT = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  ref: {{ kind: sqlite, path: ref.db }}
  wh: {{ kind: postgres, url: "{postgres}" }}
tables:
  orders:
    connection: wh
    columns: {{ id: bigint, country: varchar(2), cents: bigint, doc: jsonb, at: timestamptz }}
functions:
  cents: {{ python: "own_functions:cents", args: [text], returns: bigint }}
streams:
  orders:
    source:
      connection: bus
      topic: {topic}
      columns: {{ id: bigint, user_id: bigint, amount: text, tags: "text[]" }}
    lookups: {{ users: {{ connection: ref, table: users, refresh: 1h }} }}
    dialect: datafusion
    sql: |
      SELECT s.id, u.country, cents(s.amount) AS cents, named_struct('tags', s.tags) AS doc, now() AS at
      FROM source s LEFT JOIN users u ON s.user_id = u.id
    to: orders
    on_error: {on_error}
    batch: {{ max_rows: 50 }}
"""
FUNCTION = """
import pyarrow as pa
import pyarrow.compute as pc


def cents(amounts):
    return pc.multiply(amounts.cast(pa.decimal128(12, 2)), 100).cast(pa.int64())
"""


@pytest.fixture
def reference(tmp_path: Path) -> Iterator[Database]:
    """A database of users whose columns no spec declares."""
    database = open_database("sqlite", {"path": str(tmp_path / "ref.db")})
    database.open()
    database.execute("CREATE TABLE users (id BIGINT, country TEXT)")
    database.execute("INSERT INTO users VALUES (0, 'de'), (1, 'fr'), (2, 'far away')")
    yield database
    database.close()


def _message(number: int) -> bytes:
    if number % 50 == 7:
        return b"{"
    amount = "much" if number % 50 == 8 else f"{number}.50"
    return json.dumps({"id": number, "user_id": number % 40, "amount": amount, "tags": ["a", None]}).encode()


def _run(folder: Path, kafka: str, postgres: str, on_error: str, partitions: int = 2) -> tuple[int, str]:
    topic = topics.fresh(kafka, partitions)
    topics.fill(kafka, topic, 400, partitions, _message)
    made = Inside(folder)
    made.write("own_functions.py", FUNCTION)
    made.write("specs/s.yaml", PROJECT.format(kafka=kafka, postgres=postgres, topic=topic, on_error=on_error))
    done = made.flowc("run", "orders", "--once", "--json")
    return done.code, done.out + done.err


def test_bad_messages_are_left_out_and_the_others_are_joined(
    tmp_path: Path, kafka: str, postgres: str, reference: Database
) -> None:
    code, out = _run(tmp_path, kafka, postgres, "drop")
    assert code == 0, out
    bad = {n for n in range(400) if n % 50 in (7, 8) or n % 40 == 2}
    assert f'"bad_rows": {len(bad)}' in out
    warehouse = open_database("postgres", {"url": postgres})
    warehouse.open()
    rows = warehouse.query("SELECT id, country, cents, doc, at FROM orders ORDER BY id").to_pylist()
    warehouse.close()
    assert [row["id"] for row in rows] == [n for n in range(400) if n not in bad]
    assert [row["country"] for row in rows[:2]] == ["de", "fr"]
    assert (rows[0]["cents"], json.loads(rows[0]["doc"])) == (50, {"tags": ["a", None]})
    assert all(row["at"].year >= 2024 for row in rows)


def test_the_first_of_them_stops_a_stream_that_fails(
    tmp_path: Path, kafka: str, postgres: str, reference: Database
) -> None:
    # One partition, so that the first one is well defined.
    code, out = _run(tmp_path, kafka, postgres, "fail", 1)
    assert code == 1
    assert "[0] at 2: " in out
    assert "column `country`: `far away` (text) does not fit `varchar(2)`" in out


def test_bad_messages_become_dead_letters_in_the_same_transaction(
    tmp_path: Path, kafka: str, postgres: str, reference: Database
) -> None:
    code, out = _run(tmp_path, kafka, postgres, "dlq")
    assert code == 0, out
    warehouse = open_database("postgres", {"url": postgres})
    warehouse.open()
    letters = warehouse.query(
        "SELECT message, error_code, partition_name AS part, message_position FROM flowc.dead_letters"
    ).to_pylist()
    (count,) = warehouse.query("SELECT count(*) AS n FROM orders").to_pylist()
    warehouse.close()
    bad = {n for n in range(400) if n % 50 in (7, 8) or n % 40 == 2}
    assert sorted(int(row["message_position"]) * 2 + int(row["part"]) for row in letters) == sorted(bad)
    assert {row["error_code"] for row in letters} == {
        "undecodable-message", "function-failed", "value-does-not-fit",
    }  # fmt: skip
    assert all(
        row["message"] in (b"{", _message(int(row["message_position"]) * 2 + int(row["part"]))) for row in letters
    )
    assert count["n"] == 400 - len(bad)
