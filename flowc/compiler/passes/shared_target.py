"""`shared-target`: pipelines that would undo each other's work in one table."""

from __future__ import annotations

from flowc.catalog import TableName
from flowc.compiler.checked import CheckedPipeline, CheckedSpec, CheckedTarget
from flowc.compiler.ir import Ir
from flowc.diagnostics import Note, Reporter


def shared_target(checked: CheckedSpec, _ir: Ir | None, reporter: Reporter) -> None:
    """Warns when a pipeline replaces a table, or deletes from it, that another one writes too."""
    writers: dict[tuple[str, TableName], list[tuple[CheckedPipeline, CheckedTarget]]] = {}
    for pipeline in checked.pipelines.values():
        for target in pipeline.targets:
            writers.setdefault((target.connection.name.value, target.name), []).append((pipeline, target))
    for shared in writers.values():
        for pipeline, target in shared if len(shared) > 1 else ():
            if target.mode == "truncate" or pipeline.deletes != "ignore":
                _warn(pipeline, target, shared, reporter)


def _warn(
    pipeline: CheckedPipeline,
    target: CheckedTarget,
    shared: list[tuple[CheckedPipeline, CheckedTarget]],
    reporter: Reporter,
) -> None:
    other, its = next((p, t) for p, t in shared if p is not pipeline)
    does = "replaces" if target.mode == "truncate" else "deletes rows of"
    message = f"`{pipeline.spec.name.value}` {does} `{target.name}`, which `{other.spec.name.value}` writes too"
    note = Note(f"`{other.spec.name.value}` writes it here", its.spec.span)
    helps = ("load it by one pipeline, or into two tables",)
    reporter.warning("shared-target", message, target.spec.span, notes=(note,), helps=helps)
