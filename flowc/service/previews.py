"""Dry runs: the whole load in a transaction that is rolled back, and some of the rows that the source gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from flowc.compiler.ir import Apply, Pipeline
from flowc.compiler.loads.reads import narrowed, read_of
from flowc.diagnostics import Reporter
from flowc.errors import FlowcError
from flowc.runtime.sample import sample
from flowc.service.loads import Run, prepare, run_pipelines
from flowc.service.report import RunReport, Status


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would do, and rows of the source: names of the columns, then values."""

    report: RunReport
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


def preview(run: Run, pipeline: Pipeline, rows: int) -> Preview:
    """Runs one pipeline without committing. Nothing is sampled when it cannot run."""
    dry = replace(run, pipelines=(pipeline,), commit=False)
    report = run_pipelines(dry)
    if report.pipelines[-1].status is Status.SKIPPED or rows <= 0 or not pipeline.applies:
        return Preview(report, (), ())
    try:
        columns, found = _sample(dry, pipeline.name, pipeline.applies[0], rows)
    except FlowcError:
        # The report already says why: the load reads the same rows.
        return Preview(report, (), ())
    finally:
        dry.sessions.close()
    return Preview(report, columns, found)


def _sample(run: Run, name: str, apply: Apply, rows: int) -> tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]:
    prepared = prepare(run, name, 0, apply, Reporter())
    node = prepared.apply.input if prepared else apply.input
    read = narrowed(read_of(node), f"1 = 1 LIMIT {rows}")
    table = sample(read, run.sessions.source, rows, run.sessions.functions)
    columns = [column.cast("string") if _has_nanoseconds(column) else column for column in table.columns]
    values = [column.to_pylist() for column in columns]
    return tuple(table.column_names), tuple(tuple(row) for row in zip(*values, strict=True))


def _has_nanoseconds(column: Any) -> bool:
    """Whether Python's own times do not hold what an Arrow column has."""
    return str(column.type).startswith(("timestamp[ns", "time64[ns"))
