"""Reads the project that is worked on, for those who need its names and settings alone: no SQL is compiled."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowc.api.failures import SpecErrors, errors_of
from flowc.api.linted import Where
from flowc.compiler.front.places import Place
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.reading import check_project
from flowc.diagnostics import Diagnostic, Reporter
from flowc.service.access.databases import resolved_databases
from flowc.service.access.secrets import Resolver
from flowc.service.loads.blame import blame


@dataclass(frozen=True, slots=True)
class ReadProject:
    """A project whose names are resolved, the resolver of its secrets, and the given names."""

    project: ProjectSpec
    resolver: Resolver
    names: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]


def read_project(where: Where, names: Sequence[str] = ()) -> ReadProject:
    """The project. What is wrong with its SQL alone is not found.

    Raises SpecErrors for any error; with `names`, for those that concern them.
    """
    reporter = Reporter(masker=where.masker)
    checked = check_project(
        where.paths, reporter, environment=where.environment, env=os.environ, databases=local_databases(where)
    )
    diagnostics = tuple(reporter.sorted())
    if checked is None:
        raise SpecErrors(diagnostics)
    if blame(diagnostics, checked.project.pipelines).stopping(names) if names else errors_of(diagnostics):
        raise SpecErrors(diagnostics)
    return ReadProject(checked.project, resolver_of(where, checked.project), tuple(names), diagnostics)


def resolver_of(where: Where, project: ProjectSpec) -> Resolver:
    """The resolver of a project's secrets, whose values its masker learns."""
    return Resolver(os.environ, Path(project.root), where.masker)


def local_databases(where: Where) -> Callable[[ProjectSpec], Mapping[str, Place]]:
    """The databases of connections whose references lead to one, as far as this machine can tell."""

    def databases(project: ProjectSpec) -> Mapping[str, Place]:
        return resolved_databases(project, resolver_of(where, project))

    return databases
