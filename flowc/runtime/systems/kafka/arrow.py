"""Messages of librdkafka as Arrow. The calls for each message, which its Python client asks for, are made from C."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, takewhile
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flowc.runtime.instants import instants

_HEADER = pa.struct([("key", pa.string()), ("value", pa.binary())])
TYPES: Mapping[str, pa.DataType] = {
    "_value": pa.binary(),
    "_key": pa.binary(),
    "_headers": pa.list_(_HEADER),
    "_partition": pa.int32(),
    "_offset": pa.int64(),
    "_event_ts": pa.timestamp("us", "UTC"),
    "_event_ms": pa.int64(),
}

Messages = Sequence[Any]
_NAMELESS = (("\ufffd", None),)


@dataclass(frozen=True, slots=True)
class Run:
    """Messages of one partition that follow each other in a batch: the first and the last offset, and how many."""

    partition: int
    first: int
    last: int
    count: int


def partitions(messages: Messages) -> pa.Array:
    """The partition of each message."""
    return pa.array(list(each(messages, "partition")), pa.int32())


def each(messages: Messages, method: str) -> Iterable[Any]:
    """What a method of the messages gives for each; the method itself, unbound, is what is called fastest."""
    return map(getattr(type(messages[0]), method), messages) if messages else ()


def size(messages: Messages) -> int:
    """The bytes of messages: their values, keys and headers."""
    headers = chain.from_iterable(filter(None, _headers(messages)))
    keys = sum(map(len, filter(None, each(messages, "key"))))
    return sum(map(len, messages)) + keys + sum(len(name or "") + len(value or b"") for name, value in headers)


def within(messages: Messages, most: int) -> int:
    """How many of the first messages have so many bytes together at most; one, where the first has more."""
    sizes = accumulate(size((message,)) for message in messages)
    return max(1, sum(1 for _ in takewhile(lambda reached: reached <= most, sizes)))


def runs(messages: Messages, where: pa.Array) -> list[Run]:
    """The runs of the messages, whose partitions are `where`."""
    if not messages:
        return []
    encoded = pc.run_end_encode(where)
    found, start = [], 0
    for partition, end in zip(encoded.values.to_pylist(), encoded.run_ends.to_pylist(), strict=True):
        found.append(Run(partition, messages[start].offset(), messages[end - 1].offset(), end - start))
        start = end
    return found


def batch(messages: Messages, columns: Sequence[str], where: pa.Array) -> pa.RecordBatch:
    """The named columns of the messages, whose partitions are `where`."""
    made = {"_partition": where, **(_times(messages) if "_event_ts" in columns else {})}
    made |= {name: _MAKERS[name](messages) for name in columns if name not in made}
    return pa.RecordBatch.from_arrays(
        [made[name] for name in columns], schema=pa.schema([(name, TYPES[name]) for name in columns])
    )


def made_at(message: Any) -> float | None:
    """When a message came to be, in seconds since 1970; None where it does not say."""
    milliseconds = message.timestamp()[1]
    return milliseconds / 1000 if milliseconds > 0 else None


def _plain(method: str, type_: pa.DataType) -> Callable[[Messages], pa.Array]:
    return lambda messages: pa.array(list(each(messages, method)), type_)


def _times(messages: Messages) -> dict[str, pa.Array]:
    """The time of each message, and the broker's number for it where it is far from any time.

    A message of the oldest format has no time, which the client says as -1.
    """
    milliseconds = pa.array(list(map(itemgetter(1), each(messages, "timestamp"))), pa.int64())
    known = pc.if_else(pc.equal(milliseconds, -1), pa.scalar(None, pa.int64()), milliseconds)
    times, odd = instants(known, "ms")
    return {"_event_ts": times, "_event_ms": pc.if_else(odd, known, pa.scalar(None, pa.int64()))}


def _headers(messages: Messages) -> list[Any]:
    """The headers of each message. Where a name is not UTF-8 the client gives none of them, and one without a name is.

    That one is given what it is told to have: asked twice, the client gives something with holes.
    """
    found, left = list[Any](), iter(each(messages, "headers"))
    while len(found) < len(messages):
        try:
            found.extend(left)
        except (SystemError, UnicodeDecodeError):
            messages[len(found)].set_headers(list(_NAMELESS))
            found.append(_NAMELESS)
    return found


def _header_lists(messages: Messages) -> pa.Array:
    lists = [headers or () for headers in _headers(messages)]
    ends = pa.array([0, *accumulate(map(len, lists))], pa.int32())
    pairs = list(chain.from_iterable(lists))
    keys = pa.array(list(map(itemgetter(0), pairs)), pa.string())
    values = pa.array(list(map(itemgetter(1), pairs)), pa.binary())
    return pa.ListArray.from_arrays(ends, pa.StructArray.from_arrays([keys, values], fields=list(_HEADER)))


_MAKERS: Mapping[str, Callable[[Messages], pa.Array]] = {
    "_value": _plain("value", pa.binary()),
    "_key": _plain("key", pa.binary()),
    "_headers": _header_lists,
    "_offset": _plain("offset", pa.int64()),
}
