"""How fresh tables are, for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flowc.durations import instant_text
from flowc.render.style import Style
from flowc.render.tables import table
from flowc.service.alerts.standing import FreshnessStanding
from flowc.service.alerts.wording import span_text

_HEADERS = ("pipeline", "freshness of", "newest row", "age", "may be", "state", "looked at")
_ROLES = {"fresh": "good", "stale": "bad", "empty": "warning", "unknown": "dim"}


def freshness_text(found: Sequence[FreshnessStanding], style: Style) -> str:
    """A row for each pipeline."""
    rows = [
        (
            each.pipeline, each.column, _at(each.newest), "-" if each.age is None else span_text(each.age),
            span_text(each.max_age), each.state, _at(each.looked_at),
        )
        for each in found
    ]  # fmt: skip
    return table(_HEADERS, rows, style, roles={5: _ROLES})


def freshness_object(each: FreshnessStanding) -> dict[str, object]:
    """One of them, for programs; ages are in seconds."""
    return {
        "pipeline": each.pipeline, "freshness": each.state, "column": each.column, "max_age": each.max_age,
        "newest": _text(each.newest), "age": None if each.age is None else round(each.age, 3),
        "since": _text(each.since), "looked_at": _text(each.looked_at),
    }  # fmt: skip


def _at(at: datetime | None) -> str:
    return "-" if at is None else at.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")


def _text(at: datetime | None) -> str | None:
    return None if at is None else instant_text(at)
