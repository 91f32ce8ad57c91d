"""The plan of a load: everything one run does to one target, as finished SQL in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from flowc.catalog import Column, Table
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Statement
from flowc.compiler.loads.append import HELD, append, stream, truncate
from flowc.compiler.loads.attach import attach, bring
from flowc.compiler.loads.badrows import STAGED, bad_row_tables, keep_bad_rows, make_place, unread_table
from flowc.compiler.loads.changes import HIDDEN
from flowc.compiler.loads.checks import expectations
from flowc.compiler.loads.cursor import between, lower_bound
from flowc.compiler.loads.identity import Recorded
from flowc.compiler.loads.load import HELD_BACK, ROWS, SIFTED, STAGE, Load, Reread, find_column
from flowc.compiler.loads.merge import merge
from flowc.compiler.loads.reads import narrowed, read_dialect, read_of
from flowc.compiler.loads.record import record, record_tables
from flowc.compiler.loads.reserved import refuse_reserved
from flowc.compiler.loads.roles import spelled_roles
from flowc.compiler.loads.scd2 import scd2
from flowc.compiler.loads.shadowing import unshadowed
from flowc.compiler.loads.shape import check_shape, live_table, target_table
from flowc.compiler.loads.shown import after_writing, before_writing
from flowc.compiler.loads.sifting import dropping_keys, gather
from flowc.compiler.loads.softdelete import soft_column
from flowc.compiler.loads.staging import dropping, fields, fits_as_is, in_source_order, selected_values, source_names
from flowc.compiler.loads.timeline import BACK, CHANGES, ROW_COPIES, RUN_COPIES, RUNS
from flowc.compiler.loads.watermark import WATERMARKS, forget, place, remember, resume, state_tables, with_cursor
from flowc.compiler.quote import idents, table
from flowc.compiler.tables.ddl import create_schema, create_table
from flowc.errors import UsageError
from flowc.loadplan import AFTER, REFUSED, Counter, Execute, Expect, Ingest, LoadPlan, Read, Step
from flowc.nodes import Changelog

MODES: Mapping[str, Callable[[Load], Iterator[Step]]] = {
    "append": append,
    "truncate": truncate,
    "merge": merge,
    "scd2": scd2,
}
_CREATE = "CREATE TABLE"


def plan_load(
    apply: Apply,
    *,
    columns: tuple[Column, ...],
    live: Table | None,
    watermark: str | None,
    now: datetime,
    same_database: bool,
    beside: bool = False,
    rehearsal: bool = False,
    kept: str | None = None,
    last_wins: bool = False,
    reread: Reread | None = None,
    shown: int = 0,
    changes: Changelog = Changelog.INSERT_ONLY,
    recorded: Recorded | None = None,
    gone: tuple[str, ...] = (),
) -> LoadPlan:
    """The plan of one load of one target, in one transaction from reading to remembering.

    `columns` are the exact output columns of the source; `live` is the table as it is, None where the plan is to create
    it; `watermark` is what an earlier load stored, and `kept` the target's name there (`connection.table`), where a
    database was asked for it; `now` is the time of the load. With `same_database` the query runs in the target's
    transaction; `beside` says that any source at all is in the target's database. A `rehearsal` leaves nothing behind
    when it is not committed, also where creating a table is no part of a transaction. With `last_wins`, a merge takes
    the last row of each key that its target holds equal; those of the same bytes it is given reduced already. With
    `reread`, the load reads what that says, and not from the watermark on. Of so many rows as `shown` says, a rehearsal
    tells what they would change. `changes` are what the rows of a merge are; their hidden columns come last.
    `recorded` says which run the load is of, which its target records. `gone` are
    the statements that remove what is stored of loads into a table that is gone.

    Raises DataError for types that cannot fit and UsageError for a load that its target cannot take.
    """
    load = _load(
        apply, columns, live, watermark, reread, now=now, same_database=same_database, beside=same_database or beside,
        rehearsal=rehearsal, last_wins=last_wins, shown=shown, changes=changes,
        recorded=recorded, gone=gone,
        kept=kept or f"{apply.target.connection}.{apply.target.name}",
    )  # fmt: skip
    return _planned(load, rehearsal=rehearsal)


def check_load(apply: Apply, *, columns: tuple[Column, ...], live: Table | None, now: datetime) -> None:
    """Raises what `plan_load` raises for types and shapes, without making the plan."""
    kept = f"{apply.target.connection}.{apply.target.name}"
    load = _load(apply, columns, live, None, None, now=now, same_database=False, beside=False, kept=kept)
    fields(load)
    if load.apply.deletes == "soft":
        soft_column(load)


def _load(
    apply: Apply, columns: tuple[Column, ...], live: Table | None, watermark: str | None, reread: Reread | None,
    *, changes: Changelog = Changelog.INSERT_ONLY, **decided: Any,
) -> Load:  # fmt: skip
    refuse_reserved(apply)
    dialect, apply = DIALECTS[apply.target.kind], spelled_roles(apply, columns, live)
    load = Load(
        apply=apply,
        dialect=dialect,
        table=live_table(apply, live, columns, dialect) if live else target_table(apply, columns, dialect),
        exists=live is not None,
        columns=(*columns, *HIDDEN[changes]),
        changes=changes,
        read=_read(apply, columns, watermark, reread),
        watermark=watermark,
        reread=reread,
        **decided,
    )
    check_shape(load)
    return with_cursor(load)


def _planned(load: Load, *, rehearsal: bool) -> LoadPlan:
    steps = tuple(_steps(load))
    return LoadPlan(
        load.apply.pipeline,
        load.apply.target.connection,
        load.table.name,
        load.apply.mode,
        (*steps, *record(load, [step for step in steps if isinstance(step, Expect)])),
        prepare=tuple(prepare(load, rehearsal=rehearsal)),
        cleanup=tuple(_tidy(load, rehearsal=rehearsal)),
        lock=True,
        writes=(load.table.name, *state_tables(load), *record_tables(load), *bad_row_tables(load)),
        guarded=load.apply.guarded,
        columns=load.names,
        keys=load.keys,
        rows=_rows(load),
    )


def _rows(load: Load) -> str:
    if streams(load):
        return selected_values(load) if load.same_database else ""
    return f"SELECT {idents(load.names)} FROM {load.rows}"


def _read(apply: Apply, columns: tuple[Column, ...], watermark: str | None, reread: Reread | None) -> Read:
    read, incremental = read_of(apply.input), apply.incremental
    bounded = reread is not None and not reread.whole
    if incremental is None or (incremental.in_sql and not bounded):
        return read
    column = find_column(columns, incremental.column)
    if column is None:
        raise UsageError(
            f"the source of `{apply.pipeline}` has no column `{incremental.column}` to read incrementally by",
            code="unknown-incremental-column",
            help="select it in the SQL, or name another under `incremental: { column: … }`",
        )
    dialect = read_dialect(apply.input)
    if reread is not None and not reread.whole:
        return narrowed(read, between(column, reread.since, reread.until, dialect, apply.timezone))
    condition = lower_bound(incremental, column, None if reread else watermark, dialect, apply.timezone)
    return read if condition is None else narrowed(read, condition)


def _steps(load: Load) -> Iterator[Step]:
    apply = load.apply
    if load.dialect.attached:
        yield from attach(load)
    elif not load.exists:
        yield from _create(load)
    if load.dialect.transactions.ddl and not load.rehearsal:
        yield from forget(load)
    yield from resume(load)
    yield from _own(load, "before", apply.before)
    if streams(load):
        yield from stream(load, _straight(load))
        yield from _bad_rows(load)
        yield from _own(load, AFTER, apply.after)
        return
    if apply.mode in ("merge", "scd2") or load.sifts:
        yield from (Execute("memory for the joins", sql) for sql in load.dialect.transactions.settings)
    yield from gather(load)
    yield from _bad_rows(load)
    yield from remember(load)  # of all that was read, so before rows already loaded are dropped from it
    if load.dialect.attached:
        yield from unshadowed(load, bring(load))
    yield from before_writing(load)
    yield from unshadowed(load, MODES[apply.mode](load))
    yield from after_writing(load)
    yield from expectations(load)
    yield from _own(load, AFTER, apply.after)
    yield from dropping(load)
    yield from dropping_keys(load)


def _bad_rows(load: Load) -> Iterator[Step]:
    """A rehearsal only counts them."""
    return iter(()) if load.rehearsal else keep_bad_rows(load)


def _own(load: Load, purpose: str, statements: Sequence[Statement]) -> Iterator[Execute]:
    """The user's own statements, none of which may end the transaction."""
    same = load.dialect.transactions.same
    return (Execute(purpose, statement.sql, same=same, written=statement.source) for statement in statements)


