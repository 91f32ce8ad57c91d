"""How fresh the tables of pipelines are, by what the run log says of the last look at each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flowc.compiler.ir import Pipeline
from flowc.durations import parse_instant
from flowc.service.alerts.alert import STALE
from flowc.service.alerts.freshness import watched
from flowc.service.alerts.told import EMPTY
from flowc.service.runs.records import Condition


@dataclass(frozen=True, slots=True)
class FreshnessStanding:
    """One pipeline with `freshness`. `state` is fresh, stale, empty or unknown; `max_age` and `age` are in seconds."""

    pipeline: str
    column: str
    max_age: float
    state: str = "unknown"
    newest: datetime | None = None
    age: float | None = None
    since: datetime | None = None
    looked_at: datetime | None = None


def freshness_standings(
    pipelines: Sequence[Pipeline], conditions: Iterable[Condition], now: datetime
) -> list[FreshnessStanding]:  # fmt: skip
    """Those of the pipelines that have `freshness`; one that nobody has looked at is unknown."""
    seen = {each.subject: each for each in conditions if (each.name, each.alert) == (STALE, "")}
    found = ((each.pipeline, each.freshness.column, each.freshness.max_age) for each in watched(pipelines))
    return [_standing(*each, seen, now) for each in found]


def _standing(
    pipeline: str, column: str, max_age: float, seen: Mapping[str, Condition], now: datetime
) -> FreshnessStanding:  # fmt: skip
    at = seen.get(pipeline)
    if at is None or at.value is None:
        return FreshnessStanding(pipeline, column, max_age)
    newest = None if at.value == EMPTY else parse_instant(at.value)
    age = (now - newest).total_seconds() if newest is not None else None
    state = "stale" if at.bad else "empty" if newest is None else "fresh"
    return FreshnessStanding(
        pipeline, column, max_age, state=state, newest=newest, age=age, since=at.since, looked_at=at.seen_at
    )
