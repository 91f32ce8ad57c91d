"""Statements of `before` and `after` that would end the load's transaction: refused, or noticed at once."""

import pytest

from flowc.catalog import TableName
from flowc.compiler.dialects import DIALECTS
from flowc.loadplan import Execute, LoadPlan
from flowc.runtime.loads.load import run_load
from flowc.runtime.systems import open_database
from tests.stores import KINDS, SERVERS, Store, address

pytestmark = pytest.mark.turns("store", 2)

SPEC = """
connections: {{ w: {connection} }}
pipelines:
  p:
    sql: SELECT id FROM raw
    to: {{ connection: w, table: t }}
    mode: {mode}
    {key}: [{statements}]
"""


@pytest.fixture
def filled(store):
    store.run("CREATE TABLE raw (id BIGINT)", "INSERT INTO raw VALUES (1), (2)")
    store.run("CREATE TABLE t (id BIGINT)", "INSERT INTO t VALUES (9)", "CREATE TABLE log (said BIGINT)")
    return store


def spec(project, store, key, *statements, mode="append"):
    quoted = ", ".join(f'"{s}"' for s in statements)
    text = SPEC.format(connection=store.connection, mode=mode, key=key, statements=quoted)
    project.write("specs/p.yaml", text)


def stopped(project, store, *commands, words="transaction-ended"):
    """Every command fails with these words, and leaves the table and the log as they were."""
    for command in commands:
        done = project.flowc(*command)
        assert done.code == 1, done.out + done.err
        assert words in done.out + done.err, done.out + done.err
        assert store.rows("SELECT * FROM t") == [(9,)]
        assert store.rows("SELECT * FROM log") == []


PREVIEW, RUN = ("preview", "p"), ("run", "--once")


@pytest.mark.parametrize("key", ["before", "after"])
def test_the_text_tells_it(project, filled, key):
    """Lint says it, and nothing is run."""
    spec(project, filled, key, "INSERT INTO log VALUES (1)", "-- all is done\\nCommit")
    stopped(project, filled, ("lint",), PREVIEW, RUN)


@pytest.mark.parametrize("mode", ["append", "truncate"])
def test_what_stays_in_the_transaction_is_run(project, filled, mode):
    more = () if filled.kind == "mysql" else ("CREATE TABLE made (a INT)",)
    spec(project, filled, "after", "INSERT INTO log SELECT count(*) FROM t", *more, mode=mode)
    done = project.flowc(*PREVIEW)
    assert done.code == 0, done.out + done.err
    assert filled.rows("SELECT * FROM log") == []
    for _ in range(1 if more else 2):
        done = project.flowc(*RUN)
        assert done.code == 0, done.out + done.err
    count = 2 if mode == "truncate" else 3
    assert filled.rows("SELECT * FROM log")[0] == (count,)


def test_a_statement_that_fails_is_told_as_such(project, filled):
    spec(project, filled, "after", "INSERT INTO log VALUES (1)", "INSERT INTO nothing VALUES (1)")
    stopped(project, filled, PREVIEW, RUN, words="nothing")


@pytest.mark.covering
@pytest.mark.parametrize(
    "statement", ["INSERT INTO log VALUES (1)", "SELECT id FROM raw", "SELECT id FROM raw WHERE id < 0"]
)
def test_rows_of_another_database_follow_a_statement(project, filled, tmp_path, statement):
    """A connection to DuckDB takes no rows while the result of a statement is open."""
    Store("sqlite", tmp_path, file="other").run("CREATE TABLE raw (id BIGINT)", "INSERT INTO raw VALUES (3)")
    spec(project, filled, "before", statement)
    text = (tmp_path / "specs/p.yaml").read_text()
    text = text.replace("connections: {", "connections: { other: { kind: sqlite, path: other.sqlite },")
    project.write("specs/p.yaml", text.replace("  p:", "  p:\n    from: other"))
    done = project.flowc(*RUN)
    assert done.code == 0, done.out + done.err
    assert filled.rows("SELECT id FROM t") == [(3,), (9,)]


HIDDEN = {
    "procedure": ("CREATE PROCEDURE p() BEGIN INSERT INTO log VALUES (1); COMMIT; START TRANSACTION; END", "CALL p()"),
    "definition": ("CREATE PROCEDURE p() BEGIN INSERT INTO log VALUES (1); TRUNCATE log; END", "CALL p()"),
    "prepared": (None, "EXECUTE IMMEDIATE 'COMMIT'"),
    "block": (None, "BEGIN NOT ATOMIC INSERT INTO log VALUES (1); COMMIT; END"),
}


