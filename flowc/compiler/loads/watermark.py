"""Where an incremental load goes on: the watermark that it finds, and the one that it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from flowc.catalog import Column, TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.ir import Apply
from flowc.compiler.loads.cursor import (
    STORED,
    canonical,
    check_order,
    comparable,
    finite,
    kept,
    literal,
    now_literal,
    same_values,
)
from flowc.compiler.loads.lifetimes import TABLE_ID, identity
from flowc.compiler.loads.load import Load, find_column, free_name
from flowc.compiler.loads.reads import repeated
from flowc.compiler.loads.staging import Field, fields, one_step
from flowc.compiler.quote import ident, table, text
from flowc.compiler.tables.ddl import is_decimal_text, stored
from flowc.compiler.tables.state import PROJECT_COLUMN, ensure_state
from flowc.errors import UsageError
from flowc.loadplan import LIVE_WATERMARKS, PROJECT, Check, Execute
from flowc.types import TEXT, TIMESTAMPTZ

CURSOR = "flowc_cursor"
"""The cursor as the source has it, beside a column that becomes another value in the target."""
WATERMARKS = "watermarks"
_PLACE, _UNMOVED, _LEFT, _REMEMBER = PURPOSES = (
    "a place for the watermark", "no other load has moved the watermark", "what earlier loads left",
    "remember the watermark",
)  # fmt: skip
"""The purposes of all that a load does with its watermark."""
_COLUMNS = (
    PROJECT_COLUMN,
    Column("pipeline_name", TEXT, nullable=False),
    Column("target", TEXT, nullable=False),
    Column("column_name", TEXT, nullable=False),
    Column("value", TEXT, nullable=False),
    Column("loaded_at", TIMESTAMPTZ, nullable=False),
)

_KEY = (PROJECT, "pipeline_name", "target")


def _columns(dialect: Dialect) -> tuple[Column, ...]:
    return (*_COLUMNS, TABLE_ID) if dialect.tables.identity else _COLUMNS


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
    for sql in place_of_watermarks(load.dialect):
        yield Execute(_PLACE, sql)


def place_of_watermarks(dialect: Dialect) -> Iterator[str]:
    """Statements that make the table of watermarks where it is missing."""
    yield from ensure_state(WATERMARKS, _columns(dialect), _KEY, dialect)


def columns_of_watermarks(dialect: Dialect) -> Iterator[str]:
    """The names of the columns of the table of watermarks."""
    return (column.name for column in _columns(dialect))


def of_pipeline(pipeline: str, dialect: Dialect) -> str:
    """A query of all watermarks of pipelines of that name, whatever their projects, targets and cursors, newest first.

    Columns: project, target, column_name, value, and table_id where the engine identifies tables.
    """
    # SQLite takes a name that no column has for a text, unless it stands behind that of a table.
    names = [name for name in columns_of_watermarks(dialect) if name not in ("pipeline_name", "loaded_at")]
    columns, of = ", ".join(f"w.{ident(name)}" for name in names), table(dialect.state_table(WATERMARKS))
    where = f"w.{ident('pipeline_name')} = {text(pipeline, dialect)}"
    return f"SELECT {columns} FROM {of} AS w WHERE {where} ORDER BY {ident('loaded_at')} DESC, {ident('target')}"


def forget_watermark(apply: Apply, target: str, dialect: Dialect) -> str:
    """Removes the watermark of a load; `target` is how it is called there."""
    own = ((PROJECT, apply.project), ("pipeline_name", apply.pipeline), ("target", target))
    where = " AND ".join(f"{ident(name)} = {text(value, dialect)}" for name, value in own)
    return f"DELETE FROM {table(dialect.state_table(WATERMARKS))} WHERE {where}"


def adopt_table(apply: Apply, target: str, dialect: Dialect) -> str:
    """Says that the watermark of a load is of the table that is there now."""
    own = ((PROJECT, apply.project), ("pipeline_name", apply.pipeline), ("target", target))
    where = " AND ".join(f"{ident(name)} = {text(value, dialect)}" for name, value in own)
    at = f"{ident(TABLE_ID.name)} = {identity(apply.target.name, dialect)}"
    return f"UPDATE {table(dialect.state_table(WATERMARKS))} SET {at} WHERE {where}"


def set_watermark(apply: Apply, target: str, value: str, now: datetime, dialect: Dialect) -> str:
    """Writes the watermark of a load that has none; `value` is canonical text of the cursor."""
    cursor = apply.incremental.column if apply.incremental is not None else ""
    texts = (text(each, dialect) for each in (apply.project, apply.pipeline, target, cursor, value))
    values = ", ".join((*texts, now_literal(now, TIMESTAMPTZ, dialect), *_identity(apply.target.name, dialect)))
    into = ", ".join(ident(column.name) for column in _columns(dialect))
    return f"INSERT INTO {table(dialect.state_table(WATERMARKS))} ({into}) VALUES ({values})"


def _identity(name: TableName, dialect: Dialect) -> tuple[str, ...]:
    return tuple(filter(None, (identity(name, dialect),)))


def resume(load: Load) -> Iterator[Execute | Check]:
    """A place for the watermark, and the proof that no other load has moved it since this one was planned."""
    if load.apply.incremental is None or load.rehearsal:
        return
    if load.dialect.transactions.ddl:
        yield from place(load)
    state = table(load.dialect.state_table(WATERMARKS))
    if load.dialect.attached:
        yield Execute(_LEFT, f"INSERT INTO {state} SELECT * FROM {ident(LIVE_WATERMARKS)}")
    yield _unmoved(load, state)


def forget(load: Load) -> Iterator[Execute]:
    """Removes what is stored of loads into a table that is gone, whatever their pipelines."""
    for sql in load.gone:
        yield Execute("forget the loads of the table before", sql)


def forget_stored(row: Mapping[str, Any], dialect: Dialect) -> str:
    """Removes a stored watermark, unless a load has moved it since it was read as that row."""
    own = {name: str(row[name]) for name in (*_KEY, "value") if name in row}
    where = " AND ".join(f"{ident(name)} = {text(value, dialect)}" for name, value in own.items())
    return f"DELETE FROM {table(dialect.state_table(WATERMARKS))} WHERE {where}"


def of_load(load: Load) -> str:
    """The condition on stored watermarks that one is this load's; a value of another cursor is not."""
    apply, dialect = load.apply, load.dialect
    cursor = apply.incremental.column if apply.incremental is not None else ""
    own = (("pipeline_name", apply.pipeline), ("target", load.kept))
    parts = [f"{ident(name)} = {text(value, dialect)}" for name, value in own]
    whose = f"{ident(PROJECT)} = {text(apply.project, dialect)}"
    return " AND ".join([whose, *parts, f"lower({ident('column_name')}) = lower({text(cursor, dialect)})"])


