"""What pages show, as plain values: read from the run log, from what daemons told, and from what was looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flowc.service.runs.decisions import Limits, Scheduled, decide
from flowc.service.runs.due import Due, dues
from flowc.service.runs.log import RunLog, as_seen
from flowc.service.runs.records import RunRecord
from flowc.web import sparks
from flowc.web.daemons import Daemons, watermarks
from flowc.web.facts import Facts, Flow

_SPARK = 12
"""Runs in a drawing of a pipeline."""
_PAGE = 40
"""Pipelines on a page of the overview."""
RUNS = 50
"""Runs on a page."""
_RECENT = 10


@dataclass(frozen=True, slots=True)
class PipelineRow:
    """A pipeline on the overview. `health` is the status of its last run that ended, `-` before the first."""

    name: str
    health: str
    due: Due | None
    last: RunRecord | None
    spark: str


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A stream on the overview, as a daemon tells it."""

    name: str
    state: str
    lag: int | None
    p50: float | None
    p99: float | None
    late: int
    lag_line: str
    latency_line: str


@dataclass(frozen=True, slots=True)
class Overview:
    """All of a project at a glance."""

    counts: Mapping[str, int]
    pipelines: Sequence[PipelineRow]
    streams: Sequence[StreamRow]
    failures: Sequence[RunRecord]
    page: int
    pages: int


@dataclass
class Board:
    """Makes what pages show. Its methods raise FlowcError where the run log cannot be read."""

    facts: Facts
    log: RunLog
    scheduled: Sequence[Scheduled] = ()
    limits: Limits = field(default_factory=Limits)
    daemons: Daemons = field(default_factory=lambda: Daemons(()))

    def dues(self) -> dict[str, Due]:
        """Where schedules are, by pipeline."""
        if not self.scheduled:
            return {}
        now, standings = self.log.now(), self.log.standings()
        sound = {name: standing for name, standing in standings.items() if not standing.damaged}
        waiting = decide(self.scheduled, sound, self.limits, now).waiting
        return {due.pipeline: due for due in dues(self.scheduled, standings, waiting, now)}

    def overview(self, page: int) -> Overview:
        """The page of that number, from 1 on."""
        schedules, names = self.dues(), [*self.facts.pipelines]
        pages = max(1, -(-len(names) // _PAGE))
        page = min(max(page, 1), pages)
        shown = names[(page - 1) * _PAGE : page * _PAGE]
        runs = self.log.newest(shown, _SPARK)
        rows = [_row(name, schedules.get(name), [as_seen(run) for run in runs[name]]) for name in shown]
        streams = [self.stream_row(name) for name in self.facts.streams]
        failures = self.log.runs(status="failed", most=_RECENT)
        return Overview(_counts(rows, streams), rows, streams, failures=failures, page=page, pages=pages)

    def pipeline(self, flow: Flow) -> dict[str, Any]:
        """A pipeline with its newest runs and what their checks found."""
        runs = [as_seen(run) for run in self.log.runs(pipelines=(flow.name,), most=RUNS)]
        last = next((run for run in runs if run.status != "running"), None)
        whole = self.log.find(last.id, whole=True) if last is not None else []
        row = _row(flow.name, self.dues().get(flow.name), runs[:_SPARK])
        return {"flow": flow, "runs": runs, "row": row, "quality": _quality(whole)}

    def runs(self, pipeline: str | None, status: str | None, before: str | None) -> tuple[list[RunRecord], str | None]:
        """A page of runs, the newest first, and the id behind which the next one goes on; None at the end."""
        chosen = (pipeline,) if pipeline else ()
        page = self.log.runs(pipelines=chosen, status=status or None, before=before or None, most=RUNS + 1)
        return [as_seen(run) for run in page[:RUNS]], page[RUNS - 1].id if len(page) > RUNS else None

    def run(self, run: str) -> RunRecord | None:
        """One run with its details."""
        records = self.log.find(run, whole=True)
        return as_seen(records[0]) if records else None

    def stream_row(self, name: str) -> StreamRow:
        """A stream, as daemons told of it last."""
        workers, moments = self.daemons.workers.get(name, ()), self.daemons.moments(name)
        last = moments[-1] if moments and workers else None
        states = ", ".join(dict.fromkeys(str(worker["status"]) for worker in workers))
        late = sum(worker["late_rows"] for worker in workers)
        lags, p99 = [float(moment.lag) for moment in moments], [moment.p99 for moment in moments]
        lag_line = sparks.line(lags, f"lag: now {lags[-1]:.0f}, at most {max(lags):.0f} messages" if lags else "")
        known = [moment for moment in p99 if moment is not None]
        label = f"latency (99 of 100): now {_ms(p99[-1])}, at most {_ms(max(known))}" if known else ""
        return StreamRow(
            name, states or "-", last.lag if last else None, p50=last.p50 if last else None,
            p99=last.p99 if last else None, late=late, lag_line=lag_line, latency_line=sparks.line(p99, label),
        )  # fmt: skip

    def stream(self, flow: Flow) -> dict[str, Any]:
        """A stream with its workers and their watermarks."""
        workers = self.daemons.workers.get(flow.name, ())
        marks = list(watermarks(workers, datetime.now(UTC)))
        return {"flow": flow, "row": self.stream_row(flow.name), "workers": workers, "marks": marks}


def _row(name: str, due: Due | None, runs: Sequence[RunRecord]) -> PipelineRow:
    ended = next((run for run in runs if run.status != "running"), None)
    return PipelineRow(name, ended.status if ended else "-", due, runs[0] if runs else None, sparks.bars(runs))


_STATES = ("fine", "not ok", "running", "due", "waiting", "paused", "not run yet")
"""The states of pipelines; each is in one of them."""


def _counts(rows: Sequence[PipelineRow], streams: Sequence[StreamRow]) -> dict[str, int]:
    """How many pipelines of the page are in each state, and how many streams run."""
    states = Counter(map(_state, rows))
    running = sum(row.state == "running" for row in streams)
    return {state: states[state] for state in _STATES} | {"streams running": running, "streams": len(streams)}


def _state(row: PipelineRow) -> str:
    """The state of a pipeline: what goes on, else how its last run ended where that was bad, else its schedule's."""
    schedule = row.due.state.partition(":")[0].partition(",")[0] if row.due else ""
    if schedule == "running" or (row.last is not None and row.last.status == "running"):
        return "running"
    if row.health not in ("ok", "-") or schedule in ("failing", "lost") or schedule.startswith("damaged"):
        return "not ok"
    healthy = "fine" if row.health == "ok" else "not run yet"
    return {"waits": "waiting", "paused": "paused", "due": "due"}.get(schedule, healthy)


def _quality(whole: Sequence[RunRecord]) -> list[Mapping[str, Any]]:
    """What the quality checks of a run found."""
    pipelines = whole[0].detail.get("pipelines", ()) if whole else ()
    targets = [target for pipeline in pipelines for target in pipeline.get("targets", ())]
    return [{**check, "target": target.get("target")} for target in targets for check in target.get("expects") or ()]


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:g} ms"
