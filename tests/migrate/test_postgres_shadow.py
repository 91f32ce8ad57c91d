"""A change of type on a large PostgreSQL table: no value is lost, whoever writes and wherever it stops."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.commands import Inside
from tests.migrate.meanwhile import before, killed_before
from tests.migrate.projects import specs
from tests.services.databases import Databases
from tests.stores import Store

_FILL = "DO 'DECLARE page"
_SWAP = "LOCK TABLE"
_TIDY = """SELECT (SELECT count(*) FROM pg_proc WHERE proname ~ 'flowc_sync'),
  (SELECT count(*) FROM pg_trigger WHERE tgname ~ 'flowc_sync'),
  (SELECT count(*) FROM pg_attribute WHERE attname ~ '__flowc' AND NOT attisdropped),
  (SELECT count(*) FROM pg_constraint WHERE conname ~ 'flowc_')"""


@pytest.fixture
def store(postgres: str, tmp_path: Path) -> Store:
    return Store("postgres", tmp_path, postgres)


@pytest.fixture
def project(store: Store) -> Inside:
    return Inside(store.folder, {"STORE": store.dsn})


def wants(project: Inside, store: Store, kind: str, more: str = "") -> None:
    """The specs, with the type of `a`."""
    specs(project, store, {"t": f"columns: {{ id: bigint primary key, a: {kind}{more} }}"})


def begin(store: Store, project: Inside, kind: str, *values: str) -> None:
    """A table of these values that PostgreSQL takes for a large one."""
    wants(project, store, kind)
    assert project.flowc("apply", "--yes").code == 0
    store.run(*(f"INSERT INTO t VALUES ({n}, {value})" for n, value in enumerate(values, 1)))
    enlarge(store)


def enlarge(store: Store) -> None:
    """Makes the planner's estimate that of a large table."""
    store.run("UPDATE pg_class SET reltuples = 200000 WHERE relname = 't'")


def values(store: Store) -> list[object]:
    """The values of `a` as text, in the order of the rows."""
    return [row[0] for row in store.raw("SELECT a::text FROM t ORDER BY id")]


def done(project: Inside, store: Store) -> None:
    """It is applied, and nothing of flowc's is left."""
    result = project.flowc("apply", "--yes")
    assert result.code == 0, result.err
    assert project.flowc("plan", "--detailed-exitcode").code == 0
    assert store.raw(_TIDY) == [(0, 0, 0, 0)]


@pytest.mark.parametrize("parts", ["inheritance", "partitions"])
def test_the_values_of_heirs_and_partitions_stay(store: Store, project: Inside, parts: str):
    begin(store, project, "text", "'1'", "'2'")
    made = ["CREATE TABLE heir () INHERITS (t)"]
    if parts == "partitions":
        made = ["ALTER TABLE t RENAME TO first", "CREATE TABLE t (LIKE first) PARTITION BY RANGE (id)"]
        made += ["ALTER TABLE t ADD PRIMARY KEY (id)", "CREATE TABLE heir PARTITION OF t DEFAULT"]
        made += ["ALTER TABLE t ATTACH PARTITION first FOR VALUES FROM (1) TO (3)"]
    store.run(*made, "INSERT INTO heir SELECT n, n::text FROM generate_series(3, 900) n")
    enlarge(store)
    wants(project, store, "integer")
    assert f"would not do: {parts}" in project.flowc("plan").out
    done(project, store)
    assert values(store) == [str(n) for n in range(1, 901)]


def test_a_column_that_was_left_is_not_filled_on_as_another_type(store: Store, project: Inside):
    begin(store, project, "text", "'1'", "'2'")
    wants(project, store, "integer")
    killed_before(project, _FILL)
    store.run("INSERT INTO t VALUES (3, '1.75')")
    wants(project, store, "'decimal(10, 2)'")
    done(project, store)
    assert values(store) == ["1.00", "2.00", "1.75"]