def _create(load: Load) -> Iterator[Execute]:
    if not load.dialect.transactions.ddl:
        return
    if load.table.name.schema and load.dialect.names.schemas:
        yield Execute("create the schema", create_schema(load.table.name.schema, load.dialect))
    yield from (Execute("create the target", sql) for sql in create_table(load.table, load.dialect))


def streams(load: Load) -> bool:
    """Whether rows go straight into the target: nothing has to be looked at before they are written."""
    apply = load.apply
    asks = apply.keys or apply.dedupe or apply.incremental or apply.expect or _replaces_what_it_reads(load)
    return apply.mode in ("append", "truncate") and not asks and not load.shown and not load.extras and fits_as_is(load)


def _replaces_what_it_reads(load: Load) -> bool:
    """Whether the read may look at the old rows, by a view too, so that it must be done before they are deleted."""
    return load.apply.mode == "truncate" and load.exists and load.beside and not load.dialect.attached


def _straight(load: Load) -> Execute | Ingest:
    if load.same_database:
        sql = f"INSERT INTO {load.target} ({idents(load.names)}) {selected_values(load)}"
        return Execute("insert the rows", sql, Counter.INSERTED, Counter.READ)
    columns = tuple(f.wanted for f in in_source_order(load))
    return Ingest(
        "stream the rows", load.read, load.table.name, columns=columns, temporary=False, counts=Counter.INSERTED,
        timezone=load.apply.timezone, bad=load.bad, names=source_names(load),
    )  # fmt: skip


