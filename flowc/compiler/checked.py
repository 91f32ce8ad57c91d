"""A project whose names are resolved and whose defaults are decided. SQL is still text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowc.catalog import TableName
from flowc.compiler.front.spec import ConnectionSpec, PipelineSpec, ProjectSpec, SourceSpec, TableSpec, TargetSpec
from flowc.compiler.ir import Deletes, Mode


@dataclass(frozen=True, slots=True)
class CheckedTarget:
    """One target of a pipeline. `table` is its declaration, if any; `keys` are decided (empty where none is needed)."""

    spec: TargetSpec
    connection: ConnectionSpec
    table: TableSpec | None
    name: TableName
    mode: Mode
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckedSource:
    """One named input of a pipeline that runs on DataFusion."""

    name: str
    spec: SourceSpec
    connection: ConnectionSpec


@dataclass(frozen=True, slots=True)
class CheckedPipeline:
    """One pipeline.

    Either `database` is set and the SQL (or the whole `table`) runs there, or `sources` are and it runs on DataFusion.
    `engine` is the kind of the database, or `datafusion`; `dialect` the sqlglot dialect the author wrote in.
    """

    spec: PipelineSpec
    database: ConnectionSpec | None
    sources: tuple[CheckedSource, ...]
    engine: str
    dialect: str
    targets: tuple[CheckedTarget, ...]
    deletes: Deletes


@dataclass(frozen=True, slots=True)
class CheckedSpec:
    """The project. Pipelines that could not be resolved are left out, so that others are still checked."""

    project: ProjectSpec
    pipelines: Mapping[str, CheckedPipeline] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()
    """Pipelines in which errors were found, whether they could be resolved or not: they must not run."""