def test_what_was_left_breaks_no_insert_and_goes_when_the_spec_is_taken_back(store: Store, project: Inside):
    begin(store, project, "text", "'1'", "'2'")
    wants(project, store, "integer")
    killed_before(project, _FILL)
    store.run("INSERT INTO t VALUES (3, 'three')", "UPDATE t SET a = 'two' WHERE id = 2")
    wants(project, store, "text")
    assert "drop what an apply that did not end has left: column `a__" in project.flowc("plan").out
    done(project, store)
    assert values(store) == ["1", "two", "three"]


def test_a_column_of_somebody_else_with_such_a_name_stays_beside_what_was_left(store: Store, project: Inside):
    begin(store, project, "text", "'1'")
    store.run("ALTER TABLE t ADD b__flowc text DEFAULT 'mine'")
    wants(project, store, "integer")
    killed_before(project, _FILL)
    wants(project, store, "text")
    result = project.flowc("apply", "--yes")
    assert result.code == 0, result.err
    assert store.raw("SELECT * FROM t") == [(1, "1", "mine")]


def test_what_was_left_goes_with_the_table(store: Store, project: Inside):
    begin(store, project, "text", "'1'")
    wants(project, store, "integer")
    killed_before(project, _FILL)
    specs(project, store, {})
    assert project.flowc("apply", "--yes", "--allow-destructive", "all").code == 0
    assert store.raw(_TIDY) == [(0, 0, 0, 0)]


def test_a_requirement_that_was_left_goes_when_the_spec_is_taken_back(store: Store, project: Inside):
    begin(store, project, "text", "'1'")
    wants(project, store, "text", " not null")
    killed_before(project, 'ALTER TABLE "t" VALIDATE')
    wants(project, store, "text")
    assert "drop what an apply that did not end has left: constraint `" in project.flowc("plan").out
    done(project, store)
    store.run("INSERT INTO t VALUES (2, NULL)")


