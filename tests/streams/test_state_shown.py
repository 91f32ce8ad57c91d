"""What streams remember, as users see and bound it: `flowc status`, metrics, `state.max_bytes`."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from flowc.errors import UsageError
from flowc.nodes import DedupePlan
from flowc.render.daemon import status_json
from flowc.render.metrics import metrics_text
from flowc.runtime.contracts.state import Checkpoint, NodeState, Saved, Segment
from flowc.runtime.streams.graph.build import Node
from flowc.runtime.streams.graph.state import States
from flowc.runtime.streams.operators.dedupe import Dedupe
from flowc.service.daemon.stats import Counts, Line, Report
from flowc.service.streams.state import state_file
from flowc.service.telemetry.metrics import families
from tests.commands import Inside

SPEC = """
connections:
  drop: {{ kind: files, uri: . }}
  wh: {{ kind: sqlite, path: wh.db }}
streams:
  once:
    source:
      {{ connection: drop, path: "in/*.jsonl", columns: {{ id: bigint, at: timestamptz }}, event_time: at }}
    dedupe: {{ keys: [id], within: 1h }}
    state: {{ {state} }}
    to: {{ connection: wh, table: once, mode: append }}
"""


def _write(folder: Inside, name: str, ids: range) -> None:
    rows = (json.dumps({"id": n, "at": f"2026-01-01T00:00:{n % 60:02}Z"}) for n in ids)
    folder.write(f"in/{name}.jsonl", "\n".join(rows) + "\n")


@pytest.mark.parametrize("where", ["", "connection: wh, "], ids=["embedded", "shared"])
def test_a_stream_that_remembers_too_much_stops_and_loses_nothing(tmp_path: Path, where: str) -> None:
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SPEC.format(state=f"{where}max_bytes: 3200B"))
    _write(folder, "a", range(100))
    assert folder.flowc("run", "once", "--once", "--json").json[0]["rows"] == 100
    _write(folder, "b", range(50, 150))
    for _ in range(2):
        done = folder.flowc("run", "once", "--once")
        assert (done.code, "error[state-too-large]: `dedupe` remembers 150 rows" in done.err) == (1, True), done.err
    folder.write("specs/s.yaml", SPEC.format(state=f"{where}max_bytes: 1MiB"))
    done = folder.flowc("run", "once", "--once", "--json")
    assert done.json[0]["rows"] == 50, done.out
    (status,) = folder.flowc("status", "--json").json
    assert status["state_in"] == ("wh" if where else ".flowc/state/once.sqlite")
    kept = status["state"]["dedupe"]
    assert kept["rows"] == 150
    assert 150 * 32 < kept["bytes"] < 500_000
    assert f"150 rows, {kept['bytes'] / 1024:.1f} KiB" in folder.flowc("status").out
    assert (tmp_path / ".flowc/state/once.sqlite").exists() == (not where)


@pytest.mark.parametrize("where", ["", "connection: wh, "], ids=["embedded", "shared"])
def test_a_project_that_is_renamed_takes_what_its_streams_remember_along(tmp_path: Path, where: str) -> None:
    folder, spec = Inside(tmp_path), SPEC.format(state=f"{where}max_bytes: 1MiB")
    folder.write("specs/s.yaml", f"project: one\n{spec}")
    _write(folder, "a", range(100))
    assert folder.flowc("run", "once", "--once", "--json").json[0]["rows"] == 100
    _write(folder, "b", range(50, 150))
    folder.write("specs/s.yaml", f"project: two\n{spec}")
    refused = folder.flowc("run", "once", "--once")
    assert (refused.code, "project-renamed" in refused.err) == (1, True), refused.err
    renamed = folder.flowc("project", "rename", "one", "two", "--yes")
    assert (renamed.code, "pieces of state" in renamed.out) == (0, True), renamed.out + renamed.err
    assert folder.flowc("run", "once", "--once", "--json").json[0]["rows"] == 50


@pytest.mark.parametrize(("size", "told"), [("0B", "at least 1B"), ("65GiB", "at most 64GiB"), ("1 kilo", "a size")])
def test_a_bound_that_is_none_is_told(tmp_path: Path, size: str, told: str) -> None:
    folder = Inside(tmp_path)
    folder.write(
        "specs/s.yaml", SPEC.format(state=f"max_bytes: {size}").replace("once:\n    source", "'{once}}':\n    source")
    )
    done = folder.flowc("lint")
    assert (done.code, told in done.out, "max_bytes" in done.out) == (1, True, True), done.out


def test_metrics_tell_of_each_node_and_of_the_last_checkpoint() -> None:
    saved = Saved(0.0, 0.25, {"dedupe": NodeState(7, 3, 1000, 40)})
    marks = {"a": {"0": 1_500_000, "1": 90_000_000}}
    report = Report(saved=saved, age=5.5, watermark=1_500_000, marks=marks, held={"a": ["1"]})
    line = msgspec.json.decode(msgspec.json.encode(Line(report=report)), type=Line)
    assert line.report is not None
    counts = Counts(late=3, late_letters=2, emitted={"w": 5})
    worker = SimpleNamespace(
        job=SimpleNamespace(stream="s", worker=1, workers=1), counts=counts, report=line.report, restarts=0,
        status="running", pid=1, failure=None,
    )  # fmt: skip
    daemon = SimpleNamespace(workers=[worker], began=0.0, ready=True)
    text = metrics_text(families(daemon.workers, daemon.began))
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    node = '{stream="s",worker="1",node="dedupe"}'
    assert [found[f"flowc_{name}{node}"] for name in ("state_rows", "state_bytes", "state_segments")] == [
        "7",
        "1000",
        "3",
    ]
    assert found[f"flowc_checkpoint_bytes{node}"] == "40"
    assert found['flowc_checkpoint_seconds{stream="s",worker="1"}'] == "0.25"
    assert found['flowc_checkpoint_age_seconds{stream="s",worker="1"}'] == "5.5"
    assert found['flowc_watermark_seconds{stream="s",worker="1"}'] == "1.5"
    for number, seconds, held in (("0", "1.5", "0"), ("1", "90.0", "1")):
        at = f'{{stream="s",source="a",partition="{number}"}}'
        assert (found[f"flowc_partition_watermark_seconds{at}"], found[f"flowc_partition_held{at}"]) == (seconds, held)
    late = [found[f'flowc_late_rows_total{{stream="s",worker="1",policy="{policy}"}}'] for policy in ("drop", "dlq")]
    assert late == ["3", "2"]
    assert found['flowc_emitted_rows_total{stream="s",worker="1",node="w"}'] == "5"
    (worker_told,) = json.loads(status_json(daemon))["workers"]  # type: ignore[arg-type]
    assert worker_told["watermarks"] == {"a": {"0": "1970-01-01T00:00:01.500000Z", "1": "1970-01-01T00:01:30Z"}}
    assert (worker_told["watermark"], worker_told["held"]) == ("1970-01-01T00:00:01.500000Z", {"a": ["1"]})
    assert (worker_told["late_rows"], worker_told["late_letters"], worker_told["emitted"]) == (3, 2, {"w": 5})
    told = worker_told["checkpoint"]
    assert told["nodes"]["dedupe"] == {"rows": 7, "bytes": 1000, "segments": 3, "last_bytes": 40}


def test_names_of_files_are_told_apart_and_lie_in_one_folder() -> None:
    names = ["a", "a/b", "../a", "a%2Fb", "A b", "ü" * 100, "ü" * 101, "x" * 500, ".", ".."]
    files = [state_file(name) for name in names]
    assert len(set(files)) == len(names)
    assert all(file.startswith(".flowc/state/") and file.count("/") == 2 and len(file) < 200 for file in files)


@pytest.mark.parametrize(
    ("known", "written", "taken"),
    [
        ({"dedupe": "f"}, "f", True),
        ({"dedupe": "g"}, "g", "refused"),
        ({"dedupe": "g"}, None, "refused"),
        ({"dedupe": "f"}, "", "refused"),
        ({"dedupe": "f"}, "1:f", "refused"),
        ({"dedupe": "1:f"}, "f", "refused"),
        ({}, "f", False),
        ({}, "g", False),
        ({"other": "f"}, "f", "refused"),
    ],
)
def test_state_is_taken_by_who_wrote_it_alone(known: dict[str, str], written: str | None, taken: object) -> None:
    plan = DedupePlan("dedupe", ("source",), ("id",), 10, "f")
    (segment,) = _one(plan)
    kept = () if written is None else (Segment("dedupe", written, segment.group, 1, segment.data),)
    gone = Segment("gone", "f", 0, 1, b"")
    operator = Dedupe(plan)
    states = States("s", [Node("dedupe", operator, ("source",), ("dedupe",))])
    point = Checkpoint(1, segments=(*kept, gone), fingerprints=known)
    if taken == "refused":
        with pytest.raises(UsageError) as found:
            states.restore(point)
        assert found.value.code == "state-changed"
        return
    states.restore(point)
    assert states.snapshot(Checkpoint(2)).dropped == {"gone", *(() if taken else ("dedupe",))}
    assert len(operator._seen) == (1 if taken else 0)


def _one(plan: DedupePlan) -> tuple[Segment, ...]:
    operator = Dedupe(plan)
    operator._seen.insert(np.array([5], np.uint64), np.array([6], np.uint64), np.array([7]))
    return operator.snapshot()
