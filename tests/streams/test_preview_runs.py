"""`flowc preview STREAM` shows exactly what a run would write, whatever operators keep, and leaves all else alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowc.cli.opened import open_project
from flowc.runtime.contracts.opening import Opened, Opening
from flowc.service.streams import sources
from flowc.service.streams.previews import preview_stream
from flowc.service.streams.run import run_stream
from tests.commands import Inside
from tests.stores import Store
from tests.streams.filefolder import put
from tests.streams.shards import Shards

SPEC = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: nowhere }}
  w: {{ kind: sqlite, path: w.sqlite }}
  inbox: {{ kind: files, uri: inbox }}
tables: {{ t: {{ connection: w, columns: {{ id: bigint, n: bigint }} }} }}
streams:
  s:
    sources:
      a: {{ connection: bus, topic: a, columns: {{ id: bigint, n: bigint }} }}
      b: {{ connection: bus, topic: b, columns: {{ id: bigint, n: bigint }} }}
    dedupe: {{ keys: [id], within: 40s }}
    watermark: {{ lateness: 1h }}
    to: {to}
    on_error: drop
"""
FILES = """
connections: {{ inbox: {{ kind: files, uri: inbox }}, w: {{ kind: sqlite, path: w.sqlite }} }}
streams:
  s:
    source: {{ connection: inbox, path: "*.jsonl", columns: {{ id: bigint, at: timestamptz }}, event_time: at }}
    sql: SELECT id, 10 / id AS part FROM source
    dedupe: {{ keys: [id], within: 1h }}
    to: {{ connection: w, table: t, mode: append }}
    on_error: {on_error}
"""


TARGETS = ("{ connection: w, table: t, mode: append }", "{ connection: inbox, path: out, format: jsonl }")


@pytest.mark.parametrize(("seed", "to"), [(seed, TARGETS[seed % 2]) for seed in range(6)])
def test_a_preview_is_the_beginning_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, to: str
) -> None:
    """Messages come in any order, of several partitions and sources; what is a repeat or late is so in both."""
    given = {
        name: {f"shard-{part}": [(n * 5 % 12 + more, 4 * n + part) for n in range(30)] for part in (1, 2)}
        for name, more in (("a", 0), ("b", 12))
    }
    made = list[Shards]()

    def opened(opening: Opening) -> Opened:
        made.append(Shards(given[opening.plan.name], seed, opening.plan.name))
        return Opened(made[-1])

    monkeypatch.setattr(sources, "source_opener", lambda _: opened)
    monkeypatch.chdir(tmp_path)
    project = Inside(tmp_path)
    (tmp_path / "inbox").mkdir()
    project.write("specs/s.yaml", SPEC.format(to=to))
    whole = open_project([Path("specs")], None, "")
    found = preview_stream(whole.checked, whole.ir, "s", whole.sessions, 1000)
    whole.sessions.close()
    assert found.messages == 4 * 30
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["s.yaml"], "nothing was made"
    assert all(not shards.told for shards in made), "no source was told how far a stream is"
    whole = open_project([Path("specs")], None, "")
    report = run_stream(whole.checked, whole.ir, "s", whole.sessions)
    whole.sessions.close()
    assert report.error is None
    if "path" in to:
        files = sorted((tmp_path / "inbox" / "out").glob("*.jsonl"))
        rows = [tuple(json.loads(line).values()) for file in files for line in file.read_text().splitlines()]
    else:
        rows = Store("sqlite", tmp_path, file="w").rows("SELECT id, n FROM t")
    assert sorted(found.rows) == sorted(rows)
    assert 24 < len(rows) < 4 * 30


@pytest.mark.parametrize("on_error", ["fail", "drop", "dlq"])
def test_bad_messages_and_repeats_are_those_of_a_run(tmp_path: Path, on_error: str) -> None:
    project = Inside(tmp_path)
    project.write("specs/s.yaml", FILES.format(on_error=on_error))
    lines = [f'{{"id": {id_}, "at": "2026-01-01T00:00:00Z"}}' for id_ in (1, 0, 5, '"x"', 1, 2, 5)]
    put(tmp_path / "inbox", "a.jsonl", "\n".join([*lines, '{"id": 9}', ""]))
    done = project.flowc("preview", "s", "--json")
    assert done.code == 1, done.err
    assert [(row["id"], row["part"]) for row in done.json["rows"]] == [(1, 10), (5, 2), (2, 5)]
    assert len(done.json["bad"]) == 3, done.json["bad"]
    assert not (tmp_path / ".flowc").exists()
    assert not (tmp_path / "w.sqlite").exists()
    if on_error != "fail":
        ran = project.flowc("run", "s", "--once", "--json")
        assert (ran.json[0]["rows"], ran.json[0]["messages"]) == (3, 8)
    few = project.flowc("preview", "s", "--limit", "3", "--json").json
    assert (few["messages"], [row["id"] for row in few["rows"]], len(few["bad"])) == (3, [1, 5], 1)
