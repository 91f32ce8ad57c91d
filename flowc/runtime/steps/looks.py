"""The steps of a load that look at what was written: checks, quality checks, counts, and rows for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa

from flowc.errors import DataError, EngineError
from flowc.loadplan import Check, Expect, ExpectResult, LoadResult, Measure, Show, ShownRow, Step
from flowc.runtime.contracts.database import Database
from flowc.runtime.fit import shorten

_SHOWN_ROWS = 5
Look = Check | Expect | Measure | Show


def _measure(step: Measure, target: Database, result: LoadResult) -> None:
    less = sum(result.counts.get(counter, 0) for counter in step.less)
    result.counts[step.counts] = _number(target.query(step.sql).column(0)[0]) - less


def _number(scalar: pa.Scalar) -> int:
    value = scalar.as_py()
    return int(value) if value is not None else 0


def _show(step: Show, target: Database, result: LoadResult) -> None:
    try:
        found = target.query(step.sql)
    except (DataError, EngineError) as error:
        # SQLite gives back values as loose as they were put in, PostgreSQL infinite times: no load fails for what
        # nobody can show.
        if _is_over(target):
            raise error from None
        return
    width = len(step.columns)
    for values in zip(*(column.to_pylist() for column in found.columns), strict=True):
        change, row = (step.change, values) if step.change else (values[0], values[1:])
        before = dict(zip(step.columns, row[width:], strict=True)) if change == "update" else None
        result.shown.append(ShownRow(change, dict(zip(step.columns, row[:width], strict=True)), before))


def _is_over(target: Database) -> bool:
    """Whether the transaction has ended with what the engine itself refused."""
    try:
        target.query("SELECT 1 AS n")
    except EngineError:
        return True
    return False


def _check(step: Check, target: Database, _result: LoadResult) -> None:
    rows = target.query(step.sql)
    if rows.num_rows == 0:
        return
    shown = tuple(_evidence(row) for row in rows.slice(0, _SHOWN_ROWS).to_pylist())
    count = f"{rows.num_rows}" if rows.num_rows < _SHOWN_ROWS else f"{_SHOWN_ROWS} or more"
    message = step.message.replace("{count}", count)
    raise DataError(message, code=step.code, help=step.help, details=shown)


def _evidence(row: dict[str, object]) -> str:
    """One row on one line."""
    return ", ".join(f"{name} = {'NULL' if value is None else shorten(value)}" for name, value in row.items())


def _expect(step: Expect, target: Database, result: LoadResult) -> None:
    found = target.query(step.sql)
    failed, total = _number(found.column(0)[0]), _number(found.column(1)[0])
    ratio = 0.0 if step.max_ratio is None else step.max_ratio
    passed = failed <= max(step.max_failures, ratio * total)
    result.expects.append(
        ExpectResult(step.name, failed, total, passed=passed, error=step.error, quarantine=step.quarantine)
    )
    if step.error and not passed:
        message = f"the quality check `{step.name}` failed: {failed} of {total} rows"
        mend = "allow more under `max_failures`" if step.quarantine else "let the check warn: severity: warn"
        raise DataError(message, code="expectation-failed", help=f"mend the rows, or {mend}")


STEPS: Mapping[type[Step], Callable[..., None]] = {Check: _check, Expect: _expect, Measure: _measure, Show: _show}
"""What carries each of them out: the step, the session of the target, and what the load has done so far."""
