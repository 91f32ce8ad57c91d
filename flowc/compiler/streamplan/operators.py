"""The operators of a stream, planned from the columns of its sources."""

from __future__ import annotations

import json

from flowc.compiler.ir import Repeats, Source, Stream
from flowc.errors import UsageError
from flowc.stream import EXTRAS, MAX_STATE, DedupePlan, OperatorPlan
from flowc.types import DataType, Kind

_NO_KEYS = frozenset({Kind.ARRAY, Kind.STRUCT, Kind.INTERVAL})
_TIMES = frozenset({Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.DATE})
_BESIDE = ("_event_ts", "_partition")
"""What the watermark needs of each row."""


def plan_operators(stream: Stream) -> tuple[OperatorPlan, ...]:
    """What changes rows before the SQL.

    Raises UsageError for an event time that is none, and for keys that not every source has alike.
    """
    for source in stream.sources:
        _check_time(source, stream)
    if stream.dedupe is None:
        return ()
    kinds = tuple(_kind(key, stream) for key in stream.dedupe.keys)
    most = MAX_STATE if stream.state_bytes is None else stream.state_bytes
    return (DedupePlan("dedupe", stream.dedupe.keys, stream.dedupe.within, _fingerprint(stream.dedupe, kinds), most),)


def needed(stream: Stream) -> tuple[str, ...]:
    """The columns beside the messages' own that operators ask for, and the SQL does not."""
    if stream.dedupe is None:
        return ()
    keys = (name for name in EXTRAS if name in stream.dedupe.keys)
    return tuple(name for name in dict.fromkeys((*_BESIDE, *keys)) if name not in stream.extras)


def _fingerprint(dedupe: Repeats, kinds: tuple[DataType, ...]) -> str:
    keys = [[key, str(kind)] for key, kind in zip(dedupe.keys, kinds, strict=True)]
    return json.dumps({"operator": "dedupe", "keys": keys, "within": dedupe.within}, separators=(",", ":"))


def _kind(key: str, stream: Stream) -> DataType:
    found = {source.name: _column(key, source) for source in stream.sources}
    kinds = {kind for kind in found.values() if kind is not None}
    missing = next((name for name, kind in found.items() if kind is None), None)
    if missing is not None:
        message = f"`dedupe` column `{key}` of stream `{stream.name}` is not in source `{missing}`"
        raise UsageError(message, code="unknown-column", help="name columns that every source of the stream has")
    if len(kinds) > 1 or next(iter(kinds)).kind in _NO_KEYS:
        what = " and ".join(f"`{kind}`" for kind in sorted(map(str, kinds)))
        message = f"`dedupe` column `{key}` of stream `{stream.name}` is {what}, which cannot be compared"
        raise UsageError(message, code="unusable-keys", help="name a column of one simple type")
    return kinds.pop()


def _column(name: str, source: Source) -> DataType | None:
    return next((column.type for column in source.columns or () if column.name == name), EXTRAS.get(name))


def _check_time(source: Source, stream: Stream) -> None:
    name = source.options.get("event_time")
    kind = _column(str(name), source) if name else None
    if kind is not None and kind.kind not in _TIMES:
        message = f"`event_time` column `{name}` of stream `{stream.name}` is `{kind}`, which is no time"
        raise UsageError(message, code="event-time-not-a-time", help="declare it as `timestamptz`")
