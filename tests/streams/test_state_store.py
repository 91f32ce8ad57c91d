"""The state store on every database: what is kept comes back, and who was overtaken keeps nothing more."""

from __future__ import annotations

import itertools
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flowc.compiler.streamplan.state import Owner, state_plan
from flowc.errors import FlowcError
from flowc.nodes import DedupePlan
from flowc.runtime.contracts.epoch import Intent, Range
from flowc.runtime.contracts.state import Checkpoint, Segment
from flowc.runtime.contracts.target import Fenced
from flowc.runtime.streams.graph.build import Node
from flowc.runtime.streams.graph.state import States
from flowc.runtime.streams.lookups import Version
from flowc.runtime.streams.operators.dedupe import Dedupe
from flowc.runtime.streams.state import payloads
from flowc.runtime.streams.state.memory import Memory, MemoryStore
from flowc.runtime.streams.state.payloads import PIECE
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.systems import open_database
from tests.stores import KINDS, Store, address

pytestmark = pytest.mark.usefixtures("kept_files")

NAME = "odd {name} of 'a' \\stream\\ 100% ünïcode"
PROJECT = "{odd} 'project'"
Open = Callable[..., Any]


@pytest.fixture(params=[*KINDS, "memory"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """The database, as somebody beside flowc sees it; for a store in memory, what stands for one."""
    where = "" if request.param == "memory" else address(request, request.param)
    return Store(request.param, tmp_path, where, "state")


@pytest.fixture
def opened(made: Store, tmp_path: Path) -> Iterator[Open]:
    """Opens stores of one empty database."""
    kind = made.kind
    options = {"url": made.dsn} if made.dsn else {"path": str(tmp_path / f"state.{kind}")}
    stores: list[DatabaseStore | MemoryStore] = []
    memories = defaultdict[tuple[str, str], Memory](Memory)

    def make(stream: str = NAME, project: str = PROJECT) -> DatabaseStore | MemoryStore:
        if kind == "memory":
            return MemoryStore(stream, memories[project, stream])
        sql = state_plan(Owner(project, stream), "state", kind).sql
        store = DatabaseStore(stream, sql, open_database(kind, options))
        stores.append(store)
        return store

    yield make
    for store in stores:
        store.close()


def segment(node: str, group: int, sequence: int, data: bytes, *, whole: bool = False) -> Segment:
    return Segment(node, "f", group, sequence, data, whole=whole)


def _intent(number: int, watermark: int | None = None) -> Intent:
    ranges = (Range.numbered("a 'quoted' \\source", 0, number, number + 1), Range.numbered("ü%", 7, 0, 0))
    return Intent(number, 1_700_000_000_000_000 + number, ranges, watermark)


def test_what_is_kept_comes_back(opened: Open) -> None:
    store = opened()
    first = store.open()
    assert (first.checkpoint, first.intents, first.last) == (Checkpoint(), (), 0)
    for number in (1, 2, 3):
        store.intend(
            replace(_intent(number, -number), ranges=(Range.numbered("s", 0, number, number + 1, "log", last=True),))
        )
    segments = (
        Segment("dedupe", "f'\\", 3, 2, b"\x00\xff'\\\n\t\x1a", 7), Segment("odd 'op'", "{x}", 3, 2, b"x" * 70_000, -1),
    )  # fmt: skip
    point = Checkpoint(
        2, {("ü%", "7"): "9", ("source", "0"): str(2**60)}, {("ü%", "7"): -5}, segments, {"dedupe": "f'\\"}
    )
    store.save(point)
    store.close()
    again = opened().open()
    assert again.checkpoint == point
    (intent,) = again.intents
    assert (intent.number, intent.time, intent.watermark) == (3, _intent(3).time, -3)
    assert [(each, each.log, each.last) for each in intent.ranges] == [(Range.numbered("s", 0, 3, 4), "log", True)]
    assert again.last == 3


def test_a_checkpoint_adds_segments_and_drops_those_of_nodes_alone_that_it_names(opened: Open) -> None:
    store = opened()
    store.open()
    store.save(Checkpoint(1, segments=tuple(segment("a", number, 1, b"old") for number in range(600))))
    more = (segment("a", 5, 2, b"new"), segment("b", 6, 2, b"other"), segment("c", 6, 2, b"gone"))
    store.save(Checkpoint(2, segments=more))
    store.save(Checkpoint(3, segments=(segment("a", 7, 3, b"whole", whole=True),), dropped=frozenset({"c"})))
    found = _kept(opened())
    old = {("a", number): [b"old"] for number in range(600) if number not in (5, 7)}
    assert found == {**old, ("a", 5): [b"old", b"new"], ("a", 7): [b"whole"], ("b", 6): [b"other"]}


def _kept(store: DatabaseStore) -> dict[tuple[str, int], list[bytes]]:
    """What the store holds of each group, in the order in which it is read."""
    found: dict[tuple[str, int], list[bytes]] = {}
    for each in store.open().checkpoint.segments:
        found.setdefault((each.node, each.group), []).append(each.data)
    return found


def test_a_store_that_begins_with_a_checkpoint_goes_on_from_it(opened: Open) -> None:
    store = opened()
    store.open()
    store.save(Checkpoint(57, {("source", "0"): "9"}))
    assert store.open().last == 57
    store.intend(_intent(58))
    store.save(Checkpoint(57, {("source", "0"): "9"}))
    assert opened().open().intents == (_intent(58),)


def test_two_streams_know_nothing_of_each_other(opened: Open) -> None:
    one, other = opened("one"), opened("other")
    one.open()
    other.open()
    one.intend(_intent(1))
    one.save(Checkpoint(1, segments=(segment("a", 1, 1, b"1"),)))
    one.remember({"columns": "x"})
    other.intend(_intent(1))
    assert other.open().intents == (_intent(1),)
    assert (other.open().checkpoint, other.facts()) == (Checkpoint(), {})


def test_of_two_workers_the_second_is_fenced(opened: Open) -> None:
    first, second = opened(), opened()
    first.open()
    second.open()
    first.intend(_intent(1))
    with pytest.raises(Fenced):
        second.intend(_intent(1))
    assert second.open().last == 1
    second.intend(_intent(2))
    with pytest.raises(Fenced):
        first.intend(_intent(2))


def test_a_store_that_is_shut_again_and_again_keeps_one_epoch_for_it(opened: Open) -> None:
    """A run that begins and fails all night does so."""
    worker, store = opened(), opened()
    worker.open()
    worker.intend(_intent(1))
    worker.intend(_intent(2, watermark=5))
    for _ in range(3):
        store.open()
        store.shut(7)
    restored = store.open()
    assert ([intent.number for intent in restored.intents], restored.last) == ([1, 2, 5], 5)
    with pytest.raises(Fenced):
        worker.intend(_intent(3))
    store.move(Checkpoint(6), 5)
    assert store.open().intents == ()


def test_a_zombie_is_fenced_although_what_it_would_collide_with_was_pruned(opened: Open) -> None:
    zombie, other = opened(), opened()
    zombie.open()
    zombie.intend(_intent(1))
    other.open()
    for number in (2, 3):
        other.intend(_intent(number))
    other.save(Checkpoint(3, segments=(segment("a", 1, 3, b"3"),)))
    with pytest.raises(Fenced):
        zombie.intend(_intent(2))
    with pytest.raises(Fenced):
        zombie.save(Checkpoint(1, segments=(segment("a", 1, 1, b"1"),)))
    assert other.open().checkpoint.segments == (segment("a", 1, 3, b"3"),)


def test_facts_are_added_and_never_replaced(opened: Open) -> None:
    store, zombie = opened(), opened()
    store.open()
    store.remember({"columns of 'x'": '{"a\\b": "bigint", "ü": "text"}', "other": "100% {not a template}\n'"})
    zombie.open()
    with pytest.raises(Fenced):
        zombie.remember({"other": "1", "more": "2"})
    zombie.remember({"other": "100% {not a template}\n'", "last": "3"})
    assert opened().facts() == {
        "columns of 'x'": '{"a\\b": "bigint", "ü": "text"}',
        "other": "100% {not a template}\n'",
        "last": "3",
    }


def test_streams_of_one_name_in_two_projects_do_not_meet(opened: Open) -> None:
    one, other = opened(), opened(project="other")
    one.open()
    one.intend(_intent(1))
    one.save(Checkpoint(1, {("source", "0"): "5"}, segments=(segment("a", 1, 1, b"one"),)))
    one.remember({"fact": "one"})
    one.close()
    assert other.open().last == 0
    assert other.facts() == {}
    other.intend(_intent(1))
    other.save(Checkpoint(1, {("source", "0"): "7"}, segments=(segment("a", 1, 1, b"other"),)))
    other.close()
    again = opened().open()
    assert (again.checkpoint.positions, [each.data for each in again.checkpoint.segments]) == (
        {("source", "0"): "5"},
        [b"one"],
    )


def _batch(first: int, count: int, size: int = 1) -> pa.RecordBatch:
    ids = [f"ü'{number}" for number in range(first, first + count)]
    noise = [random.Random(id_).randbytes(size) for id_ in ids]
    offsets = pa.array(range(first, first + count), pa.int64())
    return pa.record_batch([pa.array(ids), pa.array(noise, pa.binary()), offsets], ["_id", "_value", "_offset"])


def _whole(source: str, batch: pa.RecordBatch) -> Range:
    offsets = batch.column("_offset").to_pylist()
    return Range.numbered(source, 0, offsets[0], offsets[-1])


def test_what_an_epoch_took_from_outside_comes_back_until_it_is_needed_no_more(opened: Open) -> None:
    """Messages of several pieces, and versions of a lookup, each kept once."""
    source, rows = "a 'quoted' \\source\"", pa.record_batch([pa.array([1, 2]), pa.array(["x", None])], ["id", "ü"])
    versions = [Version(number, rows.schema, (rows.slice(number),)) for number in range(2)]
    batches = [_batch(0, 2, 3 * PIECE // 2), _batch(2, 1), _batch(3, 4)]
    intents = [
        Intent(
            number + 1, 7, (_whole(source, batch),),
            messages=batch, versions={"look'up": versions[number // 2]},
        ) for number, batch in enumerate(batches)
    ]  # fmt: skip
    store = opened()
    store.open()
    for intent in intents:
        store.intend(intent)
    restored = opened().open()
    assert [intent.messages for intent in restored.intents] == batches
    assert [intent.versions["look'up"].batches[0].num_rows for intent in restored.intents] == [2, 2, 1]
    assert restored.intents[0].versions["look'up"].is_of(restored.intents[1].versions["look'up"])
    assert restored.delivered == {source: tuple(enumerate(batches, 1))}
    store.save(Checkpoint(1))
    assert [intent.versions["look'up"].batches[0].num_rows for intent in opened().open().intents] == [2, 1]
    store.release(2)
    store.save(Checkpoint(3))
    restored = opened().open()
    assert (restored.intents, restored.delivered) == ((), {source: ((3, batches[2]),)})
    store.release(3)
    store.intend(Intent(4, 7, ()))
    store.save(Checkpoint(4))
    assert not opened().open().delivered


@pytest.mark.parametrize("made", KINDS, indirect=True)
def test_a_lookup_that_stays_as_it_is_is_not_kept_by_every_run(opened: Open) -> None:
    def version(text: str) -> Version:
        rows = pa.record_batch([pa.array([1, 2]), pa.array([text, None])], ["id", "name"])
        return Version(1, rows.schema, (rows,))

    for number, text in enumerate(("x", "x", "y", "y"), 1):
        store = opened()
        store.open()
        store.intend(Intent(number, 7, (), versions={"users": version(text)}))
        store.close()
    read = [intent.versions["users"] for intent in opened().open().intents]
    assert [each.batches[0].column("name")[0].as_py() for each in read] == ["x", "x", "y", "y"]
    assert [one.is_of(other) for one, other in itertools.pairwise(read)] == [True, False, True]


def test_state_that_goes_on_under_another_within_is_kept_anew_whole(opened: Open) -> None:
    """What the first one wrote is gone with the checkpoint in which all of it is, written by the second."""

    def states(within: int) -> tuple[Dedupe, States]:
        said = json.dumps({"operator": "dedupe", "keys": [["id", "bigint"]], "within": within})
        operator = Dedupe(DedupePlan("dedupe", ("source",), ("id",), within, said))
        return operator, States(NAME, [Node("dedupe", operator, ("source",), ("dedupe",))])

    def passed(operator: Dedupe, ids: range) -> int:
        times = pa.array([100] * len(ids), pa.timestamp("us", "UTC"))
        rows = pa.record_batch([pa.array(ids, pa.int64()), times], ["id", "_event_ts"])
        found = operator.process(0, rows).rows
        return found.num_rows if found is not None else 0

    store, (first, kept) = opened(), states(10)
    kept.restore(store.open().checkpoint)
    for epoch, ids in enumerate((range(3_000), range(2_000, 4_000)), 1):
        assert passed(first, ids) == (3_000, 1_000)[epoch - 1]
        store.save(kept.snapshot(Checkpoint(epoch)))
    for epoch, within, new in ((3, 20, 100), (4, 20, 100), (5, 5, 100)):
        store, (again, kept) = opened(), states(within)
        kept.restore(store.open().checkpoint)
        assert passed(again, range(3_900 + 100 * (epoch - 2), 4_000 + 100 * (epoch - 2))) == new
        assert passed(again, range(4_000)) == 0
        store.save(kept.snapshot(Checkpoint(epoch)))
        assert {segment.fingerprint for segment in opened().open().checkpoint.segments} == {again.fingerprint}


def test_a_lookup_that_is_too_large_is_not_kept(opened: Open, monkeypatch: pytest.MonkeyPatch, made: Store) -> None:
    for most, codes in ((10_000, []), (900, ["lookup-too-large"])):
        noise = pa.array([random.Random(most + number).randbytes(100) for number in range(10)], pa.binary())
        rows = pa.record_batch([noise], ["b"])
        monkeypatch.setattr(payloads, "MAX_LOOKUP", most)
        store, told = opened(), list[str]()
        store.open()
        try:
            store.intend(Intent(store.last() + 1, 7, (), versions={"users": Version(1, rows.schema, (rows,))}))
        except FlowcError as error:
            told.append(str(error.code))
        assert told == (codes if made.kind != "memory" else [])
