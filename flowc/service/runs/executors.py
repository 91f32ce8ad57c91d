"""Where runs of a scheduler happen: each is a process of its own, which gets a reference to the project.

A worker is `flowc run NAME --once --json` with the run's id in `FLOWC_RUN`; what it did is the report that it prints.
"""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec

from flowc.durations import instant_text, parse_instant
from flowc.errors import UsageError
from flowc.service.runs.records import CANCELLED, FAILED, LOST, OK, TIMEOUT, Claim, Outcome

RUN_VARIABLE, DUE_VARIABLE, REPORT_VARIABLE = "FLOWC_RUN", "FLOWC_DUE", "FLOWC_REPORT"
"""The variables of the environment that hold the id of the run that a worker does, its due time, and where its report
goes."""
TRACE_VARIABLE = "TRACEPARENT"
"""That of the span below which a process traces what it does."""
SILENCE = 0.8
"""After which part of a lease a worker that hears nothing of its scheduler ends."""
_REPORT_BYTES = 16 << 20
"""Bytes of a report that are read."""
_TAIL = 64 << 10
"""Bytes of what a worker says that are kept: the last."""
_PATIENCE = 10.0
"""Seconds that a worker may take to roll back."""
_STOPPED = {
    TIMEOUT: ("run-timeout", "it took longer than its `timeout`"), CANCELLED: ("worker-lost", "it was stopped"),
}  # fmt: skip
"""The code and the words of a run that its scheduler ended."""
_HEADLINE = re.compile(r"^error\[([a-z-]+)\]: (.*)$", re.MULTILINE)
"""How flowc says what is wrong."""
_COUNTS = {
    "read": "rows_read", "inserted": "rows_inserted", "updated": "rows_updated", "deleted": "rows_deleted",
}  # fmt: skip


def report_handle() -> int | None:
    """In a worker of a scheduler on this machine, where its report goes: a pipe, as its standard input is one too."""
    handle = os.environ.get(REPORT_VARIABLE, "")
    if not (os.environ.get(RUN_VARIABLE) and handle.isdecimal()):
        return None
    try:
        pipes = all(stat.S_ISFIFO(os.fstat(number).st_mode) for number in (0, int(handle)))
    except (OSError, OverflowError):
        return None
    return int(handle) if pipes else None


def due_time() -> datetime | None:
    """In a worker of a scheduler on this machine, the due time that it runs."""
    return parse_instant(os.environ.get(DUE_VARIABLE, "")) if report_handle() is not None else None


@dataclass(frozen=True, slots=True)
class Project:
    """What a worker is told of the project: the paths of its specs, the environment, and where it starts."""

    specs: tuple[str, ...]
    environment: str | None = None
    folder: str = "."
    given: tuple[str, ...] = ()
    """The paths as they were given, which mean the same in an image whose working folder is that of the project."""
    run_log: str | None = None
    """The connection that holds the run log, where it is not the project's."""

    def command(self, pipeline: str) -> list[str]:
        """The arguments of flowc for a run of a pipeline, whose name may be that of a file too."""
        chosen = [f"--env={self.environment}"] if self.environment is not None else []
        return ["run", *self.specs, f"--pipeline={pipeline}", "--once", "--json", *chosen]

    def work(self, run: str, specs: Sequence[str] = ()) -> list[str]:
        """The arguments of flowc for a worker on another machine, where the specs may be at other paths."""
        chosen = [f"--env={self.environment}"] if self.environment is not None else []
        log = [f"--run-log={self.run_log}"] if self.run_log is not None else []
        return ["work", run, *(specs or self.given), *chosen, *log]


class Running(Protocol):
    """A run that goes on somewhere."""

    def outcome(self) -> Outcome | None:
        """How it ended; None while it goes on. Never waits."""

    def stop(self, status: str) -> None:
        """Ends it, which may take a while; its outcome then has that status."""

    def sign(self) -> None:
        """Tells the worker that its run is still its own."""


class Executor(Protocol):
    """Starts runs. May raise a FlowcError where none can be started."""

    def start(self, claim: Claim, project: Project) -> Running:
        """Begins a run."""


