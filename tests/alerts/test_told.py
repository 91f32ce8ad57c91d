"""Alerts are told once, whoever looks: over run logs, with runs, streams and tables as a test says."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from flowc.compiler.front.alerts import AlertSpec
from flowc.compiler.ir import Freshness, Timing
from flowc.errors import TransientError
from flowc.runtime.systems import open_database
from flowc.service.alerts.alert import Alert
from flowc.service.alerts.delivery import Alerter
from flowc.service.alerts.freshness import Asked, Watched
from flowc.service.alerts.kept import Kept
from flowc.service.alerts.streams import StreamState
from flowc.service.alerts.told import EMPTY, Telling
from flowc.service.runs.decisions import Scheduled
from flowc.service.runs.executors import Project
from flowc.service.runs.log import RunLog, run_id
from flowc.service.runs.records import FAILED, LOST, OK, RUNNING, TIMEOUT, Claim, Outcome, RunRecord
from flowc.service.runs.scheduler import Happened, Scheduler
from flowc.source import Located, SourceFile, Span
from tests.runs.test_scheduler import Ends
from tests.waiting import until

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
_SPAN = Span(SourceFile("a.yaml", ""), 0, 0)
WATCHED = Watched("p", Freshness("at", 7200.0), ())


def located(text):
    return Located(text, _SPAN)


def spec(name="a", kind="stdout", on=(), **more):
    return AlertSpec(located(name), located(kind), {}, {}, tuple(map(located, on)), **more)


class Posted(Alerter):
    """An alerter that keeps what it is to tell."""

    def __init__(self, made, subjects=None):
        super().__init__(made, print, print, subjects)
        self.alerts = []

    def post(self, alert):
        self.alerts.append(alert)

    @property
    def kinds(self):
        return [alert.kind for alert in self.alerts]


class AsksNobody:
    """In the place of what asks tables: a test answers."""

    def __init__(self, *watched):
        self.watched, self.asked = watched, []

    def ask(self, watched):
        self.asked.append(watched.pipeline)

    def close(self):
        pass


class Looker:
    """One process that tells, without its thread: each call is one look."""

    def __init__(self, log, *alerters, watched=()):
        self.alerters, self.warned, self.states = alerters, [], []
        self.asker = AsksNobody(*watched)
        place = Alert("", "", "pipeline", "", "shop", NOON)
        self.kept = Kept(log, self.warned.append, NOON)
        self.telling = Telling(place, alerters, self.kept, self.warned.append, lambda: self.states, self.asker)

    def at(self, now):
        self.kept.given = now
        return self

    def looks(self, *states):
        self.states = states
        self.telling._look()
        return self

    def finds(self, newest, watched=WATCHED):
        self.telling._look()
        self.telling._decide(lambda: self.telling._judge(Asked(watched, newest)))
        return self

    def hears(self, happened):
        self.telling._run(happened)


@pytest.fixture
def log(tmp_path):
    return opened(tmp_path)


def opened(folder, owner="me"):
    path = str(folder / "log.sqlite")
    return RunLog(lambda: open_database("sqlite", {"path": path}), "sqlite", "shop", owner)


def ran(log, looker, outcomes, times, **timing):
    """Runs of a pipeline every hour from noon on, each of which ends as the next outcome says."""
    ends = Ends(outcomes)
    pipeline = Scheduled("p", Timing("0 * * * *", **timing))
    for moment in times:
        scheduler = Scheduler([pipeline], log, ends, Project(()), looker.hears, print)
        scheduler.now = moment
        scheduler.run_due(threading.Event())


BAD = Outcome(FAILED, error_code="x", error="why")


def test_a_recovery_is_told_only_after_a_failure_that_was(log):
    told = Posted(spec())
    looker = Looker(log, told)
    hours = [NOON - HOUR / 2, *(NOON + HOUR * n for n in range(6))]
    ran(log, looker, [Outcome(OK), BAD, BAD, Outcome(OK), Outcome(OK)], hours)
    assert told.kinds == ["gave_up", "recovered"]
    assert "[x]: why" in told.alerts[0].message
    assert told.alerts[0].due_at == NOON + HOUR
    assert told.alerts[0].key == told.alerts[1].key
    assert told.alerts[1].since is not None


def test_a_pipeline_that_fails_all_night_is_told_once_and_again_as_it_repeats(log):
    once, again = Posted(spec()), Posted(spec("b", repeat=0.0))
    hours = [NOON - HOUR / 2, *(NOON + HOUR * n for n in range(4))]
    ran(log, Looker(log, once, again), [BAD] * 4, hours)
    assert once.kinds == ["gave_up"]
    assert again.kinds == ["gave_up"] * 4


def test_attempts_that_fail_are_news_and_that_it_gave_up_again_is_none(log):
    told = Posted(spec(on=["failed", "gave_up"]))
    minutes = [-30, 0, 2, 60, 62]
    times = [NOON + timedelta(minutes=minute) for minute in minutes]
    ran(log, Looker(log, told), [BAD] * 4, times, attempts=2, backoff=60.0)
    assert told.kinds == ["failed", "gave_up", "failed"]


def test_one_end_of_a_run_that_two_processes_hear_of_is_told_once(tmp_path):
    first, second = Posted(spec()), Posted(spec())
    lookers = [Looker(opened(tmp_path, name), told) for name, told in (("one", first), ("two", second))]
    both = SimpleNamespace(hears=lambda happened: [looker.hears(happened) for looker in lookers])
    ran(opened(tmp_path), both, [BAD], [NOON - HOUR / 2, NOON])
    assert sorted(first.kinds + second.kinds) == ["gave_up"]


def test_a_recovery_that_could_not_be_told_is_told_by_the_next_success(log):
    told = Posted(spec())
    looker = Looker(log, told)
    ran(log, looker, [BAD], [NOON - HOUR / 2, NOON])
    ran(log, SimpleNamespace(hears=lambda _: None), [], [NOON + HOUR])
    ran(log, looker, [], [NOON + 2 * HOUR])
    assert told.kinds == ["gave_up", "recovered"]


def test_an_attempt_that_is_tried_again_is_told_to_who_asked_for_it(log):
    told, silent = Posted(spec(on=["failed", "recovered"])), Posted(spec("b"))
    looker = Looker(log, told, silent)
    ran(log, looker, [BAD], [NOON - HOUR / 2, NOON, NOON + HOUR / 2], attempts=2, backoff=60.0)
    assert told.kinds == ["failed", "recovered"]
    assert "It is tried again at 2026-03-10T12:01:00Z" in told.alerts[0].message
    assert silent.kinds == []


def test_an_attempt_says_whether_it_was_the_last_one(log):
    told = Posted(spec(on=["failed", "gave_up"]))
    looker, claim = Looker(log, told), Claim("r", "p", NOON, 1, "schedule")
    for kind in ("failed", "gave up"):  # the first one's next attempt has begun, so that no time is known of it
        looker.hears(Happened(kind, claim, BAD))
    assert [alert.message.rpartition("\n")[2] for alert in told.alerts] == [
        "It is tried again.", "That was the last attempt for this due time.",
    ]  # fmt: skip


@pytest.mark.parametrize(("status", "words"), [(LOST, "was lost"), (TIMEOUT, "took longer than its `timeout`")])
def test_what_was_lost_or_took_too_long_is_given_up_too(log, status, words):
    told = Posted(spec())
    ends = Outcome(status, error_code="worker-lost", error="gone")
    ran(log, Looker(log, told), [ends, ends], [NOON - HOUR / 2, NOON, NOON])
    assert told.kinds == ["gave_up"]
    assert words in told.alerts[0].message


def test_a_recovery_is_told_by_whoever_sees_it_once(tmp_path):
    first, second = Posted(spec()), Posted(spec())
    ran(opened(tmp_path), Looker(opened(tmp_path), first), [BAD], [NOON - HOUR / 2, NOON])
    ran(opened(tmp_path), Looker(opened(tmp_path), second), [], [NOON + HOUR, NOON + 2 * HOUR])
    assert (first.kinds, second.kinds) == (["gave_up"], ["recovered"])


def test_only_says_whom_an_alert_is_about(log):
    told, other = Posted(spec(), frozenset({"p"})), Posted(spec("b"), frozenset({"q"}))
    ran(log, Looker(log, told, other), [BAD], [NOON - HOUR / 2, NOON])
    assert (told.kinds, other.kinds) == (["gave_up"], [])


def test_pagerduty_hears_of_what_is_over_whatever_on_says(log):
    told = Posted(spec(kind="pagerduty", on=["gave_up"]))
    ran(log, Looker(log, told), [BAD], [NOON - HOUR / 2, NOON, NOON + HOUR])
    assert told.kinds == ["gave_up", "recovered"]


def stream(**more):
    return StreamState("s", **({"running": True, "behind": 0.0, "restarts": 0} | more))


def test_a_stream_that_is_behind_is_told_once_by_all_who_look(tmp_path):
    tellers = [Posted(spec()), Posted(spec())]
    lookers = [Looker(opened(tmp_path), told) for told in tellers]
    for _ in range(3):
        for looker in lookers:
            looker.looks(stream(behind=301.0))
    assert [told.kinds for told in tellers] == [["lag"], []]
    assert "5m 1s" in tellers[0].alerts[0].message
    again = Looker(opened(tmp_path), Posted(spec())).at(NOON + HOUR)
    assert again.looks(stream(behind=400.0)).alerters[0].kinds == []
    assert again.looks(stream(behind=200.0)).alerters[0].kinds == []
    assert again.looks(stream(behind=149.0)).alerters[0].kinds == ["recovered"]
    assert again.alerters[0].alerts[0].condition == "lag"
    for looker in lookers:
        looker.looks(stream(behind=0.0))
    assert [told.kinds for told in tellers] == [["lag"], []]


def test_of_two_that_run_a_stream_the_one_that_saw_it_behind_says_when_it_is_well(tmp_path):
    tellers = [Posted(spec()), Posted(spec())]
    slow, fast = (Looker(opened(tmp_path), told) for told in tellers)
    for seconds in range(0, 300, 5):
        now = NOON + timedelta(seconds=seconds)
        slow.at(now).looks(stream(behind=400.0))
        fast.at(now).looks(stream())
    assert [told.kinds for told in tellers] == [["lag"], []]
    fast.at(NOON + timedelta(seconds=335)).looks(stream())
    assert [told.kinds for told in tellers] == [["lag"], []]
    fast.at(NOON + timedelta(seconds=400)).looks(stream())
    assert [told.kinds for told in tellers] == [["lag"], ["recovered"]]


def test_every_alert_has_bounds_of_its_own(log):
    soon, late = Posted(spec(lag=10.0, restarts=1)), Posted(spec("b", lag=1000.0, restarts=50))
    Looker(log, soon, late).looks(stream(behind=20.0, restarts=2, trouble="lost"))
    assert (soon.kinds, late.kinds) == (["lag", "restarts"], [])
    assert soon.alerts[1].message == "stream `s` began anew 2 times within ten minutes: lost"


def test_what_stays_is_told_again_as_often_as_repeat_says(log):
    once, often = Posted(spec()), Posted(spec("b", repeat=3600.0))
    looker = Looker(log, once, often)
    for minutes in (0, 30, 59, 61, 90, 122):
        looker.at(NOON + timedelta(minutes=minutes)).looks(stream(behind=400.0))
    assert (once.kinds, often.kinds) == (["lag"], ["lag"] * 3)


def test_a_stream_that_gave_up_is_told_and_that_it_runs_again(log):
    told = Posted(spec())
    looker = Looker(log, told)
    for _ in range(2):
        looker.looks(stream(running=False, failure=("worker-lost", "it was killed")))
    looker.telling._look_at_failures()
    looker.looks(stream(running=False)).looks(stream())
    assert told.kinds == ["gave_up", "recovered"]
    assert told.alerts[0].message == "stream `s` gave up [worker-lost]: it was killed"


def test_a_stale_table_is_told_once_and_when_it_is_fresh_again(tmp_path):
    tellers = [Posted(spec()), Posted(spec())]
    lookers = [Looker(opened(tmp_path), told, watched=[WATCHED]) for told in tellers]
    fresh, stale = NOON - HOUR, NOON - 3 * HOUR
    lookers[0].finds(fresh)
    for looker in lookers:
        looker.finds(stale)
    assert [told.kinds for told in tellers] == [["stale"], []]
    told = tellers[0].alerts[0]
    assert told.message == "`p` is stale: its newest `at` is 2026-03-10T09:00:00Z, 3h ago, and may be 2h old"
    assert (told.value, told.condition, told.subject) == ("2026-03-10T09:00:00Z", "stale", "p")
    for looker in reversed(lookers):
        looker.finds(fresh)
    assert [told.kinds for told in tellers] == [["stale"], ["recovered"]]


def test_an_empty_table_is_stale_when_it_has_been_so_for_long(log):
    told = Posted(spec())
    looker = Looker(log, told, watched=[WATCHED])
    looker.finds(None).at(NOON + HOUR).finds(None)
    assert told.kinds == []
    looker.at(NOON + 2.1 * HOUR).finds(None).at(NOON + 3 * HOUR).finds(None)
    assert told.kinds == ["stale"]
    assert looker.kept.get("p", "stale").value == EMPTY
    looker.finds(NOON + 3 * HOUR)
    assert told.kinds == ["stale", "recovered"]


def test_a_table_is_asked_by_one_process_and_not_too_often(tmp_path):
    lookers = [Looker(opened(tmp_path), watched=[WATCHED]) for _ in range(2)]
    for seconds in (0, 5, 299, 301, 302):
        for looker in lookers:
            looker.at(NOON + timedelta(seconds=seconds)).looks()
    assert [looker.asker.asked for looker in lookers] == [["p", "p"], []]
    assert replace(WATCHED, freshness=Freshness("at", 60.0)).interval == 15.0
    assert replace(WATCHED, freshness=Freshness("at", 1.0)).interval == 10.0


class Broken(RunLog):
    """A run log that can be used when a test says so."""

    works = False

    def conditions(self):
        if not self.works:
            raise TransientError("it is away", code="connection-lost")
        return super().conditions()

    def put_condition(self, found):
        if not self.works:
            raise TransientError("it is away", code="connection-lost")
        return super().put_condition(found)


def test_without_a_run_log_alerts_are_told_all_the_same(tmp_path):
    told = Posted(spec())
    broken = Broken(lambda: open_database("sqlite", {"path": str(tmp_path / "l")}), "sqlite", "shop", "me")
    looker = Looker(broken, told, watched=[WATCHED])
    for _ in range(2):
        looker.looks(stream(behind=400.0)).finds(NOON - 3 * HOUR)
    assert told.kinds == ["lag", "stale"]
    assert len(looker.warned) == 1
    assert "it is away" in looker.warned[0]
    broken.works, looker.kept._until = True, 0.0
    looker.looks(stream(behind=400.0))
    assert told.kinds == ["lag", "stale"]
    after = Looker(broken, Posted(spec()), watched=[WATCHED]).at(NOON + HOUR)
    assert after.looks(stream(behind=400.0)).alerters[0].kinds == []
    assert after.looks(stream()).alerters[0].kinds == ["recovered"]


def test_any_number_of_processes_tell_once(tmp_path):
    tellers = [Posted(spec()) for _ in range(4)]
    lookers = [Looker(opened(tmp_path), told, watched=[WATCHED]) for told in tellers]
    lookers[0].finds(NOON - HOUR)

    def looks(looker):
        for _ in range(5):
            looker.looks(stream(behind=400.0)).finds(NOON - 3 * HOUR)

    threads = [threading.Thread(target=looks, args=(looker,)) for looker in lookers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(kind for told in tellers for kind in told.kinds) == ["lag", "stale"]
    assert [looker.warned for looker in lookers] == [[]] * 4


def test_the_thread_tells_and_ends_in_time(log):
    told = Posted(spec())
    looker = Looker(log, told)
    looker.states = [stream(behind=400.0)]
    looker.telling.look = 0.05
    looker.telling.start()
    until(lambda: told.kinds == ["lag"])
    began = time.monotonic()
    looker.telling.close()
    assert time.monotonic() - began < 3
    assert looker.warned == []


def test_a_look_that_fails_keeps_no_later_alert_from_being_told(log):
    told = Posted(spec())
    looker = Looker(log, told)
    states = iter([None, [stream(behind=400.0)]])
    looker.telling.streams = lambda: next(states, [])
    looker.telling.look = 0.05
    looker.telling.start()
    until(lambda: told.kinds == ["lag"])
    looker.telling.close()
    assert any("TypeError" in words for words in looker.warned)


def repaired(log, **more):
    """What `flowc run --once` records of a run that nobody tells of."""
    run = RunRecord(run_id(log.now()), "p", 1, "manual", RUNNING, log.owner, log.now(), **more)
    log.begin(run)
    log.end(run.id, Outcome(OK), log.now())


def test_a_failure_after_a_repair_by_hand_is_news(tmp_path):
    first, second = Posted(spec()), Posted(spec())
    log, lookers = opened(tmp_path), [Looker(opened(tmp_path), told).at(None) for told in (first, second)]
    both = SimpleNamespace(hears=lambda happened: [looker.hears(happened) for looker in lookers])
    ran(log, both, [BAD, BAD], [NOON - HOUR / 2, NOON, NOON + HOUR])
    assert first.kinds + second.kinds == ["gave_up"]
    repaired(log)
    ran(log, both, [BAD, BAD, Outcome(OK)], [NOON + 2 * HOUR, NOON + 3 * HOUR, NOON + 4 * HOUR])
    assert first.kinds + second.kinds == ["gave_up", "gave_up", "recovered"]
    assert first.alerts[2].since == first.alerts[1].at


def test_a_failure_after_a_success_that_an_alert_was_not_about_is_news(log):
    told = Posted(spec())
    looker = Looker(log, told).at(None)
    ran(log, looker, [BAD], [NOON - HOUR / 2, NOON])
    told.subjects = frozenset({"q"})
    ran(log, looker, [Outcome(OK)], [NOON + HOUR])
    told.subjects = None
    ran(log, looker, [BAD, BAD], [NOON + 2 * HOUR, NOON + 3 * HOUR])
    assert told.kinds == ["gave_up", "gave_up"]
