"""SQL of a spec only reads, on every engine: lint refuses what writes, and sessions of sources refuse the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flowc.errors import FlowcError
from flowc.runtime.contracts.database import Database
from flowc.runtime.systems import open_database
from tests.commands import Done, Inside
from tests.stores import Store

SPECS = """
connections:
  source: {source}
  home: {{ kind: duckdb, path: home.duckdb }}
pipelines:
  load:
    from: source
    sql: |
      {sql}
    to: {{ connection: {target}, table: copied, mode: append }}
"""
_DML = (
    "WITH q AS (DELETE FROM t RETURNING id) SELECT id FROM q",
    "WITH q AS (INSERT INTO t VALUES (9) RETURNING id) SELECT id FROM q",
    "WITH q AS (UPDATE t SET id = 9 RETURNING id) SELECT id FROM q",
    "SELECT id FROM (WITH q AS (DELETE FROM t RETURNING id) SELECT id FROM q) AS s",
    "SELECT id FROM t WHERE id IN (WITH q AS (DELETE FROM t RETURNING id) SELECT id FROM q)",
    "SELECT id FROM t UNION ALL (WITH q AS (DELETE FROM t RETURNING id) SELECT id FROM q)",
    "SELECT id INTO stolen FROM t",
)
_LOCKS = ("SELECT id FROM t FOR UPDATE", "SELECT id FROM (SELECT id FROM t FOR SHARE) AS s")
REFUSED = {
    "postgres": (
        *_DML, *_LOCKS,
        "WITH q AS (MERGE INTO t USING t AS s ON t.id = s.id WHEN MATCHED THEN DELETE) SELECT 1 AS id",
        "SELECT id FROM t FOR NO KEY UPDATE", "SELECT id FROM t FOR KEY SHARE SKIP LOCKED",
        "SELECT nextval('s') AS id", "SELECT pg_catalog.nextval('s') AS id", """SELECT "nextval"('s') AS id""",
        "SELECT NEXTVAL ('s') AS id", "SELECT nextval/* */('s') AS id", r"""SELECT U&"next\0076al"('s') AS id""",
        "SELECT id FROM t WHERE id < (SELECT setval('s', 7))", "SELECT id FROM ROWS FROM (nextval('s')) AS r(id)",
        "SELECT id FROM t ORDER BY nextval('s')", "SELECT id FROM t, LATERAL nextval('s') AS n",
        "SELECT CASE WHEN id > 0 THEN pg_try_advisory_lock(1) END AS id FROM t",
        "SELECT pg_read_file('PG_VERSION') AS id", "SELECT pg_ls_dir('.') AS id",
        "SELECT lo_import('/etc/hostname') AS id",
        "SELECT lo_create(4711) AS id", "SELECT set_config('search_path', 'x', false) AS id",
        "SELECT pg_terminate_backend(0) AS id", "SELECT pg_notify('a', 'b') AS id", "SELECT pg_reload_conf() AS id",
        "SELECT id FROM public.dblink('', 'DELETE FROM t') AS d(id int)",
        "SELECT pg_logical_emit_message(true, 'a', 'b') AS id",
        "SELECT query_to_xml('SELECT nextval(''s'')', true, true, '')::text AS id",
        "SELECT query_to_xml('SELECT pg_read' || '_file(''a'')', true, true, '')::text AS id",
        r"SELECT query_to_xml(E'SELECT next\x76al(''s'')', true, true, '')::text AS id",
        "SELECT query_to_xml($$SELECT nextval('s')$$, true, true, '')::text AS id",
        "SELECT query_to_xml(q, true, true, '')::text AS id FROM t",
        "SELECT query_to_xml('SELECT query_to_xml(E''SELECT 1'', true, true, '''')', true, true, '')::text AS id",
        "SELECT query_to_xml('SELECT (''a''::text).pg_read_file', true, true, '')::text AS id",
        "SELECT ('SELECT 1'::text).crosstab AS id", "SELECT ('PG_VERSION'::text).pg_read_file AS id",
        "SELECT (r) . /* */ nextval AS id FROM (VALUES ('s'::regclass)) AS v(r)",
        "SELECT x.pg_read_file AS id FROM unnest(ARRAY['PG_VERSION']) AS x", "SELECT (ARRAY['a'])[1].pg_ls_dir AS id",
        r"""SELECT U&"next\0076al" /* */ ('s') AS id FROM t""",
        r"""SELECT ('a'::text).U&"pg_ls_di\0072" AS id FROM t""",
    ),
    "mysql": (
        *_LOCKS, _DML[-1],
        "SELECT id FROM t LOCK IN SHARE MODE", "SELECT get_lock('a', 0) AS id", "SELECT GET_LOCK ('a', 0) AS id",
        "SELECT id FROM t WHERE release_all_locks() = 0", "SELECT load_file('/etc/hostname') AS id",
        "SELECT `load_file`('/etc/hostname') AS id", "SELECT `Get_Lock`('a', 0) AS id FROM t",
        "SELECT nextval(s) AS id", "SELECT setval(s, 7) AS id", "SELECT id /*! INTO OUTFILE '/tmp/x' */ FROM t",
        "SELECT /*!40000 get_lock('a', 0), */ id FROM t",
        "SELECT id FROM (SELECT id FROM t /*M!100000 FOR UPDATE */) AS s",
    ),
    "sqlite": (
        "SELECT fts3_tokenizer('simple') AS id", """SELECT "fts3_tokenizer"('simple') AS id""",
        "SELECT id FROM t WHERE fts3_tokenizer('a', x'0000000000000000') IS NULL",
        "SELECT load_extension('a') AS id", "SELECT [load_extension]('a') AS id",
    ),
    "duckdb": (
        *_DML[:-1],
        "SELECT nextval('s') AS id", "SELECT 's'.nextval() AS id", """SELECT "NextVal"('s') AS id""",
        "SELECT id FROM t WHERE id < (SELECT setval('s', 7))", "SELECT id FROM checkpoint() AS c(id)",
        "FROM query('SELECT 1 AS id')",
        "FROM enable_profiling(save_location => '/tmp/x')", "FROM json_execute_serialized_sql('{}')",
        "SELECT write_log('a') AS id",
        "FROM seq_scan()", "FROM postgres_scan('', 'public', 't')",
        "SELECT content AS id FROM read_text('/etc/hostname')",
        "SELECT content AS id FROM read_text(['home.txt', '/etc/hostname'])",
        "SELECT content AS id FROM read_text('file:/etc/hostname')",
        "SELECT content AS id FROM read_text('file://localhost/etc/hostname')",
        "SELECT id FROM t, read_csv('../a.csv') AS c",
        "SELECT content AS id FROM read_text('/etc/' || 'hostname')",
        "SELECT content AS id FROM read_text(getvariable('p'))",
        "FROM '/etc/hostname.csv'", """FROM "/etc/hostname"."csv" """, "FROM 'https://example.com/a.parquet'",
        "FROM read_parquet('s3://bucket/a.parquet')", "SELECT file AS id FROM glob('/etc/*')",
        "FROM query_table('/etc/a.csv')",
    ),
}  # fmt: skip
TAKEN = {
    "postgres": (
        "SELECT own.nextval(id) AS id FROM t", """SELECT "NEXTVAL"(id) AS id FROM t""",
        "SELECT nextval.nextval AS id FROM nextval",
        "SELECT n.a AS id FROM t AS nextval(a), t AS n(a)", "SELECT 'nextval(1)' AS id -- nextval(1)",
        "WITH dblink (id) AS (SELECT id FROM t) SELECT id FROM dblink", "SELECT currval('s') AS id",
        "SELECT query_to_xml('SELECT 1', true, true, '')::text AS id", "SELECT (v).id, v.nextval FROM t AS v",
        "SELECT q.setval AS id FROM (SELECT id AS setval FROM t) AS q", "SELECT a&b AS id, U & 1 AS u FROM t",
    ),
    "mysql": (
        "SELECT `get_lock`.id FROM t AS `get_lock`",
        "SELECT own.nextval(id) AS id FROM t", "SELECT /*+ NO_ICP(t) */ id FROM t",
    ),
    "sqlite": ("SELECT load_extension AS id FROM t", "SELECT 'fts3_tokenizer(1)' AS id"),
    "duckdb": (
        "SELECT id FROM t WHERE id::text GLOB ('1*')", "FROM read_csv('a.csv')",
        "SELECT t.query AS id FROM t AS t(query)",
    ),
}  # fmt: skip
_CASES = [(kind, sql) for kind, texts in REFUSED.items() for sql in texts]


def write(folder: Inside, store: Store, sql: str, target: str = "home") -> None:
    folder.write("specs/a.yaml", SPECS.format(source=store.connection, sql=sql, target=target))


def refusals(done: Done) -> list[str]:
    codes = ("not-a-query", "denied-function", "path-outside")
    return [d["code"] for d in done.json if d["code"] in codes]


@pytest.mark.parametrize(("kind", "sql"), _CASES)
def test_lint_refuses_what_does_more_than_read(tmp_path: Path, kind: str, sql: str) -> None:
    folder = Inside(tmp_path)
    write(folder, Store(kind, tmp_path, f"{kind}://u@h/d"), sql)
    done = folder.flowc("lint", "--json")
    assert done.code == 1
    assert refusals(done)


@pytest.mark.parametrize(("kind", "sql"), [(kind, sql) for kind, texts in TAKEN.items() for sql in texts])
def test_names_that_are_the_users_own_are_taken(tmp_path: Path, kind: str, sql: str) -> None:
    folder = Inside(tmp_path)
    write(folder, Store(kind, tmp_path, f"{kind}://u@h/d"), sql)
    assert refusals(folder.flowc("lint", "--json")) == []


def test_lint_shows_the_word_that_is_refused(tmp_path: Path) -> None:
    folder, store = Inside(tmp_path), Store("postgres", tmp_path, "postgres://u@h/d")
    write(folder, store, "SELECT id, nextval('s') AS n FROM t")
    found = folder.flowc("lint", "--json").json
    assert [(d["code"], d["line"], d["column"]) for d in found] == [("denied-function", 9, 18)]
    for sql, column in (
        ("SELECT id FROM t FOR UPDATE", 24),
        ("WITH q AS (DELETE FROM t RETURNING id) SELECT id FROM q", 18),
    ):
        write(folder, store, sql)
        found = folder.flowc("lint", "--json").json
        assert [(d["code"], d["line"], d["column"]) for d in found] == [("not-a-query", 9, column)]


_DEFAULTS = {
    "postgres": ("lo_import('/etc/hostname')", "coalesce(pg_read_file('PG_VERSION'), '')", "setval('s', 1)",
                 "GENERATED ALWAYS AS (set_config('search_path', name, false)) STORED"),
    "mysql": ("(load_file('/etc/hostname'))", "(/*!40000 get_lock('a', 0) */)"),
    "sqlite": ("(fts3_tokenizer('simple'))", "GENERATED ALWAYS AS (load_extension(name)) VIRTUAL"),
    "duckdb": ("write_log('a')", "(SELECT content FROM read_text('/etc/hostname'))"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "sql"), [(kind, sql) for kind, texts in _DEFAULTS.items() for sql in texts])
def test_a_default_calls_nothing_that_is_denied(tmp_path: Path, kind: str, sql: str) -> None:
    """A default runs for each row that has no value, and for all rows when `apply` adds the column."""
    folder, store = Inside(tmp_path), Store(kind, tmp_path, f"{kind}://u@h/d")
    columns = {"id": "bigint", "name": "text", "made": {"type": "text", "default": sql}}
    table = {"connection": "source", "columns": columns}
    folder.write("specs/a.yaml", f"connections: {{ source: {store.connection} }}\ntables: {json.dumps({'t': table})}\n")
    done = folder.flowc("lint", "--json")
    assert done.code == 1
    assert len(refusals(done)) == 1


@pytest.mark.parametrize("kind", ["postgres", "mysql", "duckdb"])
def test_a_default_takes_numbers_of_a_sequence(tmp_path: Path, kind: str) -> None:
    folder, store = Inside(tmp_path), Store(kind, tmp_path, f"{kind}://u@h/d")
    table = "{ connection: source, columns: { id: { type: bigint, default: \"nextval('s')\" } } }"
    folder.write("specs/a.yaml", f"connections: {{ source: {store.connection} }}\ntables: {{ t: {table} }}\n")
    assert refusals(folder.flowc("lint", "--json")) == []


_MADE = {
    "postgres": ("CREATE SEQUENCE s", "CREATE VIEW hidden AS SELECT nextval('s') AS id",
                 "CREATE FUNCTION erase() RETURNS int LANGUAGE sql AS 'DELETE FROM t RETURNING id'",
                 "CREATE VIEW erasing AS SELECT erase() AS id"),
    "mysql": ("CREATE FUNCTION erase() RETURNS INT MODIFIES SQL DATA BEGIN DELETE FROM t; RETURN 1; END",),
    "duckdb": ("CREATE SEQUENCE s", "CREATE VIEW hidden AS SELECT nextval('s') AS id",
               "CREATE MACRO erase() AS nextval('s')"),
    "sqlite": (),
}  # fmt: skip
_HIDDEN = {
    "postgres": ("SELECT id FROM hidden", "SELECT erase() AS id", "SELECT id FROM erasing"),
    "mysql": ("SELECT erase() AS id",),
    "duckdb": ("SELECT id FROM hidden", "SELECT erase() AS id"),
    "sqlite": (),
}
_STATE = {
    "postgres": "SELECT (SELECT count(*) FROM t), (SELECT last_value FROM s), (SELECT is_called FROM s)",
    "mysql": "SELECT count(*) FROM t", "sqlite": "SELECT count(*) FROM t",
    "duckdb": "SELECT count(*), (SELECT last_value FROM duckdb_sequences()) FROM t",
}  # fmt: skip


@pytest.fixture
def filled(store: Store) -> Store:
    store.run("CREATE TABLE t (id INTEGER)", "INSERT INTO t VALUES (1)", *_MADE[store.kind])
    return store


@pytest.mark.parametrize("command", [("validate",), ("preview", "load"), ("run", "--once")])
def test_what_lint_cannot_see_is_refused_by_the_session(
    filled: Store, tmp_path: Path, command: tuple[str, ...]
) -> None:
    folder, before = Inside(tmp_path), filled.raw(_STATE[filled.kind])
    for sql in _HIDDEN[filled.kind]:
        write(folder, filled, sql)
        done = folder.flowc(*command)
        assert filled.raw(_STATE[filled.kind]) == before, sql
        assert done.code != 0 or command == ("validate",), sql
    write(folder, filled, "SELECT id FROM t")
    assert folder.flowc(*command).code == 0


@pytest.mark.parametrize("store", ["postgres", "mysql"], indirect=True)
@pytest.mark.parametrize("command", [("validate",), ("preview", "load"), ("run", "--once")])
def test_a_function_that_writes_in_the_database_of_the_target_is_undone(
    filled: Store, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """A load within one database reads in the transaction in which it writes: a run alone commits what that does."""
    folder = Inside(tmp_path)
    spec = SPECS.format(source=filled.connection, sql="SELECT erase() AS id", target="source")
    folder.write("specs/load.yaml", spec)
    done = folder.flowc(*command)
    left = 0 if command == ("run", "--once") and done.code == 0 else 1
    assert filled.rows("SELECT count(*) FROM t") == [(left,)], done.out + done.err


@contextmanager
def reading(store: Store) -> Iterator[Database]:
    options = {"url": store.dsn} if store.dsn else {"path": str(store.folder / f"{store.file}.{store.kind}")}
    with store.held():
        database = open_database(store.kind, options)
        database.forbid_writes()
        try:
            yield database
        finally:
            database.close()


_WRITES = (
    "INSERT INTO t VALUES (2)",
    "UPDATE t SET id = 3",
    "DELETE FROM t",
    "CREATE TABLE u (id INTEGER)",
    "DROP TABLE t",
)


def test_a_session_that_reads_runs_nothing_that_writes(filled: Store) -> None:
    before = filled.raw(_STATE[filled.kind])
    refused = [sql for sql in (*REFUSED[filled.kind], *_HIDDEN[filled.kind]) if _writes_rows(sql)]
    with reading(filled) as database:
        for statement in _WRITES if filled.kind != "duckdb" else ():  # flowc runs queries alone in such a session
            with pytest.raises(FlowcError):
                database.execute(statement)
        for sql in refused:
            with pytest.raises(FlowcError):
                list(database.read(sql)[1])
        assert [row["id"] for row in database.query("SELECT id FROM t").to_pylist()] == [1]
    assert filled.raw(_STATE[filled.kind]) == before


def _writes_rows(sql: str) -> bool:
    """Whether a query writes what tables and sequences hold: of the rest, sessions refuse what their engine does."""
    return any(
        word in sql for word in ("DELETE", "INSERT", "UPDATE t", "nextval(", "setval(", "erase", "hidden", "fts3")
    )


_INDEXES = {
    "fts5": ("USING fts5(x)", "INSERT INTO found (rowid, x) VALUES (new.id, 'a')", "SELECT rowid AS id FROM found"),
    "fts4": ("USING fts4(x)", "INSERT INTO found (rowid, x) VALUES (new.id, 'a')", "SELECT rowid AS id FROM found"),
    "rtree": ("USING rtree(id, low, high)", "INSERT INTO found VALUES (new.id, 0, 1)", "SELECT id FROM found"),
}


@pytest.mark.parametrize("index", _INDEXES)
def test_views_and_triggers_of_sqlite_use_its_indexes_of_texts_and_places(tmp_path: Path, index: str) -> None:
    """A full-text index of a table is kept by triggers, as the documentation of SQLite has it."""
    using, insert, select = _INDEXES[index]
    folder, store = Inside(tmp_path), Store("sqlite", tmp_path)
    store.run(
        f"CREATE VIRTUAL TABLE found {using}", f"CREATE VIEW v AS {select}",
        "CREATE TABLE t (id INTEGER)", "INSERT INTO t VALUES (1)", "CREATE TABLE copied (id BIGINT)",
        f"CREATE TRIGGER filled AFTER INSERT ON copied BEGIN {insert}; END",
    )  # fmt: skip
    for sql in ("SELECT id FROM t", "SELECT id + 1 AS id FROM v"):
        write(folder, store, sql, target="source")
        assert folder.flowc("run", "--once").code == 0
    assert store.rows("SELECT id FROM v") == [(1,), (2,)]


def test_a_line_comment_of_mysql_ends_with_its_line(tmp_path: Path) -> None:
    folder, store = Inside(tmp_path), Store("mysql", tmp_path, "mysql://u@h/d")
    for comment, found in (("-- ' \n", ["not-a-query"]), ("--\n", ["not-a-query"]), ("# '\n", ["not-a-query"])):
        text = f"SELECT id {comment}/*! FOR UPDATE */ FROM t".replace("\n", "\n      ")
        write(folder, store, text)
        assert refusals(folder.flowc("lint", "--json")) == found


def test_nothing_of_a_session_that_reads_stays_with_its_server(postgres: str) -> None:
    """A pool hands sessions of the server on: what one client sets, the next one has."""
    database = open_database("postgres", {"url": postgres})
    database.forbid_writes()
    names = {"d": "default_transaction_read_only", "t": "transaction_read_only"}
    chosen = [f"current_setting('{name}') AS {key}" for key, name in names.items()]
    settings = f"SELECT {', '.join(chosen)}"
    for begin in (False, True):
        if begin:
            database.begin()
        assert database.query(settings).to_pylist() == [{"d": "off", "t": "on"}]
        _, batches = database.read(settings)
        assert [row for batch in batches for row in batch.to_pylist()] == [{"d": "off", "t": "on"}]
        assert database.explain("SELECT 1")
        database.rollback()
    database.close()


@pytest.mark.parametrize("call", ["fts3_tokenizer('simple')", "load_extension('a')"])
def test_what_a_view_of_sqlite_calls_is_judged_too(tmp_path: Path, call: str) -> None:
    """So `trusted_schema` may stay on, without which no view reads a full-text index."""
    store = Store("sqlite", tmp_path)
    store.run("CREATE TABLE t (id INTEGER)", "INSERT INTO t VALUES (1)", f"CREATE VIEW v AS SELECT {call} AS id FROM t")
    folder = Inside(tmp_path)
    for target in ("home", "source"):
        write(folder, store, "SELECT id FROM v", target=target)
        done = folder.flowc("run", "--once")
        assert any(words in done.err for words in ("not authorized", "prohibited", "unsafe use of")), done.err


def test_a_hook_of_sqlite_that_attaches_a_file_is_told_what_to_do(tmp_path: Path) -> None:
    folder, store = Inside(tmp_path), Store("sqlite", tmp_path)
    store.run("CREATE TABLE t (id INTEGER)")
    write(folder, store, "SELECT id FROM t", target="source")
    spec = folder.path / "specs/a.yaml"
    spec.write_text(spec.read_text() + """    before: ["ATTACH 'other.db' AS other"]\n""")
    done = folder.flowc("run", "--once")
    assert done.code == 1
    assert "as a connection of its own" in done.out + done.err


def test_duckdb_reads_relative_paths_from_the_project(tmp_path: Path) -> None:
    """Lint judges the same file that the engine reads, whatever the working folder is."""
    root, other = Inside(tmp_path / "root"), Inside(tmp_path / "other")
    for folder, value in ((root, 1), (other, 2)):
        folder.write("b.csv" if folder is other else "a.csv", f"id\n{value}\n")
    root.write("b.csv", "id\n1\n")
    store = Store("duckdb", root.path)
    cases = (("a.csv", 0), ("b*.csv", 0), ("./a.csv", 0), ("b.csv", 1), ("./b.csv", 1))
    for path, code in cases:
        for sql in (f"SELECT id FROM read_csv('{path}')", f"SELECT id FROM '{path}'"):
            write(root, store, sql)
            assert Inside(root.path).flowc("lint", "specs").code == 0, "in the project itself"
            done = other.flowc("run", str(root.path / "specs"), "--once", "--full", "load")
            assert (done.code, "path-outside" in done.err) == (code, bool(code)), (sql, done.err)
    assert set(Store("duckdb", root.path, file="home").rows("SELECT id FROM copied")) == {(1,)}
    write(root, store, "SELECT * FROM sqlite_scan('x.db', 't')")
    assert "path-outside" in other.flowc("lint", str(root.path / "specs")).out
