"""Runs and schedules, for people and programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flowc.controls import json_text
from flowc.durations import instant_text
from flowc.loadplan import Counter, ExpectResult
from flowc.render.checks import verdict
from flowc.render.loads import PASSED_BY
from flowc.render.style import Style, printable, printable_lines
from flowc.render.tables import table
from flowc.service.loads.report import ALWAYS
from flowc.service.runs.failures import failure_of

if TYPE_CHECKING:
    from flowc.service.runs.due import Due
    from flowc.service.runs.edits import ScheduleEdit
    from flowc.service.runs.records import RunRecord

_ROLES = {"ok": "good", "failed": "bad", "timeout": "bad", "lost": "bad", "running": "note", "skipped": "dim",
          "cancelled": "warning", PASSED_BY: "good"}  # fmt: skip
_HEADERS = ("run", "pipeline", "due", "attempt", "status", "started", "seconds", "read", "inserted", "updated",
            "deleted", "error")  # fmt: skip
_COUNTS = ("rows_read", "rows_inserted", "rows_updated", "rows_deleted")
_WORTH_TELLING = 0.01
"""Seconds of a phase that is shown."""
_SCHEDULES = ("pipeline", "schedule", "zone", "state", "next due", "last success")


def runs_text(runs: Sequence[RunRecord], style: Style) -> str:
    """A row for each run."""
    rows = [
        (
            run.id, run.pipeline, _at(run.due_at), run.attempt, run.status, _at(run.started_at), _seconds(run),
            *(run.counts.get(name, "-") for name in _COUNTS), run.error_code or "-",
        )
        for run in runs
    ]  # fmt: skip
    return table(_HEADERS, rows, style, right=(3, 6, 7, 8, 9, 10), roles={4: _ROLES})


def run_text(run: RunRecord, style: Style) -> str:
    """All of one run: what it did with each target, why it failed, and what it said at its end."""
    facts = {
        "run": run.id, "pipeline": run.pipeline, "reason": run.reason, "due": _at(run.due_at),
        "attempt": run.attempt, "status": run.status, "started": _at(run.started_at),
        "finished": _at(run.finished_at), "seconds": _seconds(run), "bytes": run.counts.get("byte_count", "-"),
        "plan": run.plan or "-", "by": run.user or "-", "commit": run.commit or "-", "on": run.host,
    }  # fmt: skip
    parts = ["\n".join(f"{name + ':':<10}{printable(str(value))}" for name, value in facts.items())]
    counters = (*ALWAYS, *_bad(run))
    if targets := [_target(written, counters) for written in _targets(run)]:
        headers = ("target", "mode", "status", *counters, "seconds")
        parts.append(table(headers, targets, style, right=range(3, len(headers)), roles={2: _ROLES}))
    if verdicts := [line for target in _targets(run) for line in _verdicts(target, style)]:
        parts.append("\n".join(verdicts))
    phases = [phase for target in _targets(run) for phase in _phases(target)]
    if phases:
        parts.append(table(("target", "phase", "seconds"), phases, style, right=(2,)))
    if run.error is not None:
        code = f"[{run.error_code}]" if run.error_code else ""
        message = "\n  ".join(printable_lines("\n".join((run.error, *failure_of(run.detail).lines))))
        parts.append(style.paint("error", f"error{code}") + ": " + message)
    output = str(run.detail.get("said") or "").strip()
    if output:
        parts.append("\n".join(["it said:", *(f"  {line}" for line in printable_lines(output)[-50:])]))
    return "\n\n".join(parts)


def log_text(run: RunRecord, style: Style) -> str:
    """What a run said and how it ended, each line with whose it is."""
    head = style.paint("dim", f"{printable(run.pipeline)} {_at(run.started_at)}:")
    code = f"[{run.error_code}]" if run.error_code else ""
    why = "\n".join((f"{code}: {run.error}", *failure_of(run.detail).lines)) if run.error is not None else ""
    output = printable_lines(str(run.detail.get("said") or "").strip())
    first, *rest = printable_lines(f"{run.status}{why}")
    ended = [style.paint(_ROLES.get(run.status, "dim"), first), *rest]
    return "\n".join(f"{head} {line}" for line in [*(line for line in output if line), *ended])


def log_object(run: RunRecord) -> dict[str, object]:
    """The same for programs."""
    return {
        "run": run.id, "pipeline": run.pipeline, "started_at": _text(run.started_at), "status": run.status,
        "error_code": run.error_code, "error": run.error, "said": str(run.detail.get("said") or ""),
    }  # fmt: skip


def _targets(run: RunRecord) -> list[Mapping[str, Any]]:
    return [target for pipeline in run.detail.get("pipelines", ()) for target in pipeline.get("targets", ())]


def _bad(run: RunRecord) -> tuple[Counter, ...]:
    """The counter of rows that were set aside, where some were."""
    return (Counter.BAD,) if any(_numbers(target).get(Counter.BAD) for target in _targets(run)) else ()


def _numbers(target: Mapping[str, object]) -> Mapping[str, object]:
    counts = target.get("counts")
    return counts if isinstance(counts, Mapping) else {}


def _target(target: Mapping[str, object], counters: Sequence[Counter]) -> tuple[object, ...]:
    numbers = (_numbers(target).get(name, "-") for name in counters)
    status = PASSED_BY if target.get("passed_by") else target.get("status")
    return target.get("target"), target.get("mode"), status, *numbers, target.get("seconds")


def _verdicts(target: Mapping[str, Any], style: Style) -> Iterator[str]:
    """The checks of a load, as its run has told them."""
    for check in target.get("expects", ()):
        fails, aside = check["severity"] != "warn", check["severity"] == "quarantine"
        result = ExpectResult(
            check["name"], check["failed"], check["total"], passed=check["passed"], error=fails, quarantine=aside
        )
        yield verdict(str(target.get("target")), result, style)


def _phases(target: Mapping[str, object]) -> Iterator[tuple[object, ...]]:
    """The parts of a load that took a while, in their order."""
    phases = target.get("phases")
    for phase, seconds in phases.items() if isinstance(phases, Mapping) else ():
        if seconds >= _WORTH_TELLING:
            yield target.get("target"), phase, f"{seconds:.2f}"


def run_object(run: RunRecord) -> dict[str, object]:
    """One run, for programs."""
    return {
        "run": run.id, "pipeline": run.pipeline, "reason": run.reason, "due_at": _text(run.due_at),
        "attempt": run.attempt, "status": run.status, "started_at": _text(run.started_at),
        "finished_at": _text(run.finished_at), "seconds": run.seconds, **{n: run.counts.get(n) for n in _COUNTS},
        "byte_count": run.counts.get("byte_count"), "error_code": run.error_code, "error": run.error,
        "plan": run.plan, "user": run.user, "commit": run.commit, "owner": run.owner,
        **({"detail": run.detail} if run.detail else {}),
    }  # fmt: skip


def edits_text(edits: Sequence[ScheduleEdit], style: Style) -> str:
    """Schedules that were edited, and when they are due next; empty where none is."""
    lines = []
    for edit in edits:
        what = f"`{edit.before}` → `{edit.after}`"
        due = f"; due next at {_at(edit.next_due)}, and nothing of before runs again"
        lines.append(f"  {printable(f'{edit.pipeline}: {what}{due}')}")
    return "\n".join([style.paint("bold", "schedules"), *lines]) if lines else ""


def edit_object(edit: ScheduleEdit) -> dict[str, object]:
    """One of them, for programs."""
    return {
        "pipeline": edit.pipeline, "before": edit.before, "after": edit.after, "next_due": _text(edit.next_due),
    }  # fmt: skip


def schedules_text(schedules: Sequence[Due], style: Style) -> str:
    """A row for each schedule, with what it waits for."""
    rows = [
        (due.pipeline, due.expression, due.timezone, due.state, _at(due.next_due), _at(due.succeeded_at))
        for due in schedules
    ]
    return table(_SCHEDULES, rows, style)


def schedule_object(due: Due) -> dict[str, object]:
    """One schedule, for programs."""
    return {
        "pipeline": due.pipeline, "schedule": due.expression, "timezone": due.timezone, "state": due.state,
        "paused": due.paused, "next_due": _text(due.next_due), "last_success": _text(due.succeeded_at),
        "run": due.run_id, "attempt": due.attempt,
    }  # fmt: skip


def scheduler_json(schedules: Sequence[Due], *, ready: bool, leads: bool) -> str:
    """A scheduler, for programs."""
    return json_text({"ready": ready, "leads": leads, "schedules": [schedule_object(due) for due in schedules]})


def _at(instant: datetime | None) -> str:
    return "-" if instant is None else instant.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant_text(instant)


def _seconds(run: RunRecord) -> str:
    return "-" if run.seconds is None else f"{run.seconds:.1f}"
