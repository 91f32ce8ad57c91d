"""What a state store keeps as text: JSON in ASCII, in which what a literal of SQL might not bear is percent-encoded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import quote, unquote

from flowc.runtime.streams.epoch import Intent, Partition, Range
from flowc.runtime.streams.state.contract import Checkpoint

Value = TypeVar("Value")

_BARE = ' {}[]",:.()<>/=+'


def encoded(text: str) -> str:
    """A text that can stand in a literal of every dialect."""
    return quote(text, safe=_BARE)


def decoded(text: str) -> str:
    """The text that was encoded."""
    return unquote(text)


def intent_text(intent: Intent, lookups: Mapping[str, int]) -> str:
    """What an epoch takes from outside, but for its number and what is kept beside it.

    `lookups` tell by the first epoch that has read it which version of each is meant.
    """
    ranges = [[r.source, r.partition, r.start, r.end, r.log, *([True] if r.last else [])] for r in intent.ranges]
    return _text({"time": intent.time, "watermark": intent.watermark, "ranges": ranges, "lookups": dict(lookups)})


def read_intent(number: int, text: str) -> Intent:
    """The intent of such a text."""
    found = json.loads(decoded(text))
    return Intent(number, found["time"], tuple(Range(*values) for values in found["ranges"]), found["watermark"])


def read_lookups(text: str) -> dict[str, int] | None:
    """The versions of lookups of such a text; None where it names none, as an older version wrote it."""
    return json.loads(decoded(text)).get("lookups") or None


def checkpoint_text(point: Checkpoint) -> str:
    """A checkpoint without its number and its state."""
    parts = {"positions": _listed(point.positions), "watermarks": _listed(point.watermarks)}
    return _text({**parts, "fingerprints": dict(point.fingerprints), "logs": _listed(point.logs)})


def read_checkpoint(epoch: int, text: str) -> Checkpoint:
    """The checkpoint of such a text, without its state; an empty one for an empty text."""
    if not text:
        return Checkpoint(epoch)
    found = json.loads(decoded(text))
    return Checkpoint(epoch, _by_partition(found["positions"]), _by_partition(found["watermarks"]), (),
                      found["fingerprints"], _by_partition(found["logs"]))  # fmt: skip


def _text(value: object) -> str:
    return encoded(json.dumps(value, separators=(",", ":")))


def _listed(of: Mapping[Partition, object]) -> list[list[object]]:
    return [[source, partition, value] for (source, partition), value in sorted(of.items())]


def _by_partition(rows: list[tuple[str, int, Value]]) -> dict[Partition, Value]:
    return {(source, partition): value for source, partition, value in rows}