class Late(threading.Thread):
    """A writer that wrote before the swap asks for its lock, and commits while that waits."""

    def __init__(self, dsn: str, statement: str) -> None:
        super().__init__(daemon=True)
        self._dsn, self._statement, self._written = dsn, statement, threading.Event()

    def begin(self) -> None:
        """Returns once it has written."""
        self.start()
        assert self._written.wait(10)

    def run(self) -> None:
        waits = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND NOT granted"
        with psycopg.connect(self._dsn) as writer, psycopg.connect(self._dsn, autocommit=True) as other:
            writer.execute(self._statement)
            self._written.set()
            while other.execute(waits).fetchone() == (0,):
                pass


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_a_writer_that_commits_while_the_swap_waits_is_seen(
    store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch, isolation: str
):
    begin(store, project, "double", "1", "2")
    name = store.raw("SELECT current_database()")[0][0]
    store.run(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = '{isolation}'")
    wants(project, store, "integer")
    late = Late(store.dsn, "INSERT INTO t VALUES (3, 1.75)")
    asked = before(monkeypatch, _SWAP, late.begin)
    result = project.flowc("apply", "--yes")
    late.join(10)
    assert asked
    assert result.code == 2
    assert "1 row(s) of `t` hold no integer in `a`" in result.err
    assert values(store) == ["1", "2", "1.75"]
    store.run("DELETE FROM t WHERE id = 3")
    done(project, store)
    assert values(store) == ["1", "2"]


def test_rows_that_missed_the_second_column_stop_the_swap(
    store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch
):
    begin(store, project, "text", "'1'", "'2'")
    wants(project, store, "integer")
    stealthy = ("ALTER TABLE t DISABLE TRIGGER USER", "UPDATE t SET a = '7'", "ALTER TABLE t ENABLE TRIGGER USER")
    asked = before(monkeypatch, _SWAP, lambda: store.run(*stealthy))
    result = project.flowc("apply", "--yes")
    assert asked
    assert result.code == 2
    assert "2 row(s) of `t`" in result.err
    assert values(store) == ["7", "7"]
    done(project, store)
    assert values(store) == ["7", "7"]


def test_rows_of_a_session_that_replicates_are_kept_up_to_date(
    store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch
):
    begin(store, project, "text", "'1'", "'2'")
    wants(project, store, "integer")

    def replicate() -> None:
        with psycopg.connect(store.dsn, options="-c session_replication_role=replica") as session:
            session.execute("UPDATE t SET a = '7' WHERE id = 2")
            session.execute("INSERT INTO t VALUES (3, '8')")

    asked = before(monkeypatch, _SWAP, replicate)
    done(project, store)
    assert asked
    assert values(store) == ["1", "7", "8"]


def test_a_writer_of_another_time_zone_writes_the_text_of_the_apply(
    store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch
):
    begin(store, project, "timestamptz", "'2026-01-01 12:00:00+00'")
    wants(project, store, "text")

    def write() -> None:
        with psycopg.connect(store.dsn, options="-c timezone=Asia/Tokyo -c datestyle=German") as session:
            session.execute("INSERT INTO t VALUES (2, '2026-01-01 12:00:00+00')")

    asked = before(monkeypatch, _SWAP, write)
    done(project, store)
    assert asked
    assert values(store) == ["2026-01-01 12:00:00+00"] * 2


def test_what_does_not_fit_can_be_written_until_the_type_has_changed(
    store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch
):
    begin(store, project, "text", "'1'", "NULL")
    wants(project, store, "integer")
    asked = before(monkeypatch, _SWAP, lambda: store.run("INSERT INTO t VALUES (3, 'three')"))
    result = project.flowc("apply", "--yes")
    assert asked
    assert result.code == 2
    assert values(store) == ["1", None, "three"]


def test_the_comment_the_default_and_what_is_required_are_carried_over(store: Store, project: Inside):
    specs(project, store, {"t": "columns: { id: bigint primary key, a: text not null default '5', b: text }"})
    assert project.flowc("apply", "--yes").code == 0
    store.run("INSERT INTO t VALUES (1, '4')", "COMMENT ON COLUMN t.a IS 'Said by hand.'")
    enlarge(store)
    specs(project, store, {"t": "columns: { id: bigint primary key, a: integer not null default 5, b: text }"})
    plan = project.flowc("plan").out
    assert "`a` becomes the last column" in plan
    assert "readers and writers wait while all rows are read and compared once more" in plan
    done(project, store)
    store.run("INSERT INTO t (id) VALUES (2)")
    assert values(store) == ["4", "5"]
    said = "SELECT col_description(attrelid, attnum), attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass"
    assert store.raw(f"{said} AND attname = 'a'") == [("Said by hand.", True)]


@pytest.fixture
def publisher(postgres_databases: Databases, store: Store) -> Iterator[str]:
    """Another database, whose table `t` a subscription can be sent; the slot has its name."""
    with postgres_databases.fresh() as dsn, psycopg.connect(dsn, autocommit=True) as session:
        session.execute("CREATE TABLE t (id bigint PRIMARY KEY, a text)")
        session.execute("CREATE PUBLICATION p FOR TABLE t")
        slot = session.info.dbname
        session.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])
        try:
            yield dsn
        finally:
            store.run("DROP SUBSCRIPTION IF EXISTS s")
            session.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", [slot]
            )


def test_rows_of_logical_replication_are_kept_up_to_date(
    store: Store, project: Inside, publisher: str, monkeypatch: pytest.MonkeyPatch
):
    begin(store, project, "text", "'1'", "'2'")
    with psycopg.connect(publisher, autocommit=True) as session:
        session.execute("INSERT INTO t VALUES (1, '1'), (2, '2')")
        slot = session.info.dbname
        session.execute("SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())", [slot])
    options = f"create_slot = false, slot_name = {slot}, copy_data = false"
    store.run(f"CREATE SUBSCRIPTION s CONNECTION '{publisher}' PUBLICATION p WITH ({options})")
    wants(project, store, "integer")

    def replicate() -> None:
        with psycopg.connect(publisher, autocommit=True) as session:
            session.execute("UPDATE t SET a = '7' WHERE id = 2")
            session.execute("INSERT INTO t VALUES (3, '8')")
        while values(store) != ["1", "7", "8"]:
            pass

    asked = before(monkeypatch, _SWAP, replicate)
    done(project, store)
    assert asked
    assert store.raw("SELECT a FROM t ORDER BY id") == [(1,), (7,), (8,)]


