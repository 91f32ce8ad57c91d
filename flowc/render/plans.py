"""What pipelines compile to, as text: the IR as JSON, a load as SQL or as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.compiler.ir import Pipeline
from flowc.plan import Check, EngineRead, Execute, Expect, FilesRead, Ingest, LoadPlan, Measure, QueryRead, Read, Step
from flowc.render.plain import as_json, plain


def ir_json(pipelines: Sequence[Pipeline]) -> str:
    """The lowered pipelines as JSON; nodes say their type in `node`."""
    return as_json([_node(pipeline) for pipeline in pipelines])


def plan_json(plans: Sequence[LoadPlan]) -> str:
    """The plans as JSON; steps and reads say their type in `step` and `read`."""
    return as_json([_plan(plan) for plan in plans])


def plan_sql(plan: LoadPlan) -> str:
    """A load as SQL to read: each statement under a comment that says what it is for."""
    parts = [f"-- {plan.pipeline}: {plan.mode} into {plan.connection}.{plan.table}"]
    parts += [_execute(step) for step in plan.prepare]
    parts += ["BEGIN;", *(_step(step) for step in plan.steps), "COMMIT;"]
    parts += [_execute(step) for step in plan.cleanup]
    return "\n\n".join(parts)


def _node(pipeline: Pipeline) -> dict[str, object]:
    shown = plain(pipeline)
    assert isinstance(shown, dict)
    for apply, written in zip(pipeline.applies, shown.get("applies", []), strict=False):
        written["input"] = {"node": type(apply.input).__name__.lower(), **written["input"]}
    return shown


def _plan(plan: LoadPlan) -> dict[str, object]:
    return {
        "pipeline": plan.pipeline,
        "connection": plan.connection,
        "table": str(plan.table),
        "mode": plan.mode,
        "lock": plan.lock,
        "prepare": [_step_object(step) for step in plan.prepare],
        "steps": [_step_object(step) for step in plan.steps],
        "cleanup": [_step_object(step) for step in plan.cleanup],
    }


def _step_object(step: Step) -> dict[str, object]:
    shown = plain(step)
    assert isinstance(shown, dict)
    if isinstance(step, Ingest):
        shown["read"] = _read_object(step.read)
    return {"step": type(step).__name__.lower(), **shown}


def _read_object(read: Read) -> dict[str, object]:
    shown = plain(read)
    assert isinstance(shown, dict)
    if isinstance(read, EngineRead):
        shown["inputs"] = {name: _read_object(entry) for name, entry in read.inputs}
    return {"read": type(read).__name__.removesuffix("Read").lower(), **shown}


def _step(step: Step) -> str:
    match step:
        case Execute():
            return _execute(step)
        case Ingest():
            return _ingest(step)
        case Check():
            told = f"-- {_words(step.purpose)}: error `{step.code}` when this returns rows"
            return f"{told}\n{_ended(step.sql)}"
        case Expect():
            return f"-- expect {_words(step.name)}: {_tolerance(step)}\n{_ended(step.sql)}"
        case Measure():
            less = f", less {' and '.join(step.less)}" if step.less else ""
            return f"-- {_words(step.purpose)}{less}, counted as {step.counts}\n{_ended(step.sql)}"


def _execute(step: Execute) -> str:
    counters = " and as ".join(counter for counter in (step.counts, step.also) if counter)
    counted = f", counted as {counters}" if counters else ""
    return f"-- {_words(step.purpose)}{counted}\n{_ended(step.sql)}"


def _ingest(step: Ingest) -> str:
    columns = ", ".join(f"{column.name} {column.type}" for column in step.columns)
    counted = f", counted as {step.counts}" if step.counts else ""
    return f"-- {_words(step.purpose)}{counted}\n-- into {step.table} ({_words(columns)})\n{_read(step.read)}"


def _read(read: Read) -> str:
    match read:
        case QueryRead():
            return f"-- from {read.connection}:\n{_ended(read.sql)}"
        case FilesRead():
            return f"-- from {read.format} files {_words(read.path)} of {read.connection}"
        case EngineRead():
            inputs = [f"-- table {name} is\n{_read(entry)}" for name, entry in read.inputs]
            return "\n".join([*inputs, *([f"-- on DataFusion:\n{_ended(read.sql)}"] if read.sql else [])])


def _tolerance(step: Expect) -> str:
    severity = "error" if step.error else "warning"
    if step.max_ratio is not None:
        return f"{severity} when more than {step.max_ratio:.6g} of the rows fail"
    return (
        f"{severity} when more than {step.max_failures} rows fail"
        if step.max_failures
        else f"{severity} when any fails"
    )


def _words(text: str) -> str:
    """Text inside a comment: it must stay on its line."""
    return " ".join(text.split())


def _ended(sql: str) -> str:
    return sql.strip().removesuffix(";") + ";"
