"""Where an incremental load goes on: the bound of its read, and the watermark it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from flowc.catalog import Column, TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.ir import Incremental
from flowc.compiler.loads.load import Load, find_column
from flowc.compiler.loads.staging import fields, one_step
from flowc.compiler.quote import ident, instant, table, text
from flowc.compiler.tables.ddl import cast
from flowc.compiler.tables.state import ensure_state
from flowc.errors import UsageError
from flowc.plan import LIVE_WATERMARKS, Check, Execute
from flowc.types import TEXT, TIMESTAMPTZ, DataType, Kind

WATERMARKS = "watermarks"
_COLUMNS = (
    Column("pipeline", TEXT, nullable=False),
    Column("target", TEXT, nullable=False),
    Column("column_name", TEXT, nullable=False),
    Column("value", TEXT, nullable=False),
    Column("loaded_at", TIMESTAMPTZ, nullable=False),
)


def lower_bound(incremental: Incremental, column: Column, watermark: str | None, dialect: Dialect) -> str | None:
    """The condition on what is read: at or past the watermark less `lag`, NULLs always; None for everything."""
    value = bound_value(incremental, column, watermark)
    if value is None:
        return None
    name = ident(column.name)
    return f"{_comparable(column, dialect)} >= {literal(value, column.type, dialect)} OR {name} IS NULL"


def _comparable(column: Column, dialect: Dialect) -> str:
    """The cursor in the form in which literals are written: where times are texts, others may spell them otherwise."""
    canonical = dialect.functions.get("canonical_time")
    if canonical is None or column.type.kind not in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        return ident(column.name)
    return canonical.format(ident(column.name), text(str(column.type.kind), dialect))


def bound_value(incremental: Incremental, column: Column, watermark: str | None) -> str | None:
    """The first value to read, as canonical text.

    Raises UsageError for a start that is not a value of the column.
    """
    start = None if incremental.start is None else _moved(str(incremental.start), column, 0)
    if watermark is None:
        return start
    moved = _moved(watermark, column, incremental.lag)
    # What lies before `start` was left out by the first load, and stays out however far `lag` reaches.
    if start is None or not incremental.lag:
        return moved
    order = Decimal if column.type.is_number else str
    return max(moved, min(start, _moved(watermark, column, 0), key=order), key=order)


def _moved(value: str, column: Column, lag: float) -> str:
    try:
        return _less(value, column.type, lag)
    except (ValueError, ArithmeticError):
        message = f"`{value}` is not a value of the cursor `{column.name}`, which is a {column.type}"
        raise UsageError(message, code="unreadable-watermark", help="write `start` as the column has it") from None


def _less(value: str, kind: DataType, lag: float) -> str:
    if kind.kind is Kind.TIMESTAMPTZ:
        moment = datetime.fromisoformat(value)
        return instant((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - timedelta(seconds=lag))
    if kind.kind is Kind.TIMESTAMP:
        moment = datetime.fromisoformat(value)
        naive = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
        return (naive - timedelta(seconds=lag)).strftime("%Y-%m-%d %H:%M:%S.%f")
    if kind.kind is Kind.DATE:
        return (datetime.fromisoformat(value) - timedelta(seconds=lag)).date().isoformat()
    if kind.is_number:
        return format(Decimal(value) - Decimal(str(lag)), "f")
    return value


def literal(value: str, kind: DataType, dialect: Dialect) -> str:
    """A literal of the column's type from its canonical text."""
    if kind.is_number and not (kind.is_float and dialect.typed_literals):
        return format(Decimal(value), "f")
    quoted = text(value, dialect)
    if not dialect.typed_literals or kind.kind in (Kind.TEXT, Kind.UNKNOWN):
        return quoted
    if kind.kind is Kind.TIMESTAMPTZ and not dialect.zoned_literals:
        quoted = text(value.removesuffix("+00:00"), dialect)
    return cast(quoted, kind, dialect)


def now_literal(now: datetime, kind: DataType, dialect: Dialect) -> str:
    """The load's time as a value of a temporal type; without a zone it is UTC."""
    moment = now.astimezone(UTC)
    if kind.kind is Kind.DATE:
        return literal(date(moment.year, moment.month, moment.day).isoformat(), kind, dialect)
    written = instant(moment)
    return literal(written if kind.kind is Kind.TIMESTAMPTZ else written.removesuffix("+00:00"), kind, dialect)


def cursor_column(load: Load) -> Column | None:
    """The target's column that holds the cursor, if it has one."""
    incremental = load.apply.incremental
    if incremental is None:
        return None
    found = (f.target for f in load.loaded if f.source is not None and f.source.name == incremental.column)
    return next(found, None)


def state_tables(load: Load) -> tuple[TableName, ...]:
    """Those of flowc's own tables that the load writes."""
    return () if load.apply.incremental is None else (load.dialect.state_table(WATERMARKS),)


def place(load: Load) -> Iterator[Execute]:
    """Makes the table of watermarks where it is missing."""
    for sql in ensure_state(WATERMARKS, _COLUMNS, ("pipeline", "target"), load.dialect):
        yield Execute("a place for the watermark", sql)


def of_pipeline(pipeline: str, dialect: Dialect) -> str:
    """A query of all watermarks of a pipeline, whatever their targets and cursors, the newest first."""
    columns = ", ".join(ident(name) for name in ("target", "column_name", "value"))
    where = f"{ident('pipeline')} = {text(pipeline, dialect)} ORDER BY {ident('loaded_at')} DESC, {ident('target')}"
    return f"SELECT {columns} FROM {table(dialect.state_table(WATERMARKS))} WHERE {where}"


