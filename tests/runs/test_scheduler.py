"""The scheduler over a run log in memory, with runs that end as a test says."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from flowc.compiler.ir import Timing
from flowc.errors import EngineError, UsageError
from flowc.runtime.systems import open_database
from flowc.service.runs.decisions import Limits, Scheduled
from flowc.service.runs.executors import Project
from flowc.service.runs.log import RunLog
from flowc.service.runs.records import CANCELLED, FAILED, LOST, OK, TIMEOUT, Outcome
from flowc.service.runs.scheduler import Scheduler
from flowc.service.telemetry.metrics import families

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass
class Ends:
    """Runs that end at once, each as the next outcome says; OK when none is left. None never ends by itself."""

    outcomes: list = field(default_factory=list)
    began: list = field(default_factory=list)

    def start(self, claim, project):
        self.began.append((claim.pipeline, claim.due_at, claim.attempt))
        found = self.outcomes.pop(0) if self.outcomes else Outcome(OK)
        if isinstance(found, Exception):
            raise found
        return _Run(found)


@dataclass
class _Run:
    found: Outcome | None

    def outcome(self):
        return self.found

    def stop(self, status):
        self.found = self.found or Outcome(status)

    def sign(self):
        pass


@dataclass
class World:
    log: RunLog
    ends: Ends
    told: list = field(default_factory=list)
    warned: list = field(default_factory=list)
    redact: object = str
    ended: object = None

    def at(self, now, *pipelines, limits=None):
        """What `run-due` does at a time."""
        scheduler = Scheduler(
            pipelines, self.log, self.ends, Project(()), self.told.append, self.warned.append, limits or Limits()
        )
        scheduler.now, scheduler.redact = now, self.redact
        before = len(self.ends.began)
        self.log.close = lambda: None
        scheduler.run_due(threading.Event())
        self.ended = scheduler.ended
        return self.ends.began[before:]


@pytest.fixture
def world():
    session = open_database("sqlite", {"path": ":memory:"})
    return World(RunLog(lambda: session, "sqlite", "p", "me"), Ends())


def hourly(name="p", upstream=(), **timing):
    return Scheduled(name, Timing("0 * * * *", **timing), tuple(upstream))


def test_a_due_time_runs_once_however_often_one_looks(world):
    assert world.at(NOON - MINUTE, hourly()) == []
    assert world.at(NOON, hourly()) == [("p", NOON, 1)]
    assert world.at(NOON, hourly()) == []
    assert world.at(NOON + 59 * MINUTE, hourly()) == []


def test_upstream_and_downstream_run_in_one_look(world):
    pipelines = hourly("up"), hourly("down", ["up"])
    world.at(NOON - MINUTE, *pipelines)
    assert world.at(NOON, *pipelines) == [("up", NOON, 1), ("down", NOON, 1)]


def test_downstream_waits_for_the_retry_of_upstream(world):
    pipelines = hourly("up", attempts=2, backoff=60.0), hourly("down", ["up"])
    world.at(NOON - MINUTE, *pipelines)
    world.ends.outcomes = [Outcome(FAILED, error_code="x", error="why")]
    assert world.at(NOON, *pipelines) == [("up", NOON, 1)]
    assert world.at(NOON, *pipelines) == []
    assert world.at(NOON + 2 * MINUTE, *pipelines) == [("up", NOON, 2), ("down", NOON, 1)]


def test_what_is_given_up_is_told_and_the_next_due_time_starts_afresh(world):
    world.at(NOON - MINUTE, hourly())
    world.ends.outcomes = [Outcome(FAILED, error_code="x", error="why")]
    world.at(NOON, hourly())
    assert [happened.kind for happened in world.told] == ["began", "gave up"]
    assert world.at(NOON + 60 * MINUTE, hourly()) == [("p", NOON + 60 * MINUTE, 1)]
    assert world.told[-1].kind == OK


def test_a_week_of_pause_is_one_run(world):
    world.at(NOON - MINUTE, hourly())
    world.log.change(world.log.standings()["p"], {"paused": 1})
    later = NOON + timedelta(days=7)
    assert world.at(later, hourly()) == []
    world.log.change(world.log.standings()["p"], {"paused": 0})
    assert world.at(later, hourly()) == [("p", later, 1)]


def test_every_missed_time_runs_where_the_spec_says_all(world):
    pipeline = hourly(catch_up="all")
    world.at(NOON - MINUTE, pipeline)
    hours = [NOON + timedelta(hours=hour) for hour in range(3)]
    assert world.at(NOON + timedelta(hours=2, minutes=5), pipeline) == [("p", hour, 1) for hour in hours]


def test_an_edited_schedule_runs_nothing_of_the_past(world):
    world.at(NOON - MINUTE, hourly())
    edited = Scheduled("p", Timing("*/10 * * * *"))
    later = NOON + 5 * MINUTE
    assert world.at(later, edited) == []
    assert world.at(later + 5 * MINUTE, edited) == [("p", NOON + 10 * MINUTE, 1)]


def test_a_purged_history_makes_nothing_run_again(world):
    world.at(NOON - MINUTE, hourly())
    world.at(NOON, hourly())
    world.log.purge(datetime.now(UTC) + timedelta(days=1))
    assert world.log.runs() == []
    assert world.at(NOON + MINUTE, hourly()) == []


def test_a_run_that_cannot_be_started_has_failed(world):
    world.at(NOON - MINUTE, hourly())
    world.ends.outcomes = [UsageError("no room", code="worker-lost")]
    world.at(NOON, hourly())
    (run,) = world.log.runs()
    assert (run.status, run.error) == (FAILED, "no room")
    assert world.ended == {("p", FAILED): 1}


def test_a_lost_run_is_tried_once_more_at_once(world):
    world.at(NOON - MINUTE, hourly())
    world.ends.outcomes = [Outcome(LOST), Outcome(LOST), Outcome(OK)]
    assert world.at(NOON, hourly()) == [("p", NOON, 1), ("p", NOON, 2)]
    assert world.told[-1].kind == "gave up"
    assert world.ended == {("p", LOST): 2}


def test_a_run_that_takes_too_long_is_ended(world):
    pipeline = hourly(timeout=0.0)
    world.at(NOON - MINUTE, pipeline)
    world.ends.outcomes = [None]
    world.at(NOON, pipeline)
    assert [run.status for run in world.log.runs()] == [TIMEOUT]


def test_what_a_stop_cuts_off_begins_again_with_the_same_attempt(world):
    stop = threading.Event()
    world.at(NOON - MINUTE, hourly())
    world.ends.outcomes = [None]
    scheduler = Scheduler(
        [hourly()], world.log, world.ends, Project(()), lambda _: stop.set(), world.warned.append
    )  # fmt: skip
    scheduler.now = NOON
    scheduler.run_due(stop)
    assert [run.status for run in world.log.runs()] == [CANCELLED]
    assert world.at(NOON, hourly()) == [("p", NOON, 1)]


def test_limits_have_the_rest_wait_and_not_be_forgotten(world):
    pipelines = [hourly(name) for name in "abc"]
    world.at(NOON - MINUTE, *pipelines)
    assert len(world.at(NOON, *pipelines, limits=Limits(1))) == 3


def test_a_run_that_cannot_be_settled_keeps_no_other_waiting(world):
    pipelines = [hourly("a"), hourly("b")]
    world.at(NOON - MINUTE, *pipelines)
    settle, refused = world.log.settle, []

    def once(claim, *rest, **more):
        if claim.pipeline == "a" and not refused:
            refused.append(claim)
            raise EngineError("no", code="query-refused")
        return settle(claim, *rest, **more)

    world.log.settle = once
    world.at(NOON, *pipelines)
    assert [(run.pipeline, run.status) for run in sorted(world.log.runs(), key=lambda run: run.pipeline)] == [
        ("a", OK),
        ("b", OK),
    ]
    assert refused


def test_downstream_of_what_takes_longer_than_its_period_runs(world):
    pipelines = hourly("up"), hourly("down", ["up"])
    world.at(NOON - MINUTE, *pipelines)
    world.log.change(world.log.standings()["up"], {"paused": 1})
    for hours in range(3):
        world.at(NOON + timedelta(hours=hours), *pipelines)
    world.log.change(world.log.standings()["up"], {"paused": 0})
    assert world.at(NOON + timedelta(hours=2, minutes=5), *pipelines)[:2] == [
        ("up", NOON + timedelta(hours=2), 1),
        ("down", NOON, 1),
    ]


def test_secrets_are_masked_in_what_is_recorded(world):
    world.ends.outcomes = [Outcome(FAILED, error="pw=hunter2", detail={"said": "hunter2!"})]
    world.at(NOON - MINUTE, hourly())
    world.redact = lambda text: text.replace("hunter2", "***")
    world.at(NOON, hourly())
    (run,) = world.log.find("2")
    assert (run.error, run.detail["said"]) == ("pw=***", "***!")


def test_run_due_leaves_what_comes_due_meanwhile_to_the_next_tick(world):
    pipelines = hourly("up"), hourly("down", ["up"])
    world.at(NOON - MINUTE, *pipelines)
    looks = iter(range(40))
    world.log.now = lambda: NOON + 20 * MINUTE * next(looks, 40)  # a tick takes longer than the schedule's hour
    assert world.at(None, *pipelines) == [("up", NOON, 1), ("down", NOON, 1)]
    assert [due for _, due, _ in world.at(None, *pipelines)] > [NOON]


def test_run_due_ends_where_the_run_log_stays_away(world):
    world.at(NOON - MINUTE, hourly())
    world.log.lease = 0.0

    def away(*_, **__):
        raise EngineError("it is away", code="connection-failed")

    world.log.settle = away
    with pytest.raises(EngineError, match="it is away"):
        world.at(NOON, hourly())


def test_while_the_run_log_is_away_nothing_begins_and_it_is_told_once(world):
    def broken(*_):
        raise EngineError("it is away", code="connection-failed")

    scheduler = Scheduler([hourly()], world.log, world.ends, Project(()), world.told.append, world.warned.append)
    world.log.standings = broken
    for _ in range(3):
        scheduler._guarded(scheduler.tick)
    assert world.ends.began == []
    assert len(world.warned) == 1


def test_one_that_leads_no_more_says_nothing_of_schedules(world):
    scheduler = Scheduler(
        [hourly()], world.log, world.ends, Project(()), world.told.append, world.warned.append, leads=True
    )
    scheduler.tick()  # the schedule begins
    scheduler.tick()
    assert sampled(scheduler, "flowc_pipeline_failing") == [0]
    assert sampled(scheduler, "flowc_scheduler_leads") == [1]
    world.log.lead = lambda token: None
    scheduler.tick()
    assert sampled(scheduler, "flowc_pipeline_failing") == []
    assert sampled(scheduler, "flowc_scheduler_leads") == [0]


def sampled(scheduler, name):
    (found,) = [family for family in families((), 0.0, scheduler) if family.name == name]
    return [value for _, value in found.samples]


@dataclass
class Kept:
    """A span that is kept: what was said of it, and its error."""

    spans: list = field(default_factory=list)
    said: dict = field(default_factory=dict)
    error: str | None = "goes on"
    traceparent: str = ""

    def child(self, name, attributes=None, began=None):
        self.spans.append(Kept(said={"name": name, **attributes}))
        return self.spans[-1]

    def end(self, attributes=None, error=None, ended=None):
        self.said |= attributes
        self.error = error


def test_each_attempt_has_a_span_with_what_became_of_it(world):
    root = Kept()
    pipeline = hourly(attempts=3, backoff=1.0)
    world.at(NOON - MINUTE, pipeline)
    world.ends.outcomes = [UsageError("no", code="worker-lost"), Outcome(FAILED, {"rows_read": 2}, "unfit", "4711")]
    for minutes in range(3):
        scheduler = Scheduler([pipeline], world.log, world.ends, Project(()), world.told.append, world.warned.append)
        scheduler.now, scheduler.span = NOON + minutes * MINUTE, root
        scheduler.run_due(threading.Event())
    told = [(span.said["flowc.run.attempt"], span.said["flowc.run.reason"], span.error) for span in root.spans]
    assert told == [(1, "schedule", "worker-lost"), (2, "retry", "unfit"), (3, "retry", None)]
    assert [span.said["flowc.run.status"] for span in root.spans] == ["failed", "failed", "ok"]
    assert root.spans[1].said["flowc.rows_read"] == 2
    assert "4711" not in repr(root)
