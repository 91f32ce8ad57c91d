"""What cannot be judged of an entry that was not read whole: reports that may only follow from its gaps.

Each code has the keys whose absence can be its cause. Where one of them is a gap, the mistake has been reported there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.salvage import ANY_KEY
from flowc.compiler.front.spec import Gaps, PipelineSpec
from flowc.diagnostics import Reporter

OF_TABLE = "tables"
"""The gap of a pipeline that writes a table which was not read whole."""

_ROLES = frozenset({"mode", "to", "keys", "deletes", "incremental", "soft_delete_column", "event_time", "dedupe"})
_INPUT = frozenset({"from", "from.columns", "sql", "sql_file", "table", "columns", "dialect"})
_STREAM = frozenset({"source", "sources", "lookups", "dead_letter", "window", "join", "cdc", "state", "watermark"})
_TEST = frozenset({"pipeline", "stream", "given", "steps"})
_FUNCTION = frozenset({"kind", "args", "returns", "state"})
_ANY = _ROLES | _INPUT | _STREAM | _TEST | _FUNCTION | {OF_TABLE, ANY_KEY}
_CAUSES: Mapping[str, Gaps] = {
    "missing-key": _ANY,
    "missing-keys": _ANY,
    "conflicting-keys": _ANY,
    "conflicting-options": _ANY,
    "missing-column": _INPUT | _ROLES | {OF_TABLE},
    "unknown-output-column": _INPUT | _ROLES,
    "unknown-column": frozenset({"columns", "mode", "deletes"}),
    "nullable-into-not-null": frozenset({OF_TABLE}),
}
"""Every other code says of something written that it is wrong in itself."""


class _Stage(Protocol):
    reporter: Reporter


def gaps_of(spec: PipelineSpec, project: ProjectSpec) -> Gaps:
    """The gaps of a pipeline, and whether a table that it writes has some."""
    tables = (target.table.value for target in spec.to if target.table is not None)
    return spec.gaps | {OF_TABLE} if any(("tables", name) in project.broken for name in tables) else spec.gaps


@contextmanager
def sure_only(stage: _Stage, gaps: Gaps) -> Iterator[None]:
    """Keeps what a stage reports of an entry from the user where it may only follow from the entry's gaps."""
    if not gaps:
        yield
        return
    reporter, stage.reporter = stage.reporter, Reporter()
    try:
        yield
        for diagnostic in stage.reporter.found:
            if not gaps & _CAUSES.get(diagnostic.code, frozenset()):
                reporter.add(diagnostic)
    finally:
        stage.reporter = reporter
