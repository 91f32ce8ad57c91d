"""What a scheduler does next: a table of what was, and what follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from flowc.compiler.ir import Timing
from flowc.service.runs.decisions import Limits, Scheduled, after_failure, decide, when_missed, when_moved
from flowc.service.runs.records import Standing

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NO_LIMIT = Limits(100)


def scheduled(name="p", expression="0 * * * *", upstream=(), connections=(), **timing):
    return Scheduled(name, Timing(expression, **timing), tuple(upstream), frozenset(connections))


def standing(name="p", settled=NOON - HOUR, expression="0 * * * *", **rest):
    since = rest.pop("since", NOON - 1000 * HOUR)
    return Standing(name, expression, "UTC", since, settled, 0, **rest)


def starts(pipelines, standings, now=NOON, limits=NO_LIMIT):
    found = decide(pipelines, {each.pipeline: each for each in standings}, limits, now)
    return [(start.pipeline.name, start.due_at, start.attempt) for start in found.starts]


def test_what_nobody_has_seen_begins_and_does_not_run():
    found = decide([scheduled()], {}, NO_LIMIT, NOON)
    assert [each.name for each in found.new] == ["p"]
    assert not found.starts


@pytest.mark.parametrize(
    ("catch_up", "wanted", "missed"),
    [
        ("latest", [NOON], []),
        ("all", [NOON - 2 * HOUR], []),
        ("none", [], [NOON]),
    ],
)
def test_an_outage_is_caught_up_as_the_spec_says(catch_up, wanted, missed):
    pipelines, now = [scheduled(catch_up=catch_up)], NOON + timedelta(minutes=20)
    at = standing(settled=NOON - 3 * HOUR)
    assert [due for _, due, _ in starts(pipelines, [at], now)] == wanted
    found = decide(pipelines, {"p": at}, NO_LIMIT, now)
    assert [until for _, until in found.missed] == missed


def test_without_catch_up_what_is_found_in_time_runs():
    assert starts([scheduled(catch_up="none")], [standing()], NOON + timedelta(minutes=4)) == [("p", NOON, 1)]


def test_a_retry_waits_for_its_time_and_comes_before_what_is_due_next():
    waiting = standing(due_at=NOON - HOUR, settled=NOON - 2 * HOUR, attempt=2, retry_at=NOON + timedelta(seconds=1))
    assert starts([scheduled()], [waiting]) == []
    assert starts([scheduled()], [waiting], NOON + timedelta(seconds=1)) == [("p", NOON - HOUR, 3)]


def test_who_runs_or_is_paused_does_not_begin():
    assert starts([scheduled()], [standing(run_id="r", due_at=NOON - HOUR)]) == []
    assert starts([scheduled()], [standing(paused=True)]) == []


def test_downstream_waits_for_the_same_due_time():
    pipelines = [scheduled("up"), scheduled("down", upstream=["up"])]
    up, down = standing("up", succeeded_at=NOON - HOUR), standing("down")
    assert starts(pipelines, [up, down]) == [("up", NOON, 1)]
    found = decide(pipelines, {"up": up, "down": down}, NO_LIMIT, NOON)
    (waits,) = found.waiting
    assert (waits.standing.pipeline, waits.reason) == ("down", "`up` has no success for that time")
    done = replace(up, settled_at=NOON, succeeded_at=NOON)
    assert starts(pipelines, [done, down]) == [("down", NOON, 1)]


def test_downstream_waits_on_where_upstream_has_given_up():
    pipelines = [scheduled("up"), scheduled("down", upstream=["up"])]
    given_up = standing("up", settled=NOON, succeeded_at=NOON - HOUR, failing=True)
    assert starts(pipelines, [given_up, standing("down")]) == []


def test_downstream_does_not_wait_for_what_nobody_expected():
    pipelines = [scheduled("up", "0 0 * * *"), scheduled("down", upstream=["up"])]
    new = standing("up", settled=NOON - HOUR, expression="0 0 * * *", since=NOON - HOUR)
    assert starts(pipelines, [new, standing("down")]) == [("down", NOON, 1)]


def test_a_daily_upstream_is_waited_for_once_a_day():
    pipelines = [scheduled("up", "0 0 * * *"), scheduled("down", upstream=["up"])]
    midnight = NOON.replace(hour=0)
    up = standing("up", settled=midnight, expression="0 0 * * *", succeeded_at=midnight)
    assert starts(pipelines, [up, standing("down")]) == [("down", NOON, 1)]


def test_an_edited_schedule_begins_anew():
    edited, at = scheduled(expression="*/5 * * * *"), standing(settled=NOON - 9 * HOUR)
    found = decide([edited], {"p": at}, NO_LIMIT, NOON)
    assert [each for _, each in found.moved] == [at]
    assert not found.starts
    after = when_moved(edited, at, NOON)
    assert (after["settled_at"], after["expression"], after["due_at"]) == (NOON, "*/5 * * * *", None)


def test_limits_hold_back_what_came_due_later():
    pipelines = [scheduled(name, connections=["db"]) for name in "abc"]
    found = [standing("a"), standing("b", settled=NOON - 2 * HOUR), standing("c", run_id="r", due_at=NOON)]
    assert len(starts(pipelines, found, limits=Limits(2))) == 1
    assert starts(pipelines, found, limits=Limits(9, {"db": 1})) == []
    assert len(starts(pipelines, found, limits=Limits(9, {"db": 2}))) == 1


def test_attempts_end_and_waits_grow():
    timing = Timing("0 * * * *", attempts=3, backoff=10.0, factor=3.0, max_backoff=25.0)
    waits = [after_failure(timing, attempt, NOON, NOON, lost=False)["retry_at"] for attempt in (1, 2)]
    assert waits == [NOON + timedelta(seconds=10), NOON + timedelta(seconds=25)]
    assert after_failure(timing, 3, NOON, NOON, lost=False)["settled_at"] == NOON


def test_a_lost_run_is_tried_once_more_without_retry():
    timing = Timing("0 * * * *")
    assert after_failure(timing, 1, NOON, NOON, lost=True)["retry_at"] == NOON
    assert after_failure(timing, 2, NOON, NOON, lost=True)["due_at"] is None
    assert after_failure(timing, 1, NOON, NOON, lost=False)["due_at"] is None


def test_others_than_the_chosen_count_and_do_not_begin():
    pipelines = [scheduled("up"), scheduled("down", upstream=["up"]), scheduled("new")]
    found = {"up": standing("up"), "down": standing("down")}
    held = decide(pipelines, found, NO_LIMIT, NOON, frozenset({"down"}))
    assert not held.starts
    assert not held.new
    assert [each.standing.pipeline for each in held.waiting] == ["down"]
    running = {**found, "up": standing("up", run_id="r", due_at=NOON)}
    pipelines[1] = scheduled("down")
    assert not decide(pipelines, running, Limits(1), NOON, frozenset({"down"})).starts


def test_what_waits_stays_due_however_late_it_can_run():
    pipelines = [scheduled("up"), scheduled("down", upstream=["up"], catch_up="none")]
    up, down = standing("up", run_id="r", due_at=NOON), standing("down")
    ((kept, due),) = decide(pipelines, {"up": up, "down": down}, NO_LIMIT, NOON).kept
    assert (kept, due) == (down, NOON)
    done = standing("up", settled=NOON, succeeded_at=NOON)
    later = NOON + timedelta(minutes=40)
    assert starts(pipelines, [done, standing("down", due_at=NOON)], later) == [("down", NOON, 1)]


def test_nobody_waits_for_what_was_passed_by():
    pipelines = [scheduled("up", catch_up="none"), scheduled("down", upstream=["up"])]
    passed = standing("up", **_taken(when_missed(NOON)))
    assert starts(pipelines, [passed, standing("down")], NOON + timedelta(minutes=20)) == [("down", NOON, 1)]


def _taken(values):
    return {"settled": values["settled_at"], "since": values["since"]}
