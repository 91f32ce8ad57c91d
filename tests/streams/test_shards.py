"""Streams of a source whose partitions and positions are texts that it alone reads, wherever positions move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flowc.cli.opened import OpenProject, open_project
from flowc.errors import UsageError
from flowc.runtime.contracts.database import Database
from flowc.runtime.contracts.opening import Opened, Opening
from flowc.runtime.streams.reader import SourceReader
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.systems import open_database
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.service.daemon.careful import Careful
from flowc.service.daemon.stats import InHand
from flowc.service.daemon.suspects import Care
from flowc.service.streams import sources
from flowc.service.streams.rewinding import Rewind, prepare_rewind
from flowc.service.streams.run import run_stream
from flowc.service.streams.status import stream_status
from flowc.stream import BatchLimits, StreamPlan
from tests.commands import Inside
from tests.stores import KINDS, Store
from tests.streams.shards import FIRST, Shards, sequence
from tests.streams.test_state_runs import Cut, Open, Worker, _kind, _messages, _plan, _rows, model, opened

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("store", 2), pytest.mark.turns("opened", 2)]

__all__ = ["opened"]
Given = Mapping[str, list[tuple[int, int]]]


def _given(seed: int, count: int) -> Given:
    return {f"shard-{part:012}": list(rows) for part, rows in _messages(seed, count).items()}


def _reader(given: Given, seed: int, **more: Mapping[str, str]) -> SourceReader:
    return SourceReader(Shards(given, seed, **more), BatchLimits(), once=True)  # type: ignore[arg-type]


def _model(given: Given, within: int | None) -> list[tuple[int, int]]:
    if within is None:
        return sorted((id_, n) for rows in given.values() for n, (id_, _) in enumerate(rows))
    return model(dict(enumerate(given.values())), within)


@pytest.mark.covering
@pytest.mark.parametrize(
    ("state", "within", "targets"), [(None, None, 1), ("wh", 30, 1), ("state", 30, 1), ("state", 30, 2)]
)
def test_a_worker_that_is_cut_off_anywhere_goes_on_where_it_was(
    opened: Open, state: str | None, within: int | None, targets: int
) -> None:
    kind, given = _kind(opened), _given(1, 14)
    whole = Worker(_plan(kind, 0, state, within, targets), opened)
    whole.run(_reader(given, 7))  # type: ignore[arg-type]
    wanted = _model(given, within)
    assert _rows(opened, 0) == wanted
    # No divisor of the steps of an epoch, and cases begin elsewhere, so that every sort of step is met.
    first, step = targets - 1 + 2 * (state == "wh") + 5 * KINDS.index(kind), 23 if kind == "sqlite" else 37
    for cut in range(first, len(whole.points), step):
        plan = _plan(kind, cut + 1, state, within, targets)
        with pytest.raises(Cut):
            Worker(plan, opened, cut).run(_reader(given, 7))  # type: ignore[arg-type]
        try:
            Worker(plan, opened, cut // 2).run(_reader(given, cut))  # type: ignore[arg-type]
        except Cut:
            Worker(plan, opened).run(_reader(given, cut + 1))  # type: ignore[arg-type]
        for target in range(targets):
            assert _rows(opened, cut + 1, target) == wanted, f"cut at {cut}: {whole.points[cut]}"
        ends = {("source", shard): sequence(shard, 13) for shard in given}
        assert _stored(plan, opened) == ends, f"cut at {cut}: {whole.points[cut]}"


def _stored(plan: StreamPlan, opened: Open) -> Mapping[tuple[str, str], str]:
    if plan.state is not None and not plan.state.shared:
        store = DatabaseStore(plan.name, plan.state.sql, opened("state"))
        try:
            return store.open().positions
        finally:
            store.close()
    writer = DatabaseWriter(plan.targets[0], opened("wh"))  # type: ignore[arg-type]
    try:
        return writer.look().positions
    finally:
        writer.close()


def test_shards_that_close_go_on_in_their_children(opened: Open) -> None:
    """A parent is read to its end, which holds back no watermark any more; its children begin with it."""
    kind, given = _kind(opened), _given(2, 15)
    first, second = given
    given = {**given, "shard-a": [(3 * n, 40 + n) for n in range(15)], "shard-b": [(3 * n + 1, 40) for n in range(9)]}
    parents = {"shard-a": first, "shard-b": first}
    whole = Worker(_plan(kind, 0, "state"), opened)
    whole.run(_reader(given, 3, parents=parents))  # type: ignore[arg-type]
    for cut in range(5 * KINDS.index(kind), len(whole.points), 23):
        with pytest.raises(Cut):
            Worker(_plan(kind, cut + 1, "state"), opened, cut).run(_reader(given, 3, parents=parents))  # type: ignore[arg-type]
        Worker(_plan(kind, cut + 1, "state"), opened).run(_reader(given, cut, parents=parents))  # type: ignore[arg-type]
        ids = {id_ for id_, _ in _rows(opened, cut + 1)}
        assert ids == {id_ for rows in given.values() for id_, _ in rows}
        assert _stored(_plan(kind, cut + 1, "state"), opened).keys() == {("source", shard) for shard in given}
    assert second in given


@dataclass
class Watched(Worker):
    """A worker that tells what it has in hand."""

    told: list[InHand] = field(default_factory=list)

    def prepare(self, run: StreamRun) -> None:
        Careful(Care(), self.told.append).attach(run)


SPEC = """
connections: {{ bus: {{ kind: kafka, bootstrap_servers: nowhere }}, w: {connection} }}
tables: {{ t: {{ connection: w, columns: {{ id: bigint, n: bigint }} }} }}
streams:
  s:
    source: {{ connection: bus, topic: events, columns: {{ id: bigint, n: bigint }} }}
    to: {to}