def prepare(load: Load, *, rehearsal: bool) -> Iterator[Execute]:
    """Removes what a failed load left in the session, and creates what is missing."""
    if load.dialect.transactions.ddl or load.dialect.temporary.schema is not None:
        return
    names = [STAGE, ROWS, RUNS, CHANGES, BACK, HELD, REFUSED, *((STAGED,) if unread_table(load) else ())]
    names += (SIFTED, HELD_BACK) if load.sifts else ()
    counted = ((ROWS, ROW_COPIES), (RUNS, RUN_COPIES), (SIFTED, int(load.sifts)))
    copies = [load.again(name, i + 1) for name, number in counted for i in range(number)]
    yield _drop(load, [*(table(load.temporary(name)) for name in names), *copies])
    head = load.dialect.temporary.create if rehearsal else _CREATE
    if not rehearsal:
        yield from forget(load)  # before there is a table for which it would count
    if not load.exists:
        created = create_table(load.table, load.dialect, f"{head} IF NOT EXISTS")
        yield from (Execute("create the target", sql) for sql in created)
    if not rehearsal:
        yield from make_place(load)
    if load.apply.incremental is not None:
        yield from (Execute(step.purpose, step.sql.replace(_CREATE, head, 1)) for step in place(load))


def _drop(load: Load, names: list[str]) -> Execute:
    sql = f"{load.dialect.temporary.drop} IF EXISTS {', '.join(names)}"
    return Execute("no temporary tables of earlier loads", sql)


def _tidy(load: Load, *, rehearsal: bool) -> Iterator[Execute]:
    """Removes what a rehearsal made."""
    if rehearsal and not load.dialect.transactions.ddl and load.dialect.temporary.schema is None:
        yield _drop(load, [load.target, table(load.dialect.state_table(WATERMARKS))])
