"""How fresh tables are, for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from flowc.durations import instant_text
from flowc.render.tables import table
from flowc.service.alerts.wording import span_text

if TYPE_CHECKING:
    from flowc.render.style import Style
    from flowc.service.alerts.standing import FreshnessStanding

_HEADERS = ("pipeline", "freshness of", "newest row", "age", "may be", "state", "looked at")
_ROLES = {"fresh": "good", "stale": "bad", "empty": "warning", "unknown": "dim"}


def freshness_text(standings: Sequence[FreshnessStanding], style: Style) -> str:
    """A row for each pipeline."""
    rows = [
        (
            standing.pipeline, standing.column, _at(standing.newest),
            "-" if standing.age is None else span_text(standing.age),
            span_text(standing.max_age), standing.state, _at(standing.looked_at),
        )
        for standing in map(_by_now, standings)
    ]  # fmt: skip
    return table(_HEADERS, rows, style, roles={5: _ROLES})


def freshness_object(standing: FreshnessStanding) -> dict[str, object]:
    """One of them, for programs; ages are in seconds."""
    standing = _by_now(standing)
    return {
        "pipeline": standing.pipeline, "freshness": standing.state, "column": standing.column,
        "max_age": standing.max_age,
        "newest": _text(standing.newest), "age": None if standing.age is None else round(standing.age, 3),
        "since": _text(standing.since), "looked_at": _text(standing.looked_at),
    }  # fmt: skip


def _by_now(standing: FreshnessStanding) -> FreshnessStanding:
    """As it is by the age that is shown, which has grown since the last look: no state beside it may say otherwise."""
    if standing.state != "fresh" or standing.newest is None or standing.age is None or standing.age <= standing.max_age:
        return standing
    return replace(standing, state="stale", since=standing.newest + timedelta(seconds=standing.max_age))


def _at(instant: datetime | None) -> str:
    return "-" if instant is None else instant.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant_text(instant)
