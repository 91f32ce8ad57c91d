"""Dead letters as they are kept in a table: read, and turned back into the messages that they were."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, groupby

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import TransientError
from flowc.runtime.arrow import empty
from flowc.runtime.contracts.database import Database
from flowc.runtime.contracts.epoch import Partition, Range
from flowc.runtime.contracts.letternotes import LEFT_OUT, TIME, Header, parted
from flowc.runtime.contracts.oversize import one_batch
from flowc.runtime.contracts.positions import plain
from flowc.runtime.contracts.source import UNREAD
from flowc.runtime.fit import fit
from flowc.runtime.instants import FIRST, LAST, instants
from flowc.runtime.streams.letters import SCHEMA, timed
from flowc.runtime.systems import literal
from flowc.stream import DEAD_LETTER, MAX_BYTES, LettersSql

_HEADERS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))
_PLACE = ("source", "partition_name", "message_position")


def fitted(table: pa.Table) -> pa.RecordBatch:
    """Letters with the exact types of `DEAD_LETTER`, whatever the engine keeps them in."""
    return _told(fit(one_batch(table.to_batches()), DEAD_LETTER)) if table.num_rows else empty(DEAD_LETTER)


def _told(letters: pa.RecordBatch) -> pa.RecordBatch:
    """Letters whose times Python can tell; others of an earlier version are noted as this one does."""
    given = {name: letters.column(name) for name in SCHEMA.names}
    none = pa.nulls(letters.num_rows, pa.int64())
    given["event_time"], given["headers"] = timed(given["event_time"], none, given["headers"], FIRST, LAST)
    return pa.RecordBatch.from_arrays(list(given.values()), schema=SCHEMA)


def messages_of(letters: pa.RecordBatch, *, numbered: bool) -> pa.RecordBatch:
    """The messages that letters of one source were, as the source gives them; `numbered` is that of its plan."""
    partitions, positions = letters.column("partition_name"), letters.column("message_position")
    parts = [parted(text) for text in letters.column("headers").to_pylist()]
    told = pa.array([notes.get(TIME) for _, notes in parts], pa.int64())
    times, odd = instants(told, "ms")
    return pa.record_batch(
        {
            "_value": letters.column("message"),
            "_key": letters.column("message_key"),
            "_headers": pa.array([_headers(own) for own, _ in parts], _HEADERS),
            "_partition": partitions.cast(pa.int32()) if numbered else partitions,
            "_offset": positions.cast(pa.int64()) if numbered else positions,
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
"""Of a source, a topic, a partition, a position and a size, the message that stands there; None where it does not.

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
    return source, topic, partition, offset


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
    attempts = dict(zip(places_of(before), before.column("attempt").to_pylist(), strict=True))
    given = {name: dead.column(name) for name in SCHEMA.names}
    given["stream"] = pa.repeat(pa.scalar(stream), dead.num_rows)
    given["attempt"] = pa.array([attempts[place] + 1 for place in places_of(dead)], pa.int32())
    return pa.RecordBatch.from_arrays(list(given.values()), schema=SCHEMA)


def ranges_of(letters: pa.RecordBatch) -> tuple[Range, ...]:
    """The messages that letters are of; see `positions_of`."""
    partitions: dict[Partition, set[int | str]] = {}
    for source, partition, position in places_of(letters):
        partitions.setdefault((source, partition), set()).add(plain(position))
    return tuple(range_ for at, positions in sorted(partitions.items()) for range_ in _ranges(at, positions))


def _ranges(at: Partition, positions: Iterable[int | str]) -> Iterator[Range]:
    """Numbers that follow each other are one range, and each text is one that ends where it starts."""
    numbers = sorted(position for position in positions if isinstance(position, int))
    for _, run in groupby(enumerate(numbers), key=lambda each: each[1] - each[0]):
        whole = [number for _, number in run]
        yield Range(*at, str(whole[0]), str(whole[-1] + 1))
    yield from (Range(*at, text, text) for text in sorted(each for each in positions if isinstance(each, str)))


def positions_of(range_: Range) -> Sequence[str]:
    """The positions of the messages of a range that `ranges_of` made."""
    return [range_.start] if not range_.moves else [*map(str, range(int(range_.start), int(range_.end)))]


def places_of(letters: pa.RecordBatch) -> list[tuple[str, str, str]]:
    """Source, partition and position of each letter."""
    return list(zip(*(letters.column(name).to_pylist() for name in _PLACE), strict=True))


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
    _at: tuple[str, str] = field(default=("", ""), init=False)
    """Partition and position of the last letter that was given."""

    def __post_init__(self) -> None:
        self._sources = list(self.sql.sources)

    def begin(self, _: Mapping[Partition, str]) -> None:
        """Letters that were replayed are no longer there."""

    def next(self) -> Batch | None:
        """The next letters of one source, one for each message; None at the end."""
        while self._sources:
            partition, position = map(self._literal, self._at)
            query = self.sql.following.format(
                source=self._sources[0][1], partition=partition, position=position, attempts=self.attempts,
                limit=self.limit,
            )  # fmt: skip
            letters = _together(fitted(self.database.query(query)))
            if letters.num_rows:
                self._at = letters.column("partition_name")[-1].as_py(), letters.column("message_position")[-1].as_py()
                letters = self._wanted(single(letters))
                if letters.num_rows:
                    return Batch(letters, ranges_of(letters))
                continue
            self._sources, self._at = self._sources[1:], ("", "")
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
        if exactly and gone < sum(len(positions_of(range_)) for range_ in ranges):
            message = f"dead letters in `{self.sql.table}` were removed while they were replayed"
            raise TransientError(message, code="stream-fenced", help="nothing was written; replay again")

    def _filled(self, template: str, ranges: Iterable[Range]) -> Iterator[str]:
        literals = dict(self.sql.sources)
        by_partition = groupby(sorted(ranges, key=lambda range_: range_.at), key=lambda range_: range_.at)
        for (source, partition), own in by_partition:
            positions = ", ".join(self._literal(text) for range_ in own for text in positions_of(range_))
            yield template.format(source=literals[source], partition=self._literal(partition), positions=positions)

    def _literal(self, text: str) -> str:
        return literal(text, self.database.kind)


def _together(letters: pa.RecordBatch) -> pa.RecordBatch:
    """The first letters: no more than one epoch holds of what is to be read again where it stood."""
    sizes = (parted(text)[1].get(LEFT_OUT) or 0 for text in letters.column("headers").to_pylist())
    return letters.slice(0, max(1, bisect_right(list(accumulate(sizes)), MAX_BYTES)))


def single(letters: pa.RecordBatch) -> pa.RecordBatch:
    """One letter for each message: that of the most attempts. A stream that was rewound may have several."""
    sizes = (pc.binary_length(letters.column(name)) for name in _PLACE[1:])
    keys = [
        letters.column("source"),
        *chain(*zip(sizes, map(letters.column, _PLACE[1:]), strict=True)),
        letters.column("attempt"),
    ]
    names = [str(number) for number in range(len(keys))]
    order = pc.sort_indices(pa.table(keys, names), sort_keys=[(name, "ascending") for name in names])
    letters = letters.take(order)
    places = places_of(letters)
    last = [index for index, place in enumerate(places) if places[index + 1 : index + 2] != [place]]
    return letters.take(pa.array(last, pa.int64()))
