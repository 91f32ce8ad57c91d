"""An outage of the run log is told once by one process of a machine, and once when it is over."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import pytest

from flowc.errors import TransientError
from flowc.runtime.systems import open_database
from flowc.service.alerts import kept, outage
from flowc.service.alerts.outage import AWAY, Outage, mark_of
from flowc.service.runs.log import RunLog
from tests.alerts.relay import Relay
from tests.alerts.specs import BASE
from tests.alerts.test_told import Looker, Posted, spec
from tests.commands import Inside


class Switch:
    """A run log that a test takes away."""

    def __init__(self, folder):
        self.folder, self.away = folder, False

    def open(self):
        if self.away:
            raise TransientError("the server is away", code="connection-failed")
        return open_database("sqlite", {"path": str(self.folder / "log.sqlite")})

    def log(self, owner="me"):
        return RunLog(self.open, "sqlite", "shop", owner)

    def cut(self, *lookers):
        self.away = True
        for looker in lookers:
            looker.kept.log.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(kept, "_AGAIN", 0.0)


@pytest.fixture
def switch(tmp_path):
    return Switch(tmp_path)


def looker(log, folder, *alerters, bound=0.0):
    found = Looker(log, *(alerters or (Posted(spec()),)))
    found.telling.outage = Outage(mark_of(folder, "shop", None), bound)
    found.noted = []
    found.telling.noted = found.noted.append
    return found


def kinds(*lookers):
    return [kind for each in lookers for alerter in each.alerters for kind in alerter.kinds]


def test_an_outage_of_a_server_is_told_once_and_its_end_once(tmp_path, postgres):
    address = urlsplit(postgres)
    relay = Relay(address.hostname, address.port)
    through = postgres.replace(f"{address.hostname}:{address.port}", f"127.0.0.1:{relay.port}")
    one = looker(RunLog(lambda: open_database("postgres", {"url": through}), "postgres", "shop", "me"), tmp_path)
    one.looks()
    assert kinds(one) == []
    relay.cut()
    one.looks().looks()
    (alert,) = one.alerters[0].alerts
    assert (alert.kind, alert.title, alert.severity) == ("run_log", "[shop] run log cannot be used", "error")
    assert (alert.error_code, alert.since is None) == ("connection-failed", False)
    assert [words for words in one.warned if words.startswith("the run log cannot be used for")]
    relay.mend()
    one.looks().looks()
    assert kinds(one) == ["run_log", "recovered"]
    assert one.alerters[0].alerts[1].key == alert.key
    assert [words.partition(",")[0] for words in one.noted] == ["the run log can be used again"]
    one.kept.close()
    relay.cut()


def test_a_short_outage_is_not_told(switch, tmp_path):
    one = looker(switch.log(), tmp_path, bound=AWAY)
    switch.cut(one.looks())
    one.looks().looks()
    switch.away = False
    one.looks()
    assert (kinds(one), one.noted) == ([], [])


def test_of_several_processes_one_tells(switch, tmp_path):
    several = [looker(switch.log(f"p{i}"), tmp_path) for i in range(4)]
    switch.cut(*(each.looks() for each in several))
    for _ in range(3):
        for each in several:
            each.looks()
    assert kinds(*several) == ["run_log"]
    switch.away = False
    for each in reversed(several):  # the one that told is the last to see that it is over
        each.looks().looks()
    assert sorted(kinds(*several)) == ["recovered", "run_log"]
    switch.cut(*several)
    for each in several:
        each.looks()
    assert sorted(kinds(*several)) == ["recovered", "run_log", "run_log"]


def test_ticks_of_cron_tell_it_once(switch, tmp_path):
    """Each tick is a process that remembers nothing; the second one comes after the bound."""
    switch.away = True
    first = looker(switch.log(), tmp_path, bound=AWAY).looks()
    (mark,) = (tmp_path / ".flowc").iterdir()
    os.utime(mark, (mark.stat().st_mtime - AWAY,) * 2)
    second, third = (looker(switch.log(), tmp_path, bound=AWAY).looks() for _ in range(2))
    switch.away = False
    fourth, fifth = (looker(switch.log(), tmp_path, bound=AWAY).looks() for _ in range(2))
    assert [kinds(each) for each in (first, second, third, fourth, fifth)] == [[], ["run_log"], [], ["recovered"], []]
    assert "after 30s" in fourth.alerters[0].alerts[0].message
    assert [*(tmp_path / ".flowc").iterdir()] == []


def test_where_no_file_can_be_made_each_process_tells_by_itself(switch, tmp_path):
    (tmp_path / ".flowc").write_text("")
    one = looker(switch.log(), tmp_path)
    switch.cut(one.looks())
    one.looks().looks()
    switch.away = False
    one.looks().looks()
    assert kinds(one) == ["run_log", "recovered"]


@pytest.mark.parametrize(
    ("on", "told"),
    [(["run_log"], ["run_log"]), (["gave_up"], []), (["recovered"], ["recovered"]), ([], ["run_log", "recovered"])],
)
def test_alerters_tell_what_on_says_whatever_they_are_about(switch, tmp_path, on, told):
    one = looker(switch.log(), tmp_path, Posted(spec(on=on), frozenset({"p"})))
    switch.cut(one.looks())
    one.looks()
    switch.away = False
    one.looks()
    assert kinds(one) == told


def test_other_alerts_are_told_while_the_run_log_is_away(switch, tmp_path):
    from tests.alerts.test_kept import end

    one = looker(switch.log(), tmp_path)
    switch.cut(one.looks())
    one.looks().hears(end("gave up"))
    assert kinds(one) == ["run_log", "gave_up"]


def test_run_due_tells_an_outage_by_stdout(tmp_path, monkeypatch):
    folder = Inside(tmp_path)
    folder.write(
        "specs/s.yaml",
        BASE.replace("tags: [critical]", 'schedule: "0 * * * *"') + "\nalerts: { a: { kind: stdout } }\n",
    )
    (tmp_path / "taken").mkdir()
    monkeypatch.setattr(outage, "AWAY", 0.0)
    broken = folder.flowc("run-due", "--run-log", f"sqlite:///{tmp_path}/taken")
    assert broken.code != 0
    assert '"kind": "run_log"' in broken.out
    assert "Traceback" not in broken.err
