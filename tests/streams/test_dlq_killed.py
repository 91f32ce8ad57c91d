"""Replays of dead letters that are killed, doubled, or run beside the stream's worker: no letter lost, none twice."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from flowc.runtime.systems import open_database
from tests import warm
from tests.commands import Folder
from tests.extended import with_extended
from tests.streams.test_dlq import MENDED, TO, Place, counted, fill, project, rows, run
from tests.topics import fresh
from tests.waiting import PATIENCE, until

BAD = tuple(range(0, 120, 3))
COPY = f"[{TO}, {{ connection: side, table: copy }}]"
APART = "dead_letter: { table: failed, connection: side }"
ONE = ("positions", "rows", "committed")
MANY = ("intended", "positions", "rows", "target 0", "target 1", "checkpoint")
CASES = [
    ("sqlite", TO, "", "rows"), *(("postgres", TO, "", point) for point in ONE),
    *(("postgres", COPY, "", point) for point in MANY),
    *(("postgres", TO, APART, point) for point in ("intended", "target 0", "target 1")),
]  # fmt: skip


def killed(folder: Folder, point: str) -> int:
    """How a replay ends that is killed at a point."""
    return warm.run("tests.streams.killed_replay", point, cwd=folder.path, env=folder.environment()).returncode


def is_replayed(folder: Folder) -> bool:
    """Replays what is left; whether nothing was in the way, as what somebody else writes may be."""
    return bool(folder.flowc("dlq", "replay", "clean", "--json").json["status"] == "ok")


def ids(wh: Place, table: str = "clean") -> list[int]:
    return [row["id"] for row in rows(wh, f"SELECT id FROM {table} ORDER BY id")]


@pytest.mark.parametrize(("kind", "to", "more", "point"), with_extended(CASES[::2], CASES[1::2]))
def test_a_replay_that_is_killed_is_finished_by_the_next(
    tmp_path: Path, request: pytest.FixtureRequest, kafka: str, kind: str, to: str, more: str, point: str
) -> None:
    options = {"path": "wh.db"} if kind == "sqlite" else {"url": request.getfixturevalue("postgres")}
    topic = fresh(kafka)
    fill(kafka, topic, 120, BAD)
    run(project(tmp_path, kafka, topic, (kind, options), to=to, more=more))
    spec = tmp_path / "specs/s.yaml"
    folder = project(tmp_path, kafka, topic, (kind, options), MENDED, to=to, more=more)
    spec.write_text(spec.read_text().replace("max_rows: 500", "max_rows: 15"))
    assert killed(folder, point) == -signal.SIGKILL
    done = folder.flowc("dlq", "replay", "clean", "--json")
    assert done.json["status"] == "ok", done.json
    assert counted(folder) == (0, 0)
    wh = (kind, {"path": str(tmp_path / "wh.db")} if kind == "sqlite" else options)
    assert ids(wh) == list(range(120))
    if to == COPY:
        assert ids(("sqlite", {"path": str(tmp_path / "side.db")}), "copy") == list(range(120))


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_two_replays_beside_a_running_worker(
    tmp_path: Path, request: pytest.FixtureRequest, kafka: str, kind: str
) -> None:
    wh, topic = (kind, {"url": request.getfixturevalue(kind)}), fresh(kafka)
    bad = tuple(range(0, 3000, 3))
    fill(kafka, topic, 3000, bad)
    run(project(tmp_path, kafka, topic, wh))
    folder = project(tmp_path, kafka, topic, wh, MENDED)
    spec = tmp_path / "specs/s.yaml"
    spec.write_text(spec.read_text().replace("max_rows: 500", "max_rows: 50"))
    worker = folder.start("run", "clean", "--log-format", "json")
    replays = [folder.start("dlq", "replay", "clean", "--json") for _ in range(2)]
    fill(kafka, topic, 3000, (), first=3000)
    for each in replays:
        each.communicate(timeout=PATIENCE)
    until(lambda: is_replayed(folder))
    until(lambda: len(ids(wh)) >= 6000)
    worker.send_signal(signal.SIGTERM)
    _, said = worker.communicate(timeout=PATIENCE)
    assert worker.returncode == 0, said
    assert counted(folder) == (0, 0)
    assert ids(wh) == list(range(6000))


def test_a_replay_that_is_killed_between_targets_gives_both_the_lookup_that_it_saw(tmp_path: Path, kafka: str) -> None:
    wh, side = (("sqlite", {"path": str(tmp_path / name)}) for name in ("wh.db", "side.db"))
    database, topic = open_database(*wh), fresh(kafka)
    database.open()
    database.execute("CREATE TABLE rates (rate bigint)")
    database.execute("INSERT INTO rates VALUES (-1)")
    fill(kafka, topic, 30, range(0, 30, 3))
    run(project(tmp_path, kafka, topic, ("sqlite", {"path": "wh.db"}), to=COPY))
    rated = MENDED.replace("-1", "(SELECT max(rate) FROM rates)")
    looked = "lookups: { rates: { connection: wh, sql: SELECT rate FROM rates } }"
    folder = project(tmp_path, kafka, topic, ("sqlite", {"path": "wh.db"}), rated, to=COPY, more=looked)
    assert killed(folder, "target 0") == -signal.SIGKILL
    database.execute("UPDATE rates SET rate = -2")
    database.close()
    assert is_replayed(folder)
    one, other = (rows(at, f"SELECT id, n FROM {table} ORDER BY id") for at, table in ((wh, "clean"), (side, "copy")))
    assert one == other
    assert {row["n"] for row in one if row["id"] % 3 == 0} == {-1}
