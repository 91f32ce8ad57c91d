"""What a worker process says to the daemon: lines of JSON over a pipe, each of one of its workers or of none."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import msgspec

from flowc.errors import FlowcError, TransientError, UsageError
from flowc.service.access.secrets import Resolver
from flowc.service.daemon.job import Job
from flowc.service.daemon.stats import EpochTimes, Event, Failure, InHand, Line, Report

Fields = Mapping[str, str | int | float | None]


@dataclass
class Wire:
    """Where the lines of a process go, one at a time. `resolver` knows the secrets that no text in them may hold."""

    file: BinaryIO
    resolver: Resolver
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, line: Line) -> None:
        """Writes a line; a daemon that is gone is no failure here."""
        with self._lock:
            try:
                self.file.write(msgspec.json.encode(line) + b"\n")
                self.file.flush()
            except (BrokenPipeError, ValueError):
                return


@dataclass
class Channel:
    """What one worker says, or with several jobs the process that they share: texts without secrets.

    Keys, states, codes and names of streams are as they are, whatever a secret is: the daemon reads them.
    """

    wire: Wire
    jobs: Sequence[Job]
    number: int = 0
    """That of the only job among those of the process."""

    def event(self, level: str, message: str, fields: Fields | None = None) -> None:
        """Writes a line of the log."""
        redact = self.wire.resolver.redact
        message = redact(message)
        fields = {
            key: redact(v) if isinstance(v, str) and key not in _CODES else v for key, v in (fields or {}).items()
        }
        if len(self.jobs) == 1:
            event = Event(level, message, self.jobs[0].stream, self.jobs[0].worker, fields)
        else:
            streams = ", ".join(dict.fromkeys(job.stream for job in self.jobs))
            event = Event(level, message, fields={**fields, "streams": streams})
        self.wire.send(Line(event=event))

    def report(self, report: Report) -> None:
        """Tells how it goes."""
        trouble = report.trouble and self.wire.resolver.redact(report.trouble)
        self.wire.send(Line(self.number, report=replace(report, trouble=trouble)))

    def hand(self, hand: InHand) -> None:
        """Tells what is in hand."""
        self.wire.send(Line(self.number, hand=hand))

    def epoch(self, epoch: EpochTimes) -> None:
        """Tells of an epoch that was sampled."""
        self.wire.send(Line(self.number, epoch=epoch))

    def failure(self, error: FlowcError) -> None:
        """Tells why the worker gives up."""
        redact = self.wire.resolver.redact
        details = tuple(map(redact, error.details))
        data = not isinstance(error, UsageError | TransientError)
        failure = Failure(error.code, redact(error.message), error.help and redact(error.help), details, data)
        self.wire.send(Line(self.number, failure=failure))


_CODES = ("code", "logger")
"""Fields of events that are words of programs."""
