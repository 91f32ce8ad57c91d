"""The columns of sources that declare none: found in what comes first, and remembered with the state of the stream.

A restart has the same columns, so that a target's table stays as it is. Fields that come later are ignored. Those of
lookups are asked of their databases.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from flowc.catalog import Column
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.streamkinds import is_folder, source_kind
from flowc.compiler.ir import Source, Stream
from flowc.compiler.lowering.lower import lower_stream
from flowc.compiler.streamplan.state import EMBEDDED, Owner, state_plan
from flowc.diagnostics import Reporter, Severity
from flowc.errors import DataError, TransientError, UsageError
from flowc.formats import CSV, JSON
from flowc.loadplan import EngineRead, FilesRead
from flowc.runtime import formats
from flowc.runtime.contracts.opening import Facts
from flowc.runtime.contracts.store import Entry, File
from flowc.runtime.contracts.target import Fenced
from flowc.runtime.engine.engine import Engine
from flowc.runtime.stores.files import Files, NoColumns
from flowc.runtime.streams.queues import QueueReader
from flowc.runtime.streams.reader import SourceReader
from flowc.runtime.systems.files.registry import Passing, Registry
from flowc.service.access.sessions import Sessions
from flowc.service.streams.sides import described
from flowc.service.streams.sources import SAMPLE, StoredFacts, sampled
from flowc.service.streams.state import recalled
from flowc.types import TEXT, UNKNOWN, DataType, Kind, parse_type

_PATIENCE = 10.0
"""Seconds for which a first message is waited for."""
_QUIET = 1.0
_FILES = 10


def discovered(checked: CheckedSpec, stream: Stream, sessions: Sessions, facts: Facts | None = None) -> Stream:
    """The stream with the columns of all its sources and lookups.

    `facts` stand for what it remembers, where that is not touched.

    Raises:
        TransientError: there is nothing yet to find them in, or nothing that can be read.
        UsageError: the stream's SQL does not fit them.
    """
    found = described(stream.lookups, sessions) | _discovered(stream, sessions, facts)
    return over_found(checked, stream, found, sessions.resolver.env) if found else stream


def _discovered(stream: Stream, sessions: Sessions, facts: Facts | None) -> dict[str, tuple[Column, ...]]:
    """The columns of its sources; nothing where one is of a kind whose messages tell none."""
    unknown = [source for source in stream.sources if source.columns is None]
    if not unknown or any(source.format not in source_kind(source.kind).formats for source in unknown):
        return {}
    connection, kind = stream.state or (None, EMBEDDED)
    owner = Owner(stream.project, stream.name)
    facts = facts or StoredFacts(stream.name, state_plan(owner, connection, kind), sessions)
    kept = facts.facts()
    found: dict[str, tuple[Column, ...]] = {}
    for source in unknown:
        text = kept.get(_fact(source.name))
        found[source.name] = _read(text) if text is not None else _found(source, stream, sessions)
        if text is None:
            _remember(facts, source.name, found)
    return found


def _remember(facts: Facts, source: str, found: dict[str, tuple[Column, ...]]) -> None:
    """Stores the columns of a source, or takes those that another worker has found first."""
    name = _fact(source)
    try:
        facts.remember({name: _written(found[source])})
    except Fenced:
        found[source] = _read(facts.recall([name])[name])


def remembered(checked: CheckedSpec, stream: Stream, sessions: Sessions) -> Stream:
    """The stream with the columns that it found when it first ran; as it is where it has not. Reads no message.

    Raises UsageError where the stream's SQL does not fit them.
    """
    unknown = [source.name for source in stream.sources if source.columns is None]
    plan = state_plan(Owner(stream.project, stream.name), *(stream.state or (None, EMBEDDED)))
    kept = recalled(stream.name, plan, sessions) if unknown else {}
    sources = {name: _read(kept[_fact(name)]) for name in unknown if _fact(name) in kept}
    found = described(stream.lookups, sessions) | (sources if len(sources) == len(unknown) else {})
    return over_found(checked, stream, found, sessions.resolver.env) if found else stream


def _fact(source: str) -> str:
    """The name under which the columns of a source are remembered."""
    return f"columns.{source}"


def over_found(
    checked: CheckedSpec, stream: Stream, found: dict[str, tuple[Column, ...]], env: Mapping[str, str]
) -> Stream:
    """The stream with the columns that its sources and lookups were found to have.

    Raises UsageError where its SQL does not fit them.
    """
    reporter = Reporter()
    made = lower_stream(checked, stream.name, found, reporter, env=env)
    if made is None:
        wrong = next(each for each in reporter.sorted() if each.severity is Severity.ERROR)
        message = f"stream `{stream.name}`, with the columns that were found: {wrong.message}"
        raise UsageError(message, code=wrong.code, help="; ".join(wrong.helps) or "declare `columns`")
    return made


def _found(source: Source, stream: Stream, sessions: Sessions) -> tuple[Column, ...]:
    skips = stream.on_error != "fail"
    in_files = is_folder(source.kind)
    columns = _in_files(source, sessions, skips=skips) if in_files else _in_messages(source, sampled(source, sessions))
    if not columns:
        message = f"there is nothing yet in source `{source.name}` to find its columns in"
        raise TransientError(
            message, code="unknown-source-columns", help="declare `columns`, or wait for the first rows"
        )
    return tuple(_storable(column) for column in columns)


def _storable(column: Column) -> Column:
    """Types whose names cannot be read back, for the names of their fields, are json."""
    kind = TEXT if column.type == UNKNOWN else column.type
    try:
        same = parse_type(str(kind)) == kind
    except ValueError:
        same = False
    return Column(column.name, kind if same else DataType(Kind.JSON))


def _in_messages(source: Source, reader: SourceReader | QueueReader) -> tuple[Column, ...]:
    try:
        reader.seek({})
        values = list[pa.Array]()
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and sum(map(len, values)) < SAMPLE:
            polled = reader.poll(_QUIET)
            if polled is not None and polled.messages.num_rows:
                values.append(polled.messages.column("_value"))
            if values and reader.ended:
                break
    finally:
        reader.close()
    return formats.discovered(source.format or JSON, pa.concat_arrays(values)) if values else ()


class _Chosen(Files):
    """A folder of which only some files are seen."""

    def __init__(self, files: Files, entries: Sequence[Entry]) -> None:
        self.folder, self.options, self.store, self._entries = files.folder, files.options, files.store, entries

    def find(self, path: str) -> tuple[File, ...]:
        """The chosen files. Raises DataError for what is no file below the folder."""
        return tuple(map(self.store.file, self._entries))


def _in_files(source: Source, sessions: Sessions, *, skips: bool) -> tuple[Column, ...]:
    """The columns of the first files, or, with `skips`, of the first ones that can be read, without their bad rows.

    Raises TransientError where there are such as cannot be read, and no others.
    """
    files = Files(sessions.options(source.connection).values, sessions.resolver.root)
    registry = Registry(source.name, files.store, source.path or "", Passing())
    end = time.monotonic() + _PATIENCE / 2
    while registry.look() and not registry.files and time.monotonic() < end:
        time.sleep(_QUIET / 5)
    entries = [seen.entry for seen in registry.files]
    options = source.options.get("read")
    form = source.format or CSV
    given = options if isinstance(options, dict) else {}
    read = FilesRead(source.connection, source.path or "", form, given, skips=skips)

    def described(entries: Sequence[Entry]) -> tuple[Column, ...]:
        try:
            with Engine(lambda _: _Chosen(files, entries)) as engine:
                return engine.describe(EngineRead((("source", read),), None))
        except NoColumns:
            return ()

    parts = (entries[first : first + _FILES] for first in range(0, len(entries), _FILES))
    wrong = list[DataError]()
    found = (_readable(part, described, wrong) if skips else described(part) for part in parts)
    columns = next(filter(None, found), ())
    if wrong and not columns:  # a file that can be read may come yet
        raise TransientError(wrong[0].message, code=wrong[0].code, help=wrong[0].help)
    return columns


def _readable(
    entries: Sequence[Entry], described: Callable[[Sequence[Entry]], tuple[Column, ...]], wrong: list[DataError]
) -> tuple[Column, ...]:
    """The columns of files, without those that cannot be read: the stream passes over them, too. `wrong` says why."""
    try:
        return described(entries)
    except DataError as error:
        if len(entries) == 1:
            wrong.append(error)
            return ()
    whole = [entry for entry in entries if _readable([entry], described, wrong)]
    return described(whole) if whole else ()


def _written(columns: Sequence[Column]) -> str:
    return json.dumps([[column.name, str(column.type)] for column in columns])


def _read(text: str) -> tuple[Column, ...]:
    return tuple(Column(name, parse_type(kind)) for name, kind in json.loads(text))
