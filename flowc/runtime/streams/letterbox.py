"""Dead letters as they are kept in a table: read, and turned back into the messages that they were."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import TransientError
from flowc.runtime.arrow import empty
from flowc.runtime.contracts.database import Database
from flowc.runtime.contracts.epoch import Partition, Range
from flowc.runtime.contracts.letternotes import LEFT_OUT, TIME, Header, parted
from flowc.runtime.contracts.oversize import one_batch
from flowc.runtime.contracts.source import UNREAD
from flowc.runtime.fit import fit
from flowc.runtime.instants import FIRST, LAST, instants
from flowc.runtime.streams.letters import SCHEMA, timed
from flowc.stream import DEAD_LETTER, MAX_BYTES, LettersSql

_HEADERS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))
_PLACE = ("source", "partition_number", "message_offset")
_NO_PLACE = -1


def fitted(table: pa.Table) -> pa.RecordBatch:
    """Letters with the exact types of `DEAD_LETTER`, whatever the engine keeps them in."""
    return _told(fit(one_batch(table.to_batches()), DEAD_LETTER)) if table.num_rows else empty(DEAD_LETTER)


def _told(letters: pa.RecordBatch) -> pa.RecordBatch:
    """Letters whose times Python can tell; others of an earlier version are noted as this one does."""
    given = {name: letters.column(name) for name in SCHEMA.names}
    none = pa.nulls(letters.num_rows, pa.int64())
    given["event_time"], given["headers"] = timed(given["event_time"], none, given["headers"], FIRST, LAST)
    return pa.RecordBatch.from_arrays(list(given.values()), schema=SCHEMA)


def messages_of(letters: pa.RecordBatch) -> pa.RecordBatch:
    """The messages that letters were, as a source gives them."""
    parts = [parted(text) for text in letters.column("headers").to_pylist()]
    told = pa.array([notes.get(TIME) for _, notes in parts], pa.int64())
    times, odd = instants(told, "ms")
    return pa.record_batch(
        {
            "_value": letters.column("message"),
            "_key": letters.column("message_key"),
            "_headers": pa.array([_headers(own) for own, _ in parts], _HEADERS),
            "_partition": letters.column("partition_number").cast(pa.int32()),
            "_offset": letters.column("message_offset"),
            "_event_ts": pc.coalesce(letters.column("event_time"), times),
            "_event_ms": pc.if_else(odd, told, pa.scalar(None, pa.int64())),
            "_topic": letters.column("topic"),
            "_unread": pa.array(
                map(_unread, parts, letters.column("error_code").to_pylist(), letters.column("error").to_pylist()),
                UNREAD,
            ),
        }
    )


Fetch = Callable[[str, str, str, str, int], pa.RecordBatch | None]
"""Of a source, a topic, a partition, an offset and a size, the message that stands there; None where it does not.

