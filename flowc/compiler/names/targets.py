"""The targets of a pipeline: which table each one is, how it is written, by which keys."""

from __future__ import annotations

from typing import cast

from flowc.catalog import TableName
from flowc.compiler.checked import CheckedTarget
from flowc.compiler.front.kinds import LOAD_TARGET, able, can, is_database
from flowc.compiler.front.spec import ConnectionSpec, Name, PipelineSpec, TableSpec, TargetSpec
from flowc.compiler.front.streamkinds import source_kind
from flowc.compiler.ir import Mode
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.names.paths import check_below
from flowc.compiler.names.tablenames import table_name
from flowc.compiler.tables.places import place_in
from flowc.diagnostics import Note
from flowc.source import Located

DEFAULT_MODE = "append"
SCD2_COLUMNS = ("valid_from", "valid_to", "is_current", "row_hash")
"""The columns that flowc adds to every scd2 target."""

_FILE_KEYS = ("path", "format", "write", "roll", "partition_by")
_STREAM_KEYS = ("topic", "key", "queue", "exchange", "routing_key", "stream", "partition_key")


def resolve_targets(spec: PipelineSpec, lookup: Lookup) -> tuple[CheckedTarget, ...]:
    """The targets that could be resolved; the others have been reported."""
    found = [_target(spec, target, lookup) for target in spec.to]
    targets = tuple(target for target in found if target)
    _check_twice(targets, lookup)
    return targets


def _target(spec: PipelineSpec, target: TargetSpec, lookup: Lookup) -> CheckedTarget | None:
    place = _place(target, lookup)
    if place is None:
        return None
    connection, table, name = place
    if not can(connection.kind.value, LOAD_TARGET):
        kind = connection.kind.value
        message = f"a pipeline cannot write to `{connection.name.value}`, a connection of kind `{kind}`"
        writable = ", ".join(f"`{k}`" for k in able(LOAD_TARGET))
        lookup.reporter.error("unsupported-target", message, target.span, helps=(f"pipelines write to {writable}",))
        return None
    mode = target.mode or spec.mode
    keys = _keys(spec, target, table, mode.value if mode else DEFAULT_MODE)
    checked = CheckedTarget(
        spec=target,
        connection=connection,
        table=table,
        name=name,
        mode=cast(Mode, mode.value if mode else DEFAULT_MODE),
        keys=tuple(key.value for key in keys),
    )
    _check_keys(spec, checked, keys, lookup)
    return checked


def _place(target: TargetSpec, lookup: Lookup) -> tuple[ConnectionSpec, TableSpec | None, TableName] | None:
    if target.connection is None:
        return _declared(target, lookup)
    connection = lookup.connection(target.connection)
    if connection is None:
        return None
    named = _address(target, connection, lookup)
    if named is None:
        return None
    kind = connection.kind.value
    name = table_name(target.table, lookup.reporter, kind) if target.table else TableName(None, named)
    return (connection, lookup.table_at(connection, name), name) if name else None


def _declared(target: TargetSpec, lookup: Lookup) -> tuple[ConnectionSpec, TableSpec, TableName] | None:
    if target.table is None:
        message = "the target needs `table`, or `connection` with what to write there"
        lookup.reporter.error("missing-key", message, target.span, helps=("add `table:` with a declared table",))
        return None
    table = lookup.table(target.table)
    connection = lookup.connection(table.connection) if table else None
    return (connection, table, table.table_name) if table and connection else None


def _address(target: TargetSpec, connection: ConnectionSpec, lookup: Lookup) -> str | None:
    """What the target names in its connection: a table, or the path of files."""
    kind, reporter = connection.kind.value, lookup.reporter
    wanted = source_kind(kind).address
    if not can(kind, LOAD_TARGET):
        return connection.name.value
    found = target.table or target.addresses.get("path")
    strange = [key for key in target.given if key in _STREAM_KEYS or (is_database(kind) and key in _FILE_KEYS)]
    if strange or (wanted == "path" and target.table):
        key = strange[0] if strange else "table"
        message = f"`{key}` says nothing to a connection of kind `{kind}`"
        reporter.error("conflicting-keys", message, target.span, helps=(f"name it by `{wanted}`",))
        return None
    if found is None:
        message = f"the target in `{connection.name.value}` needs `{wanted}`"
        reporter.error("missing-key", message, target.span, helps=(f"add `{wanted}:`",))
        return None
    is_below = wanted != "path" or check_below(Located(found.value, target.span), connection, lookup)
    return found.value if is_below else None


def _keys(spec: PipelineSpec, target: TargetSpec, table: TableSpec | None, mode: str) -> tuple[Name, ...]:
    """The keys as written, else the table's natural key, else its primary key."""
    own = target.keys or spec.keys
    if own or table is None:
        return own or target.primary_key
    primary = table.primary_key
    if mode == "scd2":
        primary = tuple(key for key in primary if key.value not in SCD2_COLUMNS)
    return table.natural_key or primary


def _check_keys(spec: PipelineSpec, target: CheckedTarget, keys: tuple[Name, ...], lookup: Lookup) -> None:
    name = spec.name.value
    if target.mode in ("merge", "scd2") and not keys:
        helps = ["add `keys: [ … ]`"]
        if target.table:
            helps.append(f"or declare a `primary_key` on table `{target.table.key.value}`")
        message = f"`mode: {target.mode}` of pipeline `{name}` needs keys"
        lookup.reporter.error("missing-keys", message, target.spec.span, helps=helps)
    if target.table:
        columns = tuple(column.name.value for column in target.table.columns)
        for key in target.spec.keys or spec.keys:
            lookup.column(key, target.table, columns, "key")


def _check_twice(targets: tuple[CheckedTarget, ...], lookup: Lookup) -> None:
    seen: dict[tuple[str, ...], CheckedTarget] = {}
    for target in targets:
        connection = target.connection.name.value
        place = place_in(lookup.database(target.connection), target.connection.kind.value, target.name)
        first = seen.setdefault(place, target)
        if first is not target:
            other = first.connection.name.value
            one = f": `{other}` and `{connection}` name one database" if other != connection else ""
            note = Note(f"it is first named here{one}", first.spec.span)
            message = f"`{target.name}` in `{connection}` is named as a target twice"
            lookup.reporter.error("duplicate-target", message, target.spec.span, notes=(note,), helps=("remove one",))