@pytest.mark.parametrize("key", ["before", "after"])
@pytest.mark.parametrize("way", HIDDEN)
def test_mysql_lets_no_procedure_end_it(project, mysql, way, key):
    store = Store("mysql", project.path, mysql)
    made, hook = HIDDEN[way]
    store.run("CREATE TABLE raw (id BIGINT)", "INSERT INTO raw VALUES (1), (2)")
    store.run("CREATE TABLE t (id BIGINT)", "INSERT INTO t VALUES (9)", "CREATE TABLE log (said BIGINT)")
    store.run(*([made] if made else []))
    spec(project, store, key, "INSERT INTO log VALUES (7)", hook)
    stopped(project, store, PREVIEW, RUN)


def test_a_procedure_that_does_not_is_run(project, mysql):
    store = Store("mysql", project.path, mysql)
    store.run("CREATE TABLE raw (id BIGINT)", "INSERT INTO raw VALUES (1), (2)")
    store.run("CREATE TABLE t (id BIGINT)", "CREATE TABLE log (said BIGINT)")
    store.run("CREATE PROCEDURE p() INSERT INTO log SELECT count(*) FROM t")
    spec(project, store, "after", "CALL p()", mode="truncate\n    expect: [{ unique: [id] }]")
    assert project.flowc(*PREVIEW).code == 0
    assert store.rows("SELECT * FROM t") == []
    for _ in range(2):
        done = project.flowc(*RUN)
        assert done.code == 0, done.out + done.err
    assert store.rows("SELECT * FROM t") == [(1,), (2,)]
    assert store.rows("SELECT * FROM log") == [(2,), (2,)]


def test_postgres_lets_no_procedure_end_it(project, postgres):
    store = Store("postgres", project.path, postgres)
    store.run("CREATE TABLE raw (id BIGINT)", "INSERT INTO raw VALUES (1), (2)")
    store.run("CREATE TABLE t (id BIGINT)", "INSERT INTO t VALUES (9)", "CREATE TABLE log (said BIGINT)")
    store.run("CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (1); COMMIT; END $$")
    spec(project, store, "after", "CALL p()")
    stopped(project, store, PREVIEW, RUN, words="invalid transaction termination")
    spec(project, store, "after", "DO $$ BEGIN COMMIT; END $$")
    stopped(project, store, PREVIEW, RUN, words="invalid transaction termination")


UNSEEN = {
    "sqlite": ("COMMIT",),
    "duckdb": ("COMMIT", "COMMIT; BEGIN"),
    "postgres": ("COMMIT", "ROLLBACK", "COMMIT; BEGIN"),
    "mysql": ("CALL p()", "CALL q()", "TRUNCATE log"),
}


@pytest.mark.parametrize(("kind", "sql"), [(kind, sql) for kind in KINDS for sql in UNSEEN[kind]])
def test_an_end_that_nothing_forbade_is_noticed_at_once(request, tmp_path, kind, sql):
    """As on a server that has no transactions of XA. Nothing is written after it."""
    store = Store(kind, tmp_path, address(request, kind))
    store.run("CREATE TABLE t (id BIGINT)", "CREATE TABLE log (id BIGINT)")
    if kind == "mysql":
        store.run("CREATE PROCEDURE p() COMMIT", "CREATE PROCEDURE q() BEGIN COMMIT; START TRANSACTION; END")
    at = {"url": store.dsn} if kind in SERVERS else {"path": str(tmp_path / f"store.{kind}")}
    target = open_database(kind, at)
    same = DIALECTS[kind].transactions.same
    steps = (Execute("after", sql, same=same), Execute("insert", "INSERT INTO t VALUES (1)"))
    for commit in (True, False):
        plan = LoadPlan("p", "w", TableName(None, "t"), "append", steps)
        error = run_load(plan, target, lambda name: target, commit=commit).error
        assert getattr(error, "code", None) == "transaction-ended", error
    target.close()
    assert store.rows("SELECT * FROM t") == []


def test_no_statement_of_a_load_is_taken_for_one_that_ends_it(tmp_path):
    """Marks are the session's own: two loads in a row, one of them undone, do not see each other's."""
    target = open_database("duckdb", {"path": str(tmp_path / "x.duckdb")})
    target.execute("CREATE TABLE t (id BIGINT)")
    step = Execute("after", "INSERT INTO t VALUES (1)", same=DIALECTS["duckdb"].transactions.same)
    plan = LoadPlan("p", "w", TableName(None, "t"), "append", (step, step))
    for commit in (False, True, True):
        assert run_load(plan, target, lambda name: target, commit=commit).error is None
    assert target.query("SELECT count(*) AS n FROM t").to_pylist() == [{"n": 4}]
    target.close()
