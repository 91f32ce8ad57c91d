"""Rewinds of streams whose workers have nothing to do, or that nothing shuts out: they notice, or it says so."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flowc.runtime.contracts.epoch import Epoch, Intent, Range
from flowc.runtime.contracts.target import Fenced
from flowc.runtime.systems.kafka.target import KafkaWriter
from flowc.service.streams import rewinding as service
from flowc.stream import TopicTarget
from tests.commands import Inside
from tests.daemons import daemon
from tests.streams.epochs import epoch, numbered
from tests.streams.test_rewind import counts, fill
from tests.topics import committed, drop, fresh

PROJECT = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  wh: {{ kind: postgres, url: "{postgres}" }}
  side: {{ kind: sqlite, path: side.db }}
streams:
  one:
    source: &events {{ connection: bus, topic: {topic}, columns: {{ id: bigint, name: text }} }}
    to: {{ connection: wh, table: one, mode: append }}
    parallelism: 2
  two:
    source: *events
    to: [{{ connection: wh, table: two, mode: append }}, {{ connection: side, table: two, mode: append }}]
  told:
    source: *events
    to: {{ connection: bus, topic: {out} }}
    delivery: at_least_once
"""


@contextmanager
def project(folder: Path, kafka: str, postgres: str) -> Iterator[tuple[Inside, str, str]]:
    """A project, the topic that it reads, and the one that it writes."""
    topic, out, made = fresh(kafka, 2), fresh(kafka), Inside(folder)
    made.write("specs/s.yaml", PROJECT.format(kafka=kafka, postgres=postgres, topic=topic, out=out))
    fill(kafka, topic, 100)
    yield made, topic, out
    drop(kafka, topic)
    drop(kafka, out)


def test_a_worker_with_nothing_to_do_finds_that_its_stream_was_moved(tmp_path: Path, kafka: str, postgres: str) -> None:
    wh, side = ("postgres", {"url": postgres}), ("sqlite", {"path": str(tmp_path / "side.db")})

    def told() -> Counter[int]:
        return Counter(json.loads(message.value() or b"")["id"] for message in committed(kafka, out))

    with project(tmp_path, kafka, postgres) as (folder, _, out), daemon(folder, "--log-format", "json") as running:
        running.until(
            lambda: [worker["rows"] for worker in running.workers() if worker["stream"] != "one"] == [100] * 2
        )
        running.until(lambda: sum(worker["rows"] for worker in running.workers()) == 300)
        assert "stream-fenced" not in running.log()  # two workers that began at once are none too many
        for name in ("one", "two", "told"):
            moved = folder.flowc("rewind", name, "--to", "0:20", "--yes")
            assert "moved; 30 messages are read again" in moved.out, moved.err
        wanted = {n: 2 if n % 2 == 0 and n >= 40 else 1 for n in range(100)}
        running.until(lambda: counts(wh, "one") == wanted)
        running.until(lambda: counts(wh, "two") == counts(side, "two") == wanted)
        running.until(lambda: told() == wanted)
        assert "stream-fenced" in running.log()
        assert running.stop() == 0


def writer(kafka: str, topic: str, source: str, stream: str = "told") -> KafkaWriter:
    plan = TopicTarget("bus", topic, "json", (), positions=(("source", source),), transactions=False)
    return KafkaWriter(plan, stream, {"bootstrap_servers": kafka})


def test_a_worker_that_nothing_shuts_out_finds_that_it_was_overtaken(kafka: str) -> None:
    source, topic = fresh(kafka), fresh(kafka)
    first, other = writer(kafka, topic, source), writer(kafka, topic, source)
    none = numbered(1).slice(0, 0)
    for each in (first, other):
        each.open()
    first.write(epoch(1, none))
    with pytest.raises(Fenced, match="another worker goes on with stream `told`, or it was moved"):
        other.write(epoch(1, none))
    assert other.look() == first.look()
    other.write(epoch(2, none))
    assert first.look().positions == {("source", "0"): "20"}
    for each in (first, other):
        each.close()


def test_a_rewind_that_a_worker_undoes_says_so(
    tmp_path: Path, kafka: str, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of an earlier version, which does not look at what is stored before it writes over it."""
    monkeypatch.setattr(service, "_UNFENCED_TRIES", 2)
    monkeypatch.setattr(KafkaWriter, "_prove", lambda _: None)
    done = threading.Event()
    with project(tmp_path, kafka, postgres) as (folder, topic, out):
        assert folder.flowc("run", "told", "--once").code == 0
        old = writer(kafka, out, topic, f"{folder.path.name}/told")
        number = old.open().epoch
        ranges = tuple(Range.numbered("source", partition, 50, 50) for partition in range(2))

        def go_on() -> None:
            while not done.wait(0.02):
                old.write(Epoch(Intent(number, 0, ranges), numbered(1).slice(0, 0), 0))

        working = threading.Thread(target=go_on)
        working.start()
        try:
            said = folder.flowc("rewind", "told", "--to", "earliest", "--yes")
        finally:
            done.set()
            working.join()
            old.close()
    assert (said.code, "error[rewind-undone]" in said.err) == (2, True)
    assert "stop it, then rewind" in said.err
