"""The target of a load: the table as declared, or made from what the source returns; and what it must have."""

from __future__ import annotations

from dataclasses import replace

from flowc.catalog import Column, Native, Table
from flowc.compiler.dialect import Dialect
from flowc.compiler.ir import Apply
from flowc.compiler.loads.desired import with_history
from flowc.compiler.loads.load import HISTORY, ROW_HASH, VALID_FROM, Load, find_column, finder
from flowc.compiler.tables.ddl import spell, spellable, stored
from flowc.compiler.tables.spelling import respelled
from flowc.compiler.tables.versions import single_version
from flowc.errors import UsageError
from flowc.types import TIMESTAMPTZ, UNKNOWN, DataType, Kind


def target_table(apply: Apply, columns: tuple[Column, ...], dialect: Dialect) -> Table:
    """The table that a load creates: as declared, else the source's columns with the target's or the load's keys."""
    if apply.target.table is not None:
        declared = _without_arrays(apply.target.table, dialect)
        typed = _typed(declared, columns)
        return _in_mode(replace(declared, columns=typed), apply, columns)
    held = tuple(Column(c.name, stored(c.type, dialect)) for c in columns if not _only_cursor(apply, c.name))
    keys = apply.target.primary_key or (apply.keys if apply.mode in ("merge", "scd2") else ())
    parts = apply.target.partition_by
    made = Table(apply.target.name, _with_soft_delete(held, apply), keys, partition_by=parts)
    return _in_mode(made, apply, columns)


def _without_arrays(declared: Table, dialect: Dialect) -> Table:
    """The declared table with JSON where the engine has no arrays: as such they have to arrive."""
    kept = (replace(c, type=stored(c.type, dialect)) if c.type.kind is Kind.ARRAY else c for c in declared.columns)
    return replace(declared, columns=tuple(kept))


def live_table(apply: Apply, live: Table, columns: tuple[Column, ...], dialect: Dialect) -> Table:
    """The table as it is, its columns with what the declaration says of them beyond the engine's words.

    DuckDB, for one, forgets the length of a text. Without a declaration a column is what the engine holds in it, and
    one whose type says nothing (SQLite) what comes from the source.
    """
    live = replace(live, columns=_typed(live, columns))
    declared = apply.target.table
    if declared is None:
        return replace(
            live, columns=tuple(replace(c, type=dialect.types.holds.get(c.type.kind, c.type)) for c in live.columns)
        )
    declared = _without_arrays(declared, dialect)
    live = respelled(live, declared.column_names, dialect)
    return replace(live, columns=tuple(_as_declared(c, declared.column(c.name), dialect) for c in live.columns))


def _typed(table: Table, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The table's columns, those whose type says nothing with that of what comes from the source."""
    source = finder(columns)
    return tuple(_untyped(c, source(c.name)) for c in table.columns)


def _untyped(column: Column, source: Column | None) -> Column:
    if column.type != UNKNOWN or source is None:
        return column
    words = column.spelled or column.own
    return replace(column, type=source.type, native=Native(words, exact=False) if words else None)


def _as_declared(column: Column, declared: Column | None, dialect: Dialect) -> Column:
    if dialect.attached and declared is not None:
        column = replace(column, default=declared.default)
    if declared is None or column.type == declared.type:
        return column
    if not spellable((column, declared), dialect) or spell(column.type, dialect) != spell(declared.type, dialect):
        return column
    return replace(column, type=declared.type)


def _only_cursor(apply: Apply, name: str) -> bool:
    """In an undeclared scd2 table the event time lives on as `valid_from`."""
    return apply.mode == "scd2" and name == apply.event_time and name == VALID_FROM


def _with_soft_delete(columns: tuple[Column, ...], apply: Apply) -> tuple[Column, ...]:
    name = apply.soft_delete_column or "deleted_at"
    if apply.deletes != "soft" or any(c.name == name for c in columns):
        return columns
    return (*columns, Column(name, TIMESTAMPTZ))


def _in_mode(table: Table, apply: Apply, columns: tuple[Column, ...]) -> Table:
    return with_history(table, _event_type(apply, columns)) if apply.mode == "scd2" else table


def _event_type(apply: Apply, columns: tuple[Column, ...]) -> DataType | None:
    column = find_column(columns, apply.event_time) if apply.event_time else None
    return column.type if column is not None else None


def check_shape(load: Load) -> None:
    """Raises UsageError for a load that the target, as it is, cannot take."""
    apply = load.apply
    if apply.mode in ("merge", "scd2") or apply.dedupe is not None:
        _check_keys(load)
    if apply.mode == "scd2":
        _check_history(load)
    if not load.names:
        message = f"the source of `{apply.pipeline}` has no column that `{load.label}` has"
        raise UsageError(message, code="nothing-to-load", help="name the columns as the table does, `SELECT a AS b`")


def _check_keys(load: Load) -> None:
    missing = [k for k in load.keys if k not in load.names]
    if not load.keys or missing:
        fault = f"the key column `{missing[0]}` is not loaded" if missing else "no `keys` are known"
        raise UsageError(
            f"{fault} for `{load.label}`",
            code="unusable-keys",
            help="name columns that the source returns under `keys: [ … ]`",
        )


def _check_versions(load: Load) -> None:
    unique = (load.table.primary_key, *(i.columns for i in load.table.indexes if i.unique and not i.where))
    held = next((columns for columns in unique if columns and single_version(columns, load.keys)), None)
    if held is not None:
        raise UsageError(
            f"`{load.label}` has one row for each {', '.join(f'`{c}`' for c in held)}, so no key can have two versions",
            code="single-version-key",
            help=f"add `{VALID_FROM}` to that key of the table, or drop it",
        )


def _check_history(load: Load) -> None:
    missing = [n for n in HISTORY if n != ROW_HASH and load.table.column(n) is None]
    if missing:
        raise UsageError(
            f"`{load.label}` has no column `{missing[0]}`, which scd2 needs",
            code="history-column-missing",
            help="let `flowc plan` and `flowc apply` add it",
        )
    _check_versions(load)
    event_time = load.apply.event_time
    if event_time is not None and find_column(load.columns, event_time) is None and event_time not in load.names:
        raise UsageError(
            f"the source of `{load.apply.pipeline}` has no column `{event_time}` for `event_time`",
            code="unknown-event-time",
            help="select it in the SQL",
        )
    kind = load.table.column(VALID_FROM)
    temporal = kind is not None and kind.type.kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
    if not temporal and (event_time is None or load.apply.ttl is not None or load.apply.deletes in ("close", "soft")):
        raise UsageError(
            f"`valid_from` of `{load.label}` holds no time, so the time of the load cannot be compared with it",
            code="event-time-not-a-time",
            help="use an event time of type date, timestamp or timestamptz",
        )
