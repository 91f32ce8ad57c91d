"""Alerts are told whatever becomes of the run log meanwhile: answers that are lost, and others that record."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from flowc.errors import TransientError
from flowc.runtime.systems import open_database
from flowc.service.runs.log import RunLog
from flowc.service.runs.records import OK, Claim, Outcome
from flowc.service.runs.scheduler import Happened
from tests.alerts.test_told import BAD, HOUR, NOON, WATCHED, Looker, Posted, repaired, spec


class Forgetful:
    """A session whose answer to the next change of conditions is lost, though it was made."""

    loses = ""

    def __init__(self, session):
        self._session = session

    def __getattr__(self, name):
        return getattr(self._session, name)

    def execute(self, text):
        done = self._session.execute(text)
        if Forgetful.loses and text.startswith(Forgetful.loses) and "conditions" in text:
            Forgetful.loses = ""
            raise TransientError("the answer was lost", code="connection-lost")
        return done


def opened(folder, owner="me"):
    path = str(folder / "log.sqlite")
    return RunLog(lambda: Forgetful(open_database("sqlite", {"path": path})), "sqlite", "shop", owner)


def end(kind, attempt=1):
    """What a scheduler tells of a run."""
    claim = Claim(f"r{attempt}", "p", NOON, attempt, "schedule")
    return Happened(kind, claim, Outcome(OK) if kind == "ok" else BAD)


@pytest.mark.parametrize("lost", ["INSERT", "UPDATE"])
def test_an_answer_of_the_run_log_that_is_lost_loses_no_alert(tmp_path, monkeypatch, lost):
    told = Posted(spec(kind="pagerduty"))
    looker = Looker(opened(tmp_path), told)
    monkeypatch.setattr(Forgetful, "loses", lost)
    for kind in ("gave up", "gave up", "ok", "ok"):
        looker.hears(end(kind))
    assert Forgetful.loses == ""
    assert (told.kinds, looker.warned) == (["gave_up", "recovered"], [])


class Meanwhile(RunLog):
    """A run log in which another process hears of the `others` between what is read here and what is recorded."""

    other: Looker
    others = ()

    def put_condition(self, found):
        if self.others:
            happened, *self.others = self.others
            self.other.hears(happened)
        return super().put_condition(found)


@pytest.fixture
def two(tmp_path):
    """Two processes that tell by the same spec, of which the first hears in the midst of what the second does."""
    tellers = [Posted(spec(on=["failed", "gave_up", "stale", "recovered"])) for _ in range(2)]
    first, log = Looker(opened(tmp_path, "one"), tellers[0], watched=[WATCHED]), opened(tmp_path)
    second = Looker(Meanwhile(log.opener, log.kind, log.project, "two"), tellers[1], watched=[WATCHED])
    second.kept.log.other = first
    return first, second


def kinds(*lookers):
    return [looker.alerters[0].kinds for looker in lookers]


@pytest.mark.parametrize("number", [1, 2])
def test_what_others_record_meanwhile_keeps_no_failure_from_being_told(two, number):
    two[1].kept.log.others = [end("failed")] * number
    two[1].hears(end("gave up", 2))
    assert kinds(*two) == [["failed"] * number, ["gave_up"]]
    two[0].hears(end("ok"))
    assert kinds(*two) == [["failed"] * number + ["recovered"], ["gave_up"]]


def test_what_others_record_meanwhile_keeps_no_recovery_from_being_told(two):
    two[0].hears(end("failed"))
    two[1].kept.log.others = [end("failed")]
    two[1].hears(end("ok", 2))
    assert kinds(*two) == [["failed", "failed"], ["recovered"]]
    assert [each.bad for each in two[1].kept.log.conditions()] == [False]


@pytest.mark.parametrize(("kind", "told"), [("gave up", "gave_up"), ("ok", "recovered")])
def test_what_another_one_tells_meanwhile_is_told_once(two, kind, told):
    if kind == "ok":
        two[0].hears(end("gave up"))
    two[1].kept.log.others = [end(kind)]
    two[1].hears(end(kind))
    assert (kinds(two[0])[0][-1:], kinds(two[1])) == ([told], [[]])


def test_a_stale_table_that_another_one_has_asked_meanwhile_is_told(two):
    two[0].finds(NOON - HOUR)
    log = two[1].kept.log
    log.other, log.others = SimpleNamespace(hears=lambda now: two[0].at(now).looks()), [NOON + HOUR]
    two[1].finds(NOON - 3 * HOUR)
    assert kinds(*two) == [[], ["stale"]]


def away(looker, happened):
    """A process hears of a run while it cannot reach the run log, and reaches it again after that."""
    looker.kept._until = float("inf")
    looker.hears(happened)
    looker.kept._until = 0.0


HALF = HOUR / 2


def test_a_failure_kept_in_memory_gives_way_to_what_others_recorded_since(two):
    away(two[0].at(NOON), end("gave up"))
    two[1].at(NOON + HALF).hears(end("gave up"))
    two[1].at(NOON + HOUR).hears(end("ok"))
    two[0].at(NOON + HOUR).looks()
    two[1].at(NOON + 2 * HOUR).hears(end("gave up"))
    assert kinds(*two) == [["gave_up"], ["gave_up", "recovered", "gave_up"]]


def test_a_recovery_kept_in_memory_gives_way_to_what_others_recorded_since(two):
    two[0].at(NOON).hears(end("gave up"))
    away(two[0].at(NOON + HALF), end("ok"))
    two[1].at(NOON + HALF).hears(end("ok"))
    two[1].at(NOON + HOUR).hears(end("gave up"))
    two[0].at(NOON + HOUR).looks()
    two[1].at(NOON + 2 * HOUR).hears(end("ok"))
    assert kinds(*two) == [["gave_up", "recovered"], ["recovered", "gave_up", "recovered"]]


def test_what_is_kept_in_memory_is_recorded_over_what_is_older(two):
    two[0].at(NOON).looks()
    two[1].at(NOON).hears(end("failed"))
    away(two[0].at(NOON + HALF), end("gave up"))
    two[0].looks()
    two[1].at(NOON + HOUR).hears(end("gave up"))
    two[1].hears(end("ok"))
    assert kinds(*two) == [["gave_up"], ["failed", "recovered"]]


def test_a_failure_kept_in_memory_hides_none_after_a_success_that_nobody_recorded(two):
    for looker in two:
        looker.at(None)
    away(two[0], end("gave up"))
    repaired(two[1].kept.log)
    two[1].hears(end("ok"))
    two[0].looks()
    two[1].hears(end("gave up"))
    assert kinds(*two) == [["gave_up"], ["gave_up"]]
