"""Loads that fail: the target is as it was, and the error says what and where, without secrets."""

from __future__ import annotations

import psycopg
import pytest

from flowc.catalog import Column, TableName
from flowc.errors import DataError, EngineError, TransientError, UsageError
from flowc.loadplan import Check, Counter, Execute, Expect, Ingest, LoadPlan, Measure, QueryRead
from flowc.runtime.loads.load import run_load
from flowc.runtime.systems import open_database
from flowc.types import parse_type
from tests.databases import KINDS, databases

BIGINT, TEXT = parse_type("bigint"), parse_type("text")
N = (Column("n", BIGINT),)


@pytest.fixture
def three(tmp_path, postgres, mysql):
    yield from databases(tmp_path, postgres, mysql)


def prepared(three, kind, rows=3):
    """A session whose `t` holds one row, beside `s` with `rows` rows; committed."""
    target = three.session(kind)
    target.execute("CREATE TABLE t (n BIGINT)")
    target.execute("INSERT INTO t VALUES (0)")
    target.execute("CREATE TABLE s (n BIGINT)")
    for n in range(1, rows + 1):
        target.execute(f"INSERT INTO s VALUES ({n})")
    return target


def run(three, target, steps, **more):
    plan = LoadPlan("p", target.kind, TableName(None, "t"), "append", tuple(steps), lock=True)
    return run_load(plan, target, three.source, **more)


def held(target, table="t"):
    return target.query(f"SELECT n FROM {table} ORDER BY n").column(0).to_pylist()


def ingest(source, sql="SELECT n FROM s"):
    return Ingest("load", QueryRead(source, sql), TableName(None, "t"), N, temporary=False, counts=Counter.INSERTED)


