"""Compiles the project that a command works on, and shows what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from flowc.cli.console import say, say_errors
from flowc.compiler import stages
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.sql.checker import Checker
from flowc.diagnostics import Diagnostic, Reporter, Severity, did_you_mean
from flowc.errors import UsageError
from flowc.render.diagnostics import summary
from flowc.service.checking import checker


@dataclass(frozen=True, slots=True)
class Linted:
    """A project as far as it compiles, and all that was found in it; `undone` are the words for what errors prevent."""

    checked: CheckedSpec
    ir: Ir
    found: tuple[Diagnostic, ...]
    undone: str
    show: Callable[[Iterable[Diagnostic]], None]

    @property
    def has_errors(self) -> bool:
        """Whether an error was found, wherever."""
        return any(each.severity is Severity.ERROR for each in self.found)

    def stopped(self) -> click.exceptions.Exit:
        """Shows what was found, and gives the end of the command."""
        return stopped(self.found, self.undone, self.show)


def lint(
    paths: Sequence[Path],
    environment: str | None,
    undone: str = "",
    *,
    checker: Checker | None = None,
    show: Callable[[Iterable[Diagnostic]], None] = say_errors,
) -> Linted:
    """The project, without a look at what is wrong with it. Where there are no specs, ends the command with code 1.

    With a checker, engines are asked about the queries.
    """
    reporter = Reporter()
    found = stages.lint(paths, reporter, environment=environment, env=os.environ, checker=checker)
    if found is None:
        raise stopped(reporter.sorted(), undone, show)
    return Linted(*found, tuple(reporter.sorted()), undone, show)


def stopped(
    found: Sequence[Diagnostic], undone: str, show: Callable[[Iterable[Diagnostic]], None] = say_errors
) -> click.exceptions.Exit:
    """Shows what was found and that, for it, something is `undone`; the end of the command, with code 1."""
    show(found)
    say("; ".join(filter(None, (summary(found), undone))))
    return click.exceptions.Exit(1)


def compiled(paths: Sequence[Path], environment: str | None) -> tuple[CheckedSpec, Ir]:
    """The lowered project, for commands that only show it. With errors, shows them and exits with code 1."""
    linted = lint(paths, environment, checker=checker())
    if linted.has_errors:
        raise linted.stopped()
    return linted.checked, linted.ir


def stream_names(paths: Sequence[Path], environment: str | None) -> Collection[str]:
    """The streams of the specs, as far as they can be read; whatever is wrong is for others to tell."""
    project = stages.load_project(paths, Reporter(), environment=environment, env=os.environ)
    return project.streams if project is not None else ()


def chosen(ir: Ir, names: Sequence[str]) -> Ir:
    """The project with the named pipelines, in dependency order, and streams alone; all of it without names."""
    known = [*(pipeline.name for pipeline in ir.pipelines), *(stream.name for stream in ir.streams)]
    for name in names:
        if name not in known:
            raise unknown_pipeline(name, known, ("pipeline", "stream"))
    if not names:
        return ir
    pipelines = tuple(pipeline for pipeline in ir.pipelines if pipeline.name in names)
    return replace(ir, pipelines=pipelines, streams=tuple(stream for stream in ir.streams if stream.name in names))


def unknown_pipeline(name: str, known: Iterable[str], what: Sequence[str] = ("pipeline",)) -> UsageError:
    """The failure of a NAME that nothing has; `what` are the kinds of things that it could be of."""
    names, several = sorted(known), " and ".join(f"{each}s" for each in what)
    listed = f"the {several} are {', '.join(f'`{n}`' for n in names[:10])}" if names else f"the specs hold no {several}"
    helps = did_you_mean(name, names) or (listed + (" …" if len(names) > 10 else ""),)
    return UsageError(f"there is no {' or '.join(what)} `{name}`", code="unknown-pipeline", help=helps[0])
