"""How far streams are behind, and how often they began anew."""

from __future__ import annotations

from types import SimpleNamespace

from flowc.runtime.contracts.source import NumberedSource
from flowc.service.alerts.streams import StreamLooks
from flowc.service.daemon import watch as watching
from flowc.service.daemon.behind import Behind
from flowc.service.daemon.stats import Failure, Report
from flowc.service.daemon.workerstate import WorkerState


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def worker(stream="s", status="running", **report):
    job = SimpleNamespace(stream=stream, worker=1, policy=SimpleNamespace())
    made = WorkerState(job, print, status)
    made.report = Report(status, **report)
    return made


def looks(*workers):
    clock = Clock()
    return StreamLooks(SimpleNamespace(workers=workers), clock), clock


def test_messages_wait_from_when_they_were_first_seen_until_they_are_stored():
    behind = Behind()
    behind.see("in", {0: 10}, {0: 0}, 0.0)
    assert behind.seconds(5.0) == 0.0
    behind.see("in", {0: 10}, {0: 5}, 10.0)
    behind.see("in", {0: 12}, {0: 8}, 20.0)
    assert behind.seconds(30.0) == 20.0
    behind.stored("in", {0: 15})
    assert behind.seconds(30.0) == 10.0
    behind.stored("in", {0: 20})
    assert behind.seconds(30.0) == 0.0


def test_a_stream_that_keeps_up_is_not_behind_however_much_comes():
    behind = Behind()
    for second in range(10_000):
        behind.see("in", {0: 100 * second}, {0: 150}, float(second))
    assert behind.seconds(10_000.0) <= 3.0


def test_one_partition_that_is_stuck_is_seen_among_others():
    behind = Behind()
    for second in range(2_000):
        behind.see("in", {0: second, 1: 7}, {0: 0, 1: second + 1}, float(second))
    assert behind.seconds(2_000.0) >= 1_990.0
    behind.see("in", {0: 9}, {0: 0}, 2_001.0)
    assert behind.seconds(3_000.0) == 0.0


class Source:
    """A source that knows its lag."""

    trouble = None

    def __init__(self):
        self.waiting = {0: 0}

    def lag(self, stored):
        return dict(self.waiting)


def test_a_worker_tells_how_long_messages_wait_as_it_reads_and_commits(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(watching.time, "monotonic", clock)
    monkeypatch.setattr(watching.time, "perf_counter", clock)
    source, watch = Source(), watching.Watch()
    inner = SimpleNamespace(source=NumberedSource(source), poll=lambda _: None, committed=lambda *_: None)
    reader = watching.WatchedReader(inner, "in", watch)

    def told(now):
        clock.now = now
        watch.mind()
        return watch.report.behind

    reader._store({("in", "0"): "10"})
    for clock.now, source.waiting in ((1.0, {0: 0}), (2.0, {0: 5})):
        reader.poll(0)
    assert watch.report.lag == {"in": {0: 5}}
    assert told(12.0) == 10.0
    reader.committed({("in", "0"): "15"}, {})
    assert told(13.0) == 0.0
    watch._begun[7] = 13.0  # an epoch that is read and not written
    assert told(20.0) == 7.0


def test_a_stream_that_does_not_run_is_behind_as_long_as_that():
    slow, stopped = worker(status="restarting"), worker("t", "stopped", behind=500.0)
    look, clock = looks(slow, stopped)
    look.look()
    clock.now = 400.0
    assert [state.behind for state in look.look()] == [400.0, 0.0]
    slow.status, slow.report.behind = "running", 3.0
    assert [(state.behind, state.running) for state in look.look()] == [(3.0, True), (0.0, False)]


def test_restarts_are_counted_within_ten_minutes_and_in_all_workers():
    first, second = worker(), worker()
    look, clock = looks(first, second)
    for minute in range(20):
        clock.now = minute * 60.0
        first.restarts, second.report.counts.retries = minute, minute
        (state,) = look.look()
    assert state.restarts == 20
    clock.now += 1200.0
    look.look()
    assert look.look()[0].restarts == 0


def test_why_a_stream_gave_up():
    gone = worker(status="failed")
    gone.failure = Failure("worker-lost", "it was killed")
    assert looks(gone)[0].look()[0].failure == ("worker-lost", "it was killed")
