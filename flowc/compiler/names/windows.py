"""Blocks of a stream (`window`, `join`, `cdc`, `dedupe`, `batch`): what is wrong with them that needs no SQL to see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowc.catalog import TableName
from flowc.compiler.front.spec import Name, RawSpec, TableSpec
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.names.raw import column_at, keys_at, name_at, names_at, place, value_at
from flowc.compiler.names.timing import check_timezone
from flowc.diagnostics import did_you_mean
from flowc.durations import parse_duration, parse_size, size_text
from flowc.source import Located
from flowc.types import TIMESTAMPTZ, Kind, parse_type

METADATA = ("_event_ts", "_key", "_headers", "_partition", "_offset", "_topic")
"""The columns that every source has beside its own."""
LARGEST_EPOCH = 256 << 20
"""What `batch.max_bytes` may be at most."""
LARGEST_STATE = 64 << 30
"""What `state.max_bytes` may be at most."""
_CHANGING = frozenset({"sql", "sql_file", "cdc"})
_SOURCES = frozenset({"source", "sources"})
_DEFAULT_SOFT_DELETE = "deleted_at"


def source_columns(stream: RawSpec) -> Mapping[str, frozenset[str] | None]:
    """The columns of each source by its name, its metadata among them; None where they are not known."""
    several = [(key.value, f"sources.{key.value}.columns") for key in keys_at(stream, "sources")]
    one = [("source", "source.columns")] if "source" in stream.value else []
    unread = bool(stream.gaps & _SOURCES)
    return {name: None if unread else _declared(value_at(stream, path)) for name, path in (*one, *several)}


def _declared(columns: object) -> frozenset[str] | None:
    return frozenset((*columns, *METADATA)) if isinstance(columns, Mapping) else None


def check_blocks(stream: RawSpec, targets: Iterable[str], lookup: Lookup) -> None:
    """Checks the blocks that a stream has; `targets` are the paths of its targets."""
    paths = tuple(targets)
    for path in ("source", *(f"sources.{key.value}" for key in keys_at(stream, "sources"))):
        _check_columns(stream, path, lookup)
    _check_window(stream, lookup)
    _check_join(stream, lookup)
    for block in ("window", "join"):
        _check_late(stream, block, paths, lookup)
    _check_cdc(stream, paths, lookup)
    # What becomes of an epoch's bytes is to fit into single columns of Arrow.
    _check_bytes(stream, "batch", LARGEST_EPOCH, "one message that is larger passes all the same", lookup)
    _check_bytes(stream, "state", LARGEST_STATE, "it is memory that each operator of the stream may take", lookup)


def _check_bytes(stream: RawSpec, block: str, largest: int, help: str, lookup: Lookup) -> None:
    most = name_at(stream, f"{block}.max_bytes")
    if most is not None and not 0 < parse_size(most.value) <= largest:
        what = f"`max_bytes` of `{block}` of stream `{stream.name.value}`"
        message = f"{what} must be at least 1B and at most {size_text(largest)}"
        lookup.reporter.error("bad-value", message, most.span, helps=(help,))


def _check_columns(stream: RawSpec, path: str, lookup: Lookup) -> None:
    """The columns that a source declares."""
    columns = f"{path}.columns"
    if (time := name_at(stream, f"{path}.event_time")) and isinstance(value_at(stream, columns), Mapping):
        _column(time, _declared(value_at(stream, columns)), "`event_time` column", lookup)
        _demand_time(time, column_at(stream, f"{columns}.{time.value}")[0], lookup)
    for column in keys_at(stream, columns):
        if column.value in METADATA:
            message = f"column `{column.value}` is declared, and every source of streams has one of that name"
            helps = (f"leave it out of `columns`: SQL may name `{column.value}` as it is",)
            lookup.reporter.error("duplicate-column", message, column.span, helps=helps)


def _demand_time(column: Name, kind: Name | None, lookup: Lookup) -> None:
    try:
        declared = parse_type(kind.value) if kind is not None else TIMESTAMPTZ
    except ValueError:  # reported where types are checked
        return
    if declared.kind not in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        message = f"`event_time` column `{column.value}` is `{declared}`, which is no time"
        helps = ("declare it as `timestamptz`, or leave `event_time` out",)
        lookup.reporter.error("event-time-not-a-time", message, column.span, helps=helps)


def block_columns(stream: RawSpec) -> frozenset[str] | None:
    """The columns of the rows that reach a block; None where SQL or an undeclared source makes them."""
    if stream.value.keys() & _CHANGING or stream.gaps & _CHANGING:
        return None
    found = tuple(source_columns(stream).values())
    known = [columns for columns in found if columns is not None]
    return frozenset().union(*known) if known and len(known) == len(found) else None


def _check_window(stream: RawSpec, lookup: Lookup) -> None:
    for column in names_at(stream, "window.group_by"):
        _column(column, block_columns(stream), "`group_by` column", lookup)
    # Repeats are dropped before the SQL runs, so the keys are columns of every source.
    for known in source_columns(stream).values():
        for column in names_at(stream, "dedupe.keys"):
            _column(column, known, "`dedupe` column", lookup)
    if zone := name_at(stream, "window.timezone"):
        check_timezone(zone, lookup.reporter)
    longer = (
        ("window.hop", "window.size", "rows between two windows would be lost"),
        ("window.gap", "window.max_duration", "a session would end before its gap does"),
    )
    for short, long, why in longer:
        _check_longer(stream, short, long, why, lookup)


def _check_longer(stream: RawSpec, short: str, long: str, why: str, lookup: Lookup) -> None:
    first, second = name_at(stream, short), name_at(stream, long)
    if first and second and parse_duration(first.value) > parse_duration(second.value):
        message = f"`{short}` is longer than `{long}`: {why}"
        helps = (f"write at most `{second.value}`",)
        lookup.reporter.error("conflicting-options", message, first.span, helps=helps)


def _check_join(stream: RawSpec, lookup: Lookup) -> None:
    if "join" not in stream.value:
        return
    sources = source_columns(stream)
    for side in ("left", "right"):
        name = name_at(stream, f"join.{side}")
        if name is None:
            continue
        if name.value not in sources and not stream.gaps & _SOURCES:
            _unknown_source(name, sources, f"`join.{side}` of stream `{stream.name.value}`", lookup)
        for column in names_at(stream, "join.on") if "sql" not in stream.value else ():
            _column(column, sources.get(name.value), f"`join.on` column of `{name.value}`", lookup)
    _check_bounds(stream, lookup)


def _unknown_source(name: Name, sources: Iterable[str], what: str, lookup: Lookup) -> None:
    known = tuple(sources)
    message = f"{what} names `{name.value}`, which is no source of it"
    helps = did_you_mean(name.value, known) or (f"its sources are {_listed(known)}",)
    lookup.reporter.error("unknown-table", message, name.span, helps=helps)


def _check_bounds(stream: RawSpec, lookup: Lookup) -> None:
    within, between = name_at(stream, "join.within"), names_at(stream, "join.between")
    report = lookup.reporter.error
    if within and between:
        message = "`within` and `between` of a join exclude each other"
        report("conflicting-keys", message, place(stream, "join.between"), helps=("remove one of the two",))
    elif not within and not between:
        helps = ("add `within: 5m`",)
        report("missing-key", "`join` needs `within` or `between`", place(stream, "join"), helps=helps)
    if len(between) == 2 and _signed(between[0].value) > _signed(between[1].value):
        message = f"`between` ends before it begins: `{between[1].value}` is less than `{between[0].value}`"
        helps = (f"write `[{between[1].value}, {between[0].value}]`",)
        report("bad-value", message, between[0].span, helps=helps)


def _signed(duration: str) -> float:
    return -parse_duration(duration[1:]) if duration.startswith("-") else parse_duration(duration.removeprefix("+"))


def _check_late(stream: RawSpec, block: str, targets: tuple[str, ...], lookup: Lookup) -> None:
    late, allowed = name_at(stream, f"{block}.late"), f"{block}.allowed_lateness"
    word, report = late.value if late else "drop", lookup.reporter.error
    if late and word == "reopen" and allowed not in stream.spans:
        helps = (f"add `allowed_lateness: 30s` to `{block}`",)
        report("missing-key", "`late: reopen` needs `allowed_lateness`", late.span, helps=helps)
    if word != "reopen" and allowed in stream.spans:
        message, helps = "`allowed_lateness` needs `late: reopen`", ("add `late: reopen`",)
        report("conflicting-options", message, stream.spans[allowed], helps=helps)
    if late and word == "dlq" and "dead_letter" not in stream.value:
        helps = ("add `dead_letter: {topic: …}`",)
        report("missing-key", "`late: dlq` needs `dead_letter`", late.span, helps=helps)
    if late and word == "reopen":
        _check_rewritable(stream, late, targets, lookup)


def _check_rewritable(stream: RawSpec, late: Name, targets: tuple[str, ...], lookup: Lookup) -> None:
    """Rows that were written are written again when a window is reopened, which only a merge can take."""
    for path in targets:
        table = name_at(stream, path) or name_at(stream, f"{path}.table")
        mode = name_at(stream, f"{path}.mode") or name_at(stream, "mode")
        if table and (mode is None or mode.value != "merge"):
            written = mode.value if mode else "append"
            message = f"`late: reopen` writes rows again; `{table.value}` is written by `{written}`"
            helps = ("use `mode: merge` with the window's keys",)
            lookup.reporter.error("conflicting-options", message, late.span, helps=helps)


def _check_cdc(stream: RawSpec, targets: tuple[str, ...], lookup: Lookup) -> None:
    if "cdc" not in stream.value:
        return
    delete, column = name_at(stream, "cdc.delete"), name_at(stream, "cdc.soft_delete_column")
    is_soft = delete is not None and delete.value == "soft"
    if column and not is_soft:
        message, helps = "`soft_delete_column` needs `delete: soft`", ("add `delete: soft`",)
        lookup.reporter.error("conflicting-options", message, column.span, helps=helps)
    for path in targets:
        table = target_table(stream, path, lookup)
        if table is None:
            continue
        for key in names_at(stream, "cdc.key") if "sql" not in stream.value else ():
            lookup.column(key, table, (c.name.value for c in table.columns), "key")
        if delete and is_soft:
            _check_soft(column or Located(_DEFAULT_SOFT_DELETE, delete.span), table, lookup)


def _check_soft(column: Name, table: TableSpec, lookup: Lookup) -> None:
    if column.value not in (c.name.value for c in table.columns):
        message = f"`delete: soft` sets `{column.value}`, which table `{table.key.value}` does not have"
        helps = (f"add `{column.value}: timestamptz` to its columns, or name another `soft_delete_column`",)
        lookup.reporter.error("unknown-column", message, column.span, helps=helps)


def target_table(stream: RawSpec, path: str, lookup: Lookup) -> TableSpec | None:
    """The declaration of the table that a target names, if there is one."""
    table = name_at(stream, path) or name_at(stream, f"{path}.table")
    connection = name_at(stream, f"{path}.connection")
    if table is None or connection is None:
        return lookup.project.tables.get(table.value) if table else None
    found = lookup.project.connections.get(connection.value)
    try:
        return lookup.table_at(found, TableName.parse(table.value)) if found else None
    except ValueError:  # reported where targets are checked
        return None


def _column(column: Name, known: frozenset[str] | None, role: str, lookup: Lookup) -> None:
    if known is not None and column.value not in known:
        own = sorted(known - set(METADATA))
        helps = did_you_mean(column.value, known) or (f"the declared columns are {_listed(own)}",)
        message = f"{role} `{column.value}` is not a declared column of the source"
        lookup.reporter.error("unknown-column", message, column.span, helps=helps)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
