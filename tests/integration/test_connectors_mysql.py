"""MySQL and MariaDB: what tables hold, what a bulk load would change in silence, and how the address is read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowc.catalog import Column, Index, TableName
from flowc.errors import DataError, EngineError, FlowcError, TransientError, UsageError
from flowc.runtime.arrow import arrow_schema
from flowc.runtime.systems import open_database
from flowc.runtime.systems.mysql.address import connect_arguments
from flowc.runtime.systems.mysql.session import MySQL, _LocalForbidden
from flowc.types import parse_type
from tests.commands import Inside
from tests.services.mysql import ask
from tests.stores import Store

T = TableName(None, "t")


@pytest.fixture
def session(mysql: str) -> Iterator[MySQL]:
    opened = MySQL({"url": mysql})
    opened.open()
    yield opened
    opened.close()


def columns(**types: str) -> tuple[Column, ...]:
    return tuple(Column(name, parse_type(kind)) for name, kind in types.items())


def put(session: MySQL, kinds: tuple[Column, ...], rows: list[tuple[Any, ...]]) -> int:
    """Loads rows into `t` in a transaction that is left open."""
    values = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(arrow_schema(kinds))]
    batch = pa.RecordBatch.from_arrays(values, schema=arrow_schema(kinds))
    session.begin()
    return session.ingest(T, kinds, iter([batch]), temporary=False)


def held(session: MySQL) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in session.query("SELECT * FROM t").to_pylist()]


@pytest.mark.parametrize("kind", ["mysql", "postgres"])
@pytest.mark.parametrize("host", ["..", "a..b", "x" * 70])
def test_a_host_that_has_no_such_name_is_told(kind: str, host: str) -> None:
    with pytest.raises(FlowcError) as raised:
        open_database(kind, {"url": f"{kind}://u:secret@{host}/d"}).open()
    assert raised.value.code in ("unusable-option", "connection-failed")
    assert "secret" not in str(raised.value)


def test_a_table_is_described(session):
    session.execute(
        "CREATE TABLE t (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, b boolean NOT NULL, f float, g double(8,2),"
        " d decimal(65,30) DEFAULT 1.50, s varchar(20) DEFAULT 'it''s' COMMENT 'a name', l mediumtext, j json,"
        " u char(36) CHARACTER SET ascii COLLATE ascii_bin, c char(36), raw varbinary(9), day date, clock time(3),"
        " at datetime, instant timestamp(6) NULL, e enum('x','y'), y year, bits bit(9), flag bit, i tinyint,"
        " m mediumint unsigned, twice int AS (i * 2) STORED, UNIQUE KEY by_s (s), KEY part (l(10)))"
        " CHARACTER SET utf8mb4 COMMENT 'a table'"
    )
    table = session.table(T)
    assert {c.name: str(c.type) for c in table.columns} == {
        "id": "ubigint", "b": "boolean", "f": "real", "g": "double", "d": "numeric(65,30)", "s": "varchar(20)",
        "l": "text", "j": "json", "u": "uuid", "c": "varchar(36)", "raw": "binary", "day": "date", "clock": "time(3)",
        "at": "timestamp(0)", "instant": "timestamptz", "e": "text", "y": "smallint", "bits": "ubigint",
        "flag": "boolean", "i": "tinyint", "m": "uinteger", "twice": "integer",
    }  # fmt: skip
    described = {c.name: str(c.type) for c in session.describe("SELECT * FROM t")}
    assert described == {c.name: str(c.type) for c in table.columns}
    assert (table.primary_key, table.comment, table.plain) == (("id",), "a table", True)
    part = Index(("l",), False, "part", sql='KEY "part" ("l"(10))', beyond=("a prefix",))
    assert table.indexes == (Index(("s",), True, "by_s"), part)
    name = table.column("s")
    assert (name.nullable, name.default, name.comment) == (True, "'it''s'", "a name")
    assert (table.column("b").nullable, table.column("i").default) == (False, None)
    assert session.table(TableName(None, "none")) is None
    assert "type: ALL" in session.explain("SELECT * FROM t WHERE i = 1")


def test_values_of_every_kind_are_exact(session):
    session.execute(
        "CREATE TABLE t (big bigint unsigned, f float, d decimal(65,30), s longtext, raw longblob, clock time(6),"
        " at datetime(6), instant timestamp(6) NULL, y year, bits bit(9), flag bit, e set('a','b'))"
        " CHARACTER SET utf8mb4"
    )
    session.execute(
        "INSERT INTO t VALUES (18446744073709551615, 16777217, 12345678901234567890123456789012345.000000000000000000"
        "000000000001, repeat('é', 70000), x'00ff5c0a', '23:59:59.999999', '1000-01-01 00:00:00.000001',"
        " '2038-01-19 03:14:07.999999', 1901, b'100000001', b'1', 'a,b'), (NULL, NULL, NULL, '', '', '00:00:00',"
        " '9999-12-31 23:59:59', NULL, NULL, NULL, b'0', '')"
    )
    first, second = held(session)
    exact = Decimal("12345678901234567890123456789012345.000000000000000000000000000001")
    assert first[:3] == (2**64 - 1, 16777216.0, exact)
    assert first[3:6] == ("é" * 70000, b"\x00\xff\\\n", dt.time(23, 59, 59, 999999))
    assert first[6:] == (
        dt.datetime(1000, 1, 1, 0, 0, 0, 1), dt.datetime(2038, 1, 19, 3, 14, 7, 999999, dt.UTC), 1901, 257, True, "a,b",
    )  # fmt: skip
    assert second == (
        None, None, None, "", b"", dt.time(0), dt.datetime(9999, 12, 31, 23, 59, 59), None, None, None, False, "",
    )  # fmt: skip
    fields = session.describe("SELECT * FROM t")
    rows = session.query("SELECT * FROM t")
    session.begin()
    session.execute("DELETE FROM t")
    assert session.ingest(T, fields, iter(rows.to_batches()), temporary=False) == 2
    session.commit()
    assert session.query("SELECT * FROM t").equals(rows)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("date", "0000-00-00", "column `v`: `0000-00-00` is no date, in row 2"),
        ("datetime(6)", "2024-00-10", "column `v`: `2024-00-10` is no date"),
        ("time", "-01:30:00", "column `v`: `-01:30` is no time of a day"),
        ("time", "30:00:00", "column `v`: `30:00` is no time of a day"),
        ("tinyint(1)", "7", "column `v`: `7` is no boolean"),
    ],
)
def test_values_that_nobody_else_has_are_refused(mysql, session, kind, value, said):
    """Another session, less strict, has put them there."""
    lax = "SET SESSION sql_mode = ''"
    ask(mysql, lax, f"CREATE TABLE t (v {kind})", f"INSERT INTO t VALUES (NULL), ('{value}')")
    with pytest.raises(DataError) as raised:
        session.query("SELECT v FROM t")
    assert said in raised.value.message
    assert raised.value.code == "value-does-not-fit"


REFUSED = [
    ("v smallint", "bigint", 40000, "value-refused", "'v', in row 2"),
    ("v varchar(3)", "text", "four", "value-refused", "'v', in row 2"),
    ("v decimal(4,1)", "numeric(6,3)", Decimal("1.234"), "value-refused", "'v', in row 2"),
    ("v enum('a','b')", "text", "c", "value-refused", "'v', in row 2"),
    ("v date", "text", "2024-02-30", "value-refused", "'v', in row 2"),
    ("v timestamp(6) NULL", "timestamptz", dt.datetime(2100, 1, 1, tzinfo=dt.UTC), "value-refused", "'v', in row 2"),
    ("v int NOT NULL", "integer", None, "", "'v'"),
    ("v json", "text", "{", "", "v"),
    ("v int CHECK (v < 5)", "integer", 9, "constraint-violated", "v"),
    ("v int UNIQUE", "integer", 1, "constraint-violated", "Duplicate entry '1'"),
    ("v double", "double", float("nan"), "value-does-not-fit", "is no number in MySQL, in row 2"),
]
FIRST = {"text": "b", "date": "2024-01-01", "timestamptz": dt.datetime(2024, 1, 1, tzinfo=dt.UTC)}


@pytest.mark.parametrize("local", [True, False], ids=["LOAD DATA", "INSERT"])
@pytest.mark.parametrize(("declared", "kind", "value", "code", "said"), REFUSED)
def test_a_bulk_load_changes_no_value_in_silence(session, local, declared, kind, value, code, said):
    """LOAD DATA LOCAL itself would only warn, and store the nearest value or none."""
    session._local = local
    session.execute(f"CREATE TABLE t ({declared})")
    good = {"v date": "2024-01-01", "v json": "{}"}.get(declared, FIRST.get(kind, 1))
    good = Decimal("1.0") if kind.startswith("numeric") else good
    with pytest.raises(DataError) as raised:
        put(session, columns(v=kind), [(good,), (value,)])
    assert not code or raised.value.code == code
    assert said in raised.value.message or not local
    session.rollback()
    assert held(session) == []


def test_marks_of_the_bulk_format_are_only_characters(session):
    texts = ["", "\\N", "\\", "\t", "\n", "\r\n", "a\tb\\nc", "NULL", "'", '"', "\0", "\\0", "é☃🐘", " x ", None]
    session.execute("CREATE TABLE t (n int, v longtext, w longtext) CHARACTER SET utf8mb4")
    for local in (True, False):
        session._local = local
        rows = [(i, text, text) for i, text in enumerate(texts)]
        assert put(session, columns(n="integer", v="text", w="text"), rows) == len(texts)
        assert sorted(held(session)) == rows
        session.rollback()


def test_rows_go_in_where_the_server_takes_no_files(mysql, session):
    session.execute("CREATE TABLE t (v int)")
    session.open()
    failed = session._load

    def forbidden(*arguments: Any) -> int:
        session._load = failed
        raise _LocalForbidden

    session._load = forbidden
    assert put(session, columns(v="integer"), [(1,), (2,)]) == 2
    session.commit()
    assert held(session) == [(1,), (2,)]


def test_a_server_gets_no_file_of_this_machine(session):
    """The driver would send any file that a server asks for."""
    session.execute("CREATE TABLE t (v longtext)")
    with pytest.raises((RuntimeError, FlowcError)):
        session.execute("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE t")
    session.close()
    session.open()
    assert held(session) == []


def test_a_definition_inside_a_load_is_refused(session):
    """MySQL commits before it: what came before could not be undone."""
    session.begin()
    with pytest.raises(UsageError) as raised:
        session.execute("CREATE TABLE t (v int)")
    assert raised.value.code == "transaction-ended"
    with pytest.raises(EngineError):
        session.commit()


def test_tables_without_transactions_are_refused(session):
    session.execute("CREATE TABLE t (v int) ENGINE = MyISAM")
    with pytest.raises(UsageError) as raised:
        put(session, columns(v="integer"), [(1,)])
    assert raised.value.code == "no-transactions"


def test_errors_say_what_may_pass_by_itself(mysql, session):
    session.execute("CREATE TABLE t (v int PRIMARY KEY)")
    session.execute("INSERT INTO t VALUES (1)")
    other = MySQL({"url": mysql})
    other.begin()
    other.execute("UPDATE t SET v = 2")
    session.execute("SET SESSION innodb_lock_wait_timeout = 1")
    with pytest.raises(TransientError) as raised:
        session.execute("UPDATE t SET v = 3")
    assert raised.value.code == "write-conflict"
    other.rollback()  # a session that is closed only then gives up its locks when the server comes to it
    other.close()
    with pytest.raises(DataError):
        session.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(EngineError):
        session.query("SELECT nothing FROM t")
    number = session.query("SELECT connection_id() AS n").to_pylist()[0]["n"]
    ask(mysql, f"KILL {number}")
    with pytest.raises(TransientError) as raised:
        session.query("SELECT v FROM t")
    assert raised.value.code == "connection-lost"
    assert held(session) == [(1,)]


def test_the_password_is_never_shown(mysql):
    wrong = mysql.replace("flowc:flowc@", "flowc:hush-hush@")
    with pytest.raises(FlowcError) as raised:
        MySQL({"url": wrong}).open()
    assert raised.value.code == "access-denied"
    assert "hush" not in str(raised.value) + str(raised.value.help)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://h/d", "is not a MySQL address"),
        ("mysql://u:p@h:no/d", "is not a MySQL address"),
        ("mysql://u:p@h", "names no database"),
        ("mysql://u:p@h/d?ssl-mode=MAYBE", "unknown `ssl-mode`"),
        ("mysql://u:p@h/d?charset=latin1", "unknown option `charset`"),
        ("mysql://u:p@h/d?connect-timeout=0", "no number of seconds"),
        ("mysql://u:p@h/d?connect-timeout=%C2%B2", "no number of seconds"),
        ("mysql://u:p@h/d?connect-timeout=99999999999999999999", "no number of seconds"),
        ("mysql://u:p@h/d?ssl-ca=/nowhere", "cannot be read"),
    ],
)
def test_an_address_that_is_none(url, said):
    with pytest.raises(UsageError) as raised:
        connect_arguments(url)
    assert said in raised.value.message
    assert raised.value.code == "unusable-option"


def test_an_address_with_everything():
    found, secrets = connect_arguments("mariadb://u%40x:p%2Fw@[::1]/my%20db?ssl-mode=required&connect-timeout=3")
    assert {n: found[n] for n in ("host", "port", "user", "password", "database", "connect_timeout")} == {
        "host": "::1", "port": 3306, "user": "u@x", "password": "p/w", "database": "my db", "connect_timeout": 3,
    }  # fmt: skip
    assert found["ssl"].check_hostname is False
    assert "p/w" in secrets


def test_who_checks_no_certificate_reads_no_authorities(mysql, monkeypatch):
    """They are hundreds, and would be read for each session."""
    monkeypatch.setattr("ssl.SSLContext.load_default_certs", lambda *_: pytest.fail("authorities are read"))
    session = MySQL({"url": mysql})
    session.open()
    session.close()


def test_encryption_can_be_asked_for(mysql):
    """A server without a certificate is not spoken to."""
    has_tls = ask(mysql, "SHOW VARIABLES LIKE 'have_ssl'")[0][1] == "YES"
    session = MySQL({"url": f"{mysql}?ssl-mode=REQUIRED"})
    if has_tls:
        session.open()
        assert session._ask("SHOW STATUS LIKE 'Ssl_cipher'")[0][1] != ""
    else:
        with pytest.raises(TransientError) as raised:
            session.open()
        assert "SSL" in raised.value.message
    session.close()


def test_an_authors_quotes_and_bars_mean_what_mysql_says(project: Inside, mysql: str) -> None:
    """Texts stand between double quotes, and `||` is OR; flowc's own sessions read both otherwise."""
    store, out = Store("mysql", project.path, mysql), Store("sqlite", project.path)
    store.run("CREATE TABLE s (id int, name varchar(9))", "INSERT INTO s VALUES (1, 'a'), (2, 'b'), (3, 'name')")
    project.write(
        "specs/p.yaml",
        f"""
connections: {{ m: {store.connection}, o: {out.connection} }}
pipelines:
  p:
    from: m
    sql: |
      SELECT id, "it's ""x"" " AS said FROM s WHERE name = "name" || id = 1
    to: {{ connection: o, table: t }}
    mode: append
  q:
    from: m
    sql: SELECT id, "y" AS said FROM s WHERE `name` = "b"
    to: {{ connection: m, table: t }}
    mode: append
""",
    )
    done = project.flowc("run", "--once", "--json")
    assert done.code == 0, done.out + done.err
    assert out.rows("SELECT id, said FROM t") == [(1, 'it\'s "x" '), (3, 'it\'s "x" ')]
    assert store.rows("SELECT id, said FROM t") == [(2, "y")]


