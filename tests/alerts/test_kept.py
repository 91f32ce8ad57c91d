"""Alerts are told whatever becomes of the run log meanwhile: answers that are lost, and others that record."""

from __future__ import annotations

import pytest

from flowc.errors import TransientError
from flowc.runtime.connectors import open_database
from flowc.service.runs.log import RunLog
from flowc.service.runs.records import OK, Claim, Outcome
from flowc.service.runs.scheduler import Happened
from tests.alerts.test_told import BAD, NOON, Looker, Posted, spec


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