def resume(load: Load) -> Iterator[Execute | Check]:
    """A place for the watermark, and the proof that no other load has moved it since this one was planned."""
    if load.apply.incremental is None:
        return
    if load.dialect.transactional_ddl:
        yield from place(load)
    state = table(load.dialect.state_table(WATERMARKS))
    if load.dialect.attached:
        yield Execute("what earlier loads left", f"INSERT INTO {state} SELECT * FROM {ident(LIVE_WATERMARKS)}")
    yield _unmoved(load, state)


def of_load(load: Load) -> str:
    """The condition on stored watermarks that one is this load's; a value of another cursor is not."""
    apply, dialect = load.apply, load.dialect
    cursor = apply.incremental.column if apply.incremental is not None else ""
    own = (("pipeline", apply.pipeline), ("target", load.kept))
    parts = [f"{ident(name)} = {text(value, dialect)}" for name, value in own]
    return " AND ".join([*parts, f"lower({ident('column_name')}) = lower({text(cursor, dialect)})"])


def _unmoved(load: Load, state: str) -> Check:
    dialect = load.dialect
    own = of_load(load)
    moved = "" if load.watermark is None else f" AND {ident('value')} <> {text(load.watermark, dialect)}"
    return Check(
        "no other load has moved the watermark",
        f"SELECT {ident('value')}, {ident('loaded_at')} FROM {state} WHERE {own}{moved}",
        "load-overtaken",
        f"another load of `{load.apply.pipeline}` moved the watermark while this one was starting",
        "nothing was loaded; run it again",
    )


def remember(load: Load) -> Iterator[Execute]:
    """Stores the greatest cursor of all that was read, unless a greater one is stored already."""
    if load.apply.incremental is not None:
        state = table(load.dialect.state_table(WATERMARKS))
        yield Execute("remember the watermark", _upsert(load, _staged_cursor(load), state))


def _staged_cursor(load: Load) -> Column:
    incremental = load.apply.incremental
    wanted = incremental.column if incremental is not None else ""
    source = find_column(load.columns, wanted)
    field = next((f for f in fields(load) if f.source is not None and f.source == source), None)
    if field is None:
        raise UsageError(
            f"the source of `{load.apply.pipeline}` has no column `{wanted}` to read incrementally by",
            code="unknown-incremental-column",
            help="select it in the SQL, or name another under `incremental: { column: … }`",
        )
    kept = field.wanted if one_step(load) else field.staged
    return kept or field.wanted


def _upsert(load: Load, column: Column, state: str) -> str:
    dialect, name = load.dialect, ident(column.name)
    arrived = load.rows if one_step(load) else load.stage
    greatest = f"(SELECT max({name}) AS {name} FROM {arrived}) AS m"
    fixed = [text(v, dialect) for v in (load.apply.pipeline, load.kept, column.name)]
    values = ", ".join([*fixed, _written(column, dialect), now_literal(load.now, TIMESTAMPTZ, dialect)])
    if not dialect.on_conflict:
        return _upsert_by_key(state, f"SELECT {values} FROM {greatest} WHERE {name} IS NOT NULL", column, dialect)
    newer = (
        f"{_typed('excluded.' + ident('value'), column, dialect)} > {_typed('w.' + ident('value'), column, dialect)}"
    )
    return (
        f"INSERT INTO {state} AS w ({', '.join(ident(c.name) for c in _COLUMNS)}) SELECT {values} FROM {greatest} "
        f"WHERE {name} IS NOT NULL ON CONFLICT ({ident('pipeline')}, {ident('target')}) DO UPDATE SET "
        f"{ident('column_name')} = excluded.{ident('column_name')}, {ident('value')} = excluded.{ident('value')}, "
        f"{ident('loaded_at')} = excluded.{ident('loaded_at')} "
        f"WHERE w.{ident('column_name')} <> excluded.{ident('column_name')} OR {newer}"
    )


def _upsert_by_key(state: str, query: str, column: Column, dialect: Dialect) -> str:
    """The same with ON DUPLICATE KEY, which assigns one column after the other: what decides comes last."""
    value, name = ident("value"), ident("column_name")
    newer = (
        f"{state}.{name} <> VALUES({name}) OR "
        f"{_typed(f'VALUES({value})', column, dialect)} > {_typed(f'{state}.{value}', column, dialect)}"
    )
    sets = [
        f"{state}.{c} = CASE WHEN {newer} THEN VALUES({c}) ELSE {state}.{c} END" for c in (ident("loaded_at"), value)
    ]
    columns = ", ".join(ident(c.name) for c in _COLUMNS)
    return (
        f"INSERT INTO {state} ({columns}) {query} ON DUPLICATE KEY UPDATE {', '.join(sets)}, "
        f"{state}.{name} = VALUES({name})"
    )


def _written(column: Column, dialect: Dialect) -> str:
    name = ident(column.name)
    special = {Kind.TIMESTAMPTZ: "cursor_timestamptz", Kind.TIMESTAMP: "cursor_timestamp"}
    return dialect.function(special.get(column.type.kind, "cursor"), name)


def _typed(value: str, column: Column, dialect: Dialect) -> str:
    if column.type.kind in (Kind.TEXT, Kind.UNKNOWN) or (not dialect.typed_literals and not column.type.is_number):
        return value
    if column.type.kind is Kind.TIMESTAMPTZ and not dialect.zoned_literals:
        value = f"left({value}, 26)"
    return cast(value, column.type, dialect) if dialect.typed_literals else f"CAST({value} AS NUMERIC)"
