"""Load plans as text for golden suites: SQL with a comment above each step that says what it is for."""

from __future__ import annotations

from flowc.plan import (
    Attach,
    Check,
    EngineRead,
    Execute,
    Expect,
    FilesRead,
    Ingest,
    LoadPlan,
    Measure,
    Read,
    Step,
    TableRead,
)


def plan_text(plan: LoadPlan) -> str:
    """All statements of a load, in order."""
    lines = [f"-- {plan.pipeline}: {plan.mode} into {plan.connection}.{plan.table}"]
    lines += [f"-- prepare: {_execute(step)}" for step in plan.prepare]
    lines += ["BEGIN;", *(_step(step) for step in plan.steps), "COMMIT;"]
    lines += [f"-- cleanup: {_execute(step)}" for step in plan.cleanup]
    return "\n\n".join(lines) + "\n"


def _step(step: Step) -> str:
    match step:
        case Execute():
            return f"-- {_execute(step)}"
        case Ingest():
            return _ingest(step)
        case Attach():
            return _attach(step)
        case Check():
            return f"-- {step.purpose}: error `{step.code}` where this returns rows: {step.message}\n{_ended(step.sql)}"
        case Expect():
            allowed = f"{step.max_ratio:.3%}" if step.max_ratio is not None else f"{step.max_failures} rows"
            severity = "error" if step.error else "warning"
            return f"-- expect {step.name}: {severity} where more than {allowed} fail\n{_ended(step.sql)}"
        case Measure():
            return f"-- {step.purpose}: {step.counts}\n{_ended(step.sql)}"


def _attach(step: Attach) -> str:
    columns = ", ".join(f"{column.name} {column.type}" for column in step.table.columns)
    marks = ["blind"] * step.blind + ["replaces"] * step.replaces
    marks += [f"by {', '.join(step.identity)}"] * bool(step.identity)
    parts = f" partitioned by {', '.join(step.table.partition_by)}" if step.table.partition_by else ""
    return f"-- {step.purpose}: {step.table.name} ({columns}){parts}{''.join(f', {mark}' for mark in marks)}"


def _execute(step: Execute) -> str:
    return f"{step.purpose}{f' ({step.counts})' if step.counts else ''}\n{_ended(step.sql)}"


def _ingest(step: Ingest) -> str:
    columns = ", ".join(f"{column.name} {column.type}" for column in step.columns)
    kind = "staging table" if step.temporary else "target"
    counts = f" ({step.counts})" if step.counts else ""
    return f"-- {step.purpose}{counts}: stream into {kind} {step.table} ({columns})\n{_read(step.read)}"


def _read(read: Read) -> str:
    match read:
        case FilesRead():
            return f"-- from {read.format} files {read.path} of {read.connection}"
        case EngineRead():
            inputs = "\n".join(f"{_read(entry)} as {name}" for name, entry in read.inputs)
            return f"{inputs}\n{_ended(read.sql)}" if read.sql else inputs
        case TableRead():
            return f"-- from the table {read.table} of {read.connection}"
        case _:
            return f"-- from {read.connection}:\n{_ended(read.sql)}"


def _ended(sql: str) -> str:
    return sql.strip().removesuffix(";") + ";"
