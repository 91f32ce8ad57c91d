"""What a worker process says to the daemon: lines of JSON over a pipe, each of one of its workers or of none."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import msgspec

from flowc.errors import FlowcError
from flowc.service.daemon.job import Job
from flowc.service.daemon.stats import Event, Failure, Line, Report
from flowc.service.secrets import Resolver

Fields = Mapping[str, str | int | float | None]


@dataclass
class Wire:
    """Where the lines of a process go, one at a time. `resolver` keeps secrets out of the log."""

    file: BinaryIO
    resolver: Resolver
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, line: Line) -> None:
        """Writes a line, without secrets; a daemon that is gone is no failure here."""
        data = self.resolver.redact(msgspec.json.encode(line).decode()).encode()
        with self._lock:
            try:
                self.file.write(data + b"\n")
                self.file.flush()
            except (BrokenPipeError, ValueError):
                return


@dataclass
class Channel:
    """What one worker says, or with several jobs the process that they share."""

    wire: Wire
    jobs: Sequence[Job]
    number: int = 0
    """That of the only job among those of the process."""

    def event(self, level: str, message: str, fields: Fields | None = None) -> None:
        """Writes a line of the log."""
        fields = dict(fields or {})
        if len(self.jobs) == 1:
            event = Event(level, message, self.jobs[0].stream, self.jobs[0].worker, fields)
        else:
            streams = ", ".join(dict.fromkeys(job.stream for job in self.jobs))
            event = Event(level, message, fields={**fields, "streams": streams})
        self.wire.send(Line(event=event))

    def report(self, report: Report) -> None:
        """Tells how it goes."""
        self.wire.send(Line(self.number, report=report))

    def failure(self, error: FlowcError) -> None:
        """Tells why the worker gives up."""
        self.wire.send(Line(self.number, failure=Failure(error.code, error.message, error.help, error.details)))
