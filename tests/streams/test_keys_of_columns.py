"""Keys that came as different bytes and are equal to the target's column: of each, the last row of an epoch stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import Inside
from tests.stores import SERVERS, Store, address
from tests.streams.filefolder import put

pytestmark = pytest.mark.turns("kind", 2)

PROJECT = """
connections:
  inbox: {{ kind: files, uri: inbox, format: jsonl }}
  wh: {connection}
streams:
  s:
    source: {{ connection: inbox, path: "*.jsonl", columns: {{ k: {kind}, n: bigint }} }}
    sql: SELECT k, n FROM source
    to: {{ connection: wh, table: t, mode: merge, keys: [k] }}
    on_error: dlq
"""
UUIDS = ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"]
INSTANTS = ["2026-01-01T00:00:00Z", "2026-01-01T02:00:00+02:00"]
CASES = [
    ("postgres", "UUID", "text", UUIDS),
    ("postgres", "CITEXT", "text", ["a", "A", "b"]),
    ("postgres", "TIMESTAMPTZ", "text", INSTANTS),
    ("postgres", "DOUBLE PRECISION", "double", [0.0, 1.5, -0.0]),
    ("mysql", "VARCHAR(9) COLLATE utf8mb4_general_ci", "text", ["a", "A", "a ", "b"]),
    ("mysql", "TIMESTAMP(6) NULL", "text", INSTANTS),
    ("sqlite", "TEXT COLLATE NOCASE", "text", ["a", "A", "b"]),
    ("sqlite", "UUID", "text", UUIDS),
    ("duckdb", "VARCHAR COLLATE NOCASE", "text", ["a", "A", "b"]),
    ("duckdb", "UUID", "text", UUIDS),
]


@pytest.fixture
def started(request: pytest.FixtureRequest, tmp_path: Path):
    """A stream into a table whose key has a type, and the table's database."""

    def made(kind: str, spelled: str, declared: str) -> tuple[Inside, Store]:
        store = Store(kind, tmp_path, address(request, kind) if kind in SERVERS else "")
        if spelled == "CITEXT":
            store.run("CREATE EXTENSION IF NOT EXISTS citext")
        store.run(f"CREATE TABLE t (k {spelled}, n BIGINT, PRIMARY KEY (k))")
        folder = Inside(tmp_path)
        folder.write("specs/s.yaml", PROJECT.format(connection=store.connection, kind=declared))
        return folder, store

    return made


def _send(folder: Inside, name: str, *rows: tuple[object, int]) -> None:
    lines = (json.dumps({"k": key, "n": n}) for key, n in rows)
    put(folder.path, f"inbox/{name}.jsonl", "".join(f"{line}\n" for line in lines))


def _run(folder: Inside) -> dict:
    return folder.flowc("run", "s", "--once", "--json").json[0]


@pytest.mark.parametrize(("kind", "spelled", "declared", "keys"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_the_last_row_of_a_key_stays(started, kind, spelled, declared, keys):
    folder, store = started(kind, spelled, declared)
    for at in (0, 10):
        _send(folder, f"f{at}", *((key, n + at) for n, key in enumerate(keys)))
        done = _run(folder)
        assert (done["status"], done["bad_rows"]) == ("ok", 0), done
        folded = {str(key).strip(" -").lower(): n + at for n, key in enumerate(keys)}
        last = sorted(folded.values()) if keys is not INSTANTS else [1 + at]
        assert store.rows("SELECT n FROM t") == [(n,) for n in last]


@pytest.mark.parametrize(
    ("kind", "spelled", "good", "bad"),
    [("postgres", "CHAR(5)", "ab", "ab "), ("mysql", "ENUM('a','b')", "a", "1"), ("sqlite", "STRING", "a", "007")],
)
def test_a_row_that_would_not_come_back_as_it_was_sent_is_a_bad_row(started, kind, spelled, good, bad):
    folder, store = started(kind, spelled, "text")
    _send(folder, "a", (good, 1), (bad, 2), (good, 3))
    done = _run(folder)
    assert (done["status"], done["bad_rows"]) == ("ok", 1), done
    assert store.rows("SELECT k, n FROM t") == [(good.ljust(5) if "CHAR" in spelled else good, 3)]
    (letter,) = folder.flowc("dlq", "show", "s", "--json").json
    assert letter["code"] in ("value-does-not-fit", "value-refused")


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
@pytest.mark.parametrize("column", ["k", "K"])
def test_a_key_in_another_case_is_the_column(started, kind, column):
    """Of the rows, of the table, or of both."""
    folder, store = started(kind, "TEXT", "text")
    store.run("DROP TABLE t", f"CREATE TABLE t ({column} TEXT PRIMARY KEY, n BIGINT)")
    path = folder.path / "specs/s.yaml"
    path.write_text(path.read_text().replace("keys: [k]", "keys: [K]"))
    _send(folder, "f", ("a", 1), ("a", 2), ("b", 3))
    assert _run(folder)["rows"] == 3
    assert sorted(store.rows("SELECT * FROM t")) == [("a", 2), ("b", 3)]
