"""No command shows a secret or a piece of it: random passwords in every place of every connector, wrong everywhere."""

from __future__ import annotations

import io
import json
import os
import random
import string
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec
import pytest

from flowc.errors import EngineError
from flowc.masker import _tells
from flowc.masking import MASK
from flowc.runtime.systems.kafka import source as kafka
from flowc.runtime.systems.kafka.brokers import brokers
from flowc.service.access.secrets import Resolver
from flowc.service.daemon.channel import Channel, Wire
from flowc.service.daemon.job import Job
from flowc.service.daemon.stats import Counts, Event, Failure, Line, Report
from tests.commands import Done, Folder, Inside
from tests.daemons import daemon
from tests.extended import with_extended

PRINTABLE = string.digits + string.ascii_letters + string.punctuation
SEEDS = int(os.environ.get("FLOWC_TEST_SECRETS", "1"))
STREAM = """
tables: { t: { connection: sink, columns: { id: bigint } } }
streams:
  s: { source: { connection: c, topic: none }, to: t, sql: SELECT id FROM source }
"""
LOAD = """
pipelines: { p: { from: c, to: { connection: sink, table: t }, mode: append, sql: SELECT 1 AS id } }
"""
COMMANDS = (
    ("lint",), ("lint", "--format", "json"), ("lint", "--format", "github"), ("lint", "--format", "sarif"),
    ("compile",), ("plan",), ("plan", "--out", "plan.json"), ("doctor",), ("connections", "list"),
    ("connections", "list", "--format", "json"), ("connections", "check"), ("status",),
    ("run", "--once", "--format", "json"), ("--debug", "run", "--once"),
)  # fmt: skip


def password(seed: int) -> str:
    """A random one, with what URLs, JSON, YAML and shells give a meaning at its joints."""
    chosen = random.Random(seed)
    return (
        "".join(chosen.choice(PRINTABLE) for _ in range(9))
        + chosen.choice("@/]?#%&'\"\\ ")
        + "Zq7"
        + ("".join(chosen.choice(PRINTABLE) for _ in range(9)))
    )


def shown_pieces(text: str, secret: str) -> Iterator[str]:
    """Pieces that tell something of the secret: four characters and more, in any spelling of ours."""
    for size in range(len(secret), 3, -1):
        for start in range(len(secret) - size + 1):
            piece = secret[start : start + size]
            spelled = {piece, json.dumps(piece)[1:-1], quote(piece, safe=""), quote(piece)}
            if _tells(piece) and any(each in text for each in spelled):
                yield piece


def places(server: str, kafka: str, mysql: str) -> dict[str, dict[str, object]]:
    """Connections whose secret is `SECRET`, raw, or `ENCODED`, as URLs have it."""
    pg, my = urlsplit(server).netloc.rpartition("@")[2], urlsplit(mysql).netloc.rpartition("@")[2]
    sasl = dict(parse_qsl(kafka.partition("?")[2]))["sasl"]
    login = {"protocol": "SASL_PLAINTEXT", "mechanism": "PLAIN", "username": "u"}
    kafkas = {
        name: {"kind": "kafka", "bootstrap_servers": sasl, "properties": {name: "SECRET"}}
        for name in ("ssl.key.pem", "sasl.jaas.config", "sasl.oauthbearer.config", "sasl.password", "ssl.key.password")
    }
    return {
        "postgres": {"kind": "postgres", "url": f"postgres://postgres:ENCODED@{pg}/postgres"},
        "postgres raw": {"kind": "postgres", "url": f"postgres://postgres:SECRET@{pg}/postgres"},
        "postgres away": {"kind": "postgres", "url": "postgres://u:ENCODED@127.0.0.1:9/d"},
        "postgres query": {"kind": "postgres", "url": f"postgres://{pg}/d?user=u&password=ENCODED&sslmode=disable"},
        "postgres key": {"kind": "postgres", "url": f"postgres://u@{pg}/d?sslpassword=SECRET&sslmode=require"},
        "postgres words": {"kind": "postgres", "url": "host=127.0.0.1 port=9 user=u password=SECRET"},
        "mysql": {"kind": "mysql", "url": f"mysql://flowc:ENCODED@{my}/x"},
        "mysql raw": {"kind": "mysql", "url": f"mysql://flowc:SECRET@{my}/x"},
        "mysql away": {"kind": "mysql", "url": "mysql://u:ENCODED@127.0.0.1:9/d"},
        "mysql query": {"kind": "mysql", "url": f"mysql://u@{my}/x?password=SECRET"},
        "sasl": {"kind": "kafka", "bootstrap_servers": sasl, "security": {**login, "password": "SECRET"}},
        "sasl away": {"kind": "kafka", "bootstrap_servers": "127.0.0.1:9", "security": {**login, "password": "SECRET"}},
        "motherduck": {"kind": "duckdb", "path": "md:d?motherduck_token=SECRET"},
        "motherduck url": {"kind": "duckdb", "url": "duckdb:md:d?motherduck_token=ENCODED"},
        "bucket": {"kind": "files", "uri": "s3://key:SECRET@bucket/folder"},
        "bucket key": {"kind": "files", "uri": "s3://bucket/folder", "options": {"secret_access_key": "SECRET"}},
        "endpoint": {"kind": "files", "uri": "s3://bucket/folder", "options": {"endpoint": "http://k:SECRET@127.0.0.1:9"}},
        "lake": {"kind": "delta", "uri": "s3://key:SECRET@bucket/folder"},
        "lake token": {"kind": "delta", "uri": "s3://bucket/folder", "options": {"session_token": "SECRET"}},
        "registry": {"kind": "schema_registry", "url": "http://u:SECRET@127.0.0.1:9"},
        **kafkas,
    }  # fmt: skip


