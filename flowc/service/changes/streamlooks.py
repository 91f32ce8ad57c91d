"""Streams as a plan sees them: the tables that they make, and where they go on. No message is read, nothing is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from flowc.catalog import Column, Table, TableName
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.streamkinds import source_kind
from flowc.compiler.ir import Apply, Stream
from flowc.compiler.loads.load import find_column
from flowc.compiler.migrate.engines import ENGINES
from flowc.compiler.migrate.streams import outputs_of
from flowc.compiler.migrate.streamtables import StreamTable
from flowc.compiler.streamplan.targets import made_table, table_target, undeclared
from flowc.errors import FlowcError, UsageError
from flowc.migration import StoredPosition, StreamOutput
from flowc.runtime.contracts.target import Held
from flowc.service.access.sessions import Sessions
from flowc.service.streams.discovery import remembered
from flowc.service.streams.run import planned, typed
from flowc.service.streams.status import Ends, ends_of, held_by, in_order, lag_of, require_own
from flowc.stream import StreamPlan

_Made = tuple[Apply, tuple[Column, ...] | None]


@dataclass(frozen=True, slots=True)
class Look:
    """What can be known of a stream. Without a `plan`, `unknown` or `refused` says why there is none."""

    stream: Stream
    plan: StreamPlan | None = None
    unknown: str = ""
    """Only a run can tell its columns."""
    refused: str = ""
    """It would not run."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How many positions of a stream are stored, and those among them that people can count by."""

    stored: int = 0
    positions: tuple[StoredPosition, ...] = ()
    new: tuple[str, ...] = ()
    """The sources without positions, of a stream that has some."""

    def __str__(self) -> str:
        told = f"{self.stored} stored position{'' if self.stored == 1 else 's'}: it goes on from there"
        names = ", ".join(f"`{name}`" for name in self.new)
        return f"{told}, and reads {names} from the beginning" if names else told


@dataclass
class StreamLooks:
    """The streams of a project, each looked at when it is first asked for."""

    checked: CheckedSpec
    streams: Mapping[str, Stream]
    sessions: Sessions
    _looks: dict[str, Look] = field(default_factory=dict, init=False, repr=False)

    def names(self, connection: str, select: frozenset[str]) -> tuple[TableName, ...]:
        """The tables in a database that streams write and no spec declares; `select` are streams, none means all."""
        written = (made for stream in self.chosen(select) for made in self._made(stream, connection))
        return tuple(dict.fromkeys(self._name(apply, connection) for apply, _ in written))

    def tables(
        self, connection: str, select: frozenset[str], live: Mapping[TableName, Table]
    ) -> tuple[StreamTable, ...]:
        """The same tables, with what the streams make of them. `live` are those that are there."""
        looks = (self.look(s.name) for s in self.chosen(select) if any(self._made(s, connection)))
        return tuple(
            _table(look, made, name, live.get(name))
            for look in looks
            for made in self._made(look.stream, connection)
            for name in (self._name(made[0], connection),)
        )

    def outputs(self, select: frozenset[str]) -> Iterator[StreamOutput]:
        """What the streams write that is no table."""
        for stream in self.chosen(select):
            for output in outputs_of(stream):
                yield output if stream.applies else self._beside_none(output)

    def _beside_none(self, output: StreamOutput) -> StreamOutput:
        """What a stream without tables writes, with where it goes on; a store tells that without a broker."""
        plan = self.look(output.stream).plan
        found = self.standing(output.stream) if plan is not None and plan.state is not None else Standing()
        return replace(output, start=str(found), positions=found.positions) if found.stored else output

    def look(self, name: str) -> Look:
        """What can be known of one stream."""
        if name not in self._looks:
            self._looks[name] = self._looked(self.streams[name])
        return self._looks[name]

    def standing(self, name: str) -> Standing:
        """Where a stream goes on, and how much is behind that where its brokers tell.

        Raises UsageError where that is kept of a project of another name, as a run of the stream does.
        """
        plan = self.look(name).plan if name in self.streams else None
        if plan is None:
            return Standing()
        try:
            require_own(plan, self.sessions)
            held = held_by(plan, self.sessions)
        except FlowcError as error:
            if error.code == "project-renamed":
                raise
            return Standing()
        ends, at = self._ends(plan, held) if held.positions else {}, held.positions
        counted = {source.name for source in plan.sources if source_kind(source.kind).counted}
        found = (
            StoredPosition(*place, at[place], lag_of(at[place], ends.get(place))) for place in sorted(at, key=in_order)
        )
        known = {source for source, _ in at}
        new = tuple(source.name for source in plan.sources if at and source.name not in known)
        return Standing(len(at), tuple(position for position in found if position.source in counted), new)

    def _ends(self, plan: StreamPlan, held: Held) -> Ends:
        """The ends of its topics. A broker that does not answer is asked once."""
        sources = tuple(source for source in plan.sources if source.connection not in self.sessions.silent)
        try:
            return ends_of(replace(plan, sources=sources), held, self.sessions)
        except FlowcError:
            return {}

    def chosen(self, select: frozenset[str]) -> Iterator[Stream]:
        """The streams that are named; all of them where none is."""
        return (stream for name, stream in self.streams.items() if not select or name in select)

    def _made(self, stream: Stream, connection: str) -> Iterator[_Made]:
        for apply, columns in undeclared(stream, letters=stream.sets_aside):
            target = apply.target
            if target.kind in ENGINES and self.sessions.is_one(target.connection, connection):
                yield apply, columns

    def _name(self, apply: Apply, connection: str) -> TableName:
        """What a session of the connection calls the table."""
        return self.sessions.seen_by(connection, apply.target.connection, apply.target.name)

    def _looked(self, stream: Stream) -> Look:
        try:
            stream = typed(remembered(self.checked, stream, self.sessions))
            return _planned(stream)
        except UsageError as error:
            words = self.sessions.redacted(error).message
            return Look(stream, unknown=words) if error.code == "not-runnable-yet" else Look(stream, refused=words)
        except FlowcError as error:
            return Look(stream, unknown=self.sessions.redacted(error).message)


def _planned(stream: Stream) -> Look:
    unknown = [f"`{source.name}`" for source in stream.sources if source.columns is None]
    if unknown:
        return Look(stream, unknown=f"its columns are found in the first messages of {', '.join(unknown)}")
    return Look(stream, planned(stream))


def _table(look: Look, written: _Made, name: TableName, live: Table | None) -> StreamTable:
    """One table as the stream would make it, or find it: judged by what a run does when it starts."""
    apply, columns = written
    target = apply.target
    letters = apply not in look.stream.applies
    entry = StreamTable(target.connection, target.kind, look.stream.name, name, refused=look.refused, letters=letters)
    if look.plan is None or columns is None:
        return replace(entry, unknown=look.unknown)
    try:
        if live is None or not _lacking(apply, columns, live):  # keys that it lacks are told as columns are
            table_target(apply, columns, look.stream, live)
        return replace(entry, made=replace(made_table(apply, columns), name=name))
    except FlowcError as error:
        return replace(entry, refused=error.message)


def _lacking(apply: Apply, columns: Sequence[Column], live: Table) -> bool:
    """Whether a table has no column for a key that the rows have."""
    keys = [find_column(columns, key) for key in apply.keys]
    return any(key is not None and find_column(live.columns, key.name) is None for key in keys)