@dataclass
class Subprocess:
    """Runs on this machine."""

    environ: Mapping[str, str]

    def start(self, claim: Claim, project: Project) -> Running:
        """Starts a process, which ends with this one. It has a session of its own: Ctrl-C is for the scheduler."""
        root = str(Path(__file__).resolve().parents[3])
        paths = [root, *self.environ.get("PYTHONPATH", "").split(os.pathsep)]
        environ = {
            **self.environ,
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            RUN_VARIABLE: claim.run_id,
            DUE_VARIABLE: instant_text(claim.due_at),
        }
        if claim.traceparent:
            environ[TRACE_VARIABLE] = claim.traceparent
        arguments = [sys.executable, "-P", "-m", "flowc", *project.command(claim.pipeline)]
        pipe = subprocess.PIPE
        source, sink = os.pipe()
        try:
            process = subprocess.Popen(
                arguments, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, cwd=project.folder,
                env=environ | {REPORT_VARIABLE: str(sink)}, pass_fds=(sink,), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            os.close(source)
            message = f"no process can be started: {error.strerror}"
            raise UsageError(message, code="worker-lost", help="look for limits of processes and of memory") from error
        finally:
            os.close(sink)
        assert process.stdout is not None
        return Process(process, process.stdout, os.fdopen(source, "rb"))


@dataclass
class Process:
    """A process that leads a group of its own, whose output threads read, so that it never waits for us.

    `words` is where it says what its outcome holds the end of, `report` where its report goes.
    """

    process: subprocess.Popen[bytes]
    words: IO[bytes]
    report: IO[bytes] | None = None
    _report: bytearray = field(default_factory=bytearray)
    _said: deque[bytes] = field(default_factory=deque)
    _cut: bool = False
    _readers: list[threading.Thread] = field(default_factory=list)
    _stopped: str | None = None
    _until: float = 0.0
    _ended: bool = False

    def __post_init__(self) -> None:
        for stream, take in ((self.report, self._keep_report), (self.words, self._keep_words)):
            if stream is not None:
                reader = threading.Thread(target=_read, args=(stream, take), name="flowc-run", daemon=True)
                reader.start()
                self._readers.append(reader)

    def outcome(self) -> Outcome | None:
        code = self.process.poll()
        if code is None:
            if self._stopped is not None and time.monotonic() > self._until:
                self.kill()
            return None
        if not self._ended:
            self._ended = True
            self.kill()  # what a user's function began there, with pipes that it inherited
        if any(reader.is_alive() for reader in self._readers):
            for reader in self._readers:
                reader.join(1)
        words = b"".join(self._said).decode(errors="replace")
        if self._cut:  # a line of which the beginning is gone may begin with the end of a secret, which nobody knows
            words = words.partition("\n")[2] or words
        return outcome_of(bytes(self._report), code, words, self._stopped)

    def sign(self) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.write(b".")
            self.process.stdin.flush()

    def stop(self, status: str) -> None:
        if self._stopped is None:
            self._stopped, self._until = status, time.monotonic() + _PATIENCE
            with suppress(OSError):
                self.process.terminate()

    def kill(self) -> None:
        """Ends it at once, and what it has begun."""
        with suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _keep_report(self, data: bytes) -> None:
        if len(self._report) < _REPORT_BYTES:
            self._report += data

    def _keep_words(self, data: bytes) -> None:
        self._said.append(data)
        while sum(map(len, self._said)) > _TAIL and len(self._said) > 1:
            self._said.popleft()
            self._cut = True


def _read(stream: Any, take: Callable[[bytes], None]) -> None:
    with suppress(OSError, ValueError):
        while data := stream.read1(1 << 14):
            take(data)


def outcome_of(report: bytes, code: int, words: str, stopped: str | None = None) -> Outcome:
    """What a worker's report, its exit code and its last words say; `stopped` is why it was ended, if it was."""
    try:
        found = msgspec.json.decode(report)
        pipelines: Sequence[Mapping[str, Any]] = found["pipelines"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return _without_report(code, words, stopped)
    status = OK if found.get("status") == "ok" else stopped or FAILED
    return outcome_of_pipelines(pipelines, status, words)


def outcome_of_pipelines(pipelines: Sequence[Mapping[str, Any]], status: str, words: str = "") -> Outcome:
    """What the reports of pipelines, as JSON shows them, come to."""
    targets = [target for pipeline in pipelines for target in pipeline.get("targets", ())]
    counts: dict[str, int] = {}
    for target in targets:
        if target.get("status", OK) != OK or target.get("passed_by"):
            continue  # what it did was rolled back, or is counted by the attempt that loaded it
        for counter, name in _COUNTS.items():
            if (number := target.get("counts", {}).get(counter)) is not None:
                counts[name] = counts.get(name, 0) + int(number)
        counts["byte_count"] = counts.get("byte_count", 0) + int(target.get("bytes", 0))
    detail = {"pipelines": pipelines, "said": words}
    plan = next((each["plan"] for each in pipelines if each.get("plan")), None)
    if status == OK:
        return Outcome(OK, counts, plan=plan, detail=detail)
    error = _first_error(pipelines, targets)
    message = error.get("message") or next((p["reason"] for p in pipelines if p.get("reason")), None)
    return Outcome(status, counts, error.get("code"), error=message, plan=plan, detail=detail)


def _first_error(
    pipelines: Sequence[Mapping[str, Any]], targets: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any]:  # fmt: skip
    for each in (*pipelines, *targets):
        if each.get("error"):
            return dict(each["error"])
        if each.get("diagnostics"):
            return dict(each["diagnostics"][0])
    return {}


def _without_report(code: int, words: str, stopped: str | None) -> Outcome:
    detail = {"said": words}
    if stopped is not None:
        error_code, why = _STOPPED.get(stopped, ("worker-lost", "it was ended"))
        return Outcome(stopped, error_code=error_code, error=why, detail=detail)
    if code == 0:
        return Outcome(OK, detail=detail)
    if code < 0:
        message = f"its process was killed by signal {-code}"
        return Outcome(LOST, error_code="worker-lost", error=message, detail=detail)
    found = _HEADLINE.search(words)
    message = found[2] if found else f"its process ended with exit code {code}"
    return Outcome(FAILED, error_code=found[1] if found else "worker-lost", error=message, detail=detail)