"""
ONE, TWO = (
    "{ connection: w, table: t, mode: append }",
    ("[{ connection: w, table: t, mode: append }, { connection: w, table: u, mode: append }]"),
)


@pytest.fixture
def project(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inside:
    """A project that reads shards, instead of a topic, into a database of each kind."""
    given = _given(3, 20)

    def opened_shards(opening: Opening) -> Opened:
        return Opened(Shards(given, 5, opening.plan.name))

    monkeypatch.setattr(sources, "source_opener", lambda _: opened_shards)
    monkeypatch.chdir(tmp_path)
    return Inside(tmp_path)


@contextmanager
def _open() -> Iterator[OpenProject]:
    """The project, for one command."""
    whole = open_project([Path("specs")], None, "")
    try:
        yield whole
    finally:
        whole.sessions.close()


def _run() -> int:
    with _open() as whole:
        report = run_stream(whole.checked, whole.ir, "s", whole.sessions)
    assert report.error is None, report.error
    return report.messages


def _rewind(place: str) -> Rewind:
    with _open() as whole:
        rewind = prepare_rewind(whole.checked, whole.ir, "s", sessions=whole.sessions, to=place)
        rewind.make()
        rewind.close()
        return rewind


def test_what_a_worker_has_in_hand_is_told_by_numbers_alone(tmp_path: Path) -> None:
    """Nothing is blamed where positions are none, and nothing stands in the way of what is read or replayed."""

    def opened(name: str) -> Database:
        return open_database("sqlite", {"path": str(tmp_path / f"{name}.db")})

    given, told = _given(4, 20), list[InHand]()
    plan = _plan("sqlite", 0, "state")
    for cut in (3, None):
        with suppress(Cut):
            Watched(plan, opened, cut, told=told).run(_reader(given, 2))  # type: ignore[arg-type]
    assert _rows(opened, 0) == _model(given, 30)
    assert told
    assert all(not hand.ranges and not hand.written and not hand.rows for hand in told)


@pytest.mark.parametrize(
    ("store", "to"), [*((kind, ONE) for kind in KINDS), ("duckdb", TWO), ("postgres", TWO)], indirect=["store"]
)
def test_a_stream_is_moved_to_texts(project: Inside, store: Store, to: str) -> None:
    """Positions in every database; those of several targets are in a file of their own, whatever the targets are."""
    project.write("specs/s.yaml", SPEC.format(connection=store.connection, to=to))
    assert _run() == 40
    assert _run() == 0
    shard, other = _given(3, 20)
    with _open() as whole:
        status = stream_status(whole.checked, whole.ir, "s", whole.sessions)
    assert {at.partition: at.next for at in status.partitions} == {s: sequence(s, 19) for s in (shard, other)}
    for place, messages in ((f"{shard}:{sequence(shard, 14)}", 5), (f"{other}:{FIRST}", 20), ("earliest", 40)):
        rewind = _rewind(place)
        assert (rewind.forward, any(move.back for move in rewind.moves)) == (False, True)
        assert _run() == messages, place
    assert store.rows("SELECT count(*) FROM t") == [(40 + 5 + 20 + 40,)]
    _rewind("earliest")
    assert _rewind(f"{shard}:{sequence(shard, 7)}").forward
    assert _run() == 20 + 12
    with pytest.raises(UsageError, match="no place in a source"):
        _rewind(f"{shard}:12")
    if to == ONE:
        assert store.rows(f"SELECT partition_name, next_position FROM {store.own('positions')}") == sorted(
            (each, sequence(each, 19)) for each in (shard, other)
        )
