"""Carries out steps of a plan in the transaction that is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa

from flowc.errors import DataError, EngineError
from flowc.loadplan import Attach, Counter, Execute, Ingest, LoadPlan, LoadResult, Record, Step
from flowc.runtime.contracts.database import Database, TableStore, transaction_ended
from flowc.runtime.fit import fit
from flowc.runtime.steps import looks, recorded


def write_rows(plan: LoadPlan, target: Database, rows: pa.RecordBatch) -> LoadResult:
    """Carries out the steps of a plan in the transaction that is open, with `rows` for what it would read.

    `rows` have the columns that the plan was made for, in that order. Raises FlowcError where a step fails; the caller
    rolls back.
    """
    result = LoadResult(plan.pipeline, str(plan.table), plan.mode)
    for step in plan.steps:
        if isinstance(step, Ingest):
            _ingest(step, rows, target, result)
        elif type(step) in STEPS:
            STEPS[type(step)](step, target, result)
        else:
            raise DataError("the rows are at hand and not read", code="query-refused")
    return result


def _ingest(step: Ingest, rows: pa.RecordBatch, target: Database, result: LoadResult) -> None:
    fitted = iter((fit(rows, step.columns, step.timezone, first_row=1),))
    written = target.ingest(step.table, step.columns, fitted, temporary=step.temporary)
    result.add(Counter.READ, written)
    result.add(step.counts, written)


def _execute(step: Execute, target: Database, result: LoadResult) -> None:
    if step.same is not None:
        target.execute(step.same[0])
    rows = target.execute(step.sql)
    if step.same is not None:
        _require_same(step.same[1], target)
    result.add(step.counts, rows)
    result.add(step.also, rows)


def _require_same(proof: str, target: Database) -> None:
    """Raises UsageError where a statement of the user's has ended the transaction."""
    try:
        target.execute(proof)
    except EngineError:
        raise transaction_ended() from None


def _attach(step: Attach, target: Database, _result: LoadResult) -> None:
    if not isinstance(target, TableStore):
        raise EngineError(f"`{target.kind}` holds no tables to attach", code="query-refused")
    target.attach(step)


STEPS: Mapping[type[Step], Callable[..., None]] = {
    Execute: _execute, Attach: _attach, Record: recorded.record, **looks.STEPS,
}  # fmt: skip
"""What each kind of step does to `(step, target, result)`."""
