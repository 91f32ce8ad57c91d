"""What a stream writes: tables, each as the `Apply` of an epoch's rows, and folders, topics and dead letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowc.catalog import Column
from flowc.compiler.checked import CheckedStream, CheckedStreamTarget
from flowc.compiler.front.spec import Name
from flowc.compiler.front.streamkinds import target_kind
from flowc.compiler.ir import Apply, ConnectorOutput, FilesOutput, Output, Source, Sql, Target, TopicOutput
from flowc.compiler.loads.desired import declared_table
from flowc.compiler.lowering.context import Lowering
from flowc.compiler.sql.streams.windowcalls import END, SESSION, START
from flowc.diagnostics import did_you_mean
from flowc.formats import JSON, PARQUET, RAW

MODES = ("append", "merge")


def stream_applies(stream: CheckedStream, node: Sql | Source, lowering: Lowering) -> Iterator[Apply]:
    """One for each target that is a table."""
    for target in stream.targets:
        if target.name is not None:
            yield _apply(stream, target, node, lowering.checked.project.name)


def stream_outputs(stream: CheckedStream) -> Iterator[Output]:
    """One for each target that is no table."""
    for target in stream.targets:
        if target_kind(target.connection.kind.value).writes != "table":
            yield _output(target)


def check_named(stream: CheckedStream, columns: tuple[Column, ...], lowering: Lowering) -> None:
    """Reports columns of the output that targets name and the SQL does not return: of message keys, of partitions."""
    known, declared = [column.name for column in columns], [t.spec for t in stream.targets if t.table is not None]
    for spec in stream.spec.to:
        for key, names in (("key", spec.key), ("partition_by", () if spec in declared else spec.partition_by)):
            for name in (name for name in names if name.value not in known):
                message = f"the output of stream `{stream.spec.name.value}` has no column `{name.value}` for `{key}`"
                helps = did_you_mean(name.value, known) or (f"select it: `SELECT …, {name.value}`",)
                lowering.reporter.error("unknown-column", message, name.span, helps=helps)


def dead_letter(stream: CheckedStream) -> Target | Output | None:
    """Where bad rows go, where the stream says so."""
    letters = stream.letters
    if letters is None:
        return None
    connection, kind = letters.connection.name.value, letters.connection.kind.value
    topic, writes = letters.spec.addresses.get("topic"), target_kind(kind).writes
    if topic is not None and writes == "topic":
        return TopicOutput(connection, topic.value, RAW, (), letters.spec.span)
    if letters.spec.table is None or writes != "table":
        return ConnectorOutput(connection, kind, letters.spec.span)
    return Target(connection, kind, letters.table, None) if letters.table is not None else None


def other_modes(stream: CheckedStream) -> list[str]:
    """The modes of targets that streams do not write."""
    return [f"mode: {target.mode}" for target in stream.targets if target.mode not in MODES]


def _apply(stream: CheckedStream, target: CheckedStreamTarget, node: Sql | Source, project: str) -> Apply:
    merges, keys = target.mode == "merge", target.keys or _window_keys(stream)
    return Apply(
        pipeline=stream.spec.name.value, input=node, target=_table(target), mode="merge" if merges else "append",
        keys=keys if merges else (), compare=None, event_time=None, ttl=None, deletes="ignore",
        soft_delete_column=None, allow_empty=False, dedupe=None, incremental=None, normalize=(), derived=(),
        before=(), after=(), expect=(), timezone=None, span=target.span, project=project,
        roles={(role, name.value): name.span for role, name in _roles(target)},
    )  # fmt: skip


def _window_keys(stream: CheckedStream) -> tuple[str, ...]:
    """By what the rows of the block `window` are told apart."""
    window = stream.spec.window
    if window is None:
        return ()
    kind = window.kind.value
    bounds = {"session": (SESSION,), "cumulating": (START, END)}.get(kind, (START,))
    return (*bounds, *(key.value for key in window.group_by))


def _table(target: CheckedStreamTarget) -> Target:
    assert target.name is not None
    connection, kind = target.connection.name.value, target.connection.kind.value
    if target.table is not None:
        declared = declared_table(target.table, kind)
        return Target(
            connection, kind, declared.name, declared, _texts(target.table.natural_key) or declared.primary_key
        )
    spec = target.spec
    return Target(
        connection, kind, name=target.name, table=None, primary_key=_texts(spec.primary_key or target.named),
        partition_by=_texts(spec.partition_by),
    )  # fmt: skip


def _texts(names: tuple[Name, ...]) -> tuple[str, ...]:
    return tuple(name.value for name in names)


def _roles(target: CheckedStreamTarget) -> Iterator[tuple[str, Name]]:
    """The columns that are named as keys, each with its role; see `Apply.roles`."""
    if target.table is not None:
        yield from (("table key", name) for name in target.table.natural_key or target.table.primary_key)
    yield from (("key", name) for name in target.named or target.spec.primary_key)


def _output(target: CheckedStreamTarget) -> Output:
    connection, kind, spec = target.connection.name.value, target.connection.kind.value, target.spec
    writes, form = target_kind(kind).writes, spec.format.value if spec.format else None
    path, topic = spec.addresses.get("path"), spec.addresses.get("topic")
    if writes == "files" and path is not None:
        options, roll = target.connection.options, spec.roll
        beneath = options.get("write")
        write = {**(beneath if isinstance(beneath, Mapping) else {}), **spec.write}
        form = form or str(options.get("format") or PARQUET)
        return FilesOutput(
            connection, path.value, format=form, write=write, partition_by=_texts(spec.partition_by), span=target.span,
            rows=roll.rows, bytes=roll.bytes, age=roll.age,
        )  # fmt: skip
    if writes == "topic" and topic is not None:
        return TopicOutput(connection, topic.value, form or JSON, _texts(spec.key), target.span)
    if writes is None:
        return ConnectorOutput(connection, kind, target.span)
    named = {key: name.value for key, name in spec.addresses.items()}
    address = next((named.pop(key) for key in target_kind(kind).addresses if key in named), "")
    options = {**named, **spec.write}
    return ConnectorOutput(
        connection, kind, span=target.span, address=address, format=form or JSON, key=_texts(spec.key), options=options,
    )  # fmt: skip
