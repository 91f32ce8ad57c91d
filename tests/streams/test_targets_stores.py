"""Files of streams in stores: every row once, whatever call fails and whoever wakes up late, in any kind of store."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import obstore
import pytest

from flowc.catalog import Column
from flowc.compiler.ir import FilesOutput
from flowc.compiler.systems.files.target import plan_target
from flowc.errors import FlowcError, TransientError
from flowc.nodes import Changelog
from flowc.runtime.contracts.store import Store
from flowc.runtime.contracts.target import Fenced, PutBack
from flowc.runtime.stores.local import LocalStore
from flowc.runtime.stores.remote import RemoteStore
from flowc.runtime.systems.files.target import FilesWriter
from flowc.source import SourceFile, Span
from flowc.types import BIGINT, TEXT
from tests.extended import amount
from tests.memorystore import Failing, MemoryStore
from tests.streams.epochs import Cut, CutAt, epoch, numbered, numbers

COLUMNS = (Column("id", BIGINT), Column("name", TEXT))
SPAN = Span(SourceFile("s.yaml", ""), 0, 0)
STORES = ["folder", "objects", "late objects", "obstore"]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return made(request.param, tmp_path)


def made(kind: str, folder: Path, lag: float = 0.02, seed: int = 0) -> Store:
    if kind == "folder":
        return LocalStore(folder)
    if kind == "obstore":
        return RemoteStore(obstore.store.MemoryStore(), "memory:/")
    return MemoryStore(lag=lag if kind == "late objects" else 0.0, seed=seed)


def writer(store: Store, stream: str = "s", was: str = "", pause: Any = None, **more: Any) -> FilesWriter:
    output = FilesOutput("out", "rows", "jsonl", span=SPAN, write={}, partition_by=(), **more)
    plan = plan_target(output, COLUMNS, "s", Changelog.INSERT_ONLY)
    hooks = {"pause": pause} if pause else {}
    return FilesWriter(plan, stream, "", was=was, store=store, **hooks)


def objects(store: Store) -> dict[str, bytes]:
    """All that is in an object store by now."""
    exact = MemoryStore(store.bucket) if isinstance(store, MemoryStore) else store
    return {entry.key: exact.get(entry.key).data for entry in exact.list()}


def lines(store: Store) -> dict[str, list[int]]:
    """The ids in each file that a plain reader finds."""
    if store.local is None:
        found = {name: data for name, data in objects(store).items() if "/_" not in name}
    else:
        paths = (path for path in (store.local / "rows").rglob("*.jsonl") if "_flowc" not in path.parts)
        found = {path.name: path.read_bytes() for path in paths}
    return {name: [json.loads(line)["id"] for line in data.splitlines()] for name, data in found.items()}


def ids(store: Store) -> list[int]:
    return sorted(i for found in lines(store).values() for i in found)


def drafts(store: Store) -> list[str]:
    if store.local is None:
        return [key for key in objects(store) if key.endswith(".part")]
    return [str(path) for path in store.local.rglob("*.part")]


def finished(store: Store, count: int, **more: Any) -> None:
    """A last worker, which writes all epochs that are not durable."""
    last = writer(store, **more)
    held = last.open().epoch
    for number in range(held + 1, count + 1):
        last.write(epoch(number, numbered(number)))
    assert last.flush() == count
    last.close()
    assert ids(store) == list(range(count * 10))
    assert drafts(store) == []


def test_nothing_is_seen_before_a_file_is_whole(store: Store) -> None:
    first = writer(store)
    assert first.open().epoch == 0
    assert [first.write(e) for e in numbers(3)] == [0, 0, 0]
    assert ids(store) == []
    assert first.flush() == 3
    assert [Path(name).name for name in lines(store)] == ["s-0000000001-0000000003-0000.jsonl"]
    first.close()
    assert (writer(store).look().epoch, ids(store), drafts(store)) == (3, list(range(30)), [])


@pytest.mark.parametrize("point", ["taken", "finished", "marked", "renamed"])
@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("closes", [False, True], ids=["gone", "closes"])
def test_a_worker_that_is_cut_off_anywhere_loses_and_repeats_nothing(
    store: Store, point: str, after: int, closes: bool
) -> None:
    first = writer(store, pause=CutAt(point, after))
    first.open()
    with pytest.raises(Cut):
        [(first.write(each), first.flush()) for each in numbers(7)]
    first.close() if closes else first._rolling.stop()
    finished(store, 7)


_KILLED = """
import os, signal, sys
from pathlib import Path
from flowc.runtime.stores.local import LocalStore
from tests.streams.epochs import epoch, numbered
from tests.streams.test_targets_stores import writer
left = [2]
def pause(point):
    left[0] -= point == sys.argv[2]
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
worker = writer(LocalStore(Path(sys.argv[1])), pause=pause)
for number in range(worker.open().epoch + 1, 9):
    worker.write(epoch(number, numbered(number)))
    worker.flush()