What of it is not given is as its letter has it; with `_unread`, it cannot be read still.
"""


def found_again(messages: pa.RecordBatch, letters: pa.RecordBatch, fetch: Fetch) -> pa.RecordBatch:
    """The messages of letters, those among them that were left out read again where they stand."""
    pieces, start = list[pa.RecordBatch](), 0
    for at, text in enumerate(letters.column("headers").to_pylist()):
        size = parted(text)[1].get(LEFT_OUT)
        if not size:
            continue
        found, told = fetch(*_stood(letters, at), size), messages.slice(at, 1)
        pieces += [messages.slice(start, at - start), _lost(told, size) if found is None else _whole(found, told)]
        start = at + 1
    return one_batch([*pieces, messages.slice(start)]) if pieces else messages


def _stood(letters: pa.RecordBatch, at: int) -> tuple[str, str, str, str]:
    source, topic, partition, offset = (letters.column(name)[at].as_py() for name in ("source", "topic", *_PLACE[1:]))
    return source, topic, str(partition), str(offset)


def _lost(told: pa.RecordBatch, size: int) -> pa.RecordBatch:
    message = f"the letter does not hold the message of {size} bytes, and where it stood it is gone"
    why = pa.array([{"code": "retention-gap", "message": message, "size": size}], UNREAD)
    return told.set_column(told.schema.get_field_index("_unread"), "_unread", why)


def _whole(found: pa.RecordBatch, told: pa.RecordBatch) -> pa.RecordBatch:
    given = {name: of.column(name) for of in (told, found) for name in of.schema.names}
    given["_topic"] = told.column("_topic")
    given["_unread"] = found.column("_unread") if "_unread" in found.schema.names else pa.nulls(1, UNREAD)
    return pa.RecordBatch.from_arrays([given[field.name] for field in told.schema], schema=told.schema)


def _unread(parts: tuple[object, Mapping[str, int]], code: str, error: str) -> dict[str, object] | None:
    """Why a message cannot be read that its letter does not hold."""
    size = parts[1].get(LEFT_OUT)
    return None if size is None else {"code": code, "message": error, "size": size}


def _headers(own: Sequence[Header]) -> list[Header] | None:
    found = [{**each, "value": None if each["value"] is None else bytes.fromhex(each["value"])} for each in own]
    return found or None


def failed_again(dead: pa.RecordBatch, before: pa.RecordBatch, stream: str) -> pa.RecordBatch:
    """Letters of replayed messages: those of `stream`, each one attempt older than it was before."""
    attempts = dict(zip(zip(*(before.column(name).to_pylist() for name in _PLACE), strict=True),
                        before.column("attempt").to_pylist(), strict=True))  # fmt: skip
    places = zip(*(dead.column(name).to_pylist() for name in _PLACE), strict=True)
    given = {name: dead.column(name) for name in SCHEMA.names}
    given["stream"] = pa.repeat(pa.scalar(stream), dead.num_rows)
    given["attempt"] = pa.array([attempts[place] + 1 for place in places], pa.int32())
    return pa.RecordBatch.from_arrays(list(given.values()), schema=SCHEMA)


def ranges_of(letters: pa.RecordBatch) -> tuple[Range, ...]:
    """The messages that letters are of."""
    places = sorted(set(zip(*(letters.column(name).to_pylist() for name in _PLACE), strict=True)))
    runs = groupby(enumerate(places), key=lambda each: (*each[1][:2], each[1][2] - each[0]))
    found = ([place for _, place in run] for _, run in runs)
    firsts = ((*run[0], run[-1][2] + 1) for run in found)
    return tuple(Range.numbered(source, partition, start, end) for source, partition, start, end in firsts)


@dataclass(frozen=True, slots=True)
class Batch:
    """Letters, one for each message, and the ranges by which they are found again."""

    letters: pa.RecordBatch
    ranges: tuple[Range, ...]


@dataclass
class LetterBox:
    """The dead letters of one stream in a table. What is taken in one pass is not given again in it."""

    sql: LettersSql
    database: Database
    attempts: int
    """Letters of more attempts are parked, and left alone."""
    limit: int
    wanted: Callable[[pa.RecordBatch], pa.Array] | None = None
    """Tells of letters which of them are given; the others stay where they are."""
    passed_over: int = field(default=0, init=False)
    """How many were not given."""
    _sources: list[tuple[str, str]] = field(init=False)
    _at: tuple[int, int] = field(default=(_NO_PLACE, _NO_PLACE), init=False)

    def __post_init__(self) -> None:
        self._sources = list(self.sql.sources)

    def begin(self, _: Mapping[Partition, str]) -> None:
        """Letters that were replayed are no longer there."""

    def next(self) -> Batch | None:
        """The next letters of one source, one for each message; None at the end."""
        while self._sources:
            partition, offset = self._at
            query = self.sql.following.format(
                source=self._sources[0][1], partition=partition, offset=offset, attempts=self.attempts, limit=self.limit
            )
            letters = _together(fitted(self.database.query(query)))
            if letters.num_rows:
                self._at = letters.column("partition_number")[-1].as_py(), letters.column("message_offset")[-1].as_py()
                letters = self._wanted(single(letters))
                if letters.num_rows:
                    return Batch(letters, ranges_of(letters))
                continue
            self._sources, self._at = self._sources[1:], (_NO_PLACE, _NO_PLACE)
        return None

    def _wanted(self, letters: pa.RecordBatch) -> pa.RecordBatch:
        found = letters if self.wanted is None else letters.filter(self.wanted(letters))
        self.passed_over += letters.num_rows - found.num_rows
        return found

    def at(self, ranges: Iterable[Range]) -> pa.RecordBatch:
        """The letters of some messages, one for each message."""
        found = [fitted(self.database.query(statement)) for statement in self._filled(self.sql.at, ranges)]
        return single(one_batch(found)) if found else empty(DEAD_LETTER)

    def close(self) -> None:
        """The session is that of a target."""

    def remove(self, ranges: Sequence[Range], *, exactly: bool) -> None:
        """Takes the letters of some messages out, in the transaction that is open.

        Raises TransientError, with `exactly`, where there is none of one of them any more.
        """
        gone = sum(self.database.execute(statement) for statement in self._filled(self.sql.delete, ranges))
        if exactly and gone < sum(len(_offsets(range_)) for range_ in ranges):
            message = f"dead letters in `{self.sql.table}` were removed while they were replayed"
            raise TransientError(message, code="stream-fenced", help="nothing was written; replay again")

    def _filled(self, template: str, ranges: Iterable[Range]) -> Iterator[str]:
        literals = dict(self.sql.sources)
        by_partition = groupby(sorted(ranges, key=lambda range_: range_.at), key=lambda range_: range_.at)
        for (source, partition), own in by_partition:
            offsets = ", ".join(str(offset) for range_ in own for offset in _offsets(range_))
            yield template.format(source=literals[source], partition=partition, offsets=offsets)


def _offsets(range_: Range) -> range:
    """Those of letters: only messages that are numbered have any."""
    return range(int(range_.start), int(range_.end))


def _together(letters: pa.RecordBatch) -> pa.RecordBatch:
    """The first letters: no more than one epoch holds of what is to be read again where it stood."""
    sizes = (parted(text)[1].get(LEFT_OUT) or 0 for text in letters.column("headers").to_pylist())
    return letters.slice(0, max(1, bisect_right(list(accumulate(sizes)), MAX_BYTES)))


def single(letters: pa.RecordBatch) -> pa.RecordBatch:
    """One letter for each message: that of the most attempts. A stream that was rewound may have several."""
    order = [(name, "ascending") for name in (*_PLACE, "attempt")]
    letters = letters.take(pc.sort_indices(letters, sort_keys=order))
    places = list(zip(*(letters.column(name).to_pylist() for name in _PLACE), strict=True))
    last = [index for index, place in enumerate(places) if places[index + 1 : index + 2] != [place]]
    return letters.take(pa.array(last, pa.int64()))
