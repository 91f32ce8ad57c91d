"""Opens the project that a command works on, and shows what is wrong with its specs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from flowc.api import opening
from flowc.api.linted import Where, unknown_pipeline
from flowc.api.opening import OpenPipelines, OpenProject
from flowc.api.selectors import Takes, pipelines_only, runnable
from flowc.cli.console import say_errors
from flowc.cli.project import ending
from flowc.cli.project import where as specs_of
from flowc.compiler.ir import Pipeline
from flowc.compiler.sql.checks.checker import Checker
from flowc.diagnostics import Diagnostic
from flowc.runtime.lean import without_pandas
from flowc.service.access.locks import TABLE_LOCK

__all__ = ["OpenPipelines", "OpenProject", "names_before", "one", "open_pipelines", "open_project", "where"]


def where(paths: Sequence[Path], environment: str | None) -> Where:
    """Which specs a command is about, whose secrets nothing shows from now on; the process is flowc's own."""
    without_pandas()
    return specs_of(paths, environment)


def open_project(
    paths: Sequence[Path],
    environment: str | None,
    undone: str,
    *,
    names: Sequence[str] = (),
    takes: Takes = runnable,
    show: Callable[[Iterable[Diagnostic]], None] = say_errors,
    checker: Checker | None = None,
    lock_wait: float = TABLE_LOCK,
) -> OpenProject:
    """Compiles the project and shows what it finds. Errors end the command with code 1, and with words `undone`."""
    with ending(undone, show):
        opened = opening.open_project(
            where(paths, environment), names=names, takes=takes, checker=checker, lock_wait=lock_wait
        )
    show(opened.found)
    return opened


def open_pipelines(
    paths: Sequence[Path],
    names: Sequence[str],
    environment: str | None,
    undone: str,
    *,
    takes: Takes = pipelines_only,
) -> OpenPipelines:
    """Compiles the project. Errors that concern the chosen pipelines are shown and end the command with code 1."""
    with ending(undone):
        opened = opening.open_pipelines(where(paths, environment), names, takes)
    say_errors(opened.found)
    return opened


def names_before(paths: Sequence[Path], names: Sequence[str], environment: str | None, undone: str) -> list[str]:
    """The names, selectors expanded, for commands that have to know them before they open a project."""
    with ending(undone):
        return opening.names_before(where(paths, environment), names)


def one(opened: OpenPipelines, name: str) -> Pipeline:
    """The only chosen pipeline; an error when it could not be compiled."""
    found = next((pipeline for pipeline in opened.pipelines if pipeline.name == name), None)
    if found is None:
        raise unknown_pipeline(name, (pipeline.name for pipeline in opened.pipelines))
    return found
