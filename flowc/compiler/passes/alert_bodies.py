"""Bodies of alerts that would fail when something goes wrong, and be no alert then."""

from __future__ import annotations

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.sql.text.alertbodies import check_body
from flowc.diagnostics import Reporter

FIELDS = (
    "kind", "condition", "subject", "subject_kind", "severity", "title", "message", "project", "environment", "at",
    "since", "run", "due_at", "attempt", "next_attempt", "error_code", "error", "value", "key",
)  # fmt: skip
"""The fields of an alert."""
_OPTIONAL = (
    "environment", "since", "run", "due_at", "attempt", "next_attempt", "error_code", "error", "value",
)  # fmt: skip
_TIMES = ("at", "since", "due_at", "next_attempt")
_KINDS = (
    ("failed", "failing", "warning"), ("gave_up", "failing", "error"), ("recovered", "failing", "info"),
    ("recovered", "stale", "info"), ("stale", "stale", "warning"), ("lag", "lag", "warning"),
    ("restarts", "restarts", "warning"), ("test", "test", "info"),
)  # fmt: skip
"""The kinds of alerts, each with its condition and its severity: words that are never hard to write down."""
_PLAIN: dict[str, object] = {
    **dict.fromkeys(FIELDS, "word"), "attempt": 2, **dict.fromkeys(_TIMES, "2026-03-10T12:00:00Z"),
}  # fmt: skip
_EASY = ("attempt", "error_code", "run", *_TIMES)
_HARD = {key: value if key in _EASY else 'it said "no"\nand \\ went' for key, value in _PLAIN.items()}
_NAMED = [
    {"kind": kind, "condition": condition, "severity": severity, "subject_kind": subject}
    for kind, condition, severity in _KINDS
    for subject in ("pipeline", "stream", "alert")
]
_SAMPLES = [
    (_PLAIN | named, unusual | named) for named in _NAMED for unusual in (_HARD, _HARD | dict.fromkeys(_OPTIONAL))
]
"""Alerts of which everything is known, in words that are hard to write down, and such of which less is; each with a
plain one, by which is found what is too hard."""


def alert_bodies(checked: CheckedSpec, _ir: Ir | None, reporter: Reporter) -> None:
    """Makes the body of each webhook for alerts that may come, and reports what fails."""
    for alert in checked.project.alerts.values():
        if alert.body is not None:
            headers = alert.options.get("headers")
            typed = isinstance(headers, dict) and any(str(key).lower() == "content-type" for key in headers)
            check_body(alert.body, _SAMPLES, reporter, json_body=not typed)
