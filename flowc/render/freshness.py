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


def freshness_text(found: Sequence[FreshnessStanding], style: Style) -> str:
    """A row for each pipeline."""
    rows = [
        (
            each.pipeline, each.column, _at(each.newest), "-" if each.age is None else span_text(each.age),
            span_text(each.max_age), each.state, _at(each.looked_at),
        )
        for each in map(_by_now, found)
    ]  # fmt: skip
    return table(_HEADERS, rows, style, roles={5: _ROLES})


def freshness_object(each: FreshnessStanding) -> dict[str, object]:
    """One of them, for programs; ages are in seconds."""
    each = _by_now(each)
    return {
        "pipeline": each.pipeline, "freshness": each.state, "column": each.column, "max_age": each.max_age,
        "newest": _text(each.newest), "age": None if each.age is None else round(each.age, 3),
        "since": _text(each.since), "looked_at": _text(each.looked_at),
    }  # fmt: skip


def _by_now(each: FreshnessStanding) -> FreshnessStanding:
    """As it is by the age that is shown, which has grown since the last look: no state beside it may say otherwise."""
    if each.state != "fresh" or each.newest is None or each.age is None or each.age <= each.max_age:
        return each
    return replace(each, state="stale", since=each.newest + timedelta(seconds=each.max_age))


def _at(at: datetime | None) -> str:
    return "-" if at is None else at.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")


def _text(at: datetime | None) -> str | None:
    return None if at is None else instant_text(at)
