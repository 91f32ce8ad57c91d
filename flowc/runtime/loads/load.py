"""Runs a load: all of its steps in one transaction of the target, or none of them.

    1 prepare   what the engine cannot do inside a transaction
    2 begin, and the lock that keeps two loads of one target apart
    3 steps     in order; the first failure undoes everything
    4 commit    or roll back, for a preview
    5 cleanup   whatever happened

Reading runs in a thread ahead of writing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

import pyarrow as pa

from flowc.catalog import Column
from flowc.errors import DataError, EngineError, FlowcError, written_at
from flowc.loadplan import (
    AFTER,
    BAD_ROWS,
    Counter,
    EngineRead,
    Execute,
    Expect,
    FilesRead,
    Ingest,
    KeepBadRows,
    LoadPlan,
    LoadResult,
    QueryRead,
    Read,
    StageBadRows,
    Step,
    TableRead,
)
from flowc.runtime.contracts import violations
from flowc.runtime.contracts.database import (
    Database,
    Guarding,
    WireCopy,
    require_transactions,
)
from flowc.runtime.engine.engine import Engine, Sources
from flowc.runtime.engine.functions import Load, no_functions
from flowc.runtime.engine.places import misplaced
from flowc.runtime.fit import CODE, Place, fit, in_load
from flowc.runtime.formats.aside import Aside
from flowc.runtime.pump import Pump
from flowc.runtime.spool import Spool
from flowc.runtime.steps.write import STEPS
from flowc.runtime.stores.files import Files
from flowc.runtime.stores.inuse import InUse
from flowc.runtime.tracing import NO_SPAN, Span, ending

_REPEATED = 60
"""How long, in seconds, a load may have taken to be repeated for the sake of a message."""
COMMIT = "commit"
"""What the last part of a load is for, which is timed as its steps are."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far a load is. `bytes` are those of the rows in Arrow's form, or on the wire."""

    purpose: str
    rows: int
    bytes: int
    seconds: float


Progress = Callable[[LoadProgress], None]
Asked = Callable[[], None] | None


@dataclass(slots=True)
class _Run:
    """What the steps of one load share."""

    target: Database
    sources: Sources
    progress: Progress | None
    result: LoadResult
    started: float = field(default_factory=time.monotonic)
    functions: Load = no_functions
    span: Span = NO_SPAN
    aside: Aside | None = None
    """What the reading has set aside."""
    files: InUse = field(default_factory=InUse)
    at: int = 0
    """The number of the step that runs."""
    last: tuple[Ingest, pa.RecordBatch] | None = None
    """The rows that were handed over last."""

    @contextmanager
    def timed(self, purpose: str) -> Iterator[None]:
        """Notes how long that took, also where it fails, and traces it."""
        began = time.monotonic()
        try:
            with ending(self.span.child(purpose)):
                yield
        finally:
            phases = self.result.phases
            phases[purpose] = phases.get(purpose, 0.0) + time.monotonic() - began


def run_load(
    plan: LoadPlan,
    target: Database,
    sources: Sources,
    *,
    guard: Callable[[], None] | None = None,
    functions: Load = no_functions,
    progress: Progress | None = None,
    commit: bool = True,
    span: Span = NO_SPAN,
    proof: Callable[[], None] | None = None,
) -> LoadResult:
    """Carries the plan out and says what it did.

    A `FlowcError` of any step is in the result's `error`, with the target as it was before; any other exception, such
    as KeyboardInterrupt, undoes the load too and goes on to the caller. `sources` opens a connection by its name: a
    session that is used for one read, or a folder of files; `functions` loads those of the project. `guard` raises
    where the table may not be written, and is asked under the lock of loads; `proof` raises where what was written may
    not be committed. `commit=False` undoes all at the end.
    Each step is traced below `span`, by what it is for: its SQL may hold values.
    """
    result = LoadResult(plan.pipeline, str(plan.table), plan.mode)
    run = _Run(target, sources, progress, result, functions=functions, span=span)
    try:
        _transact(plan, run, (guard, proof), commit=commit)
    except FlowcError as error:
        run.result.error = error
    finally:
        if run.aside is not None:
            run.aside.close()
        for step in plan.cleanup:
            # The load's own outcome matters more than leftovers, which the next load's preparation removes.
            with suppress(FlowcError):
                target.execute(step.sql)
        run.result.seconds = time.monotonic() - run.started
    return run.result


