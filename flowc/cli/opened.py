"""Opens the project that a command works on: specs without errors that concern it, and sessions of its connections."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowc.cli.console import conceal, say_errors
from flowc.cli.project import Linted, lint, unknown_pipeline
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir, Pipeline
from flowc.compiler.sql.checker import Checker
from flowc.diagnostics import Diagnostic
from flowc.errors import UsageError
from flowc.runtime.lean import without_pandas
from flowc.service.access.locks import TABLE_LOCK
from flowc.service.access.scope import scope_of
from flowc.service.access.secrets import Resolver
from flowc.service.access.sessions import Sessions, not_runnable
from flowc.service.loads.blame import Blame, blame
from flowc.service.loads.report import PipelineReport, Status


@dataclass(frozen=True, slots=True)
class OpenProject:
    """A project that compiles, and the sessions of its databases."""

    checked: CheckedSpec
    ir: Ir
    sessions: Sessions


@dataclass(frozen=True, slots=True)
class OpenPipelines(OpenProject):
    """Its chosen pipelines in dependency order, and those that errors of their own keep back."""

    pipelines: tuple[Pipeline, ...]
    broken: tuple[PipelineReport, ...]


def open_project(
    paths: Sequence[Path],
    environment: str | None,
    undone: str,
    *,
    names: Sequence[str] = (),
    show: Callable[[Iterable[Diagnostic]], None] = say_errors,
    checker: Checker | None = None,
    lock_wait: float = TABLE_LOCK,
) -> OpenProject:
    """Compiles the project and shows what it finds. Any error ends the command with code 1, and with words `undone`.

    With `names`, those inside of pipelines that are not named do not, and such pipelines are left out. With a checker,
    engines are asked about the queries, as `flowc lint` does. `lock_wait` is how long sessions wait for others.
    """
    without_pandas()
    linted = lint(paths, environment, undone, checker=checker, show=show)
    if _blame(linted).stopping(names) if names else linted.has_errors:
        raise linted.stopped()
    show(linted.found)
    return OpenProject(linted.checked, linted.ir, _sessions(linted.checked, lock_wait))


def open_pipelines(paths: Sequence[Path], names: Sequence[str], environment: str | None, undone: str) -> OpenPipelines:
    """Compiles the project. Errors that concern the chosen pipelines are shown and end the command with code 1.

    Without names, an error of a pipeline's schedule keeps back that pipeline alone.
    """
    without_pandas()
    linted = lint(paths, environment, undone)
    checked, ir, found = linted.checked, linted.ir, _blame(linted)
    _check_names(checked, found, names)
    if found.stopping(names) or any(ir.pipeline(name) is None for name in names):
        raise linted.stopped()
    say_errors(linted.found)
    pipelines = tuple(p for p in ir.pipelines if (not names or p.name in names) and p.name not in found.own)
    return OpenPipelines(checked, ir, _sessions(checked), pipelines, () if names else _broken(found))


def _blame(linted: Linted) -> Blame:
    return blame(linted.found, linted.checked.project.pipelines)


def _sessions(checked: CheckedSpec, lock_wait: float = TABLE_LOCK) -> Sessions:
    resolver = Resolver(os.environ, Path(checked.project.root))
    conceal(resolver.masker)
    return Sessions(checked.project.connections, resolver, scope_of(checked.project), lock_wait)


def _check_names(checked: CheckedSpec, found: Blame, names: Sequence[str]) -> None:
    project = checked.project
    known = {*project.pipelines, *found.own}
    for name in names:
        if name in project.streams:
            raise not_runnable(name, "it is a stream")
        if name not in known:
            raise unknown_pipeline(name, {*known, *project.streams})


def _broken(found: Blame) -> tuple[PipelineReport, ...]:
    reason = "its schedule has errors"
    return tuple(
        PipelineReport(name, Status.FAILED, reason=reason, diagnostics=errors) for name, errors in found.own.items()
    )


def one(opened: OpenPipelines, name: str) -> Pipeline:
    """The only chosen pipeline; an error when it could not be compiled."""
    found = next((pipeline for pipeline in opened.pipelines if pipeline.name == name), None)
    if found is None:
        raise unknown_pipeline(name, (pipeline.name for pipeline in opened.pipelines))
    return found


def single(names: Sequence[str], command: str) -> str:
    """The one NAME that a command needs."""
    if len(names) != 1:
        said = f"{len(names)} were given" if names else "none was given"
        message = f"`flowc {command}` takes the name of one pipeline, and {said}"
        raise UsageError(message, code="missing-name", help=f"for instance `flowc {command} sync_customers`")
    return names[0]
