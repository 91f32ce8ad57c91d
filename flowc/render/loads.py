"""The summary of a run: a table of targets, verdicts of quality checks, and what failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flowc.diagnostics import Diagnostic
from flowc.durations import instant_text
from flowc.errors import FlowcError
from flowc.loadplan import Counter, ShownRow
from flowc.render.checks import verdict
from flowc.render.diagnostics import as_object, full
from flowc.render.failure import error_object, failure
from flowc.render.json_values import as_json
from flowc.render.style import Style, printable
from flowc.render.tables import table, text_of
from flowc.service.loads.report import ALWAYS, PipelineReport, RunReport, Status, TargetReport

PASSED_BY = "passed by"
"""How a target ended that an earlier attempt had loaded."""
_ROLES: Mapping[str, str] = {Status.OK: "good", PASSED_BY: "good", Status.FAILED: "bad", Status.SKIPPED: "dim"}


def run_text(report: RunReport, style: Style) -> str:
    """The summary for a person: a table of targets, the verdicts of quality checks, a closing line."""
    counters = _counters(report)
    rows = [row for pipeline in report.pipelines for row in _rows(pipeline, counters)]
    headers = ("pipeline", "target", "mode", *counters, "seconds", "status")
    right = range(3, len(headers) - 1)
    parts = [table(headers, rows, style, right=right, roles={len(headers) - 1: _ROLES})] if rows else []
    verdicts = [line for pipeline in report.pipelines for line in _verdicts(pipeline, style)]
    parts += ["\n".join(verdicts)] if verdicts else []
    return "\n\n".join([*parts, _closing(report, style)])


def _counters(report: RunReport) -> tuple[Counter, ...]:
    """What is counted; bad rows where a load may set some aside."""
    bad = any(Counter.BAD in target.counts for pipeline in report.pipelines for target in pipeline.targets)
    return (*ALWAYS, Counter.BAD) if bad else ALWAYS


def failures_text(report: RunReport, style: Style) -> str:
    """What failed or was skipped, and why; empty when nothing was."""
    return "\n\n".join(text for pipeline in report.pipelines for text in _failures(pipeline, style))


def run_object(report: RunReport) -> dict[str, object]:
    """The same for programs."""
    return {**_report_object(report), "not_acted_on": {}}


def preview_text(report: RunReport, style: Style, rows: int) -> str:
    """Rows as they would be, with what they would change, and then what a run would do."""
    targets = [target for pipeline in report.pipelines for target in pipeline.targets if target.shown]
    shown = [_shown(target.shown[:rows], style) for target in targets]
    titles = (f"{target.target}:\n" if len(targets) > 1 else "" for target in targets)
    tables = (f"{title}{text}\n\n" for title, text in zip(titles, shown, strict=True))
    return "".join(tables) + run_text(report, style)


def _shown(rows: Sequence[ShownRow], style: Style) -> str:
    columns = tuple(rows[0].values)
    cells = [(row.change, *(_cell(row, column) for column in columns)) for row in rows]
    return table(("change", *columns), cells, style)


def _cell(row: ShownRow, column: str) -> object:
    """A value; where it would change, the one before it too."""
    value = row.values[column]
    if row.before is None or row.before[column] == value:
        return value
    return f"{text_of(row.before[column])} → {text_of(value)}"


def preview_json(report: RunReport, rows: int) -> str:
    """The same as one JSON object."""
    shown = [
        {"target": target.target, "change": row.change, "row": row.values}
        | ({"before": row.before} if row.before is not None else {})
        for pipeline in report.pipelines
        for target in pipeline.targets
        for row in target.shown[:rows]
    ]
    return as_json({**_report_object(report), "rows": shown})


def _report_object(report: RunReport) -> dict[str, object]:
    return {
        "status": Status.FAILED if report.failed else Status.OK,
        "seconds": round(report.seconds, 3),
        "pipelines": [pipeline_object(pipeline) for pipeline in report.pipelines],
    }


def _rows(pipeline: PipelineReport, counters: Sequence[Counter]) -> Iterator[tuple[object, ...]]:
    for target in pipeline.targets:
        counts = (target.counts.get(counter, 0) if target.status is Status.OK else "-" for counter in counters)
        yield (_name(pipeline), target.target, target.mode, *counts, f"{target.seconds:.2f} s", _status(target))
    if not pipeline.targets:
        yield (_name(pipeline), "-", "-", *("-" for _ in counters), "-", str(pipeline.status))


def _status(target: TargetReport) -> str:
    return PASSED_BY if target.passed_by else str(target.status)


def _name(pipeline: PipelineReport) -> str:
    return pipeline.name if pipeline.due_at is None else f"{pipeline.name}, {instant_text(pipeline.due_at)}"


def _verdicts(pipeline: PipelineReport, style: Style) -> Iterator[str]:
    for target in pipeline.targets:
        owner = f"{_name(pipeline)}, {target.target}"
        yield from (verdict(owner, expect, style) for expect in target.expects)
        yield from (f"note: {printable(f'{owner}: {note}')}" for note in target.notes)


def _failures(pipeline: PipelineReport, style: Style) -> Iterator[str]:
    if pipeline.reason:
        yield f"{printable(_name(pipeline))}: skipped, {printable(pipeline.reason)}"
    yield from _problems(_name(pipeline), pipeline.error, pipeline.diagnostics, style)
    for target in pipeline.targets:
        yield from _problems(f"{_name(pipeline)}, {target.target}", target.error, target.diagnostics, style)


def _problems(place: str, error: FlowcError | None, diagnostics: tuple[Diagnostic, ...], style: Style) -> Iterator[str]:
    if diagnostics:
        yield "\n\n".join([f"{printable(place)}:", *(full(diagnostic, style) for diagnostic in diagnostics)])
    if error is not None:
        yield failure(error, style, prefix=f"{place}: ")


def _closing(report: RunReport, style: Style) -> str:
    counts = []
    for status in Status:
        count = sum(pipeline.status is status for pipeline in report.pipelines)
        if count:
            counts.append(style.paint(_ROLES[status], f"{count} {status}"))
    total = len(report.pipelines)
    return (
        f"{total} pipeline{'' if total == 1 else 's'} in {report.seconds:.2f} s: {', '.join(counts) or 'nothing to do'}"
    )


def pipeline_object(pipeline: PipelineReport) -> dict[str, object]:
    """What became of one pipeline, for programs."""
    return {
        "name": pipeline.name,
        "status": pipeline.status,
        "reason": pipeline.reason,
        "plan": pipeline.plan,
        **({"due_at": instant_text(pipeline.due_at)} if pipeline.due_at is not None else {}),
        "error": error_object(pipeline.error),
        "diagnostics": [as_object(diagnostic) for diagnostic in pipeline.diagnostics],
        "targets": [_target_object(target) for target in pipeline.targets],
    }


def _target_object(target: TargetReport) -> dict[str, object]:
    return {
        "target": target.target,
        "mode": target.mode,
        "status": target.status,
        "passed_by": target.passed_by,
        "counts": {str(c): target.counts[c] for c in Counter if c in target.counts},
        "bytes": target.bytes,
        "seconds": round(target.seconds, 3),
        "phases": {purpose: round(seconds, 3) for purpose, seconds in target.phases.items()},
        "expects": [
            {
                "name": expect.name,
                "failed": expect.failed,
                "total": expect.total,
                "passed": expect.passed,
                "severity": expect.severity,
            }
            for expect in target.expects
        ],
        "notes": target.notes,
        "error": error_object(target.error),
        "diagnostics": [as_object(diagnostic) for diagnostic in target.diagnostics],
    }
