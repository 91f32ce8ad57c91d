"""The project as its tests run it: every database is an embedded one in memory, and SQL is translated to it.

What an author wrote in the dialect of a database stays in that dialect. Places that hold no tables stay as they are,
and are never opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.project import ConcurrencySpec, ProjectSpec, RunLogSpec, TelemetrySpec
from flowc.compiler.front.spec import ConnectionSpec, PipelineSpec, TargetSpec, TimingSpec
from flowc.compiler.ir import Ir
from flowc.compiler.lowering.lower import lower
from flowc.compiler.names.resolve import resolve
from flowc.diagnostics import Reporter
from flowc.service.access.secrets import Resolver
from flowc.service.access.sessions import Sessions
from flowc.service.testing.defaults import with_defaults
from flowc.source import Located

ENGINE = "duckdb"
GIVEN = "flowc given"
"""The connection that holds rows given for files and for queries of other databases; no spec can use its name."""
_MEMORY: Mapping[str, object] = {"path": ":memory:"}
_FOLDERS = "partition_by"


@dataclass(frozen=True, slots=True)
class Project:
    """A project with embedded databases, and what its SQL templates may read as `env.NAME`."""

    checked: CheckedSpec
    ir: Ir
    env: Mapping[str, str]


def embedded(project: ProjectSpec, env: Mapping[str, str]) -> Project:
    """The project with embedded databases, lowered. What does not compile there is left out."""
    connections = {name: _embedded(spec) for name, spec in project.connections.items()}
    if connections:
        connections[GIVEN] = _given(next(iter(project.connections.values())))
    kinds = {name: spec.sql_kind for name, spec in connections.items()}
    tables = {
        key: with_defaults(spec, kinds.get(spec.connection.value, ENGINE), ENGINE)
        for key, spec in project.tables.items()
    }
    project = replace(_rows_alone(project), connections=connections, tables=tables)
    checked = resolve(project, Reporter())
    return Project(checked, lower(checked, Reporter(), env=env), env)


def _rows_alone(project: ProjectSpec) -> ProjectSpec:
    """The project without all that does not decide which rows there are: when it runs, and who learns of it."""
    return replace(
        project,
        pipelines={name: _pipeline(spec) for name, spec in project.pipelines.items()},
        streams={name: replace(spec, to=_targets(spec.to)) for name, spec in project.streams.items()},
        run_log=RunLogSpec(), concurrency=ConcurrencySpec(), telemetry=TelemetrySpec(), alerts={},
    )  # fmt: skip


def _pipeline(spec: PipelineSpec) -> PipelineSpec:
    """The pipeline without statements for one engine alone, its schedule, and what watches it."""
    return replace(spec, before=(), after=(), freshness=None, timing=TimingSpec(), to=_targets(spec.to))


def _targets(targets: tuple[TargetSpec, ...]) -> tuple[TargetSpec, ...]:
    """The targets without the folders that their tables lie in; partitions of files and tables hold the same rows."""
    return tuple(
        replace(target, partition_by=(), given={key: at for key, at in target.given.items() if key != _FOLDERS})
        for target in targets
    )


class MemorySessions(Sessions):
    """Databases of one test. They end with their sessions, so that a run leaves them open for what reads them after."""

    def close(self) -> None:
        """Does nothing: see `end`."""

    def end(self) -> None:
        """Closes all of them."""
        super().close()


def memory_sessions(checked: CheckedSpec) -> MemorySessions:
    """Fresh databases of the embedded project: nothing is in them."""
    return MemorySessions(checked.project.connections, Resolver({}, Path(checked.project.root)), checked.project.name)


def _embedded(spec: ConnectionSpec) -> ConnectionSpec:
    if spec.kind.value not in DIALECTS:  # it holds no tables
        return spec
    return replace(spec, kind=Located(ENGINE, spec.kind.span), options=_MEMORY, spans={}, stands_for=spec.kind.value)


def _given(beside: ConnectionSpec) -> ConnectionSpec:
    span = beside.name.span
    return ConnectionSpec(Located(GIVEN, span), Located(ENGINE, span), _MEMORY, {})
