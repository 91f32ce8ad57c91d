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


def verdict(owner: str, result: ExpectResult, style: Style) -> str:
    """How one check came out in one run, in a line."""
    word = style.paint(*_VERDICTS[result.passed, result.error])
    rows = f"{result.failed} of {result.total} rows{', quarantined' * (result.quarantine and result.passed)}"
    return f"{word} {printable(f'{owner}: {result.name}')}{f' ({rows})' * bool(result.failed)}"


def checks_text(histories: Sequence[History], style: Style) -> str:
    """A row for each check: how it came out last, and in how many runs it passed."""
    return table(_HEADERS, [_row(history) for history in histories], style, roles={3: _ROLES})


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
        {"run": result.run, "at": instant_text(result.at), "failed": result.failed, "total": result.total,
         "passed": result.passed}
        for result in history.results
    ]  # fmt: skip
    return {
        "pipeline": history.pipeline, "target": history.target, "check": history.name, "severity": history.severity,
        "results": results,
    }  # fmt: skip
