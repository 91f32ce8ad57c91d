"""Streams, functions and tests: the names that they use. What runs them reads the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowc.compiler.connectors import DEAD_LETTER, LOOKUP, STATE, STREAM_SOURCE, STREAM_TARGET, able, can
from flowc.compiler.lookup import Lookup
from flowc.compiler.spec import ConnectionSpec, Name, ProjectSpec, RawSpec
from flowc.source import Located

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
_EXCLUSIVE = (("source", "sources"), ("sql", "sql_file"), ("cdc", "window"), ("cdc", "join"))


def check_streams(project: ProjectSpec, lookup: Lookup) -> None:
    """Checks every stream, and which pipeline or stream each test names."""
    for stream in project.streams.values():
        _check_stream(stream, lookup)
    for test in project.tests.values():
        _check_test(test, lookup)


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
    for path in _targets(stream):
        _check_target(stream, path, lookup)
    _check_helpers(stream, lookup)


def _name(stream: RawSpec, path: str) -> Name | None:
    """The text at a dotted path, with its place."""
    value: object = stream.value
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else _item(value, step)
    return Located(value, stream.spans[path]) if isinstance(value, str) and path in stream.spans else None


def _item(value: object, step: str) -> object:
    return value[int(step)] if isinstance(value, list) and step.isdigit() and int(step) < len(value) else None


def _sources(stream: RawSpec) -> Iterator[str]:
    if "source" in stream.value:
        yield "source"
    several = stream.value.get("sources")
    for key in several if isinstance(several, Mapping) else ():
        yield f"sources.{key}"


def _targets(stream: RawSpec) -> Iterator[str]:
    to = stream.value.get("to")
    if isinstance(to, list):
        yield from (f"to.{number}" for number in range(len(to)))
    else:
        yield "to"


def _used(stream: RawSpec, path: str, capability: str, verb: str, lookup: Lookup) -> ConnectionSpec | None:
    """The connection named at a path, when it can do what it must."""
    name = _name(stream, path)
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
        table = _name(stream, path) or _name(stream, f"{path}.table")
        if table:
            lookup.table(table)
        else:
            message = f"a target of stream `{stream.name.value}` needs `table` or `connection`"
            lookup.reporter.error("missing-key", message, stream.spans[path])
        return
    connection = _used(stream, f"{path}.connection", STREAM_TARGET, "write to", lookup)
    if connection is None:
        return
    wanted = TARGET_ADDRESS.get(connection.kind.value, ("table",))
    if not any(f"{path}.{key}" in stream.spans for key in wanted):
        words = " or ".join(f"`{key}`" for key in wanted)
        message = f"the target in `{connection.name.value}` needs {words}"
        span = stream.spans[f"{path}.connection"]
        lookup.reporter.error("missing-key", message, span, helps=(f"add `{wanted[0]}:`",))


def _check_helpers(stream: RawSpec, lookup: Lookup) -> None:
    """Lookup tables, the state store and the place for bad rows."""
    lookups = stream.value.get("lookups")
    for key in lookups if isinstance(lookups, Mapping) else ():
        _used(stream, f"lookups.{key}.connection", LOOKUP, "look up rows in", lookup)
    _used(stream, "state.connection", STATE, "keep its state in", lookup)
    dead = stream.value.get("dead_letter")
    if isinstance(dead, Mapping) and "table" not in dead:
        _used(stream, "dead_letter.connection", DEAD_LETTER, "send bad rows to", lookup)
    elif isinstance(dead, Mapping):
        _used(stream, "dead_letter.connection", STREAM_TARGET, "send bad rows to", lookup)
    if stream.value.get("on_error") == "dlq" and dead is None:
        message, helps = "`on_error: dlq` needs `dead_letter`", ("add `dead_letter: {topic: …}`",)
        lookup.reporter.error("missing-key", message, stream.spans["on_error"], helps=helps)


def _check_test(test: RawSpec, lookup: Lookup) -> None:
    project = lookup.project
    pipeline, stream = _name(test, "pipeline"), _name(test, "stream")
    if pipeline:
        lookup.entry("pipelines", pipeline, project.pipelines)
    if stream:
        lookup.entry("streams", stream, project.streams)
    if bool(pipeline) == bool(stream):
        message = f"test `{test.name.value}` needs either `pipeline` or `stream`"
        lookup.reporter.error("missing-key", message, test.name.span, helps=("add `pipeline: NAME`",))
