"""What the processes of a daemon tell it, each heard by a thread of its own."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from flowc.render.daemon import live_text, progress_events
from flowc.render.style import Style
from flowc.service.daemon.stats import Report
from flowc.service.daemon.workerstate import WorkerState
from tests.commands import ROOT

AT_ONCE = """
import msgspec, sys, threading, time
from flowc.service.daemon.process import Process
from flowc.service.daemon.stats import Event, Failure, InHand, Line
sys.setswitchinterval(1e-6)
line = Line(None, None, Event("info", "begun"), Failure("code", "message"), InHand((("s", "0", "", 1, 2),), 1))
text, heard = msgspec.json.encode(line), []

def hears(after):
    end = time.perf_counter() + after
    while time.perf_counter() < end:
        pass
    Process([], heard.append)._hear(text, [])

threads = [threading.Thread(target=hears, args=(0.02 + 0.00015 * number,)) for number in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(heard))
"""


def test_processes_may_say_their_first_words_at_once() -> None:
    """What decodes a class was made by two threads at once, of which one took it half made, and the daemon crashed."""
    done = subprocess.run([sys.executable, "-c", AT_ONCE], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "16\n", "")


@pytest.mark.parametrize(("lag", "shown"), [({}, None), ({"files": {}}, None), ({"topic": {0: 0, 1: 2}}, 2)])
def test_a_source_that_cannot_tell_its_lag_shows_none(lag: dict[str, dict[int, int]], shown: int | None) -> None:
    job: Any = SimpleNamespace(stream="s", worker=1, workers=1, policy=SimpleNamespace())
    worker = WorkerState(job, print, "running", report=Report("running", lag=lag))
    daemon: Any = SimpleNamespace(workers=[worker])
    (event,) = progress_events(daemon, {})
    assert event.fields.get("lag") == shown
    assert live_text(daemon, {}, Style()).splitlines()[1].split()[4] == str("-" if shown is None else shown)
