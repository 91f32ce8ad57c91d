"""How a pipeline's load differs from the one that was applied before, and what that means for its next run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from flowc.compiler.ir import Apply, Expectation, Normalize, Source, Sql
from flowc.compiler.loads.watermark import PURPOSES
from flowc.loadplan import Expect, LoadPlan, Step
from flowc.migration import AppliedPipeline, PipelineChange

FIRST_RUN = "its first run"
"""How the words about a load without a watermark begin."""
_RELOAD = "rows that were loaded before keep what the load gave them then; to change them, load them again"


def applied_pipeline(apply: Apply, load: str) -> AppliedPipeline:
    """What decides how a load reads and writes. `load` is its SQL, empty where only the live system can tell it."""
    label = f"{apply.target.connection}.{apply.target.name}"
    settings = tuple((key, value) for key, value in _settings(apply) if value)
    return AppliedPipeline(
        apply.pipeline, label, apply.mode, keys=apply.keys, sql=_query(apply.input), load=load, settings=settings
    )


def _query(node: Sql | Source) -> str:
    """The query as its author wrote it, where somebody did."""
    if isinstance(node, Sql):
        return node.text if node.source is None else (node.written or node.source.text).strip()
    return node.sql or f"TABLE {node.table or node.path}"


def _settings(apply: Apply) -> Iterator[tuple[str, str]]:
    yield "from", ", ".join(_sources(apply.input))
    yield "dialect", _dialect(apply.input)
    yield "keys", ", ".join(apply.keys)
    yield "compare", ", ".join(apply.compare or ())
    yield "event_time", apply.event_time or ""
    yield "ttl", f"{apply.ttl:g}s" if apply.ttl else ""
    yield "deletes", "" if apply.deletes == "ignore" else apply.deletes
    yield "soft_delete_column", apply.soft_delete_column or ""
    yield "allow_empty", "true" if apply.allow_empty else ""
    yield "dedupe", apply.dedupe or ""
    if apply.incremental:
        yield "incremental.column", apply.incremental.column
        yield "incremental.start", "" if apply.incremental.start is None else str(apply.incremental.start)
        yield "incremental.lag", f"{apply.incremental.lag:g}s" if apply.incremental.lag else ""
    yield "on_bad_row", _bad_rows(apply)
    yield "normalize", "; ".join(map(_normalized, apply.normalize))
    yield "timezone", apply.timezone or ""
    yield "before", "; ".join(statement.sql for statement in apply.before)
    yield "after", "; ".join(statement.sql for statement in apply.after)
    yield "expect", "; ".join(_expectation(expectation, apply) for expectation in apply.expect)


def _expectation(expectation: Expectation, apply: Apply) -> str:
    return f"{expectation.name}, else into {apply.failed_rows}" if expectation.quarantine else expectation.name


def _bad_rows(apply: Apply) -> str:
    quarantine = apply.quarantine
    if quarantine is None:
        return ""
    rules, place = quarantine.rules, quarantine.table or (quarantine.files and quarantine.files[1])
    share = f"{rules.max_ratio * 100:g}%" if rules.max_ratio is not None else ""
    most = share or ("" if rules.max_count is None else str(rules.max_count))
    return ", ".join(filter(None, (f"into {place}" if place else "skip", most and f"at most {most}")))


def _sources(node: Sql | Source) -> tuple[str, ...]:
    sources = (node,) if isinstance(node, Source) else node.inputs
    return tuple(f"{source.connection}: {source.table or source.path or 'query'}" for source in sources)


def _dialect(node: Sql | Source) -> str:
    """The dialect of a query that is not written in its engine's own."""
    return node.dialect if isinstance(node, Sql) and node.dialect != node.engine else ""


def _normalized(normalize: Normalize) -> str:
    return f"{normalize.column} = {normalize.sql}"


