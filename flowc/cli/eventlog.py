"""The log of what goes on for long: events as lines on stderr."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from flowc.cli.console import say, style_for
from flowc.diagnostics import Diagnostic, Severity
from flowc.render.daemon import LEVELS, log_json, log_text
from flowc.service.daemon.stats import Event


@dataclass
class Log:
    """Writes events, one at a time: as `text` or `json`, from a `level` on."""

    form: str = "text"
    level: str = "info"
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, event: Event) -> None:
        """Writes one, unless it is beneath the level."""
        if LEVELS.index(event.level) < LEVELS.index(self.level):
            return
        text = log_json(event) if self.form == "json" else log_text(event, style_for(sys.stderr))
        with self._lock:
            say(text)
            sys.stderr.flush()

    def diagnostics(self, found: Iterable[Diagnostic]) -> None:
        """The errors that compiling found, as events."""
        for diagnostic in found:
            if diagnostic.severity is Severity.ERROR:
                fields = {"code": diagnostic.code, "file": diagnostic.span.file.path if diagnostic.span else None}
                self(Event("error", diagnostic.message, fields=fields))
