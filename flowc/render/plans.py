"""Plans of loads as text: as SQL to read, and as values for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flowc.catalog import Column
from flowc.loadplan import (
    Attach,
    Check,
    EngineRead,
    Execute,
    Expect,
    FilesRead,
    Ingest,
    KeepBadRows,
    LoadPlan,
    Measure,
    QueryRead,
    Read,
    Record,
    Show,
    StageBadRows,
    Step,
    TableRead,
)
from flowc.render.json_values import json_value
from flowc.render.style import comment


def plan_sql(plan: LoadPlan) -> str:
    """A load as SQL to read: each statement under a comment that says what it is for."""
    parts = [comment(f"{plan.pipeline}: {plan.mode} into {plan.connection}.{plan.table}")]
    parts += [statement(step) for step in plan.prepare]
    parts += ["BEGIN;", *(_step(step) for step in plan.steps), "COMMIT;"]
    parts += [statement(step) for step in plan.cleanup]
    return "\n\n".join(parts)


def steps_sql(steps: Iterable[Step], rows: str) -> Iterator[str]:
    """Steps of a load whose rows are at hand: `rows` says which."""
    for step in steps:
        yield _ingest(step, comment(rows)) if isinstance(step, Ingest) else _step(step)


def plan_object(plan: LoadPlan, rows: str | None = None) -> dict[str, object]:
    """A load for JSON; steps and reads say their type in `step` and `read`. `rows` as in `steps_sql`."""
    return {
        "pipeline": plan.pipeline,
        "connection": plan.connection,
        "table": str(plan.table),
        "mode": plan.mode,
        "lock": plan.lock,
        "prepare": [_step_object(step, rows) for step in plan.prepare],
        "steps": [_step_object(step, rows) for step in plan.steps],
        "cleanup": [_step_object(step, rows) for step in plan.cleanup],
    }


def _step_object(step: Step, rows: str | None) -> dict[str, object]:
    shown = json_value(step)
    assert isinstance(shown, dict)
    if isinstance(step, Ingest):
        shown["read"] = _read_object(step.read) if rows is None else {"read": rows}
    return {"step": type(step).__name__.lower(), **shown}


def _read_object(read: Read) -> dict[str, object]:
    shown = json_value(read)
    assert isinstance(shown, dict)
    if isinstance(read, EngineRead):
        shown["inputs"] = {name: _read_object(entry) for name, entry in read.inputs}
    return {"read": type(read).__name__.removesuffix("Read").lower(), **shown}


def _step(step: Step) -> str:
    match step:
        case Execute():
            return statement(step)
        case Ingest():
            return _ingest(step, _read(step.read))
        case StageBadRows():
            into = f"into {step.table}, what was set aside while the source was read"
            return comment(step.purpose, into)
        case KeepBadRows():
            folder = f"{step.folder} of {step.connection}"
            return comment(f"{step.purpose}: a file for each file that was read, in {folder}")
        case Attach():
            return _attach(step)
        case Check():
            head = comment(f"{step.purpose}: error `{step.code}` when this returns rows:", step.message)
            return f"{head}\n{ended(step.sql)}"
        case Expect():
            return f"{comment(f'expect {step.name}: {_tolerance(step)}')}\n{ended(step.sql)}"
        case Measure():
            less = f", less {' and '.join(step.less)}" if step.less else ""
            return f"{comment(f'{step.purpose}{less}, counted as {step.counts}')}\n{ended(step.sql)}"
        case Show():
            return f"{comment(f'show {step.purpose}')}\n{ended(step.sql)}"
        case Record():
            return f"{comment(step.purpose)}\n{ended(step.sql)}"


def statement(step: Execute) -> str:
    """A statement under what it is for."""
    counters = " and as ".join(counter for counter in (step.counts, step.also) if counter)
    counted = f", counted as {counters}" if counters else ""
    return f"{comment(f'{step.purpose}{counted}')}\n{ended(step.sql)}"


def _attach(step: Attach) -> str:
    parts = f", partitioned by {', '.join(step.table.partition_by)}" if step.table.partition_by else ""
    does = "adds to it, whatever others add meanwhile" if step.blind else "changes it"
    does = "replaces all of it" if step.replaces else does
    rows = f", rows found again by {', '.join(step.identity)}" if step.identity else ""
    table = f"{step.purpose}: {step.table.name} {columns_text(step.table.columns)}{parts}"
    return comment(table, f"the commit {does}{rows}")


def _ingest(step: Ingest, read: str) -> str:
    counted = f", counted as {step.counts}" if step.counts else ""
    counted += ", bad rows set aside" if step.bad else ""
    return f"{comment(f'{step.purpose}{counted}', f'into {step.table} {columns_text(step.columns)}')}\n{read}"


def _read(read: Read) -> str:
    match read:
        case QueryRead():
            return f"{comment(f'from {read.connection}:')}\n{ended(read.sql)}"
        case TableRead():
            return comment(f"from the table {read.table} of {read.connection}")
        case FilesRead():
            return comment(f"from {read.format} files {read.path} of {read.connection}")
        case EngineRead():
            inputs = [f"{comment(f'table {name} is')}\n{_read(entry)}" for name, entry in read.inputs]
            inputs += [comment(f"function {function.signature}") for function in read.functions]
            return "\n".join([*inputs, *([f"{comment('on DataFusion:')}\n{ended(read.sql)}"] if read.sql else [])])


def _tolerance(step: Expect) -> str:
    if step.quarantine and step.max_ratio is not None and step.max_ratio >= 1:
        return "its rows are quarantined"
    severity = "error" if step.error else "warning"
    severity = f"its rows are quarantined, {severity}" if step.quarantine else severity
    if step.max_ratio is not None:
        return f"{severity} when more than {step.max_ratio:.6g} of the rows fail"
    return (
        f"{severity} when more than {step.max_failures} rows fail"
        if step.max_failures
        else f"{severity} when any fails"
    )


def columns_text(columns: Iterable[Column]) -> str:
    """Columns inside a comment."""
    return f"({', '.join(f'{column.name} {column.type}' for column in columns)})"


def ended(sql: str) -> str:
    """A statement with its semicolon."""
    return sql.strip().removesuffix(";") + ";"
