"""Lint rules over the resolved project: literal secrets, references nobody resolves, pipelines that undo each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.compiler.front.kinds import can, kinds, secret_options
from flowc.compiler.passes import run_lints
from flowc.diagnostics import Reporter
from tests.unit.project import BASE, check


def lints(tmp_path: Path, text: str) -> list[tuple[str, str]]:
    checked, found = check(tmp_path, text)
    assert found == []
    assert checked is not None
    reporter = Reporter()
    run_lints(checked, None, reporter)
    return [(d.code, d.message) for d in reporter.sorted()]


@pytest.mark.parametrize(
    ("connection", "path"),
    [
        ('{ kind: postgres, url: "postgres://u:hunter2@h/d" }', "url"),
        ('{ kind: rabbitmq, url: "amqp://guest:guest@h" }', "url"),
        ("{ kind: kafka, bootstrap_servers: h, security: { password: hunter2 } }", "security.password"),
        ("{ kind: files, uri: $B, options: { secret_access_key: hunter2 } }", "options.secret_access_key"),
        ("{ kind: snowflake, account: a, user: u, database: d, password: hunter2 }", "password"),
    ],
)
def test_literal_secrets(tmp_path: Path, connection: str, path: str) -> None:
    found = lints(tmp_path, f"connections: {{ c: {connection} }}")
    assert found == [("secret-literal", f"`{path}` of connection `c` holds a secret in plain text")]


@pytest.mark.parametrize(
    "connection",
    [
        '{ kind: postgres, url: "${URL}" }',
        '{ kind: postgres, url: "postgres://u:${PW}@h/d" }',
        '{ kind: postgres, url: "postgres://u@h:5432/d?a=b:c@d" }',
        '{ kind: kafka, bootstrap_servers: h, security: { username: u, password: "${vault:a/b#c}" } }',
        '{ kind: kafka, bootstrap_servers: "${file:x}${aws:y#z}${gcp:w}${env:V}" }',
        "{ kind: duckdb, path: a.db }",
    ],
)
def test_what_is_no_literal_secret(tmp_path: Path, connection: str) -> None:
    assert lints(tmp_path, f"connections: {{ c: {connection} }}") == []


@pytest.mark.parametrize(
    ("kind", "url", "said"),
    [
        ("sqlite", "postgres://${U}@h", "`url` of connection `c` is an address of postgres, and its kind is `sqlite`"),
        ("duckdb", "sqlite:///a.db", "`url` of connection `c` is an address of sqlite, and its kind is `duckdb`"),
        ("duckdb", "app.db", "`url` of connection `c` is no address of `duckdb`"),
        ("postgres", "oracle://h/d", "`url` of connection `c` is no address of `postgres`"),
        ("mysql", "postgresql://h/d", "`url` of connection `c` is an address of postgres, and its kind is `mysql`"),
        ("rabbitmq", "mysql://h/d", "`url` of connection `c` is an address of mysql, and its kind is `rabbitmq`"),
        ("postgres", "host=h user=u", ""),
        ("redshift", "postgresql://h/d", ""),
        ("sqlite", "${PG_URL}", ""),
        ("mysql", "mariadb://h/d", ""),
    ],
)  # fmt: skip
def test_addresses_of_another_kind(tmp_path: Path, kind: str, url: str, said: str) -> None:
    found = lints(tmp_path, f"connections: {{ c: {{ kind: {kind}, url: '{url}' }} }}")
    assert found == ([("unusable-option", said)] if said else [])


STORE = "`uri` of connection `c` is an address of an object store, which this version cannot open"
NO_PATH = "`uri` of connection `c` is no path on this machine"
DUCK = "`path` of connection `c` is an address of MotherDuck, which this version cannot open"


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        *((f"kind: files, uri: '{uri}'", STORE) for uri in ("s3://b/x", "S3://b", " s3://b", "s3:/b/x", "gs://${B}/x")),
        *((f"kind: delta, uri: '{uri}'", STORE) for uri in ("az://b", "abfss://c@a.example/x", "s3a://k:${K}@b/x")),
        *((f"kind: files, uri: '{uri}'", NO_PATH) for uri in ("http://h/x", "memory:///x", "file:/x", "file://x")),
        *((f"kind: duckdb, path: '{path}'", DUCK) for path in ("md:", "md:?motherduck_token=${T}", "MD:d")),
        *((f"kind: duckdb, url: '{url}'", DUCK.replace("path", "url")) for url in ("duckdb:md:d", "duckdb:///md:d?a=b")),
        ("kind: duckdb, path: 's3://b/x'", STORE.replace("uri", "path")),
        *((f"kind: duckdb, path: '{path}'", NO_PATH.replace("uri", "path")) for path in ("postgres:host=h", "ab:c")),
        ("kind: sqlite, path: 'file:a.db?mode=memory'", NO_PATH.replace("uri", "path")),
        (
            "kind: sqlite, url: 'sqlite:///a.db?mode=ro'",
            "`url` of connection `c` has parameters behind a `?`, and files of databases take none",
        ),
        *((f"kind: files, uri: '{uri}'", "") for uri in ("./s3://b", "C:/x", "FILE:///x", "${U}", "./a:b", "1:x")),
        *((f"kind: duckdb, path: '{path}'", "") for path in (":memory:", "./md:d", "a?b")),
    ],
)  # fmt: skip
def test_places_that_are_not_on_this_machine(tmp_path: Path, connection: str, said: str) -> None:
    code = "not-runnable-yet" if "this version" in said else "unusable-option"
    assert lints(tmp_path, f"connections: {{ c: {{ {connection} }} }}") == ([(code, said)] if said else [])


@pytest.mark.parametrize("reference", ["${vualt:a#b}", "${}", "${vault:a}", "${env:}", "${a b}"])
def test_references_that_nothing_resolves(tmp_path: Path, reference: str) -> None:
    text = f"connections: {{ c: {{ kind: kafka, bootstrap_servers: h, security: {{ password: '{reference}' }} }} }}"
    assert [code for code, _ in lints(tmp_path, text)] == ["unknown-reference"]


@pytest.mark.parametrize(
    ("first", "second", "warnings"),
    [
        ("mode: truncate", "mode: append", 1),
        ("mode: truncate", "mode: truncate", 2),
        ("mode: merge, deletes: hard", "mode: merge", 1),
        ("mode: append", "mode: append", 0),
    ],
)
def test_pipelines_that_undo_each_other(tmp_path: Path, first: str, second: str, warnings: int) -> None:
    pipelines = f"pipelines: {{ p: {{ to: t, sql: SELECT 1, {first} }}, q: {{ to: t, sql: SELECT 1, {second} }} }}\n"
    assert [code for code, _ in lints(tmp_path, BASE + pipelines)] == ["shared-target"] * warnings


@pytest.mark.parametrize(
    ("first", "second", "warnings"),
    [
        ("incremental: { column: n }", "mode: append", 1),
        ("incremental: { column: n }", "incremental: { column: n }", 2),
        ("keys: [n], incremental: { column: n }", "mode: append", 0),
    ],
)
def test_pipelines_that_take_rows_of_others_for_theirs(
    tmp_path: Path, first: str, second: str, warnings: int
) -> None:  # fmt: skip
    to = "from: a, to: { connection: a, table: t }, sql: SELECT 1 AS n"
    text = f"""
