"""Streams: the names that they use, and all that they do where their specs do not say it.

Defaults: `mode` is `append`; `keys` are the target's or stream's own, else the table's natural key, else its primary
key; the format of a source is what its connection or the names of its files say, else JSON; dead letters go into the
connection of the first table that is written, or, into a topic, of the first source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from itertools import chain
from typing import TypeVar, cast

from flowc.catalog import TableName
from flowc.compiler.checked import (
    CheckedLetters,
    CheckedLookup,
    CheckedStream,
    CheckedStreamSource,
    CheckedStreamTarget,
)
from flowc.compiler.dialects import OWN
from flowc.compiler.front.connections import find_connection
from flowc.compiler.front.kinds import DEAD_LETTER, LOOKUP, STATE, STREAM_SOURCE, STREAM_TARGET, able, can
from flowc.compiler.front.spec import ConnectionSpec, Name, TableSpec, TargetSpec
from flowc.compiler.front.streamkinds import source_kind, target_kind
from flowc.compiler.front.streamspec import BatchSpec, DeadLetterSpec, RestartSpec, StreamSourceSpec, StreamSpec
from flowc.compiler.ir import Delivery, Mode, OnError
from flowc.compiler.names.combinations import BY_KEY
from flowc.compiler.names.dialects import known_dialect
from flowc.compiler.names.doubt import sure_only
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.names.paths import check_below
from flowc.compiler.names.sources import format_of
from flowc.compiler.names.streamplaces import check_places
from flowc.compiler.names.tablenames import table_name
from flowc.compiler.names.targets import DEFAULT_MODE
from flowc.compiler.names.windows import check_blocks, keeps_letters
from flowc.formats import JSON
from flowc.source import Located
from flowc.stream import MAX_ATTEMPTS, BatchLimits, RestartPolicy

T = TypeVar("T", BatchLimits, RestartPolicy)

_EXCLUSIVE = (("source", "sources"), ("cdc", "window"), ("cdc", "join"))


def resolve_streams(lookup: Lookup) -> Mapping[str, CheckedStream]:
    """Every stream of the project, checked, with its defaults decided."""
    found: dict[str, CheckedStream] = {}
    for name, spec in lookup.project.streams.items():
        with sure_only(lookup, spec.gaps):
            found[name] = stream = _stream(spec, lookup)
            _check_keys_of(spec, lookup)
            check_places(stream, lookup)
            _check_letters(stream, lookup)
            check_blocks(stream, lookup)
            for target in stream.targets:
                _check_keys(spec, target, lookup)
    return found


def _stream(spec: StreamSpec, lookup: Lookup) -> CheckedStream:
    targets = tuple(target for each in spec.to if (target := _target(spec, each, lookup)))
    sources = tuple(source for each in spec.sources if (source := _source(each, lookup)))
    return CheckedStream(
        spec, sources, targets, lookups=tuple(_lookups(spec, lookup)),
        dialect=known_dialect(spec.dialect, lookup.reporter) if spec.dialect else OWN,
        state=_used(spec.state, STATE, "keep its state in", lookup),
        letters=_letters(spec.dead_letter, sources, targets, lookup) if spec.dead_letter else None,
        max_attempts=spec.dead_letter.max_attempts or MAX_ATTEMPTS if spec.dead_letter else MAX_ATTEMPTS,
        start=spec.start.value if spec.start else "earliest",
        on_error=cast(OnError, spec.on_error.value if spec.on_error else "fail"),
        delivery=cast(Delivery, spec.delivery.value if spec.delivery else "exactly_once"),
        batch=_over(BatchLimits(), spec.batch),
        parallelism=spec.parallelism or 1,
        restart=_over(RestartPolicy(), spec.restart),
    )  # fmt: skip


def _over(usual: T, spec: BatchSpec | RestartSpec) -> T:
    """What is usual, but for what a spec says."""
    said = {each.name: getattr(spec, each.name) for each in fields(spec)}
    given = {key: held.value if isinstance(held, Located) else held for key, held in said.items() if held is not None}
    return replace(usual, **given)


def _check_keys_of(spec: StreamSpec, lookup: Lookup) -> None:
    """Whether the keys of a stream go together."""
    for first, second in _EXCLUSIVE:
        if first in spec.given and second in spec.given:
            message = f"`{first}` and `{second}` of stream `{spec.name.value}` exclude each other"
            span = spec.given[second]
            lookup.reporter.error("conflicting-keys", message, span, helps=("remove one of the two",))
    if "source" not in spec.given and "sources" not in spec.given:
        helps = ("add `source: {connection: …}`",)
        message = f"stream `{spec.name.value}` needs `source` or `sources`"
        lookup.reporter.error("missing-key", message, spec.name.span, helps=helps)


def _used(name: Name | None, capability: str, verb: str, lookup: Lookup) -> ConnectionSpec | None:
    """The connection of a name; one that cannot do what it must is reported."""
    connection = lookup.connection(name) if name else None
    if name is not None and connection is not None and not can(connection.kind.value, capability):
        message = f"a stream cannot {verb} `{name.value}`, a connection of kind `{connection.kind.value}`"
        code = "unsupported-target" if capability == STREAM_TARGET else "unsupported-source"
        kinds = ", ".join(f"`{kind}`" for kind in able(capability))
        lookup.reporter.error(code, message, name.span, helps=(f"possible kinds: {kinds}",))
    return connection


def _source(spec: StreamSourceSpec, lookup: Lookup) -> CheckedStreamSource | None:
    connection = _used(spec.connection, STREAM_SOURCE, "read from", lookup)
    if connection is None:
        return None
    wanted = source_kind(connection.kind.value).address
    if can(connection.kind.value, STREAM_SOURCE):
        _check_address(spec, wanted, connection, lookup)
    _check_path(spec.addresses.get("path"), connection, lookup)
    named = spec.addresses.get(wanted)
    return CheckedStreamSource(spec, connection, named.value if named else None, _format(spec, connection))


def _check_address(spec: StreamSourceSpec, wanted: str, connection: ConnectionSpec, lookup: Lookup) -> None:
    other = next((key for key in spec.addresses if key != wanted), None)
    if other is not None:
        message = f"a source of kind `{connection.kind.value}` is read by `{wanted}`, not by `{other}`"
        lookup.reporter.error("conflicting-keys", message, spec.addresses[other].span)
    elif wanted not in spec.addresses and spec.connection is not None:
        message = f"the source in `{connection.name.value}` needs `{wanted}`"
        lookup.reporter.error("missing-key", message, spec.connection.span, helps=(f"add `{wanted}:`",))


def _format(spec: StreamSourceSpec, connection: ConnectionSpec) -> str:
    """How the source is read: as it says, else as the connection or the names of its files say, else JSON."""
    if spec.format is not None:
        return spec.format.value
    path = spec.addresses.get("path")
    return str(connection.options.get("format") or (format_of(path.value) if path else None) or JSON)


def _check_path(path: Name | None, connection: ConnectionSpec, lookup: Lookup) -> None:
    if path is not None:
        check_below(path, connection, lookup)


def _target(stream: StreamSpec, spec: TargetSpec, lookup: Lookup) -> CheckedStreamTarget | None:
    if spec.connection is not None:
        return _placed(stream, spec, lookup)
    if spec.table is None:
        message = f"a target of stream `{stream.name.value}` needs `table` or `connection`"
        lookup.reporter.error("missing-key", message, spec.span)
        return None
    table = lookup.table(spec.table)
    connection = find_connection(lookup.project.connections, table.connection.value) if table else None
    return _made(stream, spec, connection, table, table.table_name) if table and connection else None


def _placed(stream: StreamSpec, spec: TargetSpec, lookup: Lookup) -> CheckedStreamTarget | None:
    """A target that names its connection."""
    connection = _used(spec.connection, STREAM_TARGET, "write to", lookup)
    if connection is None:
        return None
    kind, named = connection.kind.value, spec.table
    if can(kind, STREAM_TARGET):
        if named is not None:
            table_name(named, lookup.reporter)
        _check_options(spec, connection, lookup)
    _check_path(spec.addresses.get("path"), connection, lookup)
    name = _parsed(named) if named is not None and target_kind(kind).writes == "table" else None
    table = lookup.table_at(connection, name) if name is not None else None
    return _made(stream, spec, connection, table, name)


def _made(
    stream: StreamSpec, spec: TargetSpec, connection: ConnectionSpec, table: TableSpec | None, name: TableName | None
) -> CheckedStreamTarget:
    mode, named = spec.mode or stream.mode, spec.keys or stream.keys
    keys = named or ((table.natural_key or table.primary_key) if table is not None else spec.primary_key)
    written = cast(Mode, mode.value if mode else DEFAULT_MODE)
    return CheckedStreamTarget(
        spec, connection, table, name=name, mode=written, named=named, keys=tuple(key.value for key in keys)
    )


def _parsed(name: Name) -> TableName | None:
    with suppress(ValueError):  # reported where names are checked
        return TableName.parse(name.value)
    return None


def _check_options(spec: TargetSpec, connection: ConnectionSpec, lookup: Lookup) -> None:
    """Reports a target that does not say what it writes, and what it says that its kind cannot heed."""
    kind, report = target_kind(connection.kind.value), lookup.reporter.error
    if spec.connection is not None and not any(key in spec.given for key in kind.addresses):
        words = " or ".join(f"`{key}`" for key in kind.addresses)
        message = f"the target in `{connection.name.value}` needs {words}"
        report("missing-key", message, spec.connection.span, helps=(f"add `{kind.addresses[0]}:`",))
        return
    plain = ("connection", "mode") if spec.mode is not None and spec.mode.value == DEFAULT_MODE else ("connection",)
    for key, span in spec.given.items() if kind.writes else ():
        if key not in (*plain, *kind.addresses, *kind.options):
            message = f"`{key}` says nothing to a connection of kind `{connection.kind.value}`"
            helps = ("its rows are only ever appended",) if key in ("mode", "keys") else ("remove it",)
            report("conflicting-keys", message, span, helps=helps)


def _check_keys(stream: StreamSpec, target: CheckedStreamTarget, lookup: Lookup) -> None:
    """Whether a target that is written by key has keys, and its declared table their columns."""
    if target.table is not None:
        for key in target.named:
            lookup.column(key, target.table, (c.name.value for c in target.table.columns), "key")
    known = target.keys or target.spec.primary_key or not {"cdc", "window"}.isdisjoint(stream.given)
    if (mode := target.spec.mode or stream.mode) and target.mode in BY_KEY and not known:
        message = f"`mode: {target.mode}` of stream `{stream.name.value}` needs keys"
        lookup.reporter.error("missing-keys", message, mode.span, helps=("add `keys: [ … ]`",))


def _lookups(stream: StreamSpec, lookup: Lookup) -> Iterator[CheckedLookup]:
    sources = {source.name.value for source in stream.sources}
    for spec in stream.lookups:
        if spec.table is not None:
            table_name(spec.table, lookup.reporter)
        if spec.name.value in sources:
            message = f"lookup `{spec.name.value}` of stream `{stream.name.value}` has the name of a source"
            lookup.reporter.error("duplicate-name", message, spec.name.span, helps=("give the lookup another name",))
        if connection := _used(spec.connection, LOOKUP, "look up rows in", lookup):
            yield CheckedLookup(spec, connection)


def _letters(
    spec: DeadLetterSpec,
    sources: tuple[CheckedStreamSource, ...],
    targets: tuple[CheckedStreamTarget, ...],
    lookup: Lookup,
) -> CheckedLetters | None:
    if spec.table is not None:
        table_name(spec.table, lookup.reporter)
    connection = _used(spec.connection, STREAM_TARGET if spec.table else DEAD_LETTER, "send bad rows to", lookup)
    if connection is not None:
        _check_path(spec.addresses.get("path"), connection, lookup)
    elif spec.connection is None:
        tables = (each.connection for each in targets if each.name is not None and "topic" not in spec.addresses)
        connection = next(chain(tables, (source.connection for source in sources)), None)
    return CheckedLetters(spec, connection, _parsed(spec.table) if spec.table else None) if connection else None


def _check_letters(stream: CheckedStream, lookup: Lookup) -> None:
    """Whether there is a place for bad rows, where they are kept; a target that is not known may be one."""
    spec = stream.spec
    if stream.on_error == "dlq" and spec.on_error is not None and not keeps_letters(stream):
        message = "`on_error: dlq` needs `dead_letter` where no target is a table of a database"
        helps = ("add `dead_letter: {topic: …}`",)
        lookup.reporter.error("missing-key", message, spec.on_error.span, helps=helps)
