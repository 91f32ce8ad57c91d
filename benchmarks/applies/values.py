"""The values of a walk: numbers, and times that stand for them, so that a column is known by what it holds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.migrate.looking import plain
from tests.stores import Store

ZONES = "UTC", "Asia/Kolkata", "America/Phoenix"
"""Zones whose clocks do not change, so that each local time is an instant."""
_EPOCH = datetime(2026, 1, 1)
_TYPES = "SELECT column_name, lower(data_type) FROM information_schema.columns WHERE table_name = 't'"
_LOCAL, _INSTANT = ("timestamp", "timestamp without time zone", "datetime"), ("timestamptz", "timestamp with time zone")


def types(store: Store) -> dict[str, str]:
    """The live columns of the table, each with `timestamp`, `timestamptz`, or nothing for all other types."""
    if store.kind == "sqlite":
        found = [(row[1], row[2].lower()) for row in store.raw("PRAGMA table_info(t)")]
    else:
        here = {"mysql": " AND table_schema = database()"}.get(store.kind, "")
        found = [(str(name), str(kind)) for name, kind in store.raw(_TYPES + here)]
    if store.kind == "mysql":
        found = [(name, {"timestamp": "timestamptz"}.get(kind, kind)) for name, kind in found]
    return {n: "timestamp" if k in _LOCAL else "timestamptz" if k in _INSTANT else "" for n, k in found}


def written(number: int, kind: str, zone: str, store: Store) -> str:
    """The SQL of a number, or of the time that stands for it: so many seconds of the zone's clock."""
    if not kind:
        return str(number)
    local = _EPOCH + timedelta(seconds=number)
    moment = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) if kind == "timestamptz" else local
    text = f"{moment:%Y-%m-%d %H:%M:%S}"
    if store.kind == "mysql":
        return f"'{text}'"
    offset = "+00:00" if kind == "timestamptz" else ""
    return f"'{text}.000000{offset}'" if store.kind == "sqlite" else f"{kind.upper()} '{text}{offset}'"


def each(numbers: Iterable[tuple[int, int]], kind: str, zone: str, store: Store) -> str:
    """The SQL of a number for each `id`."""
    return f"CASE id {' '.join(f'WHEN {row} THEN {written(n, kind, zone, store)}' for row, n in numbers)} END"


def read(value: Any, kind: str, zone: str) -> int:
    """The number of a value."""
    if not kind:
        return int(float(str(plain(value))))
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    if kind == "timestamptz":
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(ZoneInfo(zone))
    return round((moment.replace(tzinfo=None) - _EPOCH).total_seconds())
