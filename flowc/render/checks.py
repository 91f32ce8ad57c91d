"""Checks of `expect` over runs, for people and programs."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.durations import instant_text
from flowc.loadplan import ExpectResult
from flowc.render.style import Style, printable
from flowc.render.tables import table
from flowc.service.runs.checks import History

_HEADERS = ("pipeline", "target", "check", "last", "rows that failed", "at", "passed")
_ROLES = {"passed": "good", "failed": "bad", "warning": "warning"}

_VERDICTS = {
    (True, True): ("good", "passed "), (True, False): ("good", "passed "), (False, True): ("bad", "failed "),
    (False, False): ("warning", "warning"),
}  # fmt: skip
"""The role and the word of a check that has passed or not, by whether it fails the load."""


def verdict(owner: str, found: ExpectResult, style: Style) -> str:
    """How one check came out in one run, in a line."""
    word = style.paint(*_VERDICTS[found.passed, found.error])
    rows = f"{found.failed} of {found.total} rows{', quarantined' * (found.quarantine and found.passed)}"
    return f"{word} {printable(f'{owner}: {found.name}')}{f' ({rows})' * bool(found.failed)}"


def checks_text(found: Sequence[History], style: Style) -> str:
    """A row for each check: how it came out last, and in how many runs it passed."""
    return table(_HEADERS, [_row(each) for each in found], style, roles={3: _ROLES})


def _row(history: History) -> tuple[object, ...]:
    last = history.results[0]
    verdict = "passed" if last.passed else "warning" if history.severity == "warn" else "failed"
    passed = sum(result.passed for result in history.results)
    return (
        history.pipeline, history.target, history.name, verdict, f"{last.failed} of {last.total}",
        last.at.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z"),
        f"{passed} of {len(history.results)} runs",
    )  # fmt: skip


def check_object(history: History) -> dict[str, object]:
    """One check with its history, for programs."""
    results = [
        {"run": each.run, "at": instant_text(each.at), "failed": each.failed, "total": each.total,
         "passed": each.passed}
        for each in history.results
    ]  # fmt: skip
    return {
        "pipeline": history.pipeline, "target": history.target, "check": history.name, "severity": history.severity,
        "results": results,
    }  # fmt: skip