NAMES = tuple(places("postgres://h", "h?sasl=h", "mysql://h"))


def filled(value: object, secret: str) -> object:
    if isinstance(value, dict):
        return {key: filled(item, secret) for key, item in value.items()}
    return str(value).replace("SECRET", secret).replace("ENCODED", quote(secret, safe=""))


def specs(options: dict[str, object]) -> str:
    """A project that reads the connection, as YAML; JSON is YAML too."""
    sink = {"kind": "sqlite", "path": "t.db"}
    body = STREAM if options["kind"] == "kafka" else LOAD
    return f"project: x\nconnections: {json.dumps({'c': options, 'sink': sink})}\n{body}"


def run(folder: Folder, *arguments: str) -> Done:
    """Also what is wrong with the command line shows nothing."""
    done = folder.flowc(*arguments)
    assert "error[internal]" not in done.err, done.err
    return done


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second for brokers that refuse every password: the client says so at once, and again for ten seconds."""
    monkeypatch.setattr(kafka, "SECONDS", 1.0)
    monkeypatch.setattr(brokers, "__defaults__", (1.0,))


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("name", with_extended(NAMES[::2], NAMES[1::2]))
def test_no_command_shows_a_secret(name: str, tmp_path: Path, postgres: str, mysql: str, kafka_address: str) -> None:
    """Written in the spec and in the environment by turns, the more the more seeds there are."""
    place = places(postgres, kafka_address, mysql)[name]
    for seed in range(SEEDS):
        written = ("in the spec", "in the environment")[(seed + NAMES.index(name)) % 2]
        secret = password(seed * 97 + NAMES.index(name))
        folder = Inside(tmp_path / str(seed))
        options = filled(place, secret if written == "in the spec" else "${PW}")
        if written == "in the environment":
            folder.env["PW"] = secret if "SECRET" in json.dumps(place) else quote(secret, safe="")
            options = json.loads(json.dumps(options).replace(quote("${PW}", safe=""), "${PW}"))
        folder.write("specs/main.yaml", specs(options))  # type: ignore[arg-type]
        waits = place["kind"] == "kafka"  # librdkafka tries for ten seconds, each time
        for command in COMMANDS[:-3] + COMMANDS[-1:] if waits else COMMANDS:
            done = run(folder, *command)
            found = next(shown_pieces(done.out + done.err, secret), None)
            assert found is None, (secret, found, command, done.out, done.err)
        files = [file for file in folder.path.rglob("*") if file.is_file() and "specs" not in file.parts]
        kept = b"".join(bytes(file.relative_to(folder.path)) + file.read_bytes() for file in files)
        assert next(shown_pieces(kept.decode("latin-1"), secret), None) is None


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_daemon_shows_no_secret(form: str, tmp_path: Path, postgres: str) -> None:
    secret = password(5)
    folder = Folder(tmp_path, {"PW": quote(secret, safe="")})
    address = urlsplit(postgres).netloc.rpartition("@")[2]
    connections = {
        "c": {"kind": "postgres", "url": f"postgres://postgres:${{PW}}@{address}/postgres"},
        "in": {"kind": "files", "uri": "inbox", "format": "jsonl"},
    }
    stream = "{ source: { connection: in, path: '*', columns: { id: bigint } }, sql: SELECT id FROM source, to: t }"
    tables = "{ t: { connection: c, columns: { id: bigint } } }"
    specs = f"project: x\nconnections: {json.dumps(connections)}\ntables: {tables}\nstreams: {{ s: {stream} }}\n"
    folder.write("specs/main.yaml", specs)
    folder.write("inbox/a.jsonl", '{"id": 1}\n')
    done = folder.flowc("run", "--log-format", form)
    assert done.code == 1
    assert "password authentication failed" in done.err
    assert next(shown_pieces(done.out + done.err, secret), None) is None


LAKE = """project: x
connections: {{ w: {{ kind: {kind}, {where} }}, in: {{ kind: files, uri: inbox, format: jsonl }} }}
tables: {{ orders: {{ connection: w, columns: {{ id: bigint }} }} }}
streams:
  orders:
    source: {{ connection: in, path: "*", columns: {{ id: bigint }} }}
    sql: SELECT id FROM source
    to: orders
