"""What a state store keeps as text: JSON in ASCII, in which what a literal of SQL might not bear is percent-encoded.

Partitions and positions that are numbers are numbers in it, as versions wrote them that knew no others: so each reads
what another one wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote, unquote

from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.epoch import Intent, Partition, Range
from flowc.runtime.contracts.marks import Mark
from flowc.runtime.contracts.positions import plain
from flowc.runtime.contracts.state import Checkpoint

Value = TypeVar("Value")

_BARE = ' {}[]",:.()<>/=+'


def encoded(text: str) -> str:
    """A text that can stand in a literal of every dialect."""
    return quote(text, safe=_BARE)


def decoded(text: str) -> str:
    """The text that was encoded."""
    return unquote(text)


def intent_text(intent: Intent, lookups: Mapping[str, int], maker: int | None = None) -> str:
    """What an epoch takes from outside, but for its number and what is kept beside it.

    `lookups` tell by the first epoch that has read it which version of each is meant, and `maker` which plan intends it
    by the first epoch of that plan.
    """
    ranges = [[r.source, *map(plain, (r.partition, r.start, r.end)), r.log, *([True] if r.last else [])]
              for r in intent.ranges]  # fmt: skip
    said = {"time": intent.time, "watermark": intent.watermark, "ranges": ranges, "lookups": dict(lookups)}
    known = {"plan": maker, "count": intent.count}
    return _text({**said, **{name: told for name, told in known.items() if told is not None}})


def read_intent(number: int, text: str) -> Intent:
    """The intent of such a text."""
    found = json.loads(decoded(text))
    ranges = (Range(source, str(at), str(start), str(end), *more) for source, at, start, end, *more in found["ranges"])
    refused = found.get("refused", {"rows": [], "words": []})
    bad = tuple(BadRow(index, *refused["words"][words]) for index, words in refused["rows"])
    return Intent(number, found["time"], tuple(ranges), found["watermark"], count=found.get("count"), refused=bad)


def with_refused(text: str, rows: Sequence[BadRow]) -> str | None:
    """The text of an intent with the rows that a target refuses; None where it has some."""
    found = json.loads(decoded(text))
    if "refused" in found:
        return None
    words = list(dict.fromkeys((row.code, row.message) for row in rows))
    numbers = {each: number for number, each in enumerate(words)}
    told = [[row.index, numbers[row.code, row.message]] for row in rows]
    return _text({**found, "refused": {"rows": told, "words": words}})


def read_lookups(text: str) -> dict[str, int] | None:
    """The versions of lookups of such a text; None where it names none."""
    return json.loads(decoded(text)).get("lookups") or None


def read_maker(text: str) -> int | None:
    """The first epoch of the plan that has intended the epoch of such a text; None where it names none."""
    found = json.loads(decoded(text)).get("plan")
    return int(found) if found is not None else None


def checkpoint_text(point: Checkpoint) -> str:
    """A checkpoint without its number and its state."""
    positions = {at: plain(position) for at, position in point.positions.items()}
    parts = {"positions": _listed(positions), "watermarks": _listed(point.watermarks)}
    trail = {at: [(time, plain(place)) for time, place in places] for at, places in point.trail.items()}
    named = {"fingerprints": dict(point.fingerprints), "logs": _listed(point.logs)}
    newer = {"times": dict(point.times), "trail": _listed(trail), "targets": dict(point.targets or {})}
    return _text({**parts, **named, **{name: told for name, told in newer.items() if told}})


def read_checkpoint(epoch: int, text: str) -> Checkpoint:
    """The checkpoint of such a text, without its state; an empty one for an empty text."""
    if not text:
        return Checkpoint(epoch)
    found = json.loads(decoded(text))
    positions = {at: str(position) for at, position in _by_partition(found["positions"]).items()}
    trail = _by_partition(found.get("trail", ()))
    return Checkpoint(
        epoch, positions, _by_partition(found["watermarks"]), segments=(), fingerprints=found["fingerprints"],
        logs=_by_partition(found["logs"]), times=found.get("times", {}),
        trail={at: [(time, str(place)) for time, place in places] for at, places in trail.items()},
        targets={name: Mark(*mark) for name, mark in found["targets"].items()} if "targets" in found else None,
    )  # fmt: skip


def _text(value: object) -> str:
    return encoded(json.dumps(value, separators=(",", ":")))


def _listed(of: Mapping[Partition, object]) -> list[list[object]]:
    return [[source, plain(partition), value] for (source, partition), value in sorted(of.items())]


def _by_partition(rows: Iterable[tuple[str, int | str, Value]]) -> dict[Partition, Value]:
    return {(source, str(partition)): value for source, partition, value in rows}
