"""PostgreSQL's table of facts, against what statements of plans do: their locks, and which rows they read and write."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import psycopg
import pytest

from flowc.compiler.migrate.facts import Act, Facts
from flowc.compiler.systems.postgres import changes
from tests.commands import Inside
from tests.migrate.edits import FINE
from tests.migrate.projects import fill, specs
from tests.stores import Store
from tests.waiting import until

_BIG = "columns: { id: bigint primary key, a: double not null default 1.5 }"
_PARTED = "columns: { id: bigint, a: integer, b: integer }"
_MADE = {
    "big": "CREATE TABLE big (id bigint PRIMARY KEY, a double precision NOT NULL DEFAULT 1.5)",
    "unfinished": "CREATE TABLE unfinished (id bigint PRIMARY KEY, a double precision NOT NULL DEFAULT 1.5)",
    "parted": "CREATE TABLE parted (id bigint NOT NULL, a integer, b integer) PARTITION BY RANGE (id)",
    "part": "CREATE TABLE part PARTITION OF parted DEFAULT",
    "numbered": "CREATE TABLE numbered (id bigint PRIMARY KEY, a bigint NOT NULL)",
    "computed": "CREATE TABLE computed (id bigint PRIMARY KEY, a bigint GENERATED ALWAYS AS (id * 2) STORED)",
    "counted": "CREATE TABLE counted (id serial PRIMARY KEY, a integer)",
    "chanced": "CREATE TABLE chanced (id bigint PRIMARY KEY)",
    "moved": "CREATE TABLE moved (id bigint PRIMARY KEY, a integer NOT NULL, b integer NOT NULL); "
    "CREATE UNIQUE INDEX m ON moved (a); ALTER TABLE moved REPLICA IDENTITY USING INDEX m, CLUSTER ON m",
    "stored": "CREATE TABLE stored (id bigint PRIMARY KEY, a varchar(9)); ALTER TABLE stored ALTER a SET STORAGE MAIN",
}
"""Tables that no edit makes: large ones, and those with more than flowc makes itself."""
_MOVED = "columns: { id: bigint primary key, a: integer not null, b: integer not null }\n"
_BEFORE = {
    "moved": _MOVED + "indexes: [{ columns: [a], unique: true, name: m }]",
    "big": _BIG,
    "unfinished": _BIG,
    "parted": _PARTED + "\nindexes: [{ columns: [b] }]",
}
_AFTER = {
    "big": "columns: { id: bigint primary key, a: integer not null default 1 }",
    "unfinished": "columns: { id: bigint primary key, a: integer not null default 1 }",
    "parted": _PARTED + "\nindexes: [{ columns: [a] }]\nprimary_key: [id]",
    "numbered": "columns: { id: bigint primary key, a: { type: bigint, nullable: false, default: "
    "GENERATED ALWAYS AS IDENTITY } }",
    "computed": "columns: { id: bigint primary key, a: { type: bigint, default: "
    "GENERATED ALWAYS AS (id * 3) STORED } }",
    "counted": "columns: { id: bigint primary key, a: integer }",
    "chanced": "columns: { id: bigint primary key, a: { type: uuid, default: gen_random_uuid() }, b: { type: bigint, "
    "nullable: false, default: GENERATED ALWAYS AS IDENTITY }, c: { type: bigint, default: "
    "GENERATED ALWAYS AS (id * 3) STORED }, d: { type: timestamptz, default: now() }, "
    "e: { type: bigint, default: \"nextval('chanced_e_seq')\" } }",
    "moved": _MOVED + "indexes: [{ columns: [a, b], unique: true, name: m }]",
    "stored": "columns: { id: bigint primary key, a: text }",
}
_BEGINNING = 5
"""The statements of a change of a large column after which an apply may end and leave much."""
_NEW = {Act.MAKE_SCHEMA, Act.MAKE_TABLE}
"""What nobody else can use yet."""


class _Seen(dict[Act, Facts]):
    """The table, with the acts that were looked up in it."""

    def __init__(self, known: Mapping[Act, Facts]) -> None:
        super().__init__(known)
        self.acts: set[Act] = set()

    def __getitem__(self, act: Act) -> Facts:
        self.acts.add(act)
        return super().__getitem__(act)


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_no_statement_does_anything_else_than_the_plan_says(store: Store, monkeypatch: pytest.MonkeyPatch):
    project = Inside(store.folder, {"STORE": store.dsn})
    store.run(*_MADE.values())
    specs(project, store, {**{edit.table: edit.before for edit in FINE}, **_BEFORE})
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    for edit in FINE:
        fill(store, edit)
    store.run(*(f"INSERT INTO {name} VALUES (1, 5), (2, 7)" for name in ("big", "unfinished", "parted", "numbered")))
    store.run(
        "INSERT INTO computed VALUES (1), (2)",
        "INSERT INTO counted (a) VALUES (5), (7)",
        "INSERT INTO chanced VALUES (1), (2)",
    )
    store.run("UPDATE pg_class SET reltuples = 200000 WHERE relname IN ('big', 'unfinished')")
    wanted = {**{edit.table: edit.after for edit in FINE if edit.after}, **_AFTER}
    specs(project, store, wanted)
    seen = _Seen(changes.FACTS)
    monkeypatch.setattr(changes, "FACTS", seen)
    monkeypatch.setattr("flowc.compiler.migrate.facts.FACTS", {"postgres": seen})
    wrong, count = _look(store, project, {"unfinished": _BEGINNING})
    assert count > 100
    specs(project, store, {**wanted, "unfinished": _BIG})
    found, count = _look(store, project, {})
    assert count == 4
    assert wrong + found == []
    assert set(changes.FACTS) - seen.acts == _NEW


def _look(store: Store, project: Inside, first: Mapping[str, int]) -> tuple[list[str], int]:
    """Runs the statements of a plan, of some tables only the first ones, and tells what each does beside its words."""
    changes = project.flowc("plan", "--json").json["changes"]
    wrong, count = [], 0
    with psycopg.connect(store.dsn, autocommit=True) as session:
        for change in changes:
            table = change["name"].split(".")[1]
            for statement in change["statements"][: first.get(table)]:
                count += 1
                seen = _observed(session, store, table, statement)
                said = {fact: statement[fact] for fact in seen}
                if said != seen:
                    wrong.append(f"{statement['sql']}: {seen}; the plan says {said}")
    return wrong, count


_STRENGTH = (
    "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)  # fmt: skip
_HELD = "SELECT mode FROM pg_locks WHERE locktype = 'relation' AND relation = {oid} AND pid = pg_backend_pid()"
_OTHERS = (
    "SELECT mode FROM pg_locks WHERE locktype = 'relation' AND relation = {oid} AND granted "
    "AND pid NOT IN (pg_backend_pid(), {writer})"
)
_WAITING = "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def _observed(
    session: psycopg.Connection, store: Store, table: str, statement: Mapping[str, object]
) -> dict[str, object]:
    """The strongest lock on the table after the statement, whether all rows are in another place then, and were read.

    The last is not told of tables without rows, and of statements that wait for others.
    """
    sql = str(statement["sql"]).replace("***", "flowc")  # which is the password too
    found = session.execute("SELECT oid FROM pg_class WHERE relname = %s", (table,)).fetchone()
    assert found is not None
    before, read = _places(session, table), 0
    waits = not statement["transactional"] and "VALIDATE" not in sql
    if waits:
        held = _held_meanwhile(session, store, table, found[0], sql)
    else:
        session.execute("BEGIN")
        read -= _rows_read(session, found[0])
        session.execute(sql)
        read += _rows_read(session, found[0])
        held = [row[0] for row in session.execute(_HELD.format(oid=found[0])).fetchall()]
        session.execute("COMMIT")
    modes = [_words(mode) for mode in held]
    after = _places(session, table)
    moved = after[0] not in (before[0], None) or (bool(before[1] and after[1]) and not before[1] & after[1])
    scans = {"scans": read > 0} if before[1] and after[1] and not waits else {}
    return {"lock": max(modes, key=_STRENGTH.index) if modes else None, "rewrites": moved, **scans}


def _rows_read(session: psycopg.Connection, oid: int) -> int:
    """How many rows of the table this transaction has read, one after the other."""
    found = session.execute("SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relid = %s", (oid,)).fetchone()
    return found[0] if found else 0


def _places(session: psycopg.Connection, table: str) -> tuple[object, set[str]]:
    """The file of a table, and where its rows are in it; nothing of a table that is gone."""
    found = session.execute("SELECT relfilenode, relkind = 'r' FROM pg_class WHERE relname = %s", (table,)).fetchone()
    if found is None or not found[1]:
        return None, set()
    return found[0], {str(row[0]) for row in session.execute(f"SELECT ctid::text FROM {table}").fetchall()}


def _words(mode: str) -> str:
    """`AccessExclusiveLock` as SQL says it."""
    return "".join(f" {c}" if c.isupper() else c for c in mode.removesuffix("Lock")).strip().upper()


def _held_meanwhile(session: psycopg.Connection, store: Store, table: str, oid: int, sql: str) -> list[str]:
    """The locks of a statement that waits for a transaction of somebody else, who writes all rows, before it ends."""
    with psycopg.connect(store.dsn) as writer, psycopg.connect(store.dsn, autocommit=True) as looker:
        writer.execute(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
        writer.execute(f"SELECT 1 FROM {table} FOR UPDATE")
        thread = threading.Thread(target=session.execute, args=(sql,))
        thread.start()
        until(lambda: bool(looker.execute(_WAITING).fetchall()))
        held = looker.execute(_OTHERS.format(oid=oid, writer=writer.info.backend_pid)).fetchall()
        writer.rollback()
        thread.join()
    return [row[0] for row in held]