def _unmoved(load: Load, state: str) -> Check:
    return Check(
        _UNMOVED,
        _moved(load, state),
        "load-overtaken",
        f"another load of `{load.apply.pipeline}` moved the watermark while this one was starting",
        "nothing was loaded; run it again",
    )


def _moved(load: Load, state: str) -> str:
    value, at = ident("value"), ident("loaded_at")
    if load.watermark is None:
        return f"SELECT {value}, {at} FROM {state} WHERE {of_load(load)}"
    # One that is gone was forgotten, or is another project's now.
    held = f"SELECT MAX({value}) AS {value}, MAX({at}) AS {at}, COUNT(*) AS n FROM {state} WHERE {of_load(load)}"
    return f"SELECT {value}, {at} FROM ({held}) AS m WHERE n = 0 OR {value} <> {text(load.watermark, load.dialect)}"


def remember(load: Load) -> Iterator[Execute]:
    """Stores the greatest cursor of all that was read, where it is past the watermark that the load began with."""
    again = load.reread is not None and not load.reread.whole
    if load.apply.incremental is not None and not again:
        state = table(load.dialect.state_table(WATERMARKS))
        step = Execute(_REMEMBER, _upsert(load, _staged_cursor(load), state))
        yield from () if load.rehearsal else (step,)