connections: {{ a: {{ kind: sqlite, path: x.db }} }}
pipelines: {{ p: {{ {to}, {first} }}, q: {{ {to}, {second} }} }}
"""
    assert [code for code, _ in lints(tmp_path, text)] == ["shared-target"] * warnings


@pytest.mark.parametrize(("path", "warnings"), [("./x.db", 1), ("y.db", 0)])
def test_pipelines_that_undo_each_other_by_two_connections(tmp_path: Path, path: str, warnings: int) -> None:
    text = f"""
connections: {{ a: {{ kind: sqlite, path: x.db }}, b: {{ kind: sqlite, path: {path} }} }}
pipelines:
  p: {{ from: a, to: {{ connection: a, table: t }}, sql: SELECT 1 AS n, mode: truncate }}
  q: {{ from: a, to: {{ connection: b, table: T }}, sql: SELECT 1 AS n, mode: append }}
"""
    assert [code for code, _ in lints(tmp_path, text)].count("shared-target") == warnings


def test_every_kind_says_what_it_can_do() -> None:
    known = {"load-source", "load-target", "stream-source", "stream-target", "schema-registry"}
    assert all(any(can(kind, capability) for capability in known) for kind in kinds())
    assert secret_options("kafka") >= {("security", "password"), ("properties", "sasl.jaas.config")}
    assert secret_options("postgres") == set()  # of its `url` only a part is secret
