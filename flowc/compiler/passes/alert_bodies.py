"""Bodies of alerts that would fail when something goes wrong, and be no alert then."""

from __future__ import annotations

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.sql.alertbodies import check_body
from flowc.diagnostics import Reporter

FIELDS = (
    "kind", "condition", "subject", "subject_kind", "severity", "title", "message", "project", "environment", "at",
    "since", "run", "due_at", "attempt", "next_attempt", "error_code", "error", "value", "key",
)  # fmt: skip
"""The fields of an alert."""
_OPTIONAL = (
    "environment", "since", "run", "due_at", "attempt", "next_attempt", "error_code", "error", "value",
)  # fmt: skip
_HARD = dict.fromkeys(FIELDS, 'it said "no"\nand \\ went') | {"attempt": 2}
_SAMPLES = (_HARD, _HARD | dict.fromkeys(_OPTIONAL))
"""An alert of which everything is known, in words that are hard to write down, and one of which less is."""


def alert_bodies(checked: CheckedSpec, _ir: Ir | None, reporter: Reporter) -> None:
    """Makes the body of each webhook for alerts that may come, and reports what fails."""
    for alert in checked.project.alerts.values():
        if alert.body is not None:
            headers = alert.options.get("headers")
            typed = isinstance(headers, dict) and any(str(key).lower() == "content-type" for key in headers)
            check_body(alert.body, _SAMPLES, reporter, json_body=not typed)
