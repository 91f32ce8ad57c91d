"""Secrets in specs that are slightly wrong are not shown, and what only looks like one is."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from flowc.masker import Masker
from flowc.masking import MASK, mask_prose
from tests.commands import Inside
from tests.fuzz.secretshapes import leaks, shapes

SECRET = "Zq81x-Hunter2"
COMMANDS = (
    ("lint",), ("lint", "--format", "json"), ("compile",), ("connections", "list", "--format", "json"), ("validate",),
    ("test",),
)  # fmt: skip
DATABASE = "connections: { db: { kind: duckdb, path: a.duckdb } }\n"
LOAD = "pipelines: {{ p: {{ from: db, to: {{ connection: db, table: t }}, mode: append, sql: {sql} }} }}\n"


def test_no_command_shows_a_secret_of_a_broken_spec(tmp_path: Path):
    """A sample of what `python -m tests.fuzz.secretshapes` tries."""
    found = random.Random(1).sample(list(shapes(1)), 250)
    assert [(command, shape.text, line) for command, shape, line in leaks(tmp_path, found, COMMANDS)] == []


@pytest.mark.parametrize(
    "form", [("compile",), ("compile", "--to", "ir"), ("lint", "--format", "json"), ("plan", "--json")]
)
@pytest.mark.parametrize("sql", [
    f"SELECT a FROM postgres_scan('host=h password={SECRET}', 'public', 't')",
    f"SELECT a FROM read_csv('https://u:{SECRET}@h/x.csv')", f"SELECT a FROM read_csv('https://h/x.csv?token={SECRET}')",
])  # fmt: skip
def test_no_command_shows_a_secret_in_sql(sql: str, form: tuple[str, ...], tmp_path: Path):
    folder = Inside(tmp_path)
    folder.write("specs/a.yaml", DATABASE + LOAD.format(sql=json.dumps(sql)))
    done = folder.flowc(*form)
    assert SECRET not in done.out + done.err


@pytest.mark.parametrize("text", [
    f"connections: {{ c: {{ kind: '{SECRET}!' }} }}",
    f"connections: {{ c: {{ kind: postgres, url: '${{{SECRET}}}' }} }}",
    f"connections: {{ c: {{ kind: postgres, url: '${{env:PW:-{SECRET}}}' }} }}",
    f'alerts: {{ a: {{ kind: webhook, url: "${{U}}", on: [x], body: \'{{"token": "{SECRET}"}}\' }} }}',
    f"connections:\n  c:\n    properties:\n      ssl.key.pem: |\n        -----BEGIN\n        {SECRET}\n     x: y\n",
    f"env: [PASSWORD={SECRET}]",
    f"connections: {{ c: {{ kind: postgres, creds: {SECRET} }} }}",
    f"connections: {{ c: {{ kind: postgres, api key: {SECRET} }} }}",
    f"connections: {{ c: {{ kind: files, uri: 'AccountName=a;AccountKey={SECRET};x=y' , z: 1 }} }}",
    f"telemetry: {{ metrics: {{ kind: otlp, headers: 'Authorization: Bearer {SECRET}' }} }}",
])  # fmt: skip
@pytest.mark.parametrize("form", [("lint",), ("lint", "--format", "json"), ("lint", "--env", "e"), ("doctor",)])
def test_secrets_in_other_places(text: str, form: tuple[str, ...], tmp_path: Path):
    folder = Inside(tmp_path)
    folder.write("specs/a.yaml", text)
    done = folder.flowc(*form)
    assert SECRET not in done.out + done.err, done.out + done.err


@pytest.mark.parametrize(("text", "shown"), [
    ("Authorization: Bearer abc.def-1", "Authorization: Bearer ***"),
    ('{"authorization": "Basic dTpw"}', '{"authorization": "Basic ***"}'),
    ("key AKIAIOSFODNN7EXAMPLE is unknown", "key *** is unknown"),
    ("host=h password='it is' dbname=d", "host=h password='***' dbname=d"),
    ("AccountName=a;AccountKey=x+y/z==;x=y", "AccountName=a;AccountKey=***;x=y"),
    ("postgres:u:hunter2@h/db", "postgres:u:***@h/db"), ("postgres//u:hunter2@h/db", "postgres//u:***@h/db"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nx", "***\nx"),
    ("CREATE SECRET (TYPE s3, SECRET 'abc')", "CREATE SECRET (TYPE s3, SECRET '***')"),
    ("${env:PW:-hunter2}", "${env:PW:-***}"),
])  # fmt: skip
def test_shapes_are_known_in_what_others_say(text: str, shown: str):
    assert mask_prose(text) == shown
    assert Masker().redact(text, pieces=True) == shown


@pytest.mark.parametrize("text", [
    "column `password_changed_at` is not in `users`",
    "SELECT token, t.password FROM s WHERE token = 'x' AND pass IS NULL",
    "`token` of `secrets` is text", "the password is wrong", "bearer of bad news, basic understanding",
    "pass: 3, pw: 4",
    "${DB_PASSWORD}", "url: ${PG_URL2}", "${env:DB_PASSWORD}", "${vault:kv/shop/db#url}",
    "at 12:30:15 by me@example.com",
    "primary_key=id", "JOIN b ON a.id=b.id", "{{ var.token }}", "password=${PW}", "eyJust a word", "ASIAN markets",
])  # fmt: skip
def test_words_are_no_secrets(text: str):
    assert mask_prose(text) == text


READABLE = """
tables:
  users:
    connection: db
    columns: { id: bigint, password: text, token: varchar(20), password_changed_at: timestampp }
pipelines:
  p: { from: db, to: users, mode: append, sql: "SELECT id, token, password, nope AS password_changed_at FROM users" }
tests:
  t: { pipeline: p, given: { users: [{ id: 1, pass: 3, token: seven }] }, expect: [{ id: 1, pass: 3 }], other: 1 }
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_columns_and_rows_are_no_secrets(form: str, tmp_path: Path):
    folder = Inside(tmp_path)
    folder.write("specs/a.yaml", DATABASE + READABLE)
    done = folder.flowc("lint", "--format", form)
    assert done.code == 1
    assert MASK not in done.out + done.err, done.out
    assert "timestampp" in done.out


def test_a_literal_that_is_part_of_a_word_of_flowc_leaves_it_readable(tmp_path: Path):
    folder = Inside(tmp_path)
    options = "kind: kafka, bootstrap_servers: h, security: { username: u, password: a, protocol: x }"
    folder.write("specs/a.yaml", f"connections: {{ c: {{ {options} }} }}")
    done = folder.flowc("lint")
    assert MASK not in done.out.replace("password: *", ""), done.out
    assert "password: *," in done.out
    listed = folder.flowc("lint", "--format", "json").json
    assert [each["code"] for each in listed if each["severity"] == "error"]


def test_a_connection_may_have_the_name_of_a_secret(tmp_path: Path):
    folder = Inside(tmp_path)
    folder.write("specs/a.yaml", "connections: { auth: { kind: duckdb, pth: a.duckdb }, token: { kind: sqlite } }")
    done = folder.flowc("lint")
    assert "auth: { kind: duckdb, pth: a.duckdb }" in done.out
    assert MASK not in done.out
