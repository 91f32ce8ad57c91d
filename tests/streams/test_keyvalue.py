"""A format that nothing in `flowc/` knows is read and written, in files and in messages, with a registry or without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.keyvalue.registered import keyvalue, samples
from tests.stores import Store
from tests.streams.broker import acknowledged, send
from tests.streams.filefolder import put

__all__ = ["keyvalue", "samples"]
pytestmark = pytest.mark.usefixtures("keyvalue")

CONNECTIONS = """
connections:
  inbox: { kind: files, uri: inbox }
  jobs: { kind: samplequeue, path: queue.db }
  names: { kind: registry, path: names, token: "${file:token}" }
  w: { kind: sqlite, path: w.sqlite }
"""
LOAD = """
pipelines:
  p:
    from: { connection: inbox, path: "*.kv"COLUMNS }
    to: { connection: w, table: t, mode: truncate }
    on_bad_row: skip
"""
STREAM = """
streams:
  s:
    source: SOURCE
    sql: SELECT id, n FROM source
    to: TARGET
    on_error: drop
"""
TABLE = "{ connection: w, table: t, mode: append }"
LINES = ["id=1 n=10", "id=2", "id=3 nothing", "id=x n=1", "n=40 id=4"]
TYPES = ", columns: { id: bigint, n: bigint }"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inside:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("let-me-in")
    project = Inside(tmp_path)
    project.write("specs/connections.yaml", CONNECTIONS)
    (tmp_path / "inbox").mkdir()
    return project


def _rows(project: Inside) -> list[tuple[object, ...]]:
    return Store("sqlite", project.path, file="w").rows("SELECT id, n FROM t ORDER BY id")


def _run(project: Inside, spec: str, *arguments: str) -> None:
    project.write("specs/s.yaml", spec)
    linted = project.flowc("lint")
    assert linted.code == 0, linted.err
    done = project.flowc("run", *arguments)
    assert done.code == 0, done.err


def test_a_load_reads_files(project: Inside) -> None:
    (project.path / "inbox/a.kv").write_text("\n".join(LINES))
    _run(project, LOAD.replace("COLUMNS", TYPES), "p", "--once")
    assert _rows(project) == [(1, 10), (2, None), (4, 40)]


def test_a_stream_reads_and_writes_files(project: Inside) -> None:
    put(project.path / "inbox", "a.kv", "\n".join(LINES) + "\n")
    source = '{ connection: inbox, path: "*.kv", format: keyvalue' + TYPES + " }"
    target = "{ connection: out, path: pairs, format: keyvalue }"
    project.write("specs/out.yaml", "connections: { out: { kind: files, uri: out } }")
    (project.path / "out").mkdir()
    _run(project, STREAM.replace("SOURCE", source).replace("TARGET", target), "s", "--once")
    (file,) = (project.path / "out/pairs").glob("*.kv")
    assert sorted(file.read_text().splitlines()) == ["id=1 n=10", "id=2", "id=4 n=40"]


@pytest.mark.parametrize(("columns", "id_"), [(TYPES, 1), ("", "1")])
def test_a_stream_reads_messages(project: Inside, columns: str, id_: object) -> None:
    send(project.path / "queue.db", [("a", b"id=1 n=10")])
    source = "{ connection: jobs, queue: q, format: keyvalue" + columns + " }"
    _run(project, STREAM.replace("SOURCE", source).replace("TARGET", TABLE), "s", "--once")
    assert [row[0] for row in _rows(project)] == [id_]
    assert len(acknowledged(project.path / "queue.db")) == 1


def test_a_decoder_asks_a_connection_for_its_schema(project: Inside) -> None:
    """The connection that the read options name comes with its secrets."""
    (project.path / "names").write_text("let-me-in\ni=id\nm=n\n")
    send(project.path / "queue.db", [("a", b"i=1 m=10"), ("b", b"i=2 m=x")])
    source = "{ connection: jobs, queue: q, format: keyvalue, read: { registry: REGISTRY }" + TYPES + " }"
    spec = STREAM.replace("SOURCE", source).replace("TARGET", TABLE)
    project.write("specs/s.yaml", spec.replace("REGISTRY", "none"))
    done = project.flowc("run", "s", "--once")
    assert (done.code != 0, "there is no connection `none`" in done.err) == (True, True), done.err
    _run(project, spec.replace("REGISTRY", "names"), "s", "--once")
    assert _rows(project) == [(1, 10)]