def compare_pipelines(
    before: Sequence[AppliedPipeline], after: Sequence[AppliedPipeline], broken: Mapping[str, tuple[str, ...]]
) -> tuple[PipelineChange, ...]:
    """The loads that were added, changed or removed, or that break, in the order of the specs.

    `broken` are, by pipeline, the columns that it reads and that go.
    """
    old = {(p.name, p.target): p for p in before}
    new = {(p.name, p.target): p for p in after}
    found = [_changed(old.get(key), pipeline, broken.get(pipeline.name, ())) for key, pipeline in new.items()]
    found += [_removed(pipeline) for key, pipeline in old.items() if key not in new]
    return tuple(change for change in found if change is not None)


def _changed(old: AppliedPipeline | None, new: AppliedPipeline, broken: tuple[str, ...]) -> PipelineChange | None:
    if old is None:
        return PipelineChange(new.name, new.target, "add", effects=(_first(new),), breaks=broken)
    changed = tuple(_differences(old, new))
    sql = (old.sql, new.sql) if old.sql != new.sql else None
    was, now = old.load, new.load
    load = (was, now) if was and now and was != now else None
    if not (changed or sql or load or broken):
        return None
    effects = tuple(_effects(old, new, changed))
    return PipelineChange(
        new.name, new.target, "change", changed=changed, sql=sql, load=load, effects=effects, breaks=broken
    )


def _removed(old: AppliedPipeline) -> PipelineChange:
    return PipelineChange(old.name, old.target, "remove", effects=("it no longer runs",))


def _first(new: AppliedPipeline) -> str:
    settings = dict(new.settings)
    if "incremental.column" not in settings:
        return "every run reads everything"
    start = settings.get("incremental.start")
    return f"{FIRST_RUN} reads from {start} on" if start else f"{FIRST_RUN} reads everything"


def _differences(old: AppliedPipeline, new: AppliedPipeline) -> Iterator[tuple[str, str | None, str | None]]:
    if old.mode != new.mode:
        yield "mode", old.mode, new.mode
    before, after = dict(old.settings), dict(new.settings)
    for key in dict.fromkeys((*before, *after)):
        if before.get(key) != after.get(key):
            yield key, before.get(key), after.get(key)


def _effects(
    old: AppliedPipeline, new: AppliedPipeline, changed: Sequence[tuple[str, str | None, str | None]]
) -> Iterator[str]:
    names = {key for key, _, _ in changed}
    settings = dict(new.settings)
    if new.mode == "truncate":
        yield "the next run replaces the whole table"
        return
    if "incremental.column" in names:
        yield from _cursor(dict(old.settings), settings)
    elif "incremental.start" in names:
        yield "the new start counts only for a load that has no watermark yet"
    if {"mode", "keys"} & names:
        yield f"rows that are there stay as they are; the next run loads by mode {new.mode}"
    rereads = "incremental.column" not in settings and new.mode in ("merge", "scd2")
    if old.sql != new.sql or {"normalize", "from", "dedupe", "dialect"} & names:
        yield "the next run compares every row of the source with the table" if rereads else _RELOAD
    if "compare" in names:
        yield "only differences in the columns now named write a row from then on"


def _cursor(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    old, new = before.get("incremental.column"), after.get("incremental.column")
    if new is None:
        yield "every run reads everything"
    elif old is None:
        yield f"the next run reads everything, and later ones go on by `{new}`"
    else:
        yield f"the watermark of `{old}` no longer counts: the next run reads everything, later ones go on by `{new}`"


def load_text(plan: LoadPlan) -> str:
    """The SQL of a load, one statement after the other, without that of its watermark, which is flowc's own."""
    steps = (*plan.prepare, *plan.steps, *plan.cleanup)
    return _loading(";\n".join(f"-- {_purpose(step)}\n{_sql(step)}" for step in steps))


def _loading(text: str) -> str:
    """The text of a load without what it does with its watermark."""
    parts = re.split(r";\n(?=-- )", text)
    return ";\n".join(part for part in parts if part.partition("\n")[0].removeprefix("-- ") not in PURPOSES)


def _purpose(step: Step) -> str:
    return f"expect {step.name}" if isinstance(step, Expect) else step.purpose


def _sql(step: Step) -> str:
    return str(getattr(step, "sql", None) or f"{type(step).__name__.upper()} {getattr(step, 'table', '')}".strip())