def test_keys_are_compared_by_value(project: Inside, mysql: str) -> None:
    """Case and trailing spaces tell keys apart, in a table that flowc makes."""
    store, file = Store("mysql", project.path, mysql), "k,v\na,1\nA,2\na ,3\n"
    project.write("in/rows.csv", file)
    project.write(
        "specs/p.yaml",
        f"""
connections: {{ m: {store.connection}, i: {{ kind: files, uri: in }} }}
pipelines:
  p: {{ from: {{ connection: i, path: rows.csv }}, to: {{ connection: m, table: t }}, mode: merge, keys: [k] }}
""",
    )
    assert project.flowc("run", "--once").code == 0
    project.write("in/rows.csv", file.replace("2", "9"))
    done = project.flowc("run", "--once", "--json")
    assert done.code == 0, done.out
    assert done.json["pipelines"][0]["targets"][0]["counts"]["updated"] == 1
    assert store.rows("SELECT k, v FROM t") == [("A", 9), ("a", 1), ("a ", 3)]


def test_a_preview_leaves_nothing_behind(project: Inside, mysql: str) -> None:
    """Also where creating a table is no part of a transaction."""
    store = Store("mysql", project.path, mysql)
    project.write("in/rows.csv", "id,v\n1,a\n")
    project.write(
        "specs/p.yaml",
        f"""
connections: {{ m: {store.connection}, i: {{ kind: files, uri: in }} }}
pipelines:
  p:
    from: {{ connection: i, path: rows.csv }}
    to: {{ connection: m, table: t }}
    mode: append
    incremental: {{ column: id }}
""",
    )
    assert project.flowc("preview", "p").code == 0
    assert store.raw("SHOW TABLES") == []


def test_arrays_in_a_declared_table_are_json(project: Inside, mysql: str) -> None:
    store, arrays = Store("mysql", project.path, mysql), pa.array([[1, None], [], None], pa.list_(pa.int32()))
    pq.write_table(pa.table({"id": [1, 2, 3], "a": arrays}), project.path / "a.parquet")  # type: ignore[no-untyped-call]
    project.write(
        "specs/p.yaml",
        f"""
connections: {{ m: {store.connection}, i: {{ kind: files, uri: ., format: parquet }} }}
tables: {{ t: {{ connection: m, columns: {{ id: bigint primary key, a: "integer[]" }} }} }}
pipelines:
  p: {{ from: {{ connection: i, path: a.parquet }}, to: t, mode: merge }}
""",
    )
    assert project.flowc("run", "--once").code == 0
    assert store.rows("SELECT id, a FROM t") == [(1, "[1,null]"), (2, "[]"), (3, None)]
    done = project.flowc("run", "--once", "--json")
    assert done.json["pipelines"][0]["targets"][0]["counts"]["unchanged"] == 3
