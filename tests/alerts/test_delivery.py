"""Alerters: queues, attempts, and that one that hangs keeps nobody waiting."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from flowc.service.alerts import http
from flowc.service.alerts.delivery import MOST, Alerter
from flowc.service.alerts.undelivered import Undelivered
from tests.alerts.servers import hook
from tests.alerts.specs import ALERT, sender
from tests.alerts.test_told import spec
from tests.services.machine import free_port
from tests.waiting import until


def alerter(send, warned, name="a"):
    return Alerter(spec(name), send, warned.append, pause=0.01)


def closed(*alerters, seconds=5.0):
    end = time.monotonic() + seconds
    for each in alerters:
        each.close(end)


def slack(folder, server):
    return sender(folder, '{ kind: slack, url: "${HOOK}" }', {"HOOK": server.url})


def test_it_is_tried_again_after_a_server_has_failed(tmp_path):
    warned = []
    with hook(500, (429, {"Retry-After": "0"})) as server:
        made = alerter(slack(tmp_path, server), warned)
        made.post(ALERT)
        closed(made)
    assert len(server.got) == 3
    assert len({body for _, _, body in server.got}) == 1
    assert warned == []


def test_what_never_works_is_told_by_its_name_and_without_secrets(tmp_path):
    warned = []
    with hook(*[500] * 9) as server:
        made = alerter(slack(tmp_path, server), warned)
        made.post(ALERT)
        until(lambda: warned)
        closed(made)
    assert len(server.got) == 4
    assert warned == ["alert `a` did not tell of `load` (gave_up): it answered 500: said no"]
    assert server.url not in str(warned)


def test_what_is_refused_for_good_is_tried_once(tmp_path):
    warned = []
    with hook(404) as server:
        made = alerter(slack(tmp_path, server), warned)
        made.post(ALERT)
        until(lambda: warned)
        closed(made)
    assert len(server.got) == 1


def test_one_that_hangs_keeps_no_other_waiting_and_no_end(tmp_path):
    warned = []
    with hook("hang") as hanging, hook() as quick:
        slow, fast = (alerter(slack(tmp_path, server), warned, server.url[-3:]) for server in (hanging, quick))
        began = time.monotonic()
        for each in (slow, fast):
            each.post(ALERT)
            each.post(replace(ALERT, subject="other"))
        assert time.monotonic() - began < 0.5
        until(lambda: len(quick.got) == 2)
        closed(slow, fast, seconds=0.5)
        assert time.monotonic() - began < 5
    assert any("did not tell 2 alerts" in words for words in warned)


def test_a_queue_has_an_end_and_what_does_not_fit_is_told(tmp_path):
    warned, going, told = [], threading.Event(), []

    def send(alert):
        going.wait(10)
        told.append(alert)

    made = alerter(send, warned)
    for _ in range(MOST + 10):
        made.post(ALERT)
    going.set()
    closed(made)
    assert MOST <= len(told) <= MOST + 1
    words = f"{MOST + 10 - len(told)} alerts: there were too many, or no time was left"
    assert warned == [f"alert `a` did not tell {words}"]


def test_no_attempt_waits_beyond_the_end():
    warned, tried = [], []

    def send(_):
        tried.append(time.monotonic())
        raise Undelivered("it is away", again=True, after=30.0)

    made = alerter(send, warned)
    made.post(ALERT)
    until(lambda: tried)
    closed(made, seconds=1.0)
    assert time.monotonic() - tried[0] < 5
    assert any("it is away" in words for words in warned)


def test_a_bug_in_one_way_of_telling_stops_no_alert():
    warned, told = [], []

    def send(alert):
        if not warned:
            raise KeyError(http)
        told.append(alert)

    made = alerter(send, warned)
    made.post(ALERT)
    until(lambda: warned)
    made.post(ALERT)
    closed(made)
    assert told == [ALERT]


def test_a_server_that_is_not_there_is_tried_a_few_times(tmp_path):
    warned = []
    made = alerter(sender(tmp_path, f'{{ kind: webhook, url: "http://127.0.0.1:{free_port()}/" }}'), warned)
    made.post(ALERT)
    until(lambda: warned)
    closed(made)
    assert warned == ["alert `a` did not tell of `load` (gave_up): nothing listens there"]
