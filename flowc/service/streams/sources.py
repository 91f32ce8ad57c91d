"""Opens the sources of streams: how each is read, and how what comes of it is decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from flowc.compiler.ir import Source as Node
from flowc.compiler.streamplan.state import Owner, state_plan
from flowc.errors import UsageError
from flowc.loadplan import FilesRead
from flowc.runtime.contracts.positions import NUMBERS
from flowc.runtime.contracts.source import NumberedSource, PlacedSource, Source
from flowc.runtime.formats.csv.decode import CsvDecoder
from flowc.runtime.formats.json.decode import JsonDecoder
from flowc.runtime.formats.parquet.decode import ParquetDecoder
from flowc.runtime.formats.raw.decode import RawDecoder
from flowc.runtime.stores.files import Files, csv_options
from flowc.runtime.streams.decoding import Decoding, columns_of
from flowc.runtime.streams.reader import SourceReader
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.systems.files.registry import Facts
from flowc.runtime.systems.files.source import FileSource
from flowc.runtime.systems.kafka.source import KafkaSource
from flowc.service.access.sessions import Sessions
from flowc.service.streams.groups import group_name
from flowc.service.streams.state import own_state
from flowc.stream import SourcePlan, StatePlan, StreamPlan
from flowc.types import Kind

Answer = TypeVar("Answer")


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
) -> tuple[dict[str, SourceReader], dict[str, Decoding]]:
    """The readers of a plan's sources and their decoders, by name. With `once` they end where sources end.

    `facts` stand for what the stream remembers, where it must not be touched.
    """
    readers: dict[str, SourceReader] = {}
    decoders: dict[str, Decoding] = {}
    for source in plan.sources:
        reader, decoders[source.name] = OPENERS[source.kind](source, plan, sessions, once, facts)
        if plan.on_error == "dlq" and reader.order is not NUMBERS:
            message = f"stream `{plan.name}` cannot run yet: dead letters tell the number of a message, and those of "
            message += f"`{source.name}` have none"
            raise UsageError(message, code="not-runnable-yet", help="`on_error: drop`, or `fail`")
        readers[source.name] = SourceReader(reader, plan.batch, once=once)
    return readers, decoders


def _kafka(
    source: SourcePlan, plan: StreamPlan, sessions: Sessions, once: bool, _: Facts | None
) -> tuple[Source, Decoding]:
    reading = KafkaSource(
        source.name, source.address, sessions.options(source.connection).values,
        columns=columns_of(source, letters=plan.sets_aside), start=plan.start, once=once,
        group=group_name(source, plan, sessions, shared=not once), max_bytes=plan.batch.max_bytes,
        fills=plan.batch.fills,
    )  # fmt: skip
    return NumberedSource(reading), decoding_of(source)


def _files(
    source: SourcePlan, plan: StreamPlan, sessions: Sessions, once: bool, facts: Facts | None
) -> tuple[Source, Decoding]:
    files = Files(sessions.options(source.connection).values, sessions.resolver.root)
    read = FilesRead(source.connection, source.address, source.format, source.read, source.columns, source.inferred)
    facts = facts or StoredFacts(plan.name, facts_plan(plan), sessions)
    asked = columns_of(source, letters=plan.sets_aside)
    reading = FileSource(
        source.name, files, read, facts, columns=asked, start=plan.start, once=once, skips=plan.on_error != "fail"
    )
    if source.format != "csv":
        return NumberedSource(reading), decoding_of(source)
    decoder = CsvDecoder(source.columns or (), csv_options(read, files), reading.headers, source.inferred)
    return NumberedSource(reading), Decoding(decoder.schema, decoder.decode)


def facts_plan(plan: StreamPlan) -> StatePlan:
    """Where a stream keeps its facts."""
    return plan.state or plan.facts or state_plan(Owner(plan.project, plan.name), None)


def _kafka_sample(source: Node, sessions: Sessions) -> PlacedSource[int]:
    return KafkaSource(
        source.name, source.path or "", sessions.options(source.connection).values, columns=("_value",),
        group=f"flowc-discovery-{source.id}", once=True,
    )  # fmt: skip


OPENERS = {"files": _files, "kafka": _kafka}
"""How sources are opened, by the kind of connection."""
_SAMPLES = {"kafka": _kafka_sample}
"""How messages are looked at that no stream reads, by the kind of connection."""


def sampled(source: Node, sessions: Sessions) -> PlacedSource[int]:
    """Reads messages of a source from the first to the last that is there, for their columns; nothing is stored."""
    return _SAMPLES[source.kind](source, sessions)


def decoding_of(source: SourcePlan) -> Decoding:
    """How messages are decoded that need nothing but their bytes.

    Raises UsageError for columns that its format cannot have.
    """
    columns = source.columns or ()
    if source.format == "parquet":
        return _of_values(ParquetDecoder(columns))
    if source.format == "raw":
        if [column.name for column in columns] != ["value"] or columns[0].type.kind not in (Kind.TEXT, Kind.BINARY):
            message = f"source `{source.name}` is raw, and a raw message is one column `value`, binary or text"
            raise UsageError(message, code="unsupported-type", help="columns: { value: text }, or none")
        return _of_values(RawDecoder(columns[0].type.kind is Kind.TEXT))
    return _of_values(JsonDecoder(columns))


def _of_values(decoder: JsonDecoder | RawDecoder | ParquetDecoder) -> Decoding:
    return Decoding(decoder.schema, lambda messages: decoder.decode(messages.column("_value")))
