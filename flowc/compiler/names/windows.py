"""Blocks of a stream (`window`, `join`, `cdc`, `dedupe`, `batch`): what is wrong with them that needs no SQL to see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowc.compiler.changelog import NO_KEYS
from flowc.compiler.checked import CheckedStream
from flowc.compiler.front.kinds import is_database
from flowc.compiler.front.spec import Name, SourceColumn, TableSpec, TargetSpec
from flowc.compiler.front.streamspec import CdcSpec, JoinSpec, LateSpec, StreamSourceSpec, StreamSpec, WindowSpec
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.names.targets import DEFAULT_MODE
from flowc.compiler.names.timing import check_timezone
from flowc.diagnostics import did_you_mean
from flowc.durations import size_text
from flowc.source import Located, Span
from flowc.stream import EXTRAS
from flowc.types import TIMESTAMPTZ, Kind

METADATA = tuple(EXTRAS)
"""The columns that every source has beside its own."""
LARGEST_EPOCH = 256 << 20
"""What `batch.max_bytes` may be at most."""
LARGEST_STATE = 64 << 30
"""What `state.max_bytes` may be at most."""
_LEAST_STEP = 0.000_001
"""Seconds of `every` and `group_ttl`: event time is counted in microseconds."""
_SOURCES = frozenset({"source", "sources"})
_DEFAULT_SOFT_DELETE = "deleted_at"


def source_columns(stream: StreamSpec) -> Mapping[str, frozenset[str] | None]:
    """The columns of each source by its name, its metadata among them; None where they are not known."""
    unread = bool(stream.gaps & _SOURCES)
    return {source.name.value: None if unread else _declared(source) for source in stream.sources}


def _declared(source: StreamSourceSpec) -> frozenset[str] | None:
    if source.columns is None:
        return None
    return frozenset((*(column.name.value for column in source.columns), *METADATA))


def check_blocks(stream: CheckedStream, lookup: Lookup) -> None:
    """Checks the blocks that a stream has."""
    spec = stream.spec
    for source in spec.sources:
        _check_columns(source, lookup)
    if spec.dedupe is not None:
        # Repeats are dropped before the SQL runs, so the keys are columns of every source.
        for known in source_columns(spec).values():
            for column in spec.dedupe.keys:
                _column(column, known, "`dedupe` column", lookup)
        _demand_comparable(spec, lookup)
    if spec.window is not None:
        _check_window(spec, spec.window, lookup)
        _check_late(stream, "window", spec.window.late, lookup)
    if spec.group_ttl is not None:
        _check_ttl(spec, spec.group_ttl, lookup)
    if spec.join is not None:
        _check_join(spec, spec.join, lookup)
        _check_late(stream, "join", spec.join.late, lookup)
    if spec.cdc is not None:
        _check_cdc(stream, spec.cdc, lookup)
    # What becomes of an epoch's bytes is to fit into single columns of Arrow.
    larger = "one message that is larger passes all the same"
    _check_bytes(spec, "batch", spec.batch.max_bytes, largest=LARGEST_EPOCH, help=larger, lookup=lookup)
    taken = "it is memory that each operator of the stream may take"
    _check_bytes(spec, "state", spec.state_bytes, largest=LARGEST_STATE, help=taken, lookup=lookup)


def _check_bytes(
    stream: StreamSpec, block: str, most: Located[int] | None, *, largest: int, help: str, lookup: Lookup
) -> None:
    if most is not None and not 0 < most.value <= largest:
        what = f"`max_bytes` of `{block}` of stream `{stream.name.value}`"
        message = f"{what} must be at least 1B and at most {size_text(largest)}"
        lookup.reporter.error("bad-value", message, most.span, helps=(help,))


def _check_columns(source: StreamSourceSpec, lookup: Lookup) -> None:
    """The columns that a source declares."""
    if source.event_time is not None and source.columns is not None:
        _column(source.event_time, _declared(source), "`event_time` column", lookup)
        _demand_time(source.event_time, source.columns, lookup)
    for column in source.columns or ():
        name = column.name
        if name.value in METADATA:
            message = f"column `{name.value}` is declared, and every source of streams has one of that name"
            helps = (f"leave it out of `columns`: SQL may name `{name.value}` as it is",)
            lookup.reporter.error("duplicate-column", message, name.span, helps=helps)


def _demand_time(name: Name, columns: Iterable[SourceColumn], lookup: Lookup) -> None:
    declared = next((column.type.value for column in columns if column.name.value == name.value), TIMESTAMPTZ)
    if declared.kind not in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.UNKNOWN):
        message = f"`event_time` column `{name.value}` is `{declared}`, which is no time"
        helps = ("declare it as `timestamptz`, or leave `event_time` out",)
        lookup.reporter.error("event-time-not-a-time", message, name.span, helps=helps)


def _demand_comparable(stream: StreamSpec, lookup: Lookup) -> None:
    """The keys of `dedupe` have types that can be compared. That sources agree in them is looked at elsewhere."""
    for key in stream.dedupe.keys if stream.dedupe is not None else ():
        columns = (column for source in stream.sources for column in source.columns or ())
        kinds = (column.type.value for column in columns if column.name.value == key.value)
        if (kind := next((kind for kind in kinds if kind.kind in NO_KEYS), None)) is not None:
            message = f"`dedupe` column `{key.value}` is `{kind}`, which cannot be compared"
            lookup.reporter.error("unusable-keys", message, key.span, helps=("name a column of one simple type",))


def _check_window(stream: StreamSpec, window: WindowSpec, lookup: Lookup) -> None:
    if window.timezone:
        check_timezone(window.timezone, lookup.reporter)
    every = window.every
    if every is not None and every.value < _LEAST_STEP:
        helps = ("write how much event time goes by between two rows of a window: `every: 10s`",)
        lookup.reporter.error("bad-value", "`every` of `emit` is no time at all", every.span, helps=helps)
    elif every is not None:
        _check_rewritable(stream, "`emit: { every: … }`", every.span, lookup)
        if window.kind.value == "session" and window.late.action and window.late.action.value == "reopen":
            message = "sessions that reopen come out when they are over, and not before"
            helps = ("have them come out early, or reopen: leave out `emit` or `late: reopen`",)
            lookup.reporter.error("conflicting-options", message, every.span, helps=helps)


def _check_ttl(stream: StreamSpec, ttl: Located[float | None], lookup: Lookup) -> None:
    if ttl.value is not None and ttl.value < _LEAST_STEP:
        helps = ("write for how long groups are kept to which nothing comes: `group_ttl: 30d`, or `never`",)
        lookup.reporter.error("bad-value", "`group_ttl` is no time at all", ttl.span, helps=helps)
    _check_rewritable(stream, "`group_ttl`", ttl.span, lookup, "the columns of GROUP BY")


def _check_join(stream: StreamSpec, join: JoinSpec, lookup: Lookup) -> None:
    sources = source_columns(stream)
    if (sql := stream.given.get("sql") or stream.given.get("sql_file")) is not None:
        message = "a query gives one table, and the two sides of a `join` would have to be made of it"
        helps = ("write the join in the SQL, `… FROM a JOIN b ON …`, and what runs before it under WITH",)
        lookup.reporter.error("conflicting-keys", message, sql, helps=helps)
    if join.kind is not None and join.kind.value == "full" and join.late.action and join.late.action.value == "reopen":
        message = "rows of a full join have no column in common by which one that is out could be replaced"
        helps = ("use `kind: left` or `right`; or wait longer for late rows: `watermark: { lateness: … }`",)
        lookup.reporter.error("conflicting-options", message, join.late.action.span, helps=helps)
    for side, name in (("left", join.left), ("right", join.right)):
        if name is None:
            continue
        if name.value not in sources and not stream.gaps & _SOURCES:
            _unknown_source(name, sources, f"`join.{side}` of stream `{stream.name.value}`", lookup)
        for column in join.on:
            _column(column, sources.get(name.value), f"`join.on` column of `{name.value}`", lookup)
    _check_bounds(join, lookup)


def _unknown_source(name: Name, sources: Iterable[str], what: str, lookup: Lookup) -> None:
    known = tuple(sources)
    message = f"{what} names `{name.value}`, which is no source of it"
    helps = did_you_mean(name.value, known) or (f"its sources are {_listed(known)}",)
    lookup.reporter.error("unknown-table", message, name.span, helps=helps)


def _check_bounds(join: JoinSpec, lookup: Lookup) -> None:
    report = lookup.reporter.error
    if join.within and join.between_span:
        message = "`within` and `between` of a join exclude each other"
        report("conflicting-keys", message, join.between_span, helps=("remove one of the two",))
    elif not join.within and not join.between:
        helps = ("add `within: 5m`",)
        report("missing-key", "`join` needs `within` or `between`", join.span, helps=helps)
    if len(join.between) == 2 and join.between[0].value > join.between[1].value:
        first, second = (bound.span.text for bound in join.between)
        message = f"`between` ends before it begins: `{second}` is less than `{first}`"
        report("bad-value", message, join.between[0].span, helps=(f"write `[{second}, {first}]`",))


def _check_late(checked: CheckedStream, block: str, late: LateSpec, lookup: Lookup) -> None:
    stream, kept = checked.spec, keeps_letters(checked)
    action, report = late.action, lookup.reporter.error
    word = action.value if action else "drop"
    if action and word == "reopen" and late.allowed is None:
        helps = (f"add `allowed_lateness: 30s` to `{block}`",)
        report("missing-key", "`late: reopen` needs `allowed_lateness`", action.span, helps=helps)
    if word != "reopen" and late.allowed is not None:
        message, helps = "`allowed_lateness` needs `late: reopen`", ("add `late: reopen`",)
        report("conflicting-options", message, late.allowed.span, helps=helps)
    if action and word == "dlq" and not kept:
        helps = ("add `dead_letter: {topic: …}`",)
        report("missing-key", "`late: dlq` needs `dead_letter`", action.span, helps=helps)
    if action and word == "reopen" and (block == "window" or _is_outer(stream.join)):
        _check_rewritable(stream, "`late: reopen`", action.span, lookup, f"the {block}'s keys")


def _is_outer(join: JoinSpec | None) -> bool:
    """Whether rows of a join come out without a partner, which may come late."""
    return join is not None and join.kind is not None and join.kind.value != "inner"


def keeps_letters(stream: CheckedStream) -> bool:
    """Whether there is a place for rows that are set aside; a target that is not known may be one."""
    tables = any(is_database(each.connection.kind.value) for each in stream.targets)
    return "dead_letter" in stream.spec.given or tables or len(stream.targets) != len(stream.spec.to)


def _check_rewritable(
    stream: StreamSpec, said: str, span: Span, lookup: Lookup, keys: str = "the window's keys"
) -> None:
    """Rows that were written are written again, which only a merge or a key can take."""
    for target in stream.to:
        found = _appends(target, target.mode or stream.mode, keys)
        if found is not None:
            message = f"{said} writes rows again; {found[0]}"
            lookup.reporter.error("corrections-to-append-target", message, span, helps=(found[1],))


def _appends(target: TargetSpec, mode: Name | None, keys: str) -> tuple[str, str] | None:
    """Why a target would keep a row beside the one that replaces it, and what to do about it."""
    topic, path = target.addresses.get("topic"), target.addresses.get("path")
    if target.table and (mode is None or mode.value != "merge"):
        written = mode.value if mode else DEFAULT_MODE
        return f"`{target.table.value}` is written by `{written}`", f"use `mode: merge` with {keys}"
    if topic is not None and not target.key:
        return f"topic `{topic.value}` has no `key` to find them by", f"name {keys} under `key`"
    if path is not None:
        return f"files in `{path.value}` can only be added to", "write a table by `mode: merge`, or a topic by `key`"
    return None


def _check_cdc(stream: CheckedStream, cdc: CdcSpec, lookup: Lookup) -> None:
    delete, column = cdc.delete, cdc.soft_delete_column
    is_soft = delete is not None and delete.value == "soft"
    if column and not is_soft:
        message, helps = "`soft_delete_column` needs `delete: soft`", ("add `delete: soft`",)
        lookup.reporter.error("conflicting-options", message, column.span, helps=helps)
    for table in (target.table for target in stream.targets if target.table is not None):
        for key in cdc.key if "sql" not in stream.spec.given else ():
            lookup.column(key, table, (c.name.value for c in table.columns), "key")
        if delete and is_soft:
            _check_soft(column or Located(_DEFAULT_SOFT_DELETE, delete.span), table, lookup)


def _check_soft(column: Name, table: TableSpec, lookup: Lookup) -> None:
    if column.value not in (c.name.value for c in table.columns):
        message = f"`delete: soft` sets `{column.value}`, which table `{table.key.value}` does not have"
        helps = (f"add `{column.value}: timestamptz` to its columns, or name another `soft_delete_column`",)
        lookup.reporter.error("unknown-column", message, column.span, helps=helps)


def _column(column: Name, known: frozenset[str] | None, role: str, lookup: Lookup) -> None:
    if known is not None and column.value not in known:
        own = sorted(known - set(METADATA))
        helps = did_you_mean(column.value, known) or (f"the declared columns are {_listed(own)}",)
        message = f"{role} `{column.value}` is not a declared column of the source"
        lookup.reporter.error("unknown-column", message, column.span, helps=helps)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
