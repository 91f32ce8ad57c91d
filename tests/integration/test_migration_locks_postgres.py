"""What flowc says of locks, rewrites and scans is what a PostgreSQL server does: seen in pg_locks while it does it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql as pg

from flowc.compiler.migrationlint.effects import Lock
from flowc.compiler.migrationlint.locks import effects
from flowc.compiler.migrationlint.statements import read_statement
from flowc.compiler.migrationlint.volatility import EXTENSIONS, STEADY, SYNTAX, VOLATILE
from tests.migrations.statements_postgres import KNOWN, NOT_OBSERVED, OUTSIDE, SETUP, inside
from tests.waiting import until


@dataclass(frozen=True)
class Seen:
    locks: dict[str, Lock]
    rewrote: set[str]
    scanned: set[str]


@pytest.fixture(scope="module")
def server(postgres_module: str) -> str:
    with psycopg.connect(postgres_module, autocommit=True) as session:
        session.execute(SETUP)
        session.execute("CREATE SCHEMA other")
        session.execute("CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler")
    return postgres_module


def relations(session: psycopg.Connection) -> dict[int, tuple[str, int]]:
    rows = session.execute(
        "SELECT oid::int8, relname, pg_relation_filenode(oid)::int8 FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm', 'v')"
    ).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def locks_of(session: psycopg.Connection, pid: int, names: dict[int, tuple[str, int]]) -> dict[str, Lock]:
    rows = session.execute(
        "SELECT relation::int8, mode FROM pg_locks WHERE locktype = 'relation' AND pid = %s", [pid]
    ).fetchall()
    found: dict[str, Lock] = {}
    for relation, mode in rows:
        if relation in names:
            name, lock = names[relation][0], lock_of(mode)
            found[name] = max(lock, found.get(name, lock))
    return found


def lock_of(mode: str) -> Lock:
    """`ShareRowExclusiveLock` as flowc calls it."""
    word = "".join(("_" if c.isupper() else "") + c for c in mode.removesuffix("Lock")).strip("_")
    return Lock[word.upper()]


def reads(session: psycopg.Connection) -> dict[str, int]:
    return dict(session.execute("SELECT relname, seq_tup_read FROM pg_stat_xact_user_tables").fetchall())


def observe(server: str, statement: str) -> Seen:
    """Runs a statement in a transaction that is rolled back, and looks from inside it."""
    with psycopg.connect(server) as session:
        names, before = relations(session), reads(session)
        session.execute(pg.SQL(statement))
        rows = reads(session)
        pid = session.info.backend_pid
        after = session.execute("SELECT oid::int8, pg_relation_filenode(oid)::int8 FROM pg_class").fetchall()
        files = dict(after)
        locks = locks_of(session, pid, names)
        session.rollback()
    rewrote = {name for oid, (name, file) in names.items() if oid in files and files[oid] != file}
    return Seen(locks, rewrote, {name for name, count in rows.items() if count > before.get(name, 0)})


def of_interest(locks: dict[str, Lock]) -> dict[str, Lock]:
    """Weaker locks are taken in passing, to read what a statement refers to."""
    return {name: lock for name, lock in locks.items() if lock >= Lock.ROW_EXCLUSIVE}


# The same lock on a table that only the server knows: one that hangs on the named one.
UNNAMED = {
    "DROP TABLE w CASCADE": {"vw"},
    "TRUNCATE u CASCADE": {"t"},
    "REINDEX INDEX t_a": {"t"},
    "ALTER TABLE t ALTER CONSTRAINT fk DEFERRABLE": {"u"},
}


@pytest.mark.parametrize("statement", inside())
def test_locks_rewrites_and_scans_are_as_the_server_does_them(server: str, statement: str):
    said = effects(read_statement(statement, "postgres"), "postgres", (15,), KNOWN)
    seen = observe(server, statement)
    claimed = {held.table.name: held.lock for held in said.locks if held.table is not None}
    observed = {n: lock for n, lock in of_interest(seen.locks).items() if n not in UNNAMED.get(statement, ())}
    assert observed == {n: lock for n, lock in claimed.items() if n in observed or lock >= Lock.ROW_EXCLUSIVE}
    truncates = statement.startswith("TRUNCATE")
    if said.rewrites is not None and not truncates:
        assert bool(seen.rewrote) == said.rewrites, seen
    if said.scans is not None:
        assert bool(seen.scanned) == said.scans, seen
    assert said.transactional


WAITS = "SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted"


def hold_up(server: str, statement: str, table: str, mode: str) -> dict[str, Lock]:
    """The locks that a statement has or waits for while another transaction is in its way."""
    with psycopg.connect(server) as other, psycopg.connect(server, autocommit=True) as session:
        other.execute(pg.SQL(f"LOCK TABLE {table} IN {mode} MODE"))
        names = relations(other)
        thread = threading.Thread(target=_run, args=(session, statement))
        thread.start()
        found: dict[str, Lock] = {}

        def is_held_up() -> bool:
            waits = bool(other.execute(WAITS, [session.info.backend_pid]).fetchall())
            found.update(of_interest(locks_of(other, session.info.backend_pid, names)))
            return waits and table in found

        until(is_held_up)
        session.cancel()
        other.rollback()
        thread.join()
    return found


def _run(session: psycopg.Connection, statement: str) -> None:
    try:
        session.execute(pg.SQL(statement))
    except psycopg.errors.QueryCanceled:
        return


@pytest.mark.parametrize(("statement", "table", "mode"), OUTSIDE, ids=[f"{s}, {t}" for s, t, _ in OUTSIDE])
def test_locks_of_statements_outside_transactions(server: str, statement: str, table: str, mode: str):
    said = effects(read_statement(statement, "postgres"), "postgres", (15,), KNOWN)
    assert not said.transactional
    claimed = {held.table.name: held.lock for held in said.locks if held.table is not None}
    assert hold_up(server, statement, table, mode)[table] is claimed[table]


@pytest.mark.parametrize("statement", [*(s for s, _, _ in OUTSIDE), *NOT_OBSERVED])
def test_what_refuses_a_transaction_block(server: str, statement: str):
    assert not effects(read_statement(statement, "postgres"), "postgres", (15,)).transactional
    with psycopg.connect(server) as session:
        session.execute("SELECT 1")
        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            session.execute(pg.SQL(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER DOMAIN dom ADD CONSTRAINT k CHECK (value <> 'x')",
        "ALTER DOMAIN dom SET NOT NULL",
        "ALTER DOMAIN dom VALIDATE CONSTRAINT pending",
    ],
)
def test_a_constraint_of_a_domain_locks_every_table_that_has_it(server: str, statement: str):
    assert observe(server, statement).locks["has_dom"] is Lock.SHARE
    said = effects(read_statement(statement, "postgres"), "postgres")
    assert (said.lock, said.table, said.scans) == (Lock.SHARE, None, True)


def test_attaching_a_partition_reads_its_rows_unless_a_check_proves_them(server: str):
    attach = "ALTER TABLE part ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20)"
    assert effects(read_statement(attach, "postgres"), "postgres").scans is None
    assert "p2" in observe(server, attach).scanned


def volatilities(server: str) -> Iterator[tuple[str, set[str]]]:
    with psycopg.connect(server) as session:
        rows = session.execute(
            "SELECT proname, array_agg(DISTINCT provolatile::text) FROM pg_proc"
            " WHERE pronamespace = 'pg_catalog'::regnamespace GROUP BY proname"
        ).fetchall()
    yield from ((name, set(kinds)) for name, kinds in rows)


def test_functions_are_as_volatile_as_the_server_says(server: str):
    found = dict(volatilities(server))
    assert {name for name in VOLATILE if name in found and found[name] != {"v"}} == set()
    assert {name for name in STEADY if "v" in found.get(name, {"missing"})} == set()
    assert {name for name in STEADY if name not in found} == set()
    assert not (VOLATILE | EXTENSIONS) & (STEADY | SYNTAX)
