"""Durations (`500ms 30s 5m 2h 30d`), sizes (`64MiB`) and shares (`0.1%`) as numbers, and instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime.min.replace(tzinfo=UTC)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "B": 1}


def parse_duration(text: str) -> float:
    """Seconds. The text has been checked against the schema."""
    unit = "ms" if text.endswith("ms") else text[-1]
    return float(text.removesuffix(unit)) * _SECONDS[unit]


def parse_instant(text: str) -> datetime | None:
    """An ISO 8601 time, in UTC where it has no zone; None for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def instant_text(instant: datetime) -> str:
    """A time in UTC as a spec writes it."""
    return instant.isoformat().replace("+00:00", "Z")


def micros_text(at: int) -> str:
    """A time in microseconds since 1970 as a spec writes it; one before the year 1 is its beginning."""
    microsecond = timedelta(microseconds=1)
    return instant_text(_EPOCH + max(at, (_FIRST - _EPOCH) // microsecond) * microsecond)


def parse_size(text: str) -> int:
    """Bytes. The text has been checked against the schema."""
    unit = next(unit for unit in _BYTES if text.endswith(unit))
    return int(float(text.removesuffix(unit)) * _BYTES[unit])


def parse_share(text: str) -> float:
    """`0.1%` as 0.001. The text has been checked against the schema."""
    return float(text.removesuffix("%")) / 100


def duration_text(microseconds: int) -> str:
    """A duration in the largest unit in which it is a whole number, as a spec has it: `5m`, `90s`."""
    sizes = {unit: round(seconds * 1_000_000) for unit, seconds in reversed(_SECONDS.items())}
    unit, size = next((found for found in sizes.items() if microseconds % found[1] == 0), ("us", 1))
    return f"{microseconds // size}{unit}"


def size_text(size: int) -> str:
    """Bytes as a spec writes them, in the greatest unit of two of which they are a whole number."""
    unit = next((unit for unit in ("GiB", "MiB", "KiB") if size and size % _BYTES[unit] == 0), "B")
    return f"{size // _BYTES[unit]}{unit}"
