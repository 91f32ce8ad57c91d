"""What a scheduler does about runs on other machines, over a run log in memory and a platform that a test plays."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from flowc.compiler.ir import Timing
from flowc.errors import FlowcError, TransientError, UsageError
from flowc.runtime.systems import open_database
from flowc.service.runs import minding, watching
from flowc.service.runs.decisions import Scheduled
from flowc.service.runs.executors import Project
from flowc.service.runs.log import RunLog
from flowc.service.runs.minding import Guard, Minder, Settling
from flowc.service.runs.records import FAILED, LOST, OK, RUNNING, Outcome
from flowc.service.runs.scheduler import Scheduler
from flowc.service.runs.taking import take
from flowc.service.runs.watching import Sight

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOURLY = Scheduled("p", Timing("0 * * * *"))


@dataclass
class Played:
    """A platform. `begins` is what happens when a worker is to begin, one after the other."""

    place: str = "played://here"
    patience: float = 600.0
    begins: list = field(default_factory=list)
    sights: dict | None = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def begin(self, claim, project, timeout):
        self.asked.append(claim.run_id)
        found = self.begins.pop(0) if self.begins else None
        if isinstance(found, FlowcError):
            raise found

    def look(self):
        return self.sights

    def words(self, run):
        return "its words"

    def end(self, run):
        self.ended.append(run)


@dataclass
class World:
    log: RunLog
    played: Played = field(default_factory=Played)
    told: list = field(default_factory=list)
    warned: list = field(default_factory=list)

    def scheduler(self, owner="me", leads=True, executor=None, pipeline=HOURLY):
        log = replace(self.log, owner=owner)
        log.close = lambda: None
        made = Scheduler(
            [pipeline], log, executor or self.played, Project(()), self.told.append, self.warned.append, leads=leads
        )
        made.now = NOON
        return made

    def begun(self, **options):
        """A scheduler that has begun a run."""
        scheduler = self.scheduler(**options)
        scheduler.now = NOON - timedelta(minutes=1)
        scheduler.tick()
        scheduler.now = NOON
        assert scheduler.tick() == 1
        return scheduler

    def runs(self):
        return self.log.runs()

    def work(self, outcome, owner="w#1"):
        """What a worker does."""
        log = replace(self.log, owner=owner)
        start, claim = take(log, self.runs()[0].id, [HOURLY])
        after = {"settled_at": NOON, "due_at": None, "attempt": 0, "retry_at": None, "failing": 0}
        assert log.settle(claim, outcome, after, log.now())
        return start

    @property
    def kinds(self):
        return [(each.kind, each.claim.attempt) for each in self.told]


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(watching, "_PAUSE", 0.0)
    monkeypatch.setattr(watching, "_LOOK", 0.0)
    session = open_database("sqlite", {"path": ":memory:"})
    return World(RunLog(lambda: session, "sqlite", "p", "me"))


def test_how_a_worker_ended_its_run_is_told_once(world):
    scheduler = world.begun()
    assert scheduler._keeper.mind() == 0
    world.work(Outcome(OK, {"rows_inserted": 3}))
    assert scheduler._keeper.mind() == 1
    assert scheduler._keeper.mind() == 0
    assert world.kinds == [("began", 1), (OK, 1)]
    assert world.told[-1].outcome.counts == {"rows_inserted": 3}
    assert scheduler.ended["p", OK] == 1


def test_the_next_leader_adopts_what_goes_on_and_the_last_one_is_silent(world):
    first, second = world.begun(), world.scheduler("you")
    first.log.resign(first.token)
    second.tick()
    first.tick()
    second._keeper.mind()
    world.work(Outcome(FAILED, error_code="x", error="why"))
    assert (first._keeper.mind(), second._keeper.mind()) == (0, 1)
    assert world.kinds == [("began", 1), ("gave up", 1)]


def test_a_worker_that_will_never_come_is_a_failure_and_is_ended(world):
    scheduler = world.begun()
    (run,) = world.runs()
    world.played.sights = {run.id: Sight(True, "ImagePullBackOff")}
    scheduler._keeper.mind()
    (found,) = world.log.find(run.id)
    assert (found.status, found.error, found.detail["said"]) == (FAILED, "ImagePullBackOff", "its words")
    assert world.played.ended == [run.id]
    assert world.kinds == [("began", 1), ("gave up", 1)]


def test_a_worker_that_is_over_but_had_begun_is_not_judged(world):
    scheduler = world.begun()
    (run,) = world.runs()
    take(replace(world.log, owner="w#1"), run.id, [HOURLY])
    world.played.sights = {run.id: Sight(True, "exit code 137")}
    scheduler._keeper.mind()
    assert world.runs()[0].status == RUNNING


def test_no_scheduler_judges_runs_that_are_not_at_its_place(world):
    world.log.lease = 0.0
    world.begun(leads=False, executor=Played("played://there"))
    other = world.scheduler("you", leads=False)
    other._keeper.mind()
    assert world.runs()[0].status == RUNNING


def test_a_run_without_a_worker_behind_its_lease_is_lost(world):
    world.log.lease = 0.0
    scheduler = world.begun(leads=False)
    scheduler._keeper.mind()
    assert world.runs()[0].status == LOST
    assert scheduler.tick() == 1
    assert world.kinds == [("began", 1), (LOST, 1), ("began", 2)]


def test_a_platform_that_does_not_answer_is_asked_again_and_nothing_else_begins(world):
    world.played.begins = [TransientError("away", code="connection-failed")] * 2
    scheduler = world.begun()
    assert not scheduler._keeper.able
    scheduler._keeper.mind()
    assert not scheduler._keeper.able
    scheduler._keeper.mind()
    assert scheduler._keeper.able
    assert len(world.played.asked) == 3
    assert len(world.warned) == 1
    assert [run.status for run in world.runs()] == [RUNNING]


def test_a_run_that_is_lost_while_its_platform_is_away_is_forgotten(world):
    world.played.begins = [TransientError("away", code="connection-failed")] * 3
    world.played.patience = 0.0
    scheduler = world.begun()
    scheduler.tick()
    scheduler._keeper.mind()
    assert [run.status for run in world.runs()][-1] == LOST
    for _ in range(3):
        scheduler._keeper.mind()
        scheduler.tick()
    assert scheduler._keeper.able


def test_a_worker_that_came_though_the_answer_was_lost_is_not_begun_again(world):
    world.played.begins = [TransientError("away", code="connection-failed")]
    scheduler = world.begun()
    world.work(Outcome(OK))
    scheduler._keeper.mind()
    assert len(world.played.asked) == 1
    assert world.kinds == [("began", 1), (OK, 1)]


def test_what_a_platform_refuses_has_failed(world):
    world.played.begins = [UsageError("may not", code="access-denied")]
    world.begun()
    assert [(run.status, run.error) for run in world.runs()] == [(FAILED, "may not")]


def test_workers_of_lost_runs_are_ended_and_those_of_others_left_alone(world):
    scheduler = world.begun()
    (run,) = world.runs()
    world.log.change(world.log.standings()["p"], {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)})
    scheduler.tick()
    assert world.log.find(run.id)[0].error == "no worker has begun it within 10m"
    world.played.sights = {run.id: Sight(), "another": Sight()}
    world.played.ended.clear()
    scheduler._keeper.mind()
    assert world.played.ended == [run.id]


def test_a_worker_is_refused_what_its_scheduler_does_itself(world):
    from tests.runs.test_scheduler import Ends

    world.begun(executor=Ends([None]))
    with pytest.raises(UsageError, match="another worker does it"):
        take(replace(world.log, owner="w#1"), world.runs()[0].id, [HOURLY])


@dataclass
class Signed:
    """A process that counts its signs, and ends when it is told to."""

    signs: int = 0
    ended: Outcome | None = None

    def start(self, claim, project):
        return self

    def outcome(self):
        return self.ended

    def sign(self):
        self.signs += 1

    def stop(self, status):
        self.ended = Outcome(status)


def minder(world, signed, **options):
    """The worker of a run that a scheduler has begun."""
    world.begun()
    log = replace(world.log, owner="w#1")
    settling = Settling(log, world.told.append, world.warned.append)
    made = Minder(settling, Guard(world.warned.append), signed, Project(()), **options)
    made.begin(*take(log, world.runs()[0].id, [HOURLY]))
    return made, log


def test_a_worker_without_a_run_log_gets_no_sign_and_ends(world, monkeypatch):
    monkeypatch.setattr(minding, "_PATIENCE", 0.2)
    signed = Signed()
    world.log.lease = 0.3
    made, log = minder(world, signed)

    def away(*_, **__):
        raise TransientError("away", code="connection-failed")

    made.mind()
    assert signed.signs == 1
    log.hold = log.settle = away
    with pytest.raises(TransientError):
        made.mind_all(threading.Event())
    assert (signed.signs, signed.ended.status) == (1, "cancelled")


def test_a_worker_whose_run_was_given_up_ends_and_its_result_is_refused(world):
    signed = Signed()
    made, _ = minder(world, signed)
    world.log.change(world.log.standings()["p"], {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)})
    world.scheduler("you", leads=False).tick()
    made.mind()
    made.mind()
    assert signed.ended.status == LOST
    assert not made.busy
    assert any("its result is not used" in words for words in world.warned)
    assert [run.status for run in world.runs()] == [LOST]


def test_a_place_that_ends_runs_has_them_ended_before(world):
    made, _ = minder(world, Signed(), most=0.0)
    made.mind_all(threading.Event())
    assert [run.status for run in world.runs()] == ["timeout"]


def test_a_stop_leaves_runs_alone(world):
    scheduler, stop = world.begun(), threading.Event()
    stop.set()
    scheduler.run(stop)
    assert [run.status for run in world.runs()] == [RUNNING]
    assert world.played.ended == []


def test_a_leader_that_was_cut_off_for_longer_than_its_lease_tells_nothing_of_what_others_have(world):
    """It finds the due time settled, by an attempt of which it knows nothing."""
    first, second = world.begun(), world.scheduler("you")
    first._keeper.mind()
    first.log.resign(first.token)
    second.tick()
    second._keeper.mind()
    world.work(Outcome(FAILED, error_code="x", error="why"))
    second._keeper.mind()
    first._held -= first.log.lease
    glances = iter([False, True])
    first.run(SimpleNamespace(wait=lambda _: next(glances)))
    assert world.kinds == [("began", 1), ("gave up", 1)]


@pytest.mark.parametrize("place", ["played://here", "played://there"])
def test_a_run_due_leaves_it_to_who_leads_at_its_place_to_tell(world, place):
    leader, due = world.scheduler("leader", executor=Played(place)), world.scheduler("due", leads=False)
    leader.now = NOON - timedelta(minutes=1)
    leader.tick()
    assert due.tick() == 1
    world.work(Outcome(FAILED, error_code="x", error="why"))
    due._keeper.mind()
    assert world.kinds == [("began", 1), ("gave up", 1)][: 1 + (place != due.executor.place)]


def test_how_a_worker_ended_its_run_is_not_taken_for_what_its_platform_says(world):
    scheduler = world.begun()
    (run,) = world.runs()

    def look():
        if world.runs()[0].status == RUNNING:  # between the question to the run log and that to the platform
            world.work(Outcome(FAILED, error_code="null-key", error="rows have NULL in a key"))
        return {run.id: Sight(True, "its pod ended with exit code 1")}

    world.played.look = look
    scheduler._keeper.mind()
    scheduler._keeper.mind()
    assert [(each.kind, each.outcome and each.outcome.error_code) for each in world.told] == [
        ("began", None),
        ("gave up", "null-key"),
    ]


def test_a_lost_run_whose_pipeline_has_errors_just_now_is_tried_again(world):
    world.begun(leads=False, executor=Played(patience=0.0))
    other = world.scheduler("you", leads=False, pipeline=Scheduled("another", Timing("0 * * * *")))
    assert other.tick() == 1
    assert world.runs()[0].status == LOST
    assert world.scheduler("me", leads=False).tick() == 1
    assert [(run.attempt, run.status) for run in world.runs()] == [(2, RUNNING), (1, LOST)]
