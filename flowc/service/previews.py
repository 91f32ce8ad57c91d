"""Dry runs: the whole load in a transaction that is rolled back, and what some of its rows would change."""

from __future__ import annotations

from dataclasses import replace

from flowc.compiler.ir import Pipeline
from flowc.service.loads import Run, run_pipelines
from flowc.service.report import RunReport


def preview(run: Run, pipeline: Pipeline, rows: int) -> RunReport:
    """Runs one pipeline without committing; the report shows at most so many rows of each target."""
    return run_pipelines(replace(run, pipelines=(pipeline,), commit=False, shown=rows))