def _transact(plan: LoadPlan, run: _Run, asked: tuple[Asked, Asked], *, commit: bool) -> None:
    """Of what is `asked`, the first is before the steps, and the second once the rows are written."""
    guard, proof = asked
    require_transactions(run.target, plan.writes)
    for step in plan.prepare:
        run.target.execute(step.sql)
    try:
        _begin(plan, run.target)
        if plan.lock:
            run.target.lock(plan.table)
        if guard is not None:
            guard()
        _carry_out(plan.steps, run, proof if commit else None)
        with run.timed(COMMIT if commit else "roll back"):
            run.target.commit() if commit else run.target.rollback()
    except BaseException as failed:
        if isinstance(failed, DataError) and failed.code in violations.CODES:
            _explained(plan, run, failed)
        else:
            _undo(run.target, failed)
        raise


def _carry_out(steps: Sequence[Step], run: _Run, proof: Asked = None) -> None:
    """`proof` is asked once the rows are written: statements of the user's behind that may move the table."""
    for run.at, part in enumerate(steps):
        if proof is not None and isinstance(part, Execute) and part.purpose == AFTER:
            proof()
            proof = None
        written = part.written if isinstance(part, Execute | Expect) else None
        with run.timed(_step_name(part)), written_at(written):
            _STEPS[type(part)](part, run)
    if proof is not None:
        proof()


def _step_name(part: Step) -> str:
    """What a step is for. The conditions of checks are left to the specs: they may hold values."""
    return "expect" if isinstance(part, Expect) else part.purpose


def _explained(plan: LoadPlan, run: _Run, failed: DataError) -> None:
    """Rolls back, and says which row broke the constraint, in which column: before or after, where the rows can be."""
    target = run.target
    kept = isinstance(target, violations.Explaining) and target.keeps_transaction and bool(plan.rows)
    if kept and isinstance(target, violations.Explaining):
        violations.look(failed, plan, target)
    _undo(target, failed)
    if not kept and isinstance(target, violations.Explaining):
        violations.look_again(failed, plan, target, lambda: _as_it_was(plan, run))


def _as_it_was(plan: LoadPlan, run: _Run) -> tuple[Ingest, pa.RecordBatch] | None:
    """Repeats what a load did before the step that failed; gives the rows that were handed over, if any were."""
    if time.monotonic() - run.started < _REPEATED:
        again = _Run(run.target, run.sources, None, LoadResult(plan.pipeline, "", plan.mode), functions=run.functions)
        _carry_out(plan.steps[: run.at], again)
    return run.last


def _begin(plan: LoadPlan, target: Database) -> None:
    if plan.guarded and isinstance(target, Guarding):
        target.begin_guarded()
    else:
        target.begin()


def _undo(target: Database, failed: BaseException) -> None:
    """Rolls back; what cannot be undone is told with the failure. A lost session need not: its server has done so."""
    try:
        target.rollback()
    except FlowcError as left:
        if left.code == "no-transactions" and isinstance(failed, FlowcError) and failed.code != left.code:
            failed.details = (*failed.details, left.message)


def _plain(step: Step, run: _Run) -> None:
    STEPS[type(step)](step, run.target, run.result)


def _ingest(step: Ingest, run: _Run) -> None:
    read = _simplest(step.read)
    run.aside = Aside(run.result.pipeline, step.bad) if step.bad is not None else None
    source = run.sources(read.connection) if isinstance(read, QueryRead) else None
    rows = _wire(step, read, source, run) if isinstance(read, QueryRead) and source is not None else None
    if rows is None:
        rows = _arrow(step, read, source, run)
    run.result.add(Counter.READ, rows)
    run.result.add(step.counts, rows)
    if run.aside is not None:
        run.result.add(Counter.BAD, run.aside.bad)
        run.result.notes += tuple(f"bad row: {place}" for place in run.aside.shown)


def _bad_rows(run: _Run) -> Aside:
    assert run.aside is not None, "the plan reads before it keeps what was set aside"
    return run.aside


def _stage_bad_rows(step: StageBadRows, run: _Run) -> None:
    run.target.ingest(step.table, BAD_ROWS, _bad_rows(run).batches(step.pipeline), temporary=True)


def _keep_bad_rows(step: KeepBadRows, run: _Run) -> None:
    files = run.sources(step.connection)
    if not isinstance(files, Files):
        raise EngineError(f"`{step.connection}` is no folder of files", code="query-refused")
    _bad_rows(run).write(files.folder, step.folder)


def _simplest(read: Read) -> Read:
    """A query of one database that the engine would only pass through is read from the database itself."""
    if isinstance(read, EngineRead) and read.sql is None and isinstance(read.inputs[0][1], QueryRead):
        return read.inputs[0][1]
    return read


