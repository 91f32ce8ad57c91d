"""An edited stream gives up epochs that no target holds, whatever number each target has recorded."""

from __future__ import annotations

from contextlib import chdir, closing, suppress
from pathlib import Path

import pytest
from deltalake import DeltaTable

from flowc.cli.opened import open_project
from flowc.service.streams.run import StreamReport, assembled, plan_of
from tests.commands import Folder
from tests.streams.test_edited_intents import Cut, killed, put, table, verdicts
from tests.topics import Message, fresh, produce

pytestmark = pytest.mark.usefixtures("kept_files")

SPEC = """
connections:
  drop: {{ kind: files, uri: in }}
  wh: {{ kind: sqlite, path: wh.db }}
  lake: {{ kind: delta, uri: lake }}
  out: {{ kind: files, uri: out }}
functions:
  worth: {{ python: "own:worth", args: [bigint], returns: bigint }}
streams:
  s:
    source: {{ connection: drop, path: "*.jsonl", columns: {{ id: text, x: bigint, at: timestamptz }} }}
    sql: SELECT id, worth(x) AS x FROM source WHERE x > 0
    to: [{to}]
    batch: {{ max_rows: 1 }}
"""
TABLE = "{ connection: wh, table: t }"
OTHERS = {
    "table": "{ connection: wh, table: other }",
    "delta": "{ connection: lake, table: t }",
    "files": "{ connection: out, path: rows, format: parquet }",
}


def project(folder: Path, *targets: str, factor: int = 1) -> Folder:
    made = Folder(folder)
    made.write("specs/s.yaml", SPEC.format(to=", ".join(targets)))
    own_function(made, factor)
    return made


def own_function(folder: Folder, factor: int) -> None:
    text = f"import pyarrow.compute as pc\n\ndef worth(x):\n    return pc.multiply(x, {factor})\n"
    folder.write("own.py", text + "#" * factor)  # Python tells modules of one second and one size apart by nothing


def runs(folder: Folder) -> None:
    done = folder.flowc("run", "s", "--once")
    assert done.code == 0, done.err


def edited_behind_a_kill(folder: Folder, *targets: str) -> None:
    """Intends an epoch by a plan that cannot finish it: the code of its function is another one by then."""
    put(folder, "3", ("d", 8, "00:03"), ("e", 7, "00:04"))
    killed(folder, "intended")
    project(folder.path, *targets, factor=2)
    runs(folder)


@pytest.mark.parametrize("other", ["delta", "files"])
def test_targets_that_record_no_epoch_without_rows(tmp_path: Path, other: str) -> None:
    targets = (TABLE, OTHERS[other])
    folder = project(tmp_path, *targets)
    put(folder, "1", ("a", 1, "00:01"))
    runs(folder)
    put(folder, "2", ("b", -1, "00:02"))
    runs(folder)
    edited_behind_a_kill(folder, *targets)
    assert table(folder, "id, x") == [("a", 1), ("d", 16), ("e", 14)]


@pytest.mark.parametrize("other", OTHERS)
def test_a_target_that_is_new(tmp_path: Path, other: str) -> None:
    folder = project(tmp_path, TABLE)
    put(folder, "1", ("a", 1, "00:01"))
    runs(folder)
    targets = (TABLE, OTHERS[other])
    project(tmp_path, *targets)
    edited_behind_a_kill(folder, *targets)
    assert table(folder, "id, x") == [("a", 1), ("d", 16), ("e", 14)]
    if other == "table":
        assert table(folder, "id, x", "other") == [("d", 16), ("e", 14)]


@pytest.mark.parametrize(("point", "stops"), [("target 0", True), ("intended", False)])
def test_plan_says_whether_epochs_of_former_code_stop_the_stream(tmp_path: Path, point: str, stops: bool) -> None:
    targets = (TABLE, OTHERS["table"])
    folder = project(tmp_path, *targets)
    put(folder, "1", ("a", 1, "00:01"))
    killed(folder, point)
    project(tmp_path, *targets, factor=2)
    assert (("s", "refuse") in verdicts(folder)) == stops
    ran = folder.flowc("run", "s", "--once")
    assert (ran.code != 0, "unfinished-epochs" in ran.err) == (stops, stops), ran.err


LATEST = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  lake: {{ kind: delta, uri: lake }}
functions:
  worth: {{ python: "own:worth", args: [bigint], returns: bigint }}
streams:
  s:
    source: {{ connection: bus, topic: {topic}, format: json, columns: {{ id: text, x: bigint }} }}
    start: latest
    sql: SELECT id, worth(x) AS x FROM source
    to: {{ connection: lake, table: t }}
"""


def test_a_first_epoch_is_read_again_where_the_stream_starts_with_the_latest(tmp_path: Path, kafka: str) -> None:
    """At the next start, the messages of that epoch are before the latest one."""
    topic, folder, intended = fresh(kafka), Folder(tmp_path), list[str]()
    folder.write("specs/s.yaml", LATEST.format(kafka=kafka, topic=topic))
    own_function(folder, 1)

    def pause(point: str) -> None:
        intended.extend([point] * (point == "intended"))
        if len(intended) == 2:  # the first epoch says where the stream begins, and no target holds it
            raise Cut

    with chdir(tmp_path):
        opened = open_project([Path("specs")], None, "nothing was run")
        plan = plan_of(opened.checked, opened.ir, "s", opened.sessions)
        run = assembled(plan, opened.sessions, StreamReport("s"), once=False, pause=pause)
        run.pause = pause
        with closing(run), closing(opened.sessions):
            run.begin()
            while not intended:
                run.step()
            produce(kafka, topic, [Message(b'{"id": "a", "x": 1}')])
            with suppress(Cut):
                while True:
                    run.step()
    own_function(folder, 2)
    produce(kafka, topic, [Message(b'{"id": "b", "x": 2}')])
    runs(folder)
    produce(kafka, topic, [Message(b'{"id": "c", "x": 3}')])
    runs(folder)
    rows = DeltaTable(tmp_path / "lake/t").to_pyarrow_table().to_pylist()
    assert sorted((row["id"], row["x"]) for row in rows) == [("a", 2), ("b", 4), ("c", 6)]
