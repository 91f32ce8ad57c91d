"""Where a rewind moves the partitions of a stream: what is asked for, what it means, and whether it still does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from flowc.compiler.front.streamkinds import source_kind
from flowc.errors import EngineError, FlowcError, UsageError
from flowc.runtime.contracts.epoch import Partition
from flowc.runtime.contracts.positions import NUMBERS, Order, shown
from flowc.runtime.contracts.source import Extent, Source, SourceOfFiles, files_of
from flowc.runtime.streams.reader import SourceReader
from flowc.runtime.streams.run import StreamRun
from flowc.stream import StreamPlan

_DATE = re.compile(r"\d{4}-\d\d")
_PLACE = re.compile(r"(?:(?P<source>[^:,]+):)?(?P<partition>[^:,]+):(?P<position>[^:,]+)")
LOST = "lost"
"""In place of the log of a position that is not known any more: no log is called so."""


@dataclass(frozen=True, slots=True)
class Move:
    """One partition: the position from which it is read, now and after the move."""

    source: str
    partition: str
    before: str
    after: str
    counted: bool = True
    """Whether positions count messages; in files they do not."""
    log: str = ""
    """The log that is read after the move, as in `Range`."""
    replaced: bool = False
    """Whether that is another one than before: then the position before is not one of this log."""
    lost: bool = False
    """Whether nobody knows how far it was read."""
    gone: bool = False
    """Whether that one has no such partition."""
    order: Order = field(default=NUMBERS, repr=False, compare=False)
    files: SourceOfFiles | None = field(default=None, repr=False, compare=False)
    """What says more of positions that are places in files."""

    def shown(self, position: str) -> str:
        """A position for people."""
        return position if self.files is None else self.files.shown(int(position))

    @property
    def at(self) -> Partition:
        """The partition."""
        return self.source, self.partition

    @property
    def back(self) -> bool:
        """Whether messages will be read again; none of a log that was not read."""
        return not self.replaced and self.order.before(self.after, self.before)

    @property
    def forward(self) -> bool:
        """Whether messages will not be read at all."""
        return self.skipped > 0 if self.replaced else self.order.before(self.before, self.after)

    @property
    def again(self) -> int:
        """About how many messages will be read again, where they can be counted."""
        return (self.order.count(self.after, self.before) or 0) if self.back else 0

    @property
    def skipped(self) -> int:
        """About how many messages will not be read at all, where they can be counted."""
        if self.replaced:  # only numbered logs tell one from another, and they begin with 0
            return int(self.after)
        return (self.order.count(self.before, self.after) or 0) if self.order.before(self.before, self.after) else 0

    @property
    def extent(self) -> Extent | None:
        """How much of files will be read again, or will not be read at all; None where nobody can tell."""
        return self.files.between(*sorted(map(int, (self.before, self.after)))) if self.files is not None else None

    def by_now(self, stands: str, log: str) -> Move:
        """The move from where the partition stands by now; one forward never goes below that.

        Raises UsageError where it would do what was not announced: skip more, or move in another log.
        """
        other = (log == self.log) if self.replaced else bool(log and self.log and log != self.log)
        least = self.before if self.order.before(self.before, self.after) else self.after
        if other or (not self.replaced and self.order.before(stands, least)):
            message = f"partition {self.partition} of `{self.source}` was moved meanwhile: it stands at {stands}"
            help = "messages would be skipped of which nothing was said; look at it again with `flowc rewind`"
            raise UsageError(message, code="stream-moved", help=help)
        over = not (self.replaced or self.back) and self.order.before(self.after, stands)
        return replace(self, before=stands, after=stands if over else self.after)


def order_of(run: StreamRun, source: str) -> Order:
    """How positions of a source follow each other; flowc itself numbers what a queue gives."""
    reader = run.readers.get(source)
    return reader.source.order if isinstance(reader, SourceReader) else NUMBERS


def moves_to(
    to: str, plan: StreamPlan, run: StreamRun, stands: Mapping[Partition, str], logs: Mapping[Partition, str],
    *, places: Mapping[Partition, str] | None = None,
) -> Iterator[Move]:  # fmt: skip
    """The moves to a place from where partitions stand; those that it does not name have none.

    `places` are its positions where others know them.

    Raises UsageError for what is no place; EngineError for one that the log no longer has.
    """
    asked = _named(to, plan, run) if places is None and ":" in to and not _DATE.match(to) else places
    if asked is not None and (unknown := asked.keys() - stands.keys()):
        name, partition = min(unknown)
        message = f"stream `{plan.name}` has no position in partition {partition} of `{name}`"
        raise UsageError(message, code="unreadable-argument", help="`flowc status` shows the positions")
    for source in plan.sources:
        reading = opened_source(run, source.name)
        named = {at[1]: position for at, position in (asked or {}).items() if at[0] == source.name}
        found = reading.starting(to) if asked is None else named
        goal = {partition: position for partition, position in found.items() if (source.name, partition) in stands}
        if goal:
            _check(reading, goal, to if asked is not None and places is None else None)
        for partition, position in sorted(goal.items(), key=lambda each: shown(each[0])):
            at, log = (source.name, partition), reading.log
            lost = logs.get(at) == LOST
            other = lost or (bool(log) and logs.get(at, log) != log)
            files = files_of(reading)
            if files is not None and reading.order.before(position, stands[at]):
                _check_files(files, (source.name, position, stands[at]), plan)
            counted = source_kind(source.kind).counted
            yield Move(
                *at, stands[at], position, counted=counted, log=log, replaced=other, lost=lost, order=reading.order,
                files=files,
            )  # fmt: skip
        if asked is None and reading.log:
            yield from _gone(reading, source.name, stands, logs)


def added(plan: StreamPlan, run: StreamRun, stands: Mapping[Partition, str]) -> dict[Partition, str]:
    """Where the partitions stand that a topic got since the stream has read it: nothing of them was read."""
    names = {source.name for source in plan.sources if source_kind(source.kind).counted} & {name for name, _ in stands}
    found = ((name, p) for name in names for p in opened_source(run, name).starting("earliest"))
    return {at: "0" for at in found if at not in stands}


def _gone(reading: Source, name: str, stands: Mapping[Partition, str], logs: Mapping[Partition, str]) -> Iterator[Move]:
    """The moves of partitions that a topic does not have which was made anew: of its log, nothing of them was read."""
    there, log = reading.starting("earliest"), reading.log
    for at, position in sorted(stands.items()):
        if at[0] == name and at[1] not in there and logs.get(at, log) != log:
            yield Move(*at, position, "0", log=log, replaced=True, gone=True, order=reading.order)


def _check(reading: Source, goal: Mapping[str, str], asked: str | None) -> None:
    """Has a source say where its log has no such place; one that the user wrote is told as theirs."""
    try:
        reading.assign({**reading.starting("latest"), **goal})
    except FlowcError as error:
        if asked is None or error.code not in ("position-beyond-end", "state-lost"):  # the latter of files
            raise
        message = f"`{asked}` is beyond the end of what the source holds"
        help = "`flowc status` shows the positions; `latest` is behind the last message"
        raise UsageError(message, code="unreadable-argument", help=help) from None


def _check_files(files: SourceOfFiles, part: tuple[str, str, str], plan: StreamPlan) -> None:
    """Raises EngineError where a file that would be read again is gone, or is another one now."""
    source, start, end = part
    found = files.unreadable(int(start), int(end))
    if found is not None:
        path, behind = found
        place = f"0:{behind}" if len(plan.sources) == 1 else f"{source}:0:{behind}"
        message = f"`{path}` is gone or was changed, and cannot be read again"
        help = f"bring it back as it was; or read again what comes behind it: `flowc rewind {plan.name} --to {place}`"
        raise EngineError(message, code="file-not-found", help=help)


def opened_source(run: StreamRun, name: str) -> Source:
    """A source that is ready to tell of its positions. Raises UsageError for one that cannot be read again."""
    reader = run.readers[name]
    if not isinstance(reader, SourceReader):
        message = f"`{name}` cannot be read again: it forgets what is acknowledged"
        raise UsageError(message, code="not-runnable-yet", help="what it has not delivered yet comes as it is")
    reader.source.open()
    return reader.source


def _named(to: str, plan: StreamPlan, run: StreamRun) -> dict[Partition, str]:
    """The positions that a text names, as their sources read them."""
    found: dict[Partition, str] = {}
    names = [source.name for source in plan.sources]
    for part in to.split(","):
        match = _PLACE.fullmatch(part.strip())
        source = (match["source"] or (names[0] if len(names) == 1 else None)) if match else None
        order = order_of(run, source or "")
        place = [order.read(match[name]) for name in ("partition", "position")] if match else [None]
        if source not in names or None in place:
            message = f"`{part.strip()}` is no place in a source of stream `{plan.name}`"
            form = "0:1500,1:1400" if len(names) == 1 else f"{names[0]}:0:1500,{names[1]}:0:1400"
            raise UsageError(message, code="unreadable-argument", help=f"PARTITION:OFFSET, for instance {form}")
        partition, position = (str(text) for text in place)
        if (at := (source, partition)) in found:
            message = f"`{to}` names partition {at[1]} twice"
            raise UsageError(message, code="unreadable-argument", help="name each partition once")
        found[at] = position
    return found
