"""An alert as data: one thing that somebody is told, the same for every way of telling it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal

from flowc.controls import legible
from flowc.durations import instant_text

FAILED, GAVE_UP, RECOVERED, STALE, LAG, RESTARTS, RUN_LOG, TEST = (
    "failed", "gave_up", "recovered", "stale", "lag", "restarts", "run_log", "test",
)  # fmt: skip
"""What is told, by the words of `on`; `test` by `flowc alerts test` alone."""
DEFAULT_ON = frozenset((GAVE_UP, RECOVERED, STALE, LAG, RESTARTS, RUN_LOG))
FAILING = "failing"
"""The condition that `failed` and `gave_up` are about; that of any other is called as it is."""
_SEVERITIES = {FAILED: "warning", GAVE_UP: "error", RUN_LOG: "error", RECOVERED: "info", TEST: "info"}
_TITLES = {
    FAILED: "failed, and is tried again", GAVE_UP: "failed", RECOVERED: "is well again", STALE: "is stale",
    LAG: "is behind", RESTARTS: "begins anew again and again", RUN_LOG: "cannot be used", TEST: "is tested",
}  # fmt: skip
_LONGEST_KEY = 255
_LONGEST_TEXT = 4_000
"""Characters of a message or an error that are told."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What is told of a subject: a pipeline, a stream, or the run log. Texts hold no secrets."""

    kind: str
    subject: str
    subject_kind: Literal["pipeline", "stream", "run_log", "alert"]
    message: str
    project: str
    at: datetime
    condition: str = FAILING
    """What is the matter, or was; alerts of one condition belong together."""
    environment: str | None = None
    since: datetime | None = None
    run: str | None = None
    due_at: datetime | None = None
    attempt: int | None = None
    next_attempt: datetime | None = None
    error_code: str | None = None
    error: str | None = None
    value: str | None = None
    """What was measured: the newest time in a table, seconds of lag, how many restarts."""

    @property
    def severity(self) -> str:
        """`info`, `warning` or `error`."""
        return _SEVERITIES.get(self.kind, "warning")

    @property
    def title(self) -> str:
        """One line: where, who, what."""
        place = f"{self.project} ({self.environment})" if self.environment else self.project
        return legible(" ".join(f"[{place}] {self.subject} {_TITLES[self.kind]}".split()))

    @property
    def key(self) -> str:
        """What the alerts of one condition of a subject have in common, and no others."""
        parts = (self.project, self.environment, self.subject_kind, self.subject, self.condition)
        key = "/".join(("flowc", *(part for part in parts if part)))
        return key if len(key) <= _LONGEST_KEY else f"flowc/{sha256(key.encode()).hexdigest()}"

    @property
    def fields(self) -> Mapping[str, object]:
        """All of it, for programs and templates."""
        return {
            "kind": self.kind, "condition": self.condition, "subject": self.subject,
            "subject_kind": self.subject_kind, "severity": self.severity, "title": self.title,
            "message": _cut(self.message), "project": self.project, "environment": self.environment,
            "at": instant_text(self.at), "since": _text(self.since), "run": self.run, "due_at": _text(self.due_at),
            "attempt": self.attempt, "next_attempt": _text(self.next_attempt), "error_code": self.error_code,
            "error": None if self.error is None else _cut(self.error), "value": self.value, "key": self.key,
        }  # fmt: skip

    @property
    def text(self) -> str:
        """The message, for people."""
        return _cut(self.message)


def _cut(text: str) -> str:
    return legible(text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} …")


def _text(at: datetime | None) -> str | None:
    return None if at is None else instant_text(at)
