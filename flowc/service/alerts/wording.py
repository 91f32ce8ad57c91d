"""What alerts say."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from flowc.compiler.ir import Freshness
from flowc.durations import instant_text
from flowc.service.alerts.alert import FAILED, GAVE_UP, LAG, RECOVERED, RESTARTS, STALE, Alert
from flowc.service.runs.failures import failure_of
from flowc.service.runs.records import LOST, TIMEOUT
from flowc.service.runs.scheduler import Happened

_HOW = {TIMEOUT: "took longer than its `timeout`", LOST: "was lost"}


def of_run(happened: Happened, kind: str, place: Alert) -> Alert:
    """An alert of a run, of `place` but for what has happened."""
    claim, outcome = happened.claim, happened.outcome
    due = f"its due time {_short(claim.due_at)}"
    about = replace(
        place, kind=kind, subject=claim.pipeline, run=claim.run_id, due_at=claim.due_at, attempt=claim.attempt
    )
    if outcome is None or kind == RECOVERED:
        return replace(about, message=f"`{claim.pipeline}` is well again: it succeeded for {due}")
    code = f" [{outcome.error_code}]" if outcome.error_code else ""
    why = f"{code}: {outcome.error}" if outcome.error else code
    again = happened.next_attempt
    when = f" at {_short(again)}" if again is not None else ""
    then = "That was the last attempt for this due time." if kind == GAVE_UP else f"It is tried again{when}."
    how = _HOW.get(outcome.status, "failed")
    where = "".join(f"\n{line}" for line in failure_of(outcome.detail).lines)
    message = f"`{claim.pipeline}` {how} for {due}, attempt {claim.attempt}{why}{where}\n{then}"
    return replace(
        about, message=message, next_attempt=again, error_code=outcome.error_code, error=outcome.error,
    )  # fmt: skip


def kind_of(happened: Happened) -> str | None:
    """What an alert of it would be; None for what is no news."""
    if happened.kind == "gave up":
        return GAVE_UP
    if happened.outcome is None or happened.kind not in ("ok", "failed", LOST, TIMEOUT):
        return None
    return FAILED if happened.kind != "ok" else RECOVERED


def stale(pipeline: str, freshness: Freshness, newest: datetime | None, now: datetime) -> str:
    """Of a table whose newest row is too old, or that has none."""
    if newest is None:
        return f"`{pipeline}` is stale: its table has held no rows for longer than {span_text(freshness.max_age)}"
    age = span_text((now - newest).total_seconds())
    most = span_text(freshness.max_age)
    return (
        f"`{pipeline}` is stale: its newest `{freshness.column}` is {_short(newest)}, {age} ago, and may be {most} old"
    )


def lags(stream: str, seconds: float, most: float) -> str:
    """Of a stream that is behind."""
    return (
        f"stream `{stream}` is behind: messages wait {span_text(seconds)} for their commit, more than {span_text(most)}"
    )


def restarts(stream: str, number: int, trouble: str | None) -> str:
    """Of a stream that begins anew again and again."""
    why = f": {trouble}" if trouble else ""
    return f"stream `{stream}` began anew {number} times within ten minutes{why}"


def away(seconds: float, why: str) -> str:
    """Of a run log that cannot be used."""
    return (
        f"the run log cannot be used for {span_text(seconds)}: {why}\nNo pipeline begins by its schedule until it can."
    )


def back(seconds: float) -> str:
    """Of a run log that can be used again."""
    return f"the run log can be used again, after {span_text(seconds)}"


def well(subject: str, condition: str) -> str:
    """Of what is over."""
    how = {STALE: "its rows are fresh", LAG: "it has caught up", RESTARTS: "it goes on steadily"}
    return f"`{subject}` is well again: {how.get(condition, 'it runs')}"


def span_text(seconds: float) -> str:
    """A span for people: `45s`, `3m 5s`, `2h 10m`, `3d 4h`."""
    left, parts = int(max(seconds, 0)), list[str]()
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        number, left = divmod(left, size)
        if number or parts:
            parts.append(f"{number}{unit}")
    return " ".join(part for part in parts[:2] if part[0] != "0" or len(parts) == 1) or "0s"


def _short(at: datetime) -> str:
    return instant_text(at.replace(microsecond=0))
