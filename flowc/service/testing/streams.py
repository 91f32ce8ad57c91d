"""Tests of streams: the run itself, message by message, of sources that hold the rows that are given.

Each row is a message and an epoch of its own, so that what comes late is late. A row is written as CSV where its source
is CSV, else as JSON, and decoded by the columns of its source, so that a value that is none of its type is a bad
message, as in a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from flowc.compiler.front.streamspec import TestSpec
from flowc.compiler.ir import Lookup, Source, Stream
from flowc.compiler.quote import ident
from flowc.runtime.arrow import empty
from flowc.runtime.connector import Database
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.decoding import Decoding
from flowc.runtime.streams.lookups import Lookups
from flowc.runtime.streams.origins import Origin, fail
from flowc.runtime.streams.oversize import one_batch
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.memory import MemoryStore
from flowc.runtime.streams.targets.changes import net, put_there, with_kinds
from flowc.runtime.streams.targets.database import DatabaseWriter
from flowc.runtime.streams.targets.memory import Kept
from flowc.service.access.sessions import Sessions
from flowc.service.streams.discovery import over_found
from flowc.service.streams.run import planned
from flowc.service.streams.sources import decoding_of
from flowc.service.streams.targets import looking
from flowc.service.testing.csv import csv_decoding, options_of
from flowc.service.testing.embedded import ENGINE, GIVEN
from flowc.service.testing.messages import Given, given_messages
from flowc.service.testing.pipelines import Project, Written, read_table
from flowc.service.testing.rows import Misplaced
from flowc.service.testing.seed import UNTESTABLE, Seed
from flowc.stream import Changelog, StreamPlan, TableTarget, TargetPlan, TopicTarget


def run_stream_test(test: TestSpec, name: str, project: Project, sessions: Sessions, now: datetime) -> Written:
    """Gives the rows, runs the stream to their end, and reads its target.

    Raises FlowcError for what the stream fails with, and Misplaced for what cannot be tested so.
    """
    seed = Seed(test, project.checked, sessions)
    stream = _given(_lowered(test, name, project), seed, project)
    columns = planned(stream).targets[0].columns
    for apply in stream.applies:
        seed.target(apply.target, columns)
    plan = planned(stream, looking(sessions))
    if len(plan.targets) != 1:
        message = f"stream `{name}` writes {len(plan.targets)} targets, and a test tells the rows of one"
        raise Misplaced(message, test.subject.span, code=UNTESTABLE, help="test a stream of one target")
    plan = replace(plan, letters=None)
    connections = project.checked.project.connections
    csv = {source.name: options_of(source, connections) for source in plan.sources if source.format == "csv"}
    decoders = {s.name: csv_decoding(s, csv[s.name]) if s.name in csv else decoding_of(s) for s in plan.sources}
    return _run(plan, given_messages(test, plan, now, csv), decoders, sessions, int(now.timestamp() * 1_000_000))


def _lowered(test: TestSpec, name: str, project: Project) -> Stream:
    stream = next((found for found in project.ir.streams if found.name == name), None)
    if stream is None:
        message = f"stream `{name}` cannot be tested: it does not compile for DuckDB, which tests run on"
        raise Misplaced(message, test.subject.span, code=UNTESTABLE, help="run it on its own target")
    return stream


def _given(stream: Stream, seed: Seed, project: Project) -> Stream:
    """The stream with the given rows in the place of its sources and lookups."""
    lookups = tuple(_lookup(lookup, seed) for lookup in stream.lookups)
    pairs = zip(stream.lookups, lookups, strict=True)
    found = {given.name: given.columns for own, given in pairs if own.columns is None and given.columns is not None}
    stream = over_found(project.checked, stream, found, project.env) if found else stream
    names = [source.name for source in stream.sources]
    seed.used.update(name for name in names if name in seed.given)
    seed.check_used([*names, *(lookup.name for lookup in lookups)], [apply.target for apply in stream.applies])
    return replace(stream, sources=tuple(map(_source, stream.sources)), lookups=lookups)


def _source(source: Source) -> Source:
    """The source with rows as messages: a file of JSON or Parquet has what JSON says of them."""
    if source.format == "csv":
        return source
    return replace(source, kind="kafka", format=source.format if source.format == "raw" else "json")


def _lookup(lookup: Lookup, seed: Seed) -> Lookup:
    columns = seed.lookup(lookup.name, lookup.columns)
    query = f"SELECT * FROM {ident(lookup.name)}"
    return replace(lookup, connection=GIVEN, kind=ENGINE, query=query, columns=columns, refresh=None)


def _run(plan: StreamPlan, given: Given, decoders: Mapping[str, Decoding], sessions: Sessions, now: int) -> Written:
    lookups = Lookups(plan.lookups, lambda connection: _Shared(sessions.target(connection)))
    lookups.open()
    compute = Compute(
        plan, decoders, fail if plan.on_error == "fail" else _nothing,
        lookups=lookups, functions=sessions.functions(plan.functions),
    )  # fmt: skip
    (target,), store = plan.targets, MemoryStore(plan.name) if plan.state is not None else None
    if isinstance(target, TableTarget):
        writer = DatabaseWriter(target, sessions.target(target.connection))
        if store is not None and plan.state is not None and plan.state.shared:
            writer.beside = store.beside
        StreamRun(plan, {"given": given}, compute, [writer], store, clock=lambda: now, drain=True).walk()
        return read_table(target.connection, target.table, sessions)
    kept = Kept()
    StreamRun(plan, {"given": given}, compute, [kept], store, clock=lambda: now, drain=True).walk()
    return Written(target.columns, pa.Table.from_batches([empty(target.columns), *_left(target, kept.batches)]))


def _left(target: TargetPlan, batches: Sequence[pa.RecordBatch]) -> Sequence[pa.RecordBatch]:
    """What is there in the end: of rows that replace each other, the last one of each key."""
    if not (batches and isinstance(target, TopicTarget) and target.changes is not Changelog.INSERT_ONLY):
        return batches
    return [put_there(net(one_batch([with_kinds(batch) for batch in batches]), target.key))]


def _nothing(_rows: Sequence[Origin]) -> None:
    return


class _Shared:
    """The session of a test, which those who read from it do not close."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def close(self) -> None:
        """Does nothing."""
