"""One worker of a stream that reads a queue which forgets: `python -m benchmarks.crash.queueworker KIND FOLDER ...`."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flowc.catalog import Column, TableName
from flowc.compiler.ir import Apply, Dedupe, Source, Stream, Target
from flowc.compiler.streamplan.plan import plan_stream
from flowc.runtime.contracts.target import Writer
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.queues import QueueReader
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.systems import open_database
from flowc.runtime.systems.files.target import FilesWriter
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.service.streams.sources import decoding_of
from flowc.source import SourceFile, Span
from flowc.stream import FilesTarget, Roll, StreamPlan, TopicTarget
from flowc.types import BIGINT
from tests.streams.broker import Broker

COLUMNS = (Column("id", BIGINT),)
KINDS: Mapping[str, int] = {"table": 1, "tables": 2, "dedupe": 1, "files": 2}
"""How many targets each kind of stream has; one of `files` is a folder, and the state of `table` is in the target."""
_SPAN = Span(SourceFile("s.yaml", ""), 0, 0)


@dataclass(frozen=True)
class Place:
    """Where everything of one trial is."""

    kind: str
    folder: Path

    @property
    def queue(self) -> Path:
        """The broker's file."""
        return self.folder / "queue.db"

    @property
    def plan(self) -> StreamPlan:
        """The stream."""
        node = Source("s.source", "source", "bus", "rabbitmq", path="events", columns=COLUMNS)
        applies = tuple(
            Apply(
                pipeline="s", input=node, target=Target("wh", "sqlite", TableName(None, f"t{number}"), None),
                mode="append", keys=(), compare=None, event_time=None, ttl=None, deletes="ignore",
                soft_delete_column=None, allow_empty=False, dedupe=None, incremental=None, normalize=(), derived=(),
                before=(), after=(), expect=(), timezone=None, span=_SPAN,
            ) for number in range(KINDS[self.kind])
        )  # fmt: skip
        repeats = Dedupe("dedupe", ("source",), ("id",), 60_000_000, (COLUMNS,), _SPAN)
        nodes = (repeats,) if self.kind == "dedupe" else ()
        plan = plan_stream(Stream("s", (node,), node, applies, (), _SPAN, nodes=nodes))
        if self.kind == "files":
            folder = FilesTarget("lake", str(self.folder / "lake"), "jsonl", COLUMNS, roll=Roll(rows=150))
            return replace(plan, targets=(plan.targets[0], folder))
        return plan

    def held(self) -> list[list[int]]:
        """The ids that each target holds."""
        found = []
        database = open_database("sqlite", {"path": str(self.folder / "wh.db")})
        database.open()
        for target in self.plan.targets:
            if isinstance(target, FilesTarget):
                lake = self.folder / "lake"
                log = lake / "_flowc" / "s.json"  # tells of files that are durable and have no name yet
                moves = json.loads(log.read_text())["files"] if log.exists() else []
                drafts = [draft for name, _ in moves if (draft := lake / "_flowc" / "s" / name).exists()]
                files = [*drafts, *lake.glob("*.jsonl")]
                found.append([int(line[6:-1]) for file in files for line in file.read_text().splitlines()])
            else:
                query = f"SELECT id FROM {target.table.name}"
                there = database.table(target.table) is not None
                found.append([row["id"] for row in database.query(query).to_pylist()] if there else [])
        database.close()
        return found


def run(place: Place, seed: int, pause: Callable[[str], None], acknowledging: Callable[[set[str]], None]) -> None:
    """Takes what is in the queue, until it is empty. Every epoch of `dedupe` waits for a checkpoint of its own time."""
    plan = place.plan
    assert plan.state is not None
    if plan.stateful:
        plan = replace(plan, state=replace(plan.state, every=0.02))
    wh = open_database("sqlite", {"path": str(place.folder / "wh.db")})
    own = wh if plan.state.shared else open_database("sqlite", {"path": str(place.folder / "state.db")})
    writers: list[Writer] = [
        FilesWriter(target, "s", str(place.folder), pause) if isinstance(target, FilesTarget)
        else DatabaseWriter(target, wh, pause=pause) for target in plan.targets if not isinstance(target, TopicTarget)
    ]  # fmt: skip
    store = DatabaseStore("s", plan.state.sql, own)
    if plan.state.shared:
        assert isinstance(writers[0], DatabaseWriter)
        writers[0].beside = store.beside
    reader = QueueReader(Broker(place.queue, seed, pause=pause, acknowledging=acknowledging), plan.batch, once=True)
    compute = Compute(plan, {"source": decoding_of(plan.sources[0])}, lambda _: None)
    running = StreamRun(plan, {"source": reader}, compute, writers, store, pause=pause)
    try:
        running.run()
    finally:
        running.close()
        wh.close()
        own.close()


class Killed:
    """Kills the process when a named point is passed for the n-th time."""

    def __init__(self, point: str, count: int) -> None:
        self.point, self.left = point, count

    def __call__(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """KIND FOLDER SEED [POINT COUNT]."""
    kind, folder, seed, *point = sys.argv[1:]
    pause = Killed(point[0], int(point[1])) if point else lambda _: None
    run(Place(kind, Path(folder)), int(seed), pause, lambda _: None)


if __name__ == "__main__":
    main()
