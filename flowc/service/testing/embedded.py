"""The project as its tests run it: every database is an embedded one in memory, and SQL is translated to it.

What an author wrote in the dialect of a database stays in that dialect. Places that hold no tables stay as they are,
and are never opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.kinds import dialect
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.spec import ConnectionSpec, Name, PipelineSpec
from flowc.compiler.ir import Ir
from flowc.compiler.lowering.lower import lower
from flowc.compiler.names.resolve import resolve
from flowc.diagnostics import Reporter
from flowc.service.access.scope import scope_of
from flowc.service.access.secrets import Resolver
from flowc.service.access.sessions import Sessions
from flowc.source import Located, Span

ENGINE = "duckdb"
GIVEN = "flowc given"
"""The connection that holds rows given for files and for queries of other databases; no spec can use its name."""
_MEMORY: Mapping[str, object] = {"path": ":memory:"}


def embedded(project: ProjectSpec, env: Mapping[str, str]) -> tuple[CheckedSpec, Ir]:
    """The project with embedded databases, lowered. What does not compile there is left out."""
    connections = {name: _embedded(spec) for name, spec in project.connections.items()}
    if connections:
        connections[GIVEN] = _given(next(iter(project.connections.values())))
    pipelines = {name: _in_its_dialect(spec, project) for name, spec in project.pipelines.items()}
    checked = resolve(replace(project, connections=connections, pipelines=pipelines), Reporter())
    return checked, lower(checked, Reporter(), env=env)


class MemorySessions(Sessions):
    """Databases of one test. They end with their sessions, so that a run leaves them open for what reads them after."""

    def close(self) -> None:
        """Does nothing: see `end`."""

    def end(self) -> None:
        """Closes all of them."""
        super().close()


def memory_sessions(checked: CheckedSpec) -> MemorySessions:
    """Fresh databases of the embedded project: nothing is in them."""
    return MemorySessions(
        checked.project.connections, Resolver({}, Path(checked.project.root)), scope_of(checked.project)
    )


def _embedded(spec: ConnectionSpec) -> ConnectionSpec:
    if not _holds_tables(spec.kind.value):
        return spec
    return replace(spec, kind=Located(ENGINE, spec.kind.span), options=_MEMORY, spans={})


def _holds_tables(kind: str) -> bool:
    return kind in DIALECTS


def _given(beside: ConnectionSpec) -> ConnectionSpec:
    span = beside.name.span
    return ConnectionSpec(Located(GIVEN, span), Located(ENGINE, span), _MEMORY, {})


def _in_its_dialect(spec: PipelineSpec, project: ProjectSpec) -> PipelineSpec:
    """The pipeline with the dialect that its SQL is written in, and without statements for one engine alone."""
    spec = replace(spec, before=(), after=())
    reads = _read_in(spec, project)
    connection = project.connections.get(reads) if reads else None
    if spec.dialect is not None or connection is None or not _holds_tables(connection.kind.value):
        return spec
    return replace(spec, dialect=_named(dialect(connection.kind.value), spec.name.span))


def _named(name: str | None, span: Span) -> Name | None:
    return Located(name, span) if name else None


def _read_in(spec: PipelineSpec, project: ProjectSpec) -> str | None:
    """The database that the SQL is written for, where it is one."""
    if spec.from_ is not None:
        return spec.from_.connection.value if spec.from_.connection else None
    target = spec.to[0] if spec.to else None
    if target is None or target.connection is not None or target.table is None:
        return target.connection.value if target and target.connection else None
    table = project.tables.get(target.table.value)
    return table.connection.value if table else None
