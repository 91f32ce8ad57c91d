"""What a page has done: looks at stores, plans, schedules changed, runs begun, dead letters replayed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.streamplan.letters import Chosen
from flowc.errors import UsageError
from flowc.render.deadletters import letter_object, replayed_text
from flowc.render.failure import failure
from flowc.render.migration import drift_text, migration_text
from flowc.render.runs import edits_text
from flowc.render.streamstatus import status_object
from flowc.render.style import Style
from flowc.service.access.sessions import Sessions
from flowc.service.changes.drift import find_drift
from flowc.service.changes.plans import close_selection, make_plan, with_failures
from flowc.service.daemon.sharing import files_for_one
from flowc.service.runs.decisions import Scheduled
from flowc.service.runs.edits import edited
from flowc.service.runs.executors import Process, Project
from flowc.service.runs.log import RunLog
from flowc.service.runs.minding import GLANCE
from flowc.service.runs.pausing import set_paused
from flowc.service.runs.records import CANCELLED
from flowc.service.streams.deadletters import dead_letters
from flowc.service.streams.letterreplay import replay
from flowc.service.streams.status import stream_status

_LETTERS = 20
"""Dead letters that a page shows."""
_COLUMNS = 140
_ENDING = 5.0
"""Seconds that runs get to roll back what they did and record so, before they are killed."""


@dataclass
class Works:
    """Works on a project, each time with sessions of its own, which `sessions` opens and which end with the work.

    Its methods raise FlowcError, and may take long.
    """

    checked: CheckedSpec
    ir: Ir
    sessions: Callable[[], Sessions]
    log: Callable[[], RunLog]
    """Opens the run log to change it."""
    scheduled: Mapping[str, Scheduled]
    project: Project
    redact: Callable[[str], str]
    """Masks secrets in what runs say."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """That of the runs that are begun here, which names the run log too: arguments are seen by others."""
    _going: dict[str, Process] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def status(self, stream: str) -> Mapping[str, Any]:
        """Where a stream is, by its store and its sources."""
        with closing(self.sessions()) as sessions:
            return status_object(stream_status(self.checked, self.ir, stream, sessions))

    def may_look(self, stream: str) -> bool:
        """Whether looking keeps nobody out: while a DuckDB file is open here, no other process opens it."""
        with closing(self.sessions()) as sessions:
            return not files_for_one(stream, self.ir, sessions)

    def letters(self, stream: str) -> Mapping[str, Any]:
        """Its dead letters: how many of each code, and the oldest of them."""
        with closing(self.sessions()) as sessions:
            stored = dead_letters(self.checked, self.ir, stream, sessions)
            shown = [letter_object(letter) for letter in stored.shown(_LETTERS)]
            return {"kept": str(stored.kept), "counts": stored.counts(), "letters": shown}

    def replay(self, stream: str, code: str | None) -> str:
        """Sends its dead letters through it once more, or those of one code; what came of it."""
        with closing(self.sessions()) as sessions:
            letters = dead_letters(self.checked, self.ir, stream, sessions)
            report = replay(letters, self.checked, self.ir, Chosen((code,) if code else ()))
            lines = [replayed_text(report)] + ([failure(report.error, Style())] if report.error else [])
            return "\n".join(lines)

    def plan(self) -> str:
        """What `flowc plan` prints."""
        with closing(self.sessions()) as sessions:
            plan = make_plan(self.checked, self.ir, sessions, close_selection((), self.checked, self.ir))
            plan = with_failures(plan, self.checked, self.ir, sessions)
            edits = edited(self.checked.project, self.ir, sessions.resolver)
            style = Style(columns=_COLUMNS, conceal=sessions.resolver.masker.redact)
            shown = migration_text(plan, style, edited=bool(edits))
            return "\n\n".join(filter(None, (shown, edits_text(edits, style))))

    def drift(self) -> str:
        """What `flowc drift` prints."""
        with closing(self.sessions()) as sessions:
            differences = find_drift(self.checked, self.ir, sessions, ())
            return drift_text(differences, Style(columns=_COLUMNS, conceal=sessions.resolver.masker.redact))

    def set_paused(self, pipeline: str, *, paused: bool) -> None:
        """Pauses or resumes its schedule. Raises UsageError where it has none."""
        if pipeline not in self.scheduled:
            help = "see those that have one with `flowc schedule list`"
            raise UsageError(f"`{pipeline}` has no schedule", code="no-schedule", help=help)
        with closing(self.log()) as log:
            set_paused(log, [self.scheduled[pipeline]], paused=paused)

    def run(self, pipeline: str) -> str:
        """Runs it once, as `flowc run NAME --once` does, which records it; what that said at its end.

        It is waited for, and nothing that it began outlives it.
        """
        arguments = [sys.executable, "-P", "-m", "flowc", *self.project.command(pipeline)]
        process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            cwd=self.project.folder, env=_with_flowc(self.environ), start_new_session=True,
        )  # fmt: skip
        assert process.stderr is not None
        going = Process(process, process.stderr)
        with self._lock:
            self._going[pipeline] = going
        while (outcome := going.outcome()) is None:
            time.sleep(GLANCE)
        with self._lock:
            del self._going[pipeline]
        if not process.returncode:
            return ""
        output = self.redact(outcome.detail["said"].strip())
        return f"it ended with exit code {process.returncode}\n{output}"

    def stop(self) -> None:
        """Ends the runs that were begun here: their loads are rolled back, and recorded as cancelled.

        One that hears of nothing, for a statement goes on, is killed after some seconds, and seen as lost.
        """
        with self._lock:
            going = list(self._going.values())
        for process in going:
            process.stop(CANCELLED)
        until = time.monotonic() + _ENDING
        for process in going:
            with suppress(subprocess.TimeoutExpired):
                process.process.wait(max(0.0, until - time.monotonic()))
        for process in going:
            process.kill()
            with suppress(subprocess.TimeoutExpired):  # until then it seems to live
                process.process.wait(1)


def _with_flowc(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that finds this flowc."""
    paths: Sequence[str] = (str(Path(__file__).resolve().parents[2]), *environ.get("PYTHONPATH", "").split(os.pathsep))
    return {**environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
