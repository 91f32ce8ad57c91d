"""The daemon for people and programs: lines of its log, its status, the table of a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flowc.controls import json_text
from flowc.durations import micros_text
from flowc.render.runs import schedule_object
from flowc.render.streamstatus import node_object
from flowc.render.style import Style, printable, printable_lines
from flowc.render.tables import table
from flowc.service.daemon.stats import Event, Failure

if TYPE_CHECKING:
    from flowc.service.daemon.supervisor import Daemon
    from flowc.service.daemon.workerstate import WorkerState
    from flowc.service.runs.due import Due

LEVELS = ("debug", "info", "warning", "error")
_HEADERS = ("stream", "state", "rows", "rows/s", "lag", "p50", "p99", "restarts")
_UNSHOWN = "the stream stopped: the log of the daemon has the details, which may quote messages"
_ROLES = {
    "starting": "dim", "running": "good", "degraded": "warning", "restarting": "warning", "failed": "bad",
    "stopped": "dim",
}  # fmt: skip


def log_text(event: Event, style: Style, now: datetime | None = None) -> str:
    """`time LEVEL name: message key=value`; further lines of a message are indented."""
    first, *rest = printable_lines(event.message) or [""]
    fields = dict(event.fields)
    help = fields.pop("help", None)
    shown_fields = "".join(f" {key}={printable(str(value))}" for key, value in fields.items())
    level = style.paint({"info": "note", "debug": "dim"}.get(event.level, event.level), f"{event.level:<7}")
    where = f"{_where(event)}: " if event.stream or event.pipeline else ""
    lines = [f"{_time(now)} {level} {where}{first}{shown_fields}", *(f"  {line}" for line in rest)]
    return "\n".join([*lines, *([f"  help: {printable(str(help))}"] if help else [])])


def log_json(event: Event, now: datetime | None = None) -> str:
    """One object on one line."""
    record: dict[str, object] = {"time": _time(now), "level": event.level}
    if event.stream:
        record |= {"stream": event.stream, "worker": event.worker}
    if event.pipeline:
        record["pipeline"] = event.pipeline
    return json_text({**record, "message": event.message, **event.fields}, indent=None)


def _where(event: Event) -> str:
    name = printable(str(event.stream or event.pipeline))
    return f"{name}[{event.worker}]" if (event.worker or 1) > 1 else name


def _time(now: datetime | None) -> str:
    return (now or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def status_json(daemon: Daemon, schedules: Sequence[Due] = (), *, messages: bool = False) -> str:
    """All workers and schedules, for programs; `messages` for readers who may see what is in messages."""
    shown = {"ready": daemon.ready, "workers": [_object(worker, messages) for worker in daemon.workers]}
    return json_text(shown | {"schedules": [schedule_object(schedule) for schedule in schedules]})


def _object(worker: WorkerState, messages: bool) -> dict[str, object]:
    counts = worker.counts
    return {
        "stream": worker.job.stream, "worker": worker.job.worker, "pid": worker.pid, "status": worker.status,
        "trouble": worker.report.trouble, "rows": counts.rows, "messages": counts.messages, "bytes": counts.bytes,
        "epochs": counts.epochs, "bad_rows": counts.bad, "dead_letters": counts.dead, "late_rows": counts.late,
        "late_letters": counts.late_letters, "emitted": counts.emitted, "watermark": _instant(worker.report.watermark),
        "watermarks": {source: {partition: _instant(mark) for partition, mark in sorted(marks.items())}
                       for source, marks in sorted(worker.report.marks.items())},
        "held": worker.report.held, "lag": worker.report.lag,
        "restarts": worker.restarts + counts.retries, "latency_p50": counts.latency.quantile(0.5),
        "latency_p99": counts.latency.quantile(0.99),
        "checkpoint": _checkpoint(worker),
        "error": None if worker.failure is None else _error(worker.failure, messages),
    }  # fmt: skip


def _error(failure: Failure, messages: bool) -> dict[str, object]:
    if failure.data and not messages:
        return {"code": failure.code, "message": _UNSHOWN, "help": f"`flowc explain {failure.code}`"}
    return {"code": failure.code, "message": failure.message, "help": failure.help}


def _instant(micros: int | None) -> str | None:
    """A time in microseconds since 1970, as text."""
    return None if micros is None else micros_text(micros)


def _checkpoint(worker: WorkerState) -> dict[str, object] | None:
    """What the stream remembers, and how old that is."""
    saved = worker.report.saved
    if saved is None:
        return None
    nodes = {name: node_object(node) | {"last_bytes": node.last_bytes} for name, node in saved.nodes.items()}
    return {"age": worker.report.age, "seconds": saved.seconds, "nodes": nodes}


def live_text(daemon: Daemon, rates: Mapping[int, float], style: Style) -> str:
    """A row for each worker."""
    rows = [_live(worker, rates.get(i, 0.0)) for i, worker in enumerate(daemon.workers)]
    return table(_HEADERS, rows, style, right=range(2, len(_HEADERS)), roles={1: _ROLES})


def _live(worker: WorkerState, rate: float) -> tuple[str, ...]:
    counts, name = worker.counts, worker.job.stream
    name = f"{name}[{worker.job.worker}]" if worker.job.workers > 1 else name
    lag = _lag(worker)
    times = (_milliseconds(counts.latency.quantile(share)) for share in (0.5, 0.99))
    restarts = str(worker.restarts + counts.retries)
    return name, worker.status, f"{counts.rows:,}", f"{rate:,.0f}", "-" if lag is None else f"{lag:,}", *times, restarts


def _lag(worker: WorkerState) -> int | None:
    """Messages that wait; None where no source can tell, as of files."""
    lags = worker.report.lag.values()
    return sum(sum(partitions.values()) for partitions in lags) if any(lags) else None


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"≤ {seconds * 1000:g} ms"


def progress_events(daemon: Daemon, rates: Mapping[int, float]) -> Sequence[Event]:
    """A line for each worker where there is no terminal."""
    events = []
    for i, worker in enumerate(daemon.workers):
        counts, lag = worker.counts, _lag(worker)
        shown_lag = {"lag": lag} if lag is not None else {}
        fields = {
            "rows": counts.rows,
            "rows_per_second": round(rates.get(i, 0.0)),
            **shown_lag,
            "epochs": counts.epochs,
        }
        events.append(Event("info", worker.status, worker.job.stream, worker.job.worker, fields))
    return events