def _wire(step: Ingest, read: QueryRead, source: Database | Files, run: _Run) -> int | None:
    """Hands the rows on as they are where both sides speak of them alike; None where they do not."""
    target = run.target
    if not (isinstance(source, WireCopy) and isinstance(target, WireCopy)) or source is target:
        return None
    if source.kind != target.kind:
        return None
    names = [column.name for column in step.columns]
    came = source.wire_types(read.sql)
    _require_names(step, [column.name for column in came])
    if not target.takes_wire(step.table, names, came):
        return None
    with Pump(source.wire_out(read.sql)) as pieces:
        counted = _told(pieces, step, run, rows=lambda piece: piece[0], size=lambda piece: len(piece[1]))
        return target.wire_in(step.table, names, counted)


def _arrow(step: Ingest, read: Read, source: Database | Files | None, run: _Run) -> int:
    with Pump(_fitted(step, run, _rows(read, source, run)), idle=run.files.check) as batches:
        told = _told(_noted(batches, step, run), step, run, rows=lambda b: b.num_rows, size=lambda b: b.nbytes)
        return run.target.ingest(step.table, step.columns, told, temporary=step.temporary)


def _noted(batches: Iterator[pa.RecordBatch], step: Ingest, run: _Run) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        run.last = (step, batch)
        yield batch


def _fitted(step: Ingest, run: _Run, batches: Generator[pa.RecordBatch, None, None]) -> Iterator[pa.RecordBatch]:
    row, place = 1, _place(step.read)
    # Closed here, in the reading thread, also when a row does not fit: a cursor must not outlive its session.
    with closing(batches):
        try:
            for batch in batches:
                _require_names(step, batch.schema.names)
                yield fit(batch, step.columns, step.timezone, first_row=row, place=place)
                row += batch.num_rows
        except DataError as error:
            raise (misplaced(step, run.sources, error) if error.code == CODE else None) or error from None


def _require_names(step: Ingest, names: Sequence[str]) -> None:
    """Raises EngineError where the source has other columns, or another order of them, than the load was planned for.

    A difference of case is none: an engine may spell a column of a subquery as the query or as the table does.
    """
    if step.names and [name.lower() for name in names] != [name.lower() for name in step.names]:
        listed = (", ".join(f"`{name}`" for name in each[:12]) for each in (step.names, names))
        message = "the columns of the source changed while the load was starting: they were {}, and are {}"
        help = "nothing was loaded; run it again"
        raise EngineError(message.format(*listed), code="source-changed", help=help)


def _place(read: Read) -> Place | None:
    """Where a row stands, by its number. The engine reads with several threads, so its rows come in any order."""
    return in_load if isinstance(_simplest(read), QueryRead) else None


def _rows(read: Read, source: Database | Files | None, run: _Run) -> Generator[pa.RecordBatch, None, None]:
    """The rows of a read; runs in the reading thread."""
    if isinstance(read, QueryRead):
        if source is None or isinstance(source, Files):
            raise DataError(f"`{read.connection}` is no database", code="query-refused")
        if source is run.target:
            yield from _aside(*source.read(read.sql))
        else:
            yield from source.read(read.sql)[1]
        return
    with Engine(run.sources, functions=run.functions, aside=run.aside, files=run.files) as engine:
        yield from engine.read(_engine_read(read))[1]


def _aside(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """All of the rows, read before the first is used: a session cannot read and write at once."""
    spool = Spool()
    try:
        yield from spool.take(spool.put(schema, batches))
    finally:
        spool.close()


def _engine_read(read: FilesRead | TableRead | EngineRead) -> EngineRead:
    return read if isinstance(read, EngineRead) else EngineRead((("source", read),), None)


def _told(
    items: Iterator[T], step: Ingest, run: _Run, *, rows: Callable[[T], int], size: Callable[[T], int]
) -> Iterator[T]:
    done = sent = 0
    for item in items:
        done, moved = done + rows(item), size(item)
        sent += moved
        run.result.bytes += moved
        yield item
        if run.progress is not None:
            run.progress(LoadProgress(step.purpose, done, sent, time.monotonic() - run.started))


_STEPS: Mapping[type[Step], Callable[..., None]] = {
    Ingest: _ingest, StageBadRows: _stage_bad_rows, KeepBadRows: _keep_bad_rows, **dict.fromkeys(STEPS, _plain),
}  # fmt: skip


def describe(read: Read, sources: Sources, functions: Load = no_functions) -> tuple[Column, ...]:
    """The columns and types of what a read yields, without reading it (files are looked into)."""
    plain = _simplest(read)
    if isinstance(plain, QueryRead):
        source = sources(plain.connection)
        if not isinstance(source, Files):
            with written_at(plain.written):
                return source.describe(plain.sql)
        raise DataError(f"`{plain.connection}` is no database", code="query-refused")
    with Engine(sources, functions=functions) as engine:
        return engine.describe(_engine_read(plain))