def with_cursor(load: Load) -> Load:
    """The load with one more column of the source where none that is staged keeps the cursor as the source has it."""
    incremental = load.apply.incremental
    source = find_column(load.columns, incremental.column) if incremental is not None else None
    if source is None:
        return load
    check_order(source, load.apply.pipeline)
    field = next((f for f in fields(load) if f.source == source), None)
    if field is None or _keeps_cursor(load, field, source):
        return load
    name = free_name(CURSOR, {column.name.lower() for column in load.columns})
    columns = (*load.columns, Column(name, source.type))
    return replace(load, columns=columns, read=repeated(load.read, source.name, name), cursor=name)


def _keeps_cursor(load: Load, field: Field, source: Column) -> bool:
    """Whether the first table that holds a cursor has it as the source does."""
    normalised = any(f.normalize is not None for f in load.loaded if f.source == source)
    return not (normalised and one_step(load)) and same_values(
        _staged(load, field).type, stored(source.type, load.dialect)
    )


def _staged(load: Load, field: Field) -> Column:
    return (field.wanted if one_step(load) else field.staged) or field.wanted


def _staged_cursor(load: Load) -> Column:
    incremental = load.apply.incremental
    wanted = incremental.column if incremental is not None else ""
    source = find_column(load.columns, load.cursor or wanted)
    field = next((f for f in fields(load) if f.source is not None and f.source == source), None)
    if field is None:
        raise UsageError(
            f"the source of `{load.apply.pipeline}` has no column `{wanted}` to read incrementally by",
            code="unknown-incremental-column",
            help="select it in the SQL, or name another under `incremental: { column: … }`",
        )
    return _staged(load, field)


def _upsert(load: Load, column: Column, state: str) -> str:
    dialect, wanted = load.dialect, load.apply.incremental.column if load.apply.incremental else column.name
    fixed = [text(v, dialect) for v in (load.apply.project, load.apply.pipeline, load.kept, wanted)]
    name = ident(column.name)
    at = now_literal(load.now, TIMESTAMPTZ, dialect), *_identity(load.table.name, dialect)
    values = ", ".join([*fixed, kept(name, column.type, dialect), *at])
    query = f"SELECT {values} FROM ({_greatest(load, column)}) AS m WHERE {name} IS NOT NULL"
    into = f"INSERT INTO {state} ({', '.join(ident(c.name) for c in _columns(dialect))}) {query}"
    moving = [ident(c.name) for c in _columns(dialect) if c.name not in _KEY]
    if not dialect.writes.on_conflict:
        return f"{into} ON DUPLICATE KEY UPDATE {', '.join(f'{state}.{c} = VALUES({c})' for c in moving)}"
    sets = ", ".join(f"{c} = excluded.{c}" for c in moving)
    return f"{into} ON CONFLICT ({', '.join(map(ident, _KEY))}) DO UPDATE SET {sets}"


def _greatest(load: Load, column: Column) -> str:
    """The greatest cursor that was read. By an ORDER BY, which every type has that a cursor may be of; max() is not."""
    dialect, name, kind = load.dialect, ident(column.name), column.type
    value = comparable(name, kind, dialect) if load.same_database else name
    past = [finite(value, kind, dialect)]
    if load.watermark is not None and load.reread is None:
        given = canonical(load.watermark, column, load.apply.timezone, of=STORED)
        past.append(f"{value} > {literal(given, kind, dialect)}")
    arrived = load.complete if one_step(load) else load.stage
    ranked = value + (dialect.compare.decimal_order if is_decimal_text(kind, dialect) else "")
    shown = name if value == name else f"{value} AS {name}"
    return f"SELECT {shown} FROM {arrived} WHERE {' AND '.join(past)} ORDER BY {ranked} DESC LIMIT 1"