"""


@pytest.mark.parametrize("point", ["taken", "finished", "marked", "renamed"])
def test_a_process_that_is_killed_at_any_pause_loses_and_repeats_nothing(tmp_path: Path, point: str) -> None:
    died = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path), point], check=False)
    assert died.returncode == -signal.SIGKILL
    finished(LocalStore(tmp_path), 5)


@dataclass
class Faulty:
    """A store whose n-th call that writes fails, before or after it has its effect."""

    inner: Store
    failing: Failing

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.inner, name)
        if name not in ("create", "replace", "delete", "move", "upload"):
            return value

        def call(*arguments: Any) -> Any:
            self.failing(name, effect=False)
            result = value(*arguments)
            self.failing(name, effect=True)
            return result

        return call


@pytest.mark.parametrize("effect", [False, True], ids=["before", "after"])
def test_a_call_that_fails_with_or_without_effect_loses_and_repeats_nothing(store: Store, effect: bool) -> None:
    """Each call in turn, until one run needs fewer: the worker that failed opens again, as a stream does."""
    for after in range(100):
        failing = Failing(after, effect)
        place = store.twin(failing) if isinstance(store, MemoryStore) else Faulty(store, failing)  # type: ignore[arg-type]
        _run_on(writer(place), after * 3)  # type: ignore[arg-type]
        assert ids(store) == list(range((after + 1) * 30))
        if failing.after >= 0:
            assert after > 8
            return
    pytest.fail("there is no end of calls")


def _run_on(worker: FilesWriter, held: int) -> None:
    """Writes three more epochs; opens again what has failed."""
    for _ in range(5):
        with suppress(TransientError):
            at = worker.open().epoch
            assert held <= at <= held + 3
            for number in range(at + 1, held + 4):
                worker.write(epoch(number, numbered(number)))
                worker.flush()
            worker.close()
            return
    pytest.fail("it failed more than once")


def test_a_client_that_repeats_a_write_which_had_its_effect_is_not_fenced() -> None:
    class Repeating(MemoryStore):
        def replace(self, key: str, data: bytes, version: str) -> str:
            super().replace(key, data, version)
            return super().replace(key, data, version)

    store = Repeating()
    finished(store, 1)
    finished(store, 3)


def test_a_zombie_is_fenced(store: Store) -> None:
    zombie, worker = writer(store), writer(store)
    zombie.open()
    zombie.write(numbers(1)[0])
    worker.open()
    worker.write(numbers(1)[0])
    worker.flush()
    with pytest.raises(FlowcError) as failed:
        zombie.flush()
    assert isinstance(failed.value, Fenced) or store.local is not None
    zombie.close()
    assert worker.write(epoch(2, numbered(2))) == 1
    assert worker.flush() == 2
    worker.close()
    assert ids(store) == list(range(20))


def _file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_worker_that_was_overtaken_leaves_no_draft(store: Store) -> None:
    """It removes them when it leaves; where they are in a folder, it can write no more after another has opened it."""
    zombie, worker = writer(store), writer(store)
    zombie.open()
    worker.open()
    with pytest.raises(FlowcError):
        (zombie.write(numbers(1)[0]), zombie.flush())
    zombie.close()
    worker.close()
    assert drafts(store) == []


def test_what_a_worker_marked_before_it_was_overtaken_is_moved_by_the_next_one(store: Store) -> None:
    """The first one thinks that its mark had no effect, and leaves while the second one has only taken the folder."""
    first, second = writer(store), writer(store, pause=None)
    first.open()
    first.write(numbers(1)[0])
    put = first._log._put

    def lost(*arguments: Any) -> None:
        put(*arguments)
        state = second._log
        state.owner = "second"
        state._taken()
        raise TransientError("lost", code="connection-lost")

    first._log._put = lost  # type: ignore[method-assign]
    with pytest.raises(TransientError):
        first.flush()
    first.close()
    finished(store, 2)


def test_a_log_that_was_put_back_is_told(store: Store, tmp_path: Path) -> None:
    first = writer(store)
    first.open()
    copy = store.get("rows/_flowc/s.json").data
    first.write(numbers(1)[0])
    first.flush()
    store.upload("rows/_flowc/s.json", _file(tmp_path / "copy", copy))
    first.write(epoch(2, numbered(2)))
    with pytest.raises(PutBack):
        first.flush()


def test_what_was_written_under_the_former_name_is_taken_up_once(store: Store) -> None:
    former = writer(store)
    former.open()
    for each in numbers(2):
        former.write(each)
    former.flush()
    assert writer(store, "a/s", "s").look().epoch == 2
    later = writer(store, "a/s", "s")
    assert later.open().epoch == 2
    with pytest.raises(FlowcError):
        (former.write(epoch(3, numbered(3))), former.flush())
    former.close()
    later.write(epoch(3, numbered(3)))
    assert later.flush() == 3
    later.close()
    assert ids(store) == list(range(30))
    other = writer(store, "b/s", "s")
    assert other.open().epoch == 0


class Turns:
    """Lets one of several threads go on at a time, by chance, from one call of a store to the next."""

    def __init__(self, seed: int) -> None:
        self.chance, self.condition = random.Random(seed), threading.Condition()
        self.waiting: set[int] = set()
        self.alive: set[int] = set()
        self.turn = -1

    def begin(self, workers: Sequence[int]) -> None:
        self.alive = set(workers)

    def take(self, worker: int) -> None:
        """Waits for a turn."""
        with self.condition:
            self.waiting.add(worker)
            self._choose()
            self.condition.wait_for(lambda: self.turn == worker, 30)
            self.waiting.discard(worker)
            self.turn = -1

    def end(self, worker: int) -> None:
        with self.condition:
            self.alive.discard(worker)
            self._choose()

    def _choose(self) -> None:
        if self.turn == -1 and self.waiting and self.waiting == self.alive:
            # One is often let sleep for long, as zombies do.
            self.turn = max(self.waiting, key=lambda each: self.chance.random() ** (1 + each))
            self.condition.notify_all()


@dataclass
class InTurns:
    """A store of one of several workers: before and after each call that matters, another may go on."""

    inner: Store
    turns: Turns
    worker: int

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.inner, name)
        if name not in ("get", "create", "replace", "delete", "move", "upload"):
            return value

        def call(*arguments: Any) -> Any:
            if name == "move":  # one by one
                for move in arguments[0]:
                    self.turns.take(self.worker)
                    value([move])
                return None
            self.turns.take(self.worker)
            return value(*arguments)

        return call


EPOCHS = 6


def _works(store: InTurns, failures: list[BaseException]) -> None:
    """A worker that begins again when it was fenced, as one that a service restarts."""
    try:
        for _ in range(3):
            worker = writer(store)  # type: ignore[arg-type]
            try:
                held = worker.open().epoch
                for number in range(held + 1, EPOCHS + 1):
                    worker.write(epoch(number, numbered(number)))
                    worker.flush()
            except FlowcError:
                worker.close()
                continue
            worker.close()
    except BaseException as error:
        failures.append(error)
    finally:
        store.turns.end(store.worker)


@pytest.mark.parametrize("seed", range(amount(40, 400)))
@pytest.mark.parametrize("kind", STORES)
def test_workers_at_once_lose_and_repeat_nothing(tmp_path: Path, kind: str, seed: int) -> None:
    """Three workers of one stream, each stopped between any two calls of the store for as long as chance wants."""
    inner = made(kind, tmp_path, 0.005, seed)
    turns, failures = Turns(seed), list[BaseException]()
    turns.begin(range(3))
    threads = [threading.Thread(target=_works, args=(InTurns(inner, turns, n), failures)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    seen = ids(inner)
    assert seen == sorted(set(seen))
    last = writer(inner)
    held = last.open().epoch
    assert ids(inner) == list(range(held * 10))
    for number in range(held + 1, EPOCHS + 1):
        last.write(epoch(number, numbered(number)))
    last.flush()
    last.close()
    assert ids(inner) == list(range(EPOCHS * 10))
