"""Streams, functions and tests: the names that they use. What runs them reads the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowc.compiler.front.kinds import DEAD_LETTER, LOOKUP, STATE, STREAM_SOURCE, STREAM_TARGET, able, can, is_database
from flowc.compiler.front.spec import ConnectionSpec, ProjectSpec, RawSpec
from flowc.compiler.names.combinations import BY_KEY
from flowc.compiler.names.doubt import sure_only
from flowc.compiler.names.functions import check_function, check_source_types
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.names.paths import check_address, check_module
from flowc.compiler.names.raw import keys_at, name_at, names_at, value_at
from flowc.compiler.names.streamplaces import check_places
from flowc.compiler.names.tablenames import table_name
from flowc.compiler.names.testcases import check_test
from flowc.compiler.names.windows import check_blocks, target_table

ADDRESS: Mapping[str, str] = {
    "kafka": "topic", "rabbitmq": "queue", "pubsub": "subscription", "kinesis": "stream", "files": "path",
    "delta": "table",
}  # fmt: skip
"""What a stream reads of a connection, by its kind."""
TARGET_ADDRESS: Mapping[str, tuple[str, ...]] = {
    "kafka": ("topic",), "rabbitmq": ("queue", "exchange"), "pubsub": ("topic",), "kinesis": ("stream",),
    "files": ("path",),
}  # fmt: skip
"""What a stream writes of a connection, by its kind; databases have tables."""
_TABLE = ("table", "mode", "keys", "primary_key")
_HEEDED: Mapping[str, tuple[str, ...]] = {
    "kafka": ("topic", "key", "format"), "files": ("path", "format", "write", "partition_by", "roll"),
    "delta": (*_TABLE, "partition_by"),
}  # fmt: skip
"""What a target of a kind may say beside its connection; databases say what tables are written by."""
_EXCLUSIVE = (("source", "sources"), ("sql", "sql_file"), ("cdc", "window"), ("cdc", "join"))


def check_streams(project: ProjectSpec, lookup: Lookup) -> None:
    """Checks every stream, function and test."""
    for stream in project.streams.values():
        with sure_only(lookup, stream.gaps):
            _check_stream(stream, lookup)
    for function in project.functions.values():
        with sure_only(lookup, function.gaps):
            check_function(function, lookup)
            check_module(function, lookup)
    for test in project.tests.values():
        with sure_only(lookup, test.gaps):
            check_test(test, lookup)


def _check_stream(stream: RawSpec, lookup: Lookup) -> None:
    for first, second in _EXCLUSIVE:
        if first in stream.value and second in stream.value:
            message = f"`{first}` and `{second}` of stream `{stream.name.value}` exclude each other"
            span = stream.spans[second]
            lookup.reporter.error("conflicting-keys", message, span, helps=("remove one of the two",))
    if "source" not in stream.value and "sources" not in stream.value:
        helps = ("add `source: {connection: …}`",)
        message = f"stream `{stream.name.value}` needs `source` or `sources`"
        lookup.reporter.error("missing-key", message, stream.name.span, helps=helps)
    for path in _sources(stream):
        _check_source(stream, path, lookup)
    for path in target_paths(stream):
        _check_target(stream, path, lookup)
    for path in (*_sources(stream), *target_paths(stream), "dead_letter"):
        check_address(stream, path, lookup)
    check_places(stream, _sources(stream), target_paths(stream), lookup)
    _check_helpers(stream, lookup)
    check_source_types(stream, lookup)
    check_blocks(stream, target_paths(stream), lookup)
    for path in target_paths(stream):
        _check_keys(stream, path, lookup)


def _sources(stream: RawSpec) -> Iterator[str]:
    if "source" in stream.value:
        yield "source"
    several = stream.value.get("sources")
    for key in several if isinstance(several, Mapping) else ():
        yield f"sources.{key}"


def target_paths(stream: RawSpec) -> Iterator[str]:
    """Where the targets of a stream are written."""
    to = stream.value.get("to")
    if isinstance(to, list):
        yield from (f"to.{number}" for number in range(len(to)))
    elif to is not None:
        yield "to"


def _used(stream: RawSpec, path: str, capability: str, verb: str, lookup: Lookup) -> ConnectionSpec | None:
    """The connection named at a path, when it can do what it must."""
    name = name_at(stream, path)
    connection = lookup.connection(name) if name else None
    if name is None or connection is None or can(connection.kind.value, capability):
        return connection
    message = f"a stream cannot {verb} `{name.value}`, a connection of kind `{connection.kind.value}`"
    code = "unsupported-target" if capability == STREAM_TARGET else "unsupported-source"
    kinds = ", ".join(f"`{kind}`" for kind in able(capability))
    lookup.reporter.error(code, message, name.span, helps=(f"possible kinds: {kinds}",))
    return None


def _check_source(stream: RawSpec, path: str, lookup: Lookup) -> None:
    connection = _used(stream, f"{path}.connection", STREAM_SOURCE, "read from", lookup)
    if connection is None:
        return
    wanted = ADDRESS[connection.kind.value]
    for key in ADDRESS.values():
        if key != wanted and f"{path}.{key}" in stream.spans:
            message = f"a source of kind `{connection.kind.value}` is read by `{wanted}`, not by `{key}`"
            lookup.reporter.error("conflicting-keys", message, stream.spans[f"{path}.{key}"])
            return
    if f"{path}.{wanted}" not in stream.spans:
        message = f"the source in `{connection.name.value}` needs `{wanted}`"
        lookup.reporter.error("missing-key", message, stream.spans[f"{path}.connection"], helps=(f"add `{wanted}:`",))


def _check_target(stream: RawSpec, path: str, lookup: Lookup) -> None:
    if f"{path}.connection" not in stream.spans:
        table = name_at(stream, path) or name_at(stream, f"{path}.table")
        if table:
            lookup.table(table)
        else:
            message = f"a target of stream `{stream.name.value}` needs `table` or `connection`"
            lookup.reporter.error("missing-key", message, stream.spans.get(path, stream.span))
        return
    connection = _used(stream, f"{path}.connection", STREAM_TARGET, "write to", lookup)
    if connection is None:
        return
    if table := name_at(stream, f"{path}.table"):
        table_name(table, lookup.reporter)
    wanted = TARGET_ADDRESS.get(connection.kind.value, ("table",))
    if not any(f"{path}.{key}" in stream.spans for key in wanted):
        words = " or ".join(f"`{key}`" for key in wanted)
        message = f"the target in `{connection.name.value}` needs {words}"
        span = stream.spans[f"{path}.connection"]
        lookup.reporter.error("missing-key", message, span, helps=(f"add `{wanted[0]}:`",))
        return
    _check_options(stream, path, connection, lookup)


def _check_options(stream: RawSpec, path: str, connection: ConnectionSpec, lookup: Lookup) -> None:
    """Reports what a target says that its kind cannot heed."""
    kind, given = connection.kind.value, value_at(stream, path)
    heeded = _HEEDED.get(kind) or (_TABLE if is_database(kind) else ())
    for key, value in given.items() if isinstance(given, Mapping) and heeded else ():
        plain = key == "connection" or (key == "mode" and value == "append")
        if not plain and key not in heeded:
            message = f"`{key}` says nothing to a connection of kind `{kind}`"
            helps = ("its rows are only ever appended",) if key in ("mode", "keys") else ("remove it",)
            lookup.reporter.error("conflicting-keys", message, stream.spans[f"{path}.{key}"], helps=helps)


def _check_keys(stream: RawSpec, path: str, lookup: Lookup) -> None:
    """Whether a target that is written by key has keys, and its declared table their columns."""
    table, mode = target_table(stream, path, lookup), name_at(stream, f"{path}.mode") or name_at(stream, "mode")
    keys = names_at(stream, f"{path}.keys") or names_at(stream, "keys")
    if table is not None:
        for key in keys:
            lookup.column(key, table, (c.name.value for c in table.columns), "key")
    known: object = keys or names_at(stream, f"{path}.primary_key") or "cdc" in stream.value or "window" in stream.value
    known = known or (table is not None and bool(table.natural_key or table.primary_key))
    if mode and mode.value in BY_KEY and not known:
        message = f"`mode: {mode.value}` of stream `{stream.name.value}` needs keys"
        lookup.reporter.error("missing-keys", message, mode.span, helps=("add `keys: [ … ]`",))


def _check_helpers(stream: RawSpec, lookup: Lookup) -> None:
    """Lookup tables, the state store and the place for bad rows."""
    lookups = stream.value.get("lookups")
    tables = [f"lookups.{key}.table" for key in lookups] if isinstance(lookups, Mapping) else []
    for path in (*tables, "dead_letter.table"):
        if table := name_at(stream, path):
            table_name(table, lookup.reporter)
    for key in lookups if isinstance(lookups, Mapping) else ():
        _used(stream, f"lookups.{key}.connection", LOOKUP, "look up rows in", lookup)
    _check_lookup_names(stream, lookup)
    _used(stream, "state.connection", STATE, "keep its state in", lookup)
    dead = stream.value.get("dead_letter")
    if isinstance(dead, Mapping) and "table" not in dead:
        _used(stream, "dead_letter.connection", DEAD_LETTER, "send bad rows to", lookup)
    elif isinstance(dead, Mapping):
        _used(stream, "dead_letter.connection", STREAM_TARGET, "send bad rows to", lookup)
    if stream.value.get("on_error") == "dlq" and dead is None and not _has_database(stream, lookup):
        message = "`on_error: dlq` needs `dead_letter` where no target is a table of a database"
        helps = ("add `dead_letter: {topic: …}`",)
        lookup.reporter.error("missing-key", message, stream.spans["on_error"], helps=helps)


def _check_lookup_names(stream: RawSpec, lookup: Lookup) -> None:
    """The SQL knows sources and lookups by their names alone."""
    sources = {path.removeprefix("sources.") for path in _sources(stream)}
    for name in keys_at(stream, "lookups"):
        if name.value in sources:
            message = f"lookup `{name.value}` of stream `{stream.name.value}` has the name of a source"
            lookup.reporter.error("duplicate-name", message, name.span, helps=("give the lookup another name",))


def _has_database(stream: RawSpec, lookup: Lookup) -> bool:
    """Whether the stream writes a table of a database, beside which dead letters can go."""
    connections, tables = lookup.project.connections, lookup.project.tables
    for path in target_paths(stream):
        given, table = name_at(stream, f"{path}.connection"), name_at(stream, path) or name_at(stream, f"{path}.table")
        spec = tables.get(table.value) if table is not None and given is None else None
        name = given.value if given is not None else spec.connection.value if spec is not None else ""
        if name in connections and is_database(connections[name].kind.value):
            return True
    return False
