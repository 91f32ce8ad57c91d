"""Opens the project that a command works on, and shows what is wrong with its specs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from flowc.api import opening
from flowc.api.linted import Where, unknown_pipeline
from flowc.api.opening import OpenPipelines, OpenProject
from flowc.cli.console import conceal, say_errors
from flowc.cli.project import ending
from flowc.compiler.ir import Pipeline
from flowc.compiler.sql.checker import Checker
from flowc.diagnostics import Diagnostic
from flowc.errors import UsageError
from flowc.runtime.lean import without_pandas
from flowc.service.access.locks import TABLE_LOCK

__all__ = ["OpenPipelines", "OpenProject", "one", "open_pipelines", "open_project", "single", "where"]


def where(paths: Sequence[Path], environment: str | None) -> Where:
    """Which specs a command is about, whose secrets nothing shows from now on; the process is flowc's own."""
    without_pandas()
    meant = Where(paths, environment)
    conceal(meant.masker)
    return meant


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
    """Compiles the project and shows what it finds. Errors end the command with code 1, and with words `undone`."""
    with ending(undone, show):
        opened = opening.open_project(where(paths, environment), names=names, checker=checker, lock_wait=lock_wait)
    show(opened.found)
    return opened


def open_pipelines(paths: Sequence[Path], names: Sequence[str], environment: str | None, undone: str) -> OpenPipelines:
    """Compiles the project. Errors that concern the chosen pipelines are shown and end the command with code 1."""
    with ending(undone):
        opened = opening.open_pipelines(where(paths, environment), names)
    say_errors(opened.found)
    return opened


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
