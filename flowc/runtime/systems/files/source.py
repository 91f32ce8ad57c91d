"""A folder of files as a source of a stream: each file is read once, in the order in which the files were found."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from glob import glob
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError, EngineError, FlowcError
from flowc.formats import FORMATS, columnar
from flowc.loadplan import FilesRead
from flowc.runtime.contracts.decoder import DecoderContext
from flowc.runtime.contracts.epoch import Range
from flowc.runtime.contracts.opening import Facts, Opened, Opening
from flowc.runtime.contracts.oversize import one_batch
from flowc.runtime.contracts.source import STREAM, UNREAD, Extent, Membership, NumberedSource, Polled, start_time
from flowc.runtime.contracts.store import File
from flowc.runtime.formats import decoding_of, framing_of
from flowc.runtime.formats.framing import Records
from flowc.runtime.formats.readoptions import merged
from flowc.runtime.stores.files import (
    BROKEN,
    SHIFT,
    Files,
    intact,
    unreadable,
)
from flowc.runtime.stores.folder import shown
from flowc.runtime.systems.files.lines import LineFetcher
from flowc.runtime.systems.files.registry import EVER, Known, Registry
from flowc.stream import MAX_BYTES

_LOOK = 1.0
"""Seconds between two looks into the folder."""
_LINES = (1 << SHIFT) - 1
_FIELDS: Mapping[str, pa.DataType] = {
    "_key": pa.binary(),
    "_headers": pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())])),
    "_event_ms": pa.int64(),
}


class FileSource:
    """One path or glob of files; see `flowc.runtime.contracts.source.PlacedSource`.

    Messages have `_topic` too, the path. `_value` are the bytes of a row (a struct in Parquet). With `once`, only what
    is there at the beginning is read. With `skips`, what is left of a file that cannot be read is one bad message.
    """

    def __init__(
        self,
        name: str,
        files: Files,
        read: FilesRead,
        facts: Facts,
        *,
        columns: Sequence[str] = (),
        start: str = "earliest",
        once: bool = False,
        skips: bool = False,
    ) -> None:
        self.log = ""
        self.name = name
        self._read, self._columns, self._start, self._once = read, tuple(columns), start, once
        self._skips = skips
        self._registry = Registry(name, files.store, read.path, facts)
        self._framing = framing_of(read, files)
        self._files = files
        self._at = 0
        self._stood: tuple[int, str] | None = None
        self._paused = False
        self._blocks: Iterator[Records] | None = None
        self._block: Records | None = None
        self._looked = 0.0
        self.headers: Mapping[int, tuple[str, ...]] = _Headers(self._header)
        """The names of the columns of every file that was opened and has a header, by its number."""

    def open(self) -> None:
        """Takes what is remembered of files."""
        self._registry.load()

    def read_by(self, former: str, position: str, log: str) -> frozenset[str]:
        """The files that `path` names and that the source of that name has read, whole or in part."""
        return self._registry.read_by(former, position, log)

    def close(self) -> None:
        """Leaves the file that is open."""
        self._blocks = self._block = None

    def stand(self, positions: Mapping[int, int], logs: Mapping[int, str]) -> None:
        """Learns where the stream stands, and by which paths it came there."""
        position = positions.get(0, 0)
        self._stood = position, logs.get(0, "") if position else ""

    @property
    def unedited(self) -> bool:
        """Whether it goes on to read by the path of the last epoch."""
        return self._registry.unedited

    def assign(self, positions: Mapping[int, int]) -> None:
        """Goes to the stored position, or to where the stream starts.

        Raises:
            EngineError: the position is of a file that nothing is remembered of.
        """
        self.close()
        stored = positions.get(0)
        self._at, self._paused = stored or 0, False
        place, self._stood = self._stood or (self._at, ""), None
        if stored is None:
            self._registry.begin(_since(self._start))
        elif stored >> SHIFT > len(self._registry.files) or not self._registry.knows(place[1]):
            raise lost_list(self.name, stored)
        self._registry.stand(*place)
        self._looked = 0.0
        if self._once:
            self._settle()
        self._registry.warn_of_none()

    def _settle(self) -> None:
        """Finds what is there; what has just been written is waited for, what still is being written left.

        The last look begins when the time is over: what counts is how old files are then, however long a look takes.
        """
        began = time.monotonic()
        lag = self._files.store.capabilities.lag
        listed, end = began + lag, began + 2 * _LOOK + 0.5 + lag
        while (self._registry.look() or began < listed) and began < end:
            time.sleep(_LOOK / 10)
            began = time.monotonic()

    def between(self, start: int, end: int) -> Extent:
        """How much is read from one position to another. Parquet tells its rows; text would have to be read."""
        last = (end >> SHIFT) + ((end & _LINES) > 0)
        seen = self._registry.files[start >> SHIFT : last] if end > start else []
        rows = self._rows(start, end) if columnar(self._read.format) else None
        return Extent(len(seen), sum(file.size for file in seen), rows)

    def shown(self, position: int) -> str:
        """A position for people: the file that is read on there, and the line of it."""
        number, line = position >> SHIFT, position & _LINES
        files = self._registry.files
        if number >= len(files):
            return f"behind {shown(files[-1].path)}" if files else "the beginning"
        what = "row" if columnar(self._read.format) else "line"
        return f"{shown(files[number].path)}{f', {what} {line + 1}' if line else ''}"

    def unreadable(self, start: int, end: int) -> tuple[str, int] | None:
        """The last file between two positions that is gone or is another one now, and the position behind it."""
        last = (end >> SHIFT) + ((end & _LINES) > 0)
        for number in reversed(range(start >> SHIFT, min(last, len(self._registry.files)))):
            try:
                if self._registry.names(number, number << SHIFT):
                    self._registry.check(number)
            except FlowcError:
                return self._files.store.shown(self._registry.files[number].path), (number + 1) << SHIFT
        return None

    def _rows(self, start: int, end: int) -> int | None:
        files = range(start >> SHIFT, min(end >> SHIFT, len(self._registry.files)))
        try:
            counts = [self._framing.rows(self._file(number)) for number in files]
        except (DataError, *BROKEN):  # gone, or another file by now
            return None
        return sum(count or 0 for count in counts) + (end & _LINES) - (start & _LINES)

    def starting(self, start: str) -> Mapping[int, int]:
        """The first file that is known and counts for a stream that starts so, by its place among them."""
        since, files = _since(start), self._registry.files
        first = next((number for number, seen in enumerate(files) if seen.mtime >= since), len(files))
        return {0: first << SHIFT}

    def join(self, membership: Membership[int]) -> None:
        """Files have no group; one worker reads them all."""
        self.assign(membership.stored())

    def poll(self, max_rows: int, max_wait: float, max_bytes: int = MAX_BYTES) -> Polled | None:
        """The next rows, of one file or of several."""
        start, parts = self._at, [] if self._paused else list(self._gather(max_rows, max_bytes))
        if parts:
            self._pass()
        if not parts and self._at == start:
            if self._due():
                self._look()
            else:
                time.sleep(min(max_wait, _LOOK / 5))
            return None
        rows = one_batch(parts) if parts else self._messages(pa.array([], pa.binary()), pa.array([], pa.int64()), None)
        self._registry.store_stretch()
        range_ = Range.numbered(self.name, 0, start, self._at, self._registry.stretch.key)
        return Polled(self.name, rows, (range_,), time.time())

    @property
    def caught_up(self) -> bool:
        """Whether every file that is known is read."""
        return self._paused or not self.behind

    @property
    def behind(self) -> frozenset[int]:
        """The one partition that there is, where not every file that is known is read."""
        return frozenset((0,) if self._at >> SHIFT < len(self._registry.files) else ())

    def _due(self) -> bool:
        return not self._once and time.monotonic() >= self._looked

    def _look(self) -> None:
        began = time.monotonic()
        self._registry.look()
        # A large folder is looked into less often.
        self._looked = time.monotonic() + max(_LOOK, 10 * (time.monotonic() - began))

    def _gather(self, max_rows: int, max_bytes: int) -> Iterator[pa.RecordBatch]:
        schema: pa.Schema | None = None
        while max_rows > 0 and (block := self._next()) is not None:
            number = self._at >> SHIFT
            taken = _within(block.values.slice(0, max_rows), max_bytes)
            if not taken and schema is not None:
                return
            taken = taken or 1
            lines = block.lines.slice(0, taken)
            made = self._messages(block.values.slice(0, taken), pc.add(lines, number << SHIFT), number, *_fault(block))
            if schema is not None and made.schema != schema:
                return  # Parquet of other types, or a fault: an epoch has one schema
            schema, max_rows = made.schema, max_rows - taken
            max_bytes -= block.values.slice(0, taken).nbytes
            self._leave(block, taken, number)
            yield made

    def _pass(self) -> None:
        """Moves the position behind a file whose last row was given, so that nothing reads the file again.

        What goes wrong here goes wrong once more, and is reported, when the file is read on.
        """
        if self._block is not None or self._blocks is None:
            return
        number = self._at >> SHIFT
        try:
            self._block = next(self._blocks, None)
            self._registry.check_again(number)
        except MemoryError:
            raise
        except (FlowcError, *BROKEN):
            self._block = self._blocks = None
            return
        if self._block is None:
            self._blocks, self._at = None, (number + 1) << SHIFT
        elif self._block.fault is not None and not self._skips:
            self._block = self._blocks = None

    def _leave(self, block: Records, taken: int, number: int) -> None:
        """What is left of a block after so many of its rows."""
        if taken == len(block.values):
            self._block, line = None, block.end
        else:
            self._block = Records(block.values.slice(taken), block.lines.slice(taken), block.end)
            line = self._block.lines[0].as_py()
        self._at = (number << SHIFT) + line

    def _next(self) -> Records | None:
        """The next rows; None where no further file is known."""
        while self._block is None or not len(self._block.values):
            number = self._at >> SHIFT
            if number >= len(self._registry.files):
                return None
            if self._blocks is None and not self._registry.names(number, self._at):
                self._at = (number + 1) << SHIFT
                continue
            line = self._at & _LINES
            if self._blocks is None:
                self._registry.check(number)
            else:
                self._registry.check_again(number)
            try:
                self._blocks = self._blocks or self._opened(number, line)
                self._block = next(self._blocks, None)
            except MemoryError:  # Arrow's own is among its other errors, and tells of no damage
                raise
            except (DataError, *BROKEN) as error:
                self._block, self._blocks = self._broken(number, line, error), None
            self._registry.check_again(number)
            if self._block is not None and self._block.fault is not None and not self._skips:
                raise self._block.fault
            if self._block is None:
                self._blocks, self._at = None, (number + 1) << SHIFT
        return self._block

    def _broken(self, number: int, line: int, error: Exception) -> Records:
        """One bad message in place of what is left of a file. What the machine is at fault for is no fault of it."""
        fault = error if isinstance(error, DataError) else self._damage(number, error)
        if not self._skips or getattr(error.__cause__ or error, "errno", None) is not None:
            raise fault from None
        self._registry.check(number)  # of a file that was changed, nothing is known
        return Records(pa.nulls(1, pa.binary()), pa.array([line], pa.int64()), 1 << SHIFT, fault)

    def _damage(self, number: int, error: Exception) -> DataError:
        file = self._file(number)
        return unreadable(file, *(self._framing.damage(file) or (str(error),)))

    def _file(self, number: int) -> File:
        return self._files.store.file(self._registry.files[number].entry)

    def _opened(self, number: int, line: int) -> Iterator[Records]:
        return self._framing.records(self._file(number), line, self.headers[number])

    def again(self, path: str, position: int) -> Iterator[Records]:
        """The records of a text file that was read before, from a position in it on.

        Raises:
            DataError: it is another one now, or cannot be read.
            EngineError: it is gone, or nothing is remembered of it.
        """
        number = position >> SHIFT
        if not any(shown(seen.path) == path for seen in self._registry.files[number : number + 1]):
            raise EngineError("nothing is remembered of its file", code="file-not-found")
        name = self._files.store.shown(self._registry.check(number).key)
        yield from intact(name, self._opened(number, position & _LINES))

    def _header(self, number: int) -> tuple[str, ...]:
        self._registry.check_again(number)
        return self._framing.header(self._file(number))

    def _messages(
        self, values: pa.Array, offsets: pa.Array, number: int | None, fault: DataError | None = None, size: int = 0
    ) -> pa.RecordBatch:
        seen = self._registry.files[number] if number is not None else None
        count = len(values)
        moment = pa.scalar(seen.mtime // 1000 if seen else 0, pa.timestamp("us", "UTC"))
        given: dict[str, Any] = {
            "_value": lambda: values,
            "_partition": lambda: pa.repeat(pa.scalar(0, pa.int32()), count),
            "_offset": lambda: offsets,
            "_topic": lambda: pa.repeat(pa.scalar(shown(seen.path) if seen else "", pa.string()), count),
            "_event_ts": lambda: pa.repeat(moment, count),
            **{name: lambda kind=kind: pa.nulls(count, kind) for name, kind in _FIELDS.items()},
        }
        if fault is not None:
            told = {"code": fault.code, "message": fault.message, "size": size}
            given["_unread"] = lambda: pa.array([told], UNREAD)
        more = () if fault is None else ("_unread",)
        names = dict.fromkeys(("_value", "_partition", "_offset", "_topic", *self._columns, *more))
        return pa.RecordBatch.from_arrays([given[name]() for name in names], names=list(names))

    def pause(self, partitions: Iterable[int]) -> None:
        """Reads no further, where that is the one partition."""
        self._paused = self._paused or 0 in partitions

    def resume(self, partitions: Iterable[int]) -> None:
        """Reads on."""
        self._paused = self._paused and 0 not in partitions

    def positions(self) -> Mapping[int, int]:
        """Where it is read on."""
        return {0: self._at}

    def end_offsets(self) -> Mapping[int, int]:
        """Behind the last file that is known."""
        return {0: len(self._registry.files) << SHIFT}

    def commit(self, written: Mapping[int, int], durable: Mapping[int, int]) -> None:
        """Nobody has to be told."""


def open_source(opening: Opening) -> Opened:
    """The files of one path, which decode rows by the headers of the files, and read single lines again."""
    plan, files = opening.plan, Files(opening.options, opening.root)
    read = FilesRead(
        plan.connection, plan.address, plan.format, options=plan.read, columns=plan.columns, inferred=plan.inferred
    )
    source = FileSource(
        plan.name, files, read, opening.facts, columns=opening.columns, start=opening.start, once=opening.once,
        skips=opening.skips,
    )  # fmt: skip
    fetcher, ready = LineFetcher(source.again), cache(source.open)

    def fetch(path: str, _: str, position: str, size: int) -> pa.RecordBatch:
        ready()
        return fetcher.fetch(path, int(position), size)

    decoder = None
    if FORMATS[plan.format].headed:
        context = DecoderContext(
            plan.name,
            plan.columns or (),
            plan.inferred,
            options=merged(read, files),
            headers=source.headers,
            connection=opening.connection,
        )
        decoder = decoding_of(plan.format, context)
    return Opened(NumberedSource(source), decoder, fetch)


def reach(options: Mapping[str, object]) -> str:
    """How many files are below the folder. Raises EngineError where there is none."""
    uri = str(options.get("uri", ""))
    if not Path(uri).is_dir() and not glob(uri):
        raise EngineError(f"there is no folder `{uri}`", code="connection-failed", help=f"create it: `mkdir -p {uri}`")
    return f"files: {sum(1 for entry in Path(uri).rglob('*') if entry.is_file())} below {uri}"


def unknown_file(source: str, facts: Mapping[str, str], position: int) -> bool:
    """Whether a position is in a file that facts do not name."""
    return position >> SHIFT > Known.at(source, facts, 0).known


def lost_list(source: str, position: int) -> EngineError:
    """What is said of a position in a file that nothing is remembered of."""
    message = f"the position of source `{source}` is in file {position >> SHIFT}, unknown to its state"
    help = f"bring the state store back, or have all files read again: `flowc rewind {STREAM} --to earliest`"
    return EngineError(message, code="state-lost", help=help)


class _Headers(dict[int, tuple[str, ...]]):
    """The headers of files, each read when it is first asked for."""

    def __init__(self, read: Callable[[int], tuple[str, ...]]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, number: int) -> tuple[str, ...]:
        self[number] = self._read(number)
        return self[number]


def _fault(block: Records) -> tuple[DataError | None, int]:
    """Why there is one bad message in place of records, and the bytes that are left out."""
    return block.fault, block.long.size if block.long else 0


def _within(values: pa.Array, most: int) -> int:
    """How many of the first values have so many bytes together at most."""
    if values.nbytes <= most:
        return len(values)
    return bisect_right(range(1, len(values) + 1), most, key=lambda count: values.slice(0, count).nbytes)


def _since(start: str) -> int:
    """The modification, in nanoseconds, from which on files count that are there at the start."""
    at = start_time(start)
    if at is None:
        return EVER if start == "latest" else -EVER
    return at * 1_000_000