def test_names_that_need_quotes(store: Store, project: Inside):
    store.run('CREATE SCHEMA "o\'s.x"', 'CREATE TABLE "o\'s.x"."t%s" (id bigint PRIMARY KEY, "it\'s ""a%" text)')
    store.run(
        'INSERT INTO "o\'s.x"."t%s" VALUES (1, \'7\')', "UPDATE pg_class SET reltuples = 200000 WHERE relname = 't%s'"
    )
    columns = "columns:\n  id: bigint primary key\n  'it''s \"a%': integer"
    specs(project, store, {"t": f"schema: o's.x\nname: t%s\n{columns}"})
    done(project, store)
    assert store.raw('SELECT * FROM "o\'s.x"."t%s"') == [(1, 7)]


def test_a_saved_plan_goes_on_after_a_kill(store: Store, project: Inside):
    begin(store, project, "text", "'1'", "'2'")
    wants(project, store, "integer")
    assert project.flowc("plan", "--out", "plan.json").code == 0
    killed_before(project, _FILL, "plan.json")
    store.run("INSERT INTO t VALUES (3, '3')")
    result = project.flowc("apply", "plan.json")
    assert result.code == 0, result.err
    assert store.raw("SELECT a FROM t ORDER BY id") == [(1,), (2,), (3,)]
    assert store.raw(_TIDY) == [(0, 0, 0, 0)]


@pytest.fixture
def owner(store: Store) -> Iterator[str]:
    """The DSN of somebody who owns the database and the table `t`, and is not above its policies."""
    name = store.raw("SELECT current_database()")[0][0] + "_owner"
    store.run(f"CREATE ROLE {name}", f"ALTER DATABASE {name.removesuffix('_owner')} OWNER TO {name}")
    yield f"{store.dsn}?options=-c%20role%3D{name}"
    store.run(f"REASSIGN OWNED BY {name} TO postgres", f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_rows_that_a_policy_hides_are_not_changed_unseen(store: Store, owner: str):
    project = Inside(store.folder, {"STORE": owner})
    store.run("CREATE TABLE t (id bigint PRIMARY KEY, a double precision)", "INSERT INTO t VALUES (1, 1), (2, 1.75)")
    store.run(
        "CREATE POLICY p ON t USING (id < 2)", "ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    )
    store.run(f"ALTER TABLE t OWNER TO {owner.rpartition('%3D')[2]}")
    wants(project, store, "integer")
    result = project.flowc("apply", "--yes")
    assert result.code == 2
    assert "row-level security" in result.err
    assert values(store) == ["1", "1.75"]


def test_what_an_older_version_left_goes_too(store: Store, project: Inside):
    begin(store, project, "text", "'1'")
    body = 'BEGIN NEW."a__flowc" := CAST(NEW.a AS integer); RETURN NEW; END'
    store.run(
        "ALTER TABLE t ADD a__flowc integer",
        f"CREATE FUNCTION flowc_sync_0123() RETURNS trigger LANGUAGE plpgsql AS '{body}'",
        "CREATE TRIGGER flowc_sync_0123 BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION flowc_sync_0123()",
        "ALTER TABLE t ADD CONSTRAINT flowc_a__flowc_not_null CHECK (a__flowc IS NOT NULL) NOT VALID",
    )
    done(project, store)
    store.run("INSERT INTO t VALUES (2, 'two')")


def test_two_columns_and_a_rename_in_one_plan(store: Store, project: Inside):
    specs(project, store, {"t": "columns: { id: bigint primary key, a: text not null, b: bigint }"})
    assert project.flowc("apply", "--yes").code == 0
    store.run("INSERT INTO t VALUES (1, '1', 10), (2, '2', NULL)")
    enlarge(store)
    columns = (
        "columns:\n  id: bigint primary key\n  c: { type: integer, renamed_from: a }\n  b: integer not null default 5"
    )
    store.run("UPDATE t SET b = 20 WHERE b IS NULL")
    specs(project, store, {"t": columns})
    done(project, store)
    assert store.raw("SELECT id, c, b FROM t ORDER BY id") == [(1, 1, 10), (2, 2, 20)]
    required = (
        "SELECT attname::text, attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass AND attname IN ('b', 'c')"
    )
    assert sorted(store.raw(required)) == [("b", True), ("c", False)]