"""


@pytest.mark.parametrize("name", ["report", "job", "running", "orders", "rows", "status", "stream"])
def test_the_daemon_understands_its_workers_whatever_a_value_is(tmp_path: Path, name: str) -> None:
    folder = Folder(tmp_path, {"DB_NAME": name})
    folder.write("specs/main.yaml", LAKE.format(kind="sqlite", where='path: "${DB_NAME}.db"'))
    folder.write("inbox/a.jsonl", '{"id": 1}\n')
    with daemon(folder, "--log-format", "json") as running:
        running.until(lambda: running.worker("orders").get("rows") == 1)
        running.until(lambda: running.worker("orders").get("status") == "running")
        assert running.stop() == 0
        assert '"stream": "***"' not in running.log()
        assert f'"message": "{MASK}"' not in running.log()


@pytest.mark.parametrize("secret", ["report", "orders", "running"])
def test_a_secret_that_is_a_word_breaks_no_protocol_of_a_worker(secret: str, tmp_path: Path) -> None:
    resolver = Resolver({"PW": secret}, tmp_path)
    resolver.resolve("${PW}")
    wire = Wire(io.BytesIO(), resolver)
    job = SimpleNamespace(stream="orders", worker=0)
    channel = Channel(wire, (cast(Job, job),))
    channel.event("info", f"said {secret}", {"code": secret, "text": f"of {secret}", "n": 1})
    channel.report(Report("running", Counts(rows=3), {"orders": {0: 5}}, trouble=f"lost {secret}"))
    channel.failure(EngineError(f"no {secret}", code=secret, help=f"see {secret}", details=(secret,)))
    written = cast(io.BytesIO, wire.file).getvalue().splitlines()
    event, report, failure = (msgspec.json.decode(line, type=Line) for line in written)
    assert event.event == Event("info", "said ***", "orders", 0, {"code": secret, "text": "of ***", "n": 1})
    assert report.report == Report("running", Counts(rows=3), {"orders": {0: 5}}, trouble="lost ***")
    assert failure.failure == Failure(secret, "no ***", "see ***", ("***",), data=True)


def test_a_password_that_is_a_common_word(postgres: str, tmp_path: Path) -> None:
    folder = Inside(tmp_path, {"PW": "orders"})
    where = f'url: "{postgres}{"&" if "?" in postgres else "?"}sslpassword=${{PW}}"'
    folder.write("specs/main.yaml", LAKE.format(kind="postgres", where=where))
    done = folder.flowc("plan", "--format", "sql")
    assert done.code == 0, done.err
    assert 'CREATE TABLE "***"' in done.out
    assert "do not run them as they are" in done.err
    folder.env["PW"] = "changes"
    assert folder.flowc("plan", "--json").json["changes"]
    folder.env["PW"] = "a-Pa55word"
    done = folder.flowc("plan", "--format", "sql")
    assert 'CREATE TABLE "orders"' in done.out
    assert "warning" not in done.err


@pytest.mark.parametrize("command", [("connections", "check"), ("doctor",), ("run", "--once")])
def test_no_part_of_a_path_from_a_store_is_shown(command: tuple[str, ...], tmp_path: Path) -> None:
    project = Inside(tmp_path)
    project.write("path.txt", "topsecret/sales.duckdb")
    stored = f"{{ kind: duckdb, path: '${{file:{tmp_path}/path.txt}}' }}"
    connections = f"connections: {{ c: {stored}, sink: {{ kind: duckdb, path: a }} }}\n"
    project.write("specs/a.yaml", connections + "tables: { t: { connection: sink, columns: { id: bigint } } }\n" + LOAD)
    done = project.flowc(*command)
    assert MASK in done.out + done.err
    assert "topsecret" not in done.out + done.err
