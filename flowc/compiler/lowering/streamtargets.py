"""What a stream writes: tables, each as the `Apply` of an epoch's rows, and folders, topics and dead letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast

from flowc.catalog import Column, Table, TableName
from flowc.compiler.front.spec import Json, Name, RawSpec, TableSpec
from flowc.compiler.ir import Apply, FilesOutput, OnError, OtherOutput, Output, Source, Sql, Target, TopicOutput
from flowc.compiler.loads.desired import declared_table
from flowc.compiler.lowering.context import Lowering
from flowc.compiler.names.raw import name_at, names_at, place, value_at
from flowc.compiler.names.streams import target_paths
from flowc.compiler.names.windows import target_table
from flowc.diagnostics import did_you_mean
from flowc.durations import parse_duration, parse_size
from flowc.source import Span

NO_TABLES = ("files", "kafka", "rabbitmq", "pubsub", "kinesis")
"""The kinds of connections that hold no tables."""
MODES = ("append", "merge")


def stream_applies(stream: RawSpec, node: Sql | Source, lowering: Lowering) -> Iterator[Apply]:
    """One for each target that is a table."""
    for path in target_paths(stream):
        target = _target(stream, path, lowering)
        if target is not None:
            roles = {(role, name.value): name.span for role, name in _roles(stream, path, lowering)}
            yield replace(_apply(stream, path, node, target, lowering.checked.project.name), roles=roles)


def stream_outputs(stream: RawSpec, lowering: Lowering) -> Iterator[Output]:
    """One for each target that is no table."""
    for path in target_paths(stream):
        kind = _kind(stream, path, lowering)
        if kind in NO_TABLES:
            yield _output(stream, path, str(kind), lowering)


def check_named(stream: RawSpec, columns: tuple[Column, ...], lowering: Lowering) -> None:
    """Reports columns of the output that targets name and the SQL does not return: of message keys, of partitions."""
    known = [column.name for column in columns]
    for path in target_paths(stream):
        declared = target_table(stream, path, lowering.lookup) is not None
        for key in ("key", *(() if declared else ("partition_by",))):
            for name in _names(stream, f"{path}.{key}"):
                if name.value not in known:
                    message = f"the output of stream `{stream.name.value}` has no column `{name.value}` for `{key}`"
                    helps = did_you_mean(name.value, known) or (f"select it: `SELECT …, {name.value}`",)
                    lowering.reporter.error("unknown-column", message, name.span, helps=helps)


def _names(stream: RawSpec, path: str) -> tuple[Name, ...]:
    """One name, or a list of them."""
    name = name_at(stream, path)
    return (name,) if name else names_at(stream, path)


def dead_letter(stream: RawSpec, lowering: Lowering) -> Target | Output | None:
    """Where bad rows go, where the stream says so.

    A topic is in the source's connection, and a table beside the first table that is written, unless it says otherwise.
    """
    topic, table = name_at(stream, "dead_letter.topic"), name_at(stream, "dead_letter.table")
    given = name_at(stream, "dead_letter.connection")
    connection = given.value if given else _nearest(stream, "topic" if topic else "table", lowering)
    if "dead_letter" not in stream.value or connection not in lowering.checked.project.connections:
        return None
    kind, span = lowering.checked.project.connections[connection].kind.value, place(stream, "dead_letter")
    if topic is not None and kind == "kafka":
        return TopicOutput(connection, topic.value, "raw", (), span)
    if table is None or kind in NO_TABLES:
        return OtherOutput(connection, kind, span)
    try:
        return Target(connection, kind, TableName.parse(table.value), None)
    except ValueError:  # reported where targets are checked
        return None


def on_error(stream: RawSpec) -> OnError:
    """What becomes of bad rows."""
    given = name_at(stream, "on_error")
    return cast(OnError, given.value) if given else "fail"


def _nearest(stream: RawSpec, key: str, lowering: Lowering) -> str:
    if key == "table":
        tables = (_target(stream, path, lowering) for path in target_paths(stream))
        found = next((target.connection for target in tables if target is not None), None)
        if found is not None:
            return found
    several = value_at(stream, "sources")
    first = f"sources.{next(iter(several))}" if isinstance(several, Mapping) and several else "source"
    name = name_at(stream, f"{first}.connection")
    return name.value if name else ""


def _where(stream: RawSpec, path: str) -> Span:
    """Where a target is named."""
    named = (name_at(stream, f"{path}.{key}") for key in ("table", "topic", "path"))
    return next((name.span for name in named if name is not None), place(stream, path))


def _kind(stream: RawSpec, path: str, lowering: Lowering) -> str | None:
    """The kind of the connection that a target names."""
    connection = name_at(stream, f"{path}.connection")
    spec = lowering.checked.project.connections.get(connection.value) if connection else None
    return spec.kind.value if spec else None


def _target(stream: RawSpec, path: str, lowering: Lowering) -> Target | None:
    project, spec = lowering.checked.project, target_table(stream, path, lowering.lookup)
    if spec is not None and spec.connection.value in project.connections:
        declared = declared_table(spec)
        return _named(lowering, spec.connection.value, declared.name, declared, _natural(spec, declared))
    table, connection = name_at(stream, f"{path}.table"), name_at(stream, f"{path}.connection")
    if table is None or connection is None or connection.value not in project.connections:
        return None
    try:
        name = TableName.parse(table.value)
    except ValueError:  # reported where targets are checked
        return None
    keys = names_at(stream, f"{path}.primary_key") or _keys(stream, path)
    parts = tuple(name.value for name in names_at(stream, f"{path}.partition_by"))
    return _named(lowering, connection.value, name, None, tuple(key.value for key in keys), parts)


def _keys(stream: RawSpec, path: str) -> tuple[Name, ...]:
    """The keys of a target as they are written."""
    return names_at(stream, f"{path}.keys") or names_at(stream, "keys")


def _roles(stream: RawSpec, path: str, lowering: Lowering) -> Iterator[tuple[str, Name]]:
    """The columns that are named as keys, each with its role; see `Apply.roles`."""
    spec = target_table(stream, path, lowering.lookup)
    if spec is not None:
        yield from (("table key", name) for name in spec.natural_key or spec.primary_key)
    yield from (("key", name) for name in _keys(stream, path) or names_at(stream, f"{path}.primary_key"))


def _named(
    lowering: Lowering,
    connection: str,
    name: TableName,
    table: Table | None,
    keys: tuple[str, ...],
    parts: tuple[str, ...] = (),
) -> Target:
    kind = lowering.checked.project.connections[connection].kind.value
    return Target(connection, kind, name, table, keys, parts)


def _natural(spec: TableSpec, table: Table) -> tuple[str, ...]:
    return tuple(name.value for name in spec.natural_key) or table.primary_key


def _apply(stream: RawSpec, path: str, node: Sql | Source, target: Target, project: str) -> Apply:
    mode = name_at(stream, f"{path}.mode") or name_at(stream, "mode")
    merges = mode is not None and mode.value == "merge"
    keys = tuple(key.value for key in _keys(stream, path)) or target.primary_key
    return Apply(
        pipeline=stream.name.value, input=node, target=target, mode="merge" if merges else "append",
        keys=keys if merges else (), compare=None, event_time=None, ttl=None, deletes="ignore",
        soft_delete_column=None, allow_empty=False, dedupe=None, incremental=None, normalize=(), derived=(),
        before=(), after=(), expect=(), timezone=None, span=_where(stream, path), project=project,
    )  # fmt: skip


def other_modes(stream: RawSpec) -> list[str]:
    """The modes of targets that streams do not write."""
    modes = (name_at(stream, f"{path}.mode") or name_at(stream, "mode") for path in target_paths(stream))
    return [f"mode: {mode.value}" for mode in modes if mode is not None and mode.value not in MODES]


def _output(stream: RawSpec, path: str, kind: str, lowering: Lowering) -> Output:
    connection, form = name_at(stream, f"{path}.connection"), name_at(stream, f"{path}.format")
    assert connection is not None
    folder, topic = name_at(stream, f"{path}.path"), name_at(stream, f"{path}.topic")
    if kind == "files" and folder is not None:
        options = lowering.checked.project.connections[connection.value].options
        return _files(stream, path, connection.value, folder.value, form.value if form else None, options)
    if kind == "kafka" and topic is not None:
        own = tuple(name.value for name in _names(stream, f"{path}.key"))
        return TopicOutput(connection.value, topic.value, form.value if form else "json", own, _where(stream, path))
    return OtherOutput(connection.value, kind, _where(stream, path))


def _files(
    stream: RawSpec, path: str, connection: str, folder: str, form: str | None, options: Mapping[str, object]
) -> FilesOutput:
    own, beneath = value_at(stream, f"{path}.write"), options.get("write")
    write = {**(beneath if isinstance(beneath, Mapping) else {}), **(own if isinstance(own, Mapping) else {})}
    roll = value_at(stream, f"{path}.roll")
    given: Mapping[str, Json] = roll if isinstance(roll, Mapping) else {}
    return FilesOutput(
        connection, folder, form or str(options.get("format") or "parquet"), write,
        tuple(name.value for name in names_at(stream, f"{path}.partition_by")), _where(stream, path),
        rows=int(str(given["rows"])) if "rows" in given else None,
        bytes=parse_size(str(given["bytes"])) if "bytes" in given else None,
        age=parse_duration(str(given["age"])) if "age" in given else None,
    )  # fmt: skip