def good_steps(source):
    return [
        Execute("empty", "DELETE FROM t", Counter.DELETED),
        ingest(source),
        Execute("change", "UPDATE t SET n = n + 10", Counter.UPDATED),
        Check("none", "SELECT n FROM t WHERE n < 0", "negative", "{count} negative"),
        Measure("count", "SELECT count(*) FROM t", Counter.UNCHANGED),
        Expect("positive", "SELECT 0, 3"),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_load_counts_what_it_does(three, kind):
    target = prepared(three, kind)
    seen = []
    result = run(three, target, good_steps(kind), progress=seen.append)
    assert result.error is None
    assert held(target) == [11, 12, 13]
    assert result.counts == {
        Counter.DELETED: 1, Counter.READ: 3, Counter.INSERTED: 3, Counter.UPDATED: 3, Counter.UNCHANGED: 3,
    }  # fmt: skip
    assert result.expects[0].passed
    assert seen[-1].bytes > 0


@pytest.mark.covering
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", range(7))
def test_a_failure_at_any_step_leaves_the_target_as_it_was(three, kind, place):
    target = prepared(three, kind)
    steps = good_steps(kind)
    steps.insert(place, Execute("break", "INSERT INTO there_is_no_such_table VALUES (1)"))
    result = run(three, target, steps)
    assert isinstance(result.error, EngineError)
    assert result.error.code == "query-refused"
    assert "there_is_no_such_table" in result.error.message
    assert held(target) == [0]
    assert run(three, target, good_steps(kind)).error is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_changes_nothing(three, kind):
    target = prepared(three, kind)
    result = run(three, target, good_steps(kind), commit=False)
    assert result.counts[Counter.INSERTED] == 3
    assert held(target) == [0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_check_shows_the_rows(three, kind):
    target = prepared(three, kind)
    check = Check("evidence", "SELECT n, NULL AS m FROM s ORDER BY n", "bad-rows", "{count} rows are bad", "mend them")
    result = run(three, target, [ingest(kind), check])
    assert isinstance(result.error, DataError)
    assert (result.error.code, result.error.message, result.error.help) == ("bad-rows", "3 rows are bad", "mend them")
    assert result.error.details[0] == "n = `1`, m = NULL"
    assert held(target) == [0]


@pytest.mark.covering
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("check", "passed", "stops"),
    [
        (Expect("c", "SELECT 1, 10"), False, True),
        (Expect("c", "SELECT 1, 10", error=False), False, False),
        (Expect("c", "SELECT 1, 10", max_failures=1), True, False),
        (Expect("c", "SELECT 1, 10", max_ratio=0.1), True, False),
        (Expect("c", "SELECT 2, 10", max_ratio=0.1), False, True),
    ],
)
def test_a_quality_check_stops_the_load_beyond_what_is_allowed(three, kind, check, passed, stops):
    target = prepared(three, kind)
    result = run(three, target, [ingest(kind), check])
    assert result.expects[0].passed is passed
    assert (result.error is not None) is stops
    assert held(target) == ([0] if stops else [0, 1, 2, 3])


@pytest.mark.covering
@pytest.mark.parametrize("target_kind", KINDS)
@pytest.mark.parametrize("source_kind", KINDS)
def test_a_value_that_does_not_fit_is_named_and_nothing_is_loaded(three, source_kind, target_kind):
    target = prepared(three, target_kind)
    source = three.session(source_kind)
    source.execute("CREATE TABLE f (n DOUBLE PRECISION)")
    for value in ("1.0", "2.0", "2.5"):
        source.execute(f"INSERT INTO f VALUES ({value})")
    result = run(three, target, [ingest(source_kind, "SELECT n FROM f ORDER BY n")])
    assert isinstance(result.error, DataError)
    assert result.error.message == "column `n`: `2.5` (double) does not fit `bigint`, in row 3"
    assert held(target) == [0]


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupt_undoes_the_load(three, kind):
    target = prepared(three, kind)

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(three, target, good_steps(kind), progress=interrupt)
    assert held(target) == [0]


@pytest.mark.parametrize("kind", KINDS)
def test_cleanup_runs_whatever_happened(three, kind):
    target = prepared(three, kind)
    plan = LoadPlan(
        "p", kind, TableName(None, "t"), "append", (Execute("break", "nonsense"),),
        prepare=(Execute("make", "CREATE TABLE aside (n BIGINT)"),),
        cleanup=(Execute("drop", "DROP TABLE aside"),),
    )  # fmt: skip
    assert run_load(plan, target, three.source).error is not None
    assert target.table(TableName(None, "aside")) is None


def killer(postgres, like):
    """Ends the sessions of a PostgreSQL database whose query is like that, whenever a load reports its progress."""

    def kill(_):
        with psycopg.connect(postgres, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND query LIKE %s",
                [like],
            )

    return kill


def test_a_session_killed_in_the_middle_is_transient(three, postgres):
    target = prepared(three, "postgres")
    kill = killer(postgres, "COPY%FROM STDIN%")
    result = run(three, target, [ingest("postgres", "SELECT generate_series(1, 3000000)::bigint")], progress=kill)
    assert isinstance(result.error, TransientError)
    assert result.error.code == "connection-lost"
    assert held(three.session("postgres")) == [0]


def test_a_source_killed_in_the_middle_is_transient(three, postgres):
    target = prepared(three, "duckdb")
    kill = killer(postgres, "COPY%")
    result = run(three, target, [ingest("postgres", "SELECT generate_series(1, 9000000)::bigint")], progress=kill)
    assert isinstance(result.error, TransientError)
    assert held(target) == [0]


def test_a_lock_timeout_is_transient(three):
    target, other = prepared(three, "postgres"), three.session("postgres")
    other.begin()
    other.execute("LOCK TABLE t")
    target.execute("SET lock_timeout = '100ms'")
    result = run(three, target, [Execute("write", "INSERT INTO t VALUES (1)")])
    assert isinstance(result.error, TransientError)
    assert result.error.code == "write-conflict"


def test_a_locked_sqlite_file_is_transient(three, monkeypatch):
    monkeypatch.setattr("flowc.runtime.systems.sqlite.session._BUSY_SECONDS", 0.1)
    target, other = prepared(three, "sqlite"), three.session("sqlite")
    other.begin()
    result = run(three, target, [Execute("write", "INSERT INTO t VALUES (1)")])
    assert isinstance(result.error, TransientError)


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_constraint_is_an_error_of_the_data(three, kind):
    target = three.session(kind)
    target.execute("CREATE TABLE t (n BIGINT PRIMARY KEY)")
    result = run(three, target, [Execute("twice", "INSERT INTO t VALUES (1), (1)")])
    assert isinstance(result.error, DataError)
    assert result.error.code == "constraint-violated"


def test_nul_characters_end_at_postgres(three):
    columns = (Column("n", TEXT),)
    source, target = three.session("duckdb"), three.session("postgres")
    source.execute("CREATE TABLE s AS SELECT 'a' || chr(0) AS n UNION ALL SELECT 'b'")
    target.execute("CREATE TABLE t (n TEXT)")
    step = Ingest("load", QueryRead("duckdb", "SELECT n FROM s ORDER BY n"), TableName(None, "t"), columns, False)
    result = run(three, target, [step])
    assert isinstance(result.error, DataError)
    assert "in row 1 of column `n`" in result.error.message
    assert "NUL" in result.error.help


def test_wrong_password_shows_no_secret(postgres):
    wrong = postgres.replace(":flowc@", ":hunter2@")
    with pytest.raises(EngineError) as caught:
        open_database("postgres", {"url": wrong})
    assert caught.value.code == "access-denied"
    assert "hunter2" not in str(vars(caught.value))


def test_nobody_listens():
    with pytest.raises(TransientError) as caught:
        open_database("postgres", {"url": "postgres://u:hunter2@127.0.0.1:1/d"})
    assert caught.value.code == "connection-failed"
    assert "hunter2" not in str(vars(caught.value))


def test_an_address_that_is_none():
    with pytest.raises(UsageError) as caught:
        open_database("postgres", {"url": "postgres//u:hunter2@h/d"})
    assert "hunter2" not in str(vars(caught.value))


def test_a_kind_that_cannot_run_yet():
    with pytest.raises(UsageError, match="`snowflake` cannot run yet"):
        open_database("snowflake", {})


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_path_that_cannot_be_opened(tmp_path, kind):
    with pytest.raises(EngineError) as caught:
        open_database(kind, {"path": "none/x.db"}, root=tmp_path)
    assert caught.value.code == "connection-failed"
