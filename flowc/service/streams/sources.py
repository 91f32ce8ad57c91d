"""Opens the sources of streams: how each is read, and how what comes of it is decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from flowc.compiler.front.streamkinds import source_kind
from flowc.compiler.ir import Source as Node
from flowc.compiler.streamplan.state import Owner, state_plan
from flowc.formats import JSON
from flowc.runtime import formats
from flowc.runtime.contracts.decoder import Connection, DecoderContext, Decoding, no_connection
from flowc.runtime.contracts.opening import Facts, Opened, Opening
from flowc.runtime.contracts.queue import Queue
from flowc.runtime.contracts.source import Source
from flowc.runtime.streams.decoding import columns_of
from flowc.runtime.streams.queues import QueueReader
from flowc.runtime.streams.reader import SourceReader
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.systems import source_opener
from flowc.runtime.systems.files.registry import Passing
from flowc.service.access.sessions import Sessions
from flowc.service.streams.groups import group_name
from flowc.service.streams.state import own_state
from flowc.stream import BatchLimits, SourcePlan, StatePlan, StreamPlan

Answer = TypeVar("Answer")
SAMPLE = 10_000
"""Messages of which the columns of a source are found."""


@dataclass(frozen=True, slots=True)
class StoredFacts:
    """What a stream remembers, each time through a session of its own: readers run beside those who write."""

    stream: str
    plan: StatePlan
    sessions: Sessions

    def facts(self) -> dict[str, str]:
        """What is remembered."""
        return self._with(lambda store: store.facts())

    def recall(self, names: Iterable[str]) -> dict[str, str]:
        """Those of some names that there are."""
        return self._with(lambda store: store.recall(names))

    def remember(self, facts: Mapping[str, str]) -> None:
        """Adds facts. Raises Fenced where another worker has stored others under these names."""
        self._with(lambda store: store.remember(facts))

    def _with(self, work: Callable[[DatabaseStore], Answer]) -> Answer:
        with own_state(self.stream, self.plan, self.sessions) as store:
            store.ready()
            return work(store)


def opened_sources(
    plan: StreamPlan, sessions: Sessions, *, once: bool, facts: Facts | None = None
) -> tuple[dict[str, SourceReader | QueueReader], dict[str, Decoding]]:
    """The readers of a plan's sources and their decoders, by name. With `once` they end where sources end.

    `facts` stand for what the stream remembers, where it must not be touched.
    """
    readers: dict[str, SourceReader | QueueReader] = {}
    decoders: dict[str, Decoding] = {}
    for source in plan.sources:
        opened = opened_source(source, plan, sessions, once=once, facts=facts)
        readers[source.name] = reader_of(opened.source, plan.batch, once=once)
        decoders[source.name] = decoding(opened, source, sessions)
    return readers, decoders


def opened_source(
    source: SourcePlan, plan: StreamPlan, sessions: Sessions, *, once: bool, facts: Facts | None = None
) -> Opened:
    """One source of a plan, which is not connected yet."""
    shared = source_kind(source.kind).shared and not once
    opening = Opening(
        source, sessions.options(source.connection).values, sessions.resolver.root,
        facts=facts or StoredFacts(plan.name, facts_plan(plan), sessions),
        columns=columns_of(source, letters=plan.sets_aside), start=plan.start, once=once,
        group=group_name(source, plan, sessions, shared=shared), batch=plan.batch, skips=plan.on_error != "fail",
        connection=connections_of(sessions),
    )  # fmt: skip
    return source_opener(source.kind)(opening)


def reader_of(source: Source | Queue, batch: BatchLimits, *, once: bool) -> SourceReader | QueueReader:
    """What reads a source in a run: a log from positions, a queue by acknowledgements."""
    return QueueReader(source, batch, once) if isinstance(source, Queue) else SourceReader(source, batch, once)


def decoding(opened: Opened, source: SourcePlan, sessions: Sessions) -> Decoding:
    """How the messages of a source are decoded: as the source itself does, else by the format of its plan."""
    return opened.decoder or decoding_of(source, connections_of(sessions))


def connections_of(sessions: Sessions) -> Connection:
    """The options of the connections of a project by their names."""

    def options(name: str) -> Mapping[str, object]:
        return sessions.options(name).values if name in sessions.connections else no_connection(name)

    return options


def facts_plan(plan: StreamPlan) -> StatePlan:
    """Where a stream keeps its facts."""
    return plan.state or plan.facts or state_plan(Owner(plan.project, plan.name), None)


def sampled(node: Node, sessions: Sessions) -> SourceReader | QueueReader:
    """Reads messages of a source from the first to the last that is there, for their columns; nothing is stored."""
    opening = Opening(
        SourcePlan(node.name, node.connection, node.kind, node.path or "", node.format or JSON),
        sessions.options(node.connection).values, sessions.resolver.root, Passing(), once=True,
        group=f"flowc-discovery-{node.id}",
    )  # fmt: skip
    return reader_of(source_opener(node.kind)(opening).source, BatchLimits(max_rows=SAMPLE), once=True)


def decoding_of(source: SourcePlan, connection: Connection = no_connection) -> Decoding:
    """How messages are decoded that need nothing but their bytes, and the connections that the read options name.

    Raises UsageError for columns that its format cannot have.
    """
    columns = source.columns or ()
    context = DecoderContext(source.name, columns, source.inferred, source.read, connection=connection)
    return formats.decoding_of(source.format, context)
