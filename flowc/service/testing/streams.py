"""Tests of streams: the stream as its sources hold the rows that are given, on databases in memory.

A row is written as CSV where its source is CSV, else as JSON, and decoded by the columns of its source, so that a value
that is none of its type is a bad message, as in a run. A row of Parquet then has the types that Parquet has.
What happens to the stream is told in `timeline`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from flowc.compiler.front.streamkinds import noun, source_kind
from flowc.compiler.front.streamspec import TestSpec
from flowc.compiler.ir import Lookup, Source, Stream
from flowc.compiler.quote import ident
from flowc.formats import FORMATS, JSON, columnar
from flowc.runtime.contracts.decoder import Decoding
from flowc.runtime.formats.csv.options import CsvOptions
from flowc.service.access.sessions import Sessions
from flowc.service.streams.discovery import over_found
from flowc.service.streams.run import planned
from flowc.service.streams.sources import decoding_of
from flowc.service.streams.targets import looking
from flowc.service.testing.csv import csv_decoding, options_of
from flowc.service.testing.embedded import ENGINE, GIVEN, Project
from flowc.service.testing.parquet import parquet_decoding
from flowc.service.testing.pipelines import Written
from flowc.service.testing.rows import Misplaced
from flowc.service.testing.seed import UNTESTABLE, Seed
from flowc.service.testing.timeline import Timeline
from flowc.stream import SourcePlan
from flowc.systems import systems_with


def run_stream_test(test: TestSpec, name: str, project: Project, sessions: Sessions, now: datetime) -> Written:
    """Gives the rows, runs the stream to their end, and reads its target.

    Raises FlowcError for what the stream fails with, and Misplaced for what cannot be tested so.
    """
    seed = Seed(test, project, sessions)
    stream = _given(_lowered(test, name, project), seed, project)
    for apply in stream.applies:
        seed.ready(apply.target)
        if seed.before(apply.target) is not None:
            seed.target(apply, planned(stream).targets[0].columns)
    plan = planned(stream, looking(sessions))
    if len(plan.targets) != 1:
        message = f"stream `{name}` writes {len(plan.targets)} targets, and a test tells the rows of one"
        raise Misplaced(message, test.subject.span, code=UNTESTABLE, help="test a stream of one target")
    plan = replace(plan, letters=None)
    connections = project.checked.project.connections
    csv = {source.name: options_of(source, connections) for source in plan.sources if FORMATS[source.format].headed}
    decoders = {source.name: _decoding(source, csv) for source in plan.sources}
    return Timeline(test, plan, decoders, csv=csv, sessions=sessions, now=now).play()


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
    """The source as it is; one that this version cannot read yet, as a topic of JSON."""
    if source.format in source_kind(source.kind).formats:
        return source
    kinds = systems_with("runtime", "source")
    return replace(source, kind=next(kind for kind in kinds if noun(kind) == "messages"), format=JSON)


def _decoding(source: SourcePlan, csv: Mapping[str, CsvOptions]) -> Decoding:
    if source.name in csv:
        return csv_decoding(source, csv[source.name])
    return parquet_decoding(source) if columnar(source.format) else decoding_of(source)


def _lookup(lookup: Lookup, seed: Seed) -> Lookup:
    columns = seed.lookup(lookup.name, lookup.columns)
    query = f"SELECT * FROM {ident(lookup.name)}"
    return replace(lookup, connection=GIVEN, kind=ENGINE, query=query, columns=columns, refresh=None)
