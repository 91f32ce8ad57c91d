"""Compiles the project that a command works on, and shows what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from flowc.api.failures import SpecErrors, errors_of
from flowc.api.linted import Where, lint, unknown_pipeline
from flowc.cli.console import conceal, say, say_errors
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.diagnostics import Diagnostic
from flowc.render.diagnostics import summary
from flowc.service.checking import checker


def stopped(
    found: Sequence[Diagnostic], undone: str, show: Callable[[Iterable[Diagnostic]], None] = say_errors
) -> click.exceptions.Exit:
    """Shows what was found and that, for it, something is `undone`; the end of the command, with code 1."""
    show(found)
    say("; ".join(filter(None, (summary(found), undone))))
    return click.exceptions.Exit(1)


@contextmanager
def ending(undone: str = "", show: Callable[[Iterable[Diagnostic]], None] = say_errors) -> Iterator[None]:
    """Ends the command where the specs have errors, as `stopped`."""
    try:
        yield
    except SpecErrors as error:
        raise stopped(error.diagnostics, undone, show) from None


def where(paths: Sequence[Path], environment: str | None) -> Where:
    """Which specs a command is about, whose secrets nothing shows from now on."""
    meant = Where(paths, environment)
    conceal(meant.masker)
    return meant


def compiled(paths: Sequence[Path], environment: str | None) -> tuple[CheckedSpec, Ir]:
    """The lowered project, for commands that only show it. With errors, shows them and exits with code 1."""
    with ending():
        linted = lint(where(paths, environment), checker=checker(own=True))
        if errors_of(linted.found):
            raise SpecErrors(linted.found)
    return linted.checked, linted.ir


def chosen(checked: CheckedSpec, ir: Ir, given: Sequence[str]) -> Ir:
    """The project with the chosen pipelines, in dependency order, and streams alone; all of it without names."""
    from flowc.api.choosing import expand

    names = expand(given, checked, ir)
    known = [*(pipeline.name for pipeline in ir.pipelines), *(stream.name for stream in ir.streams)]
    for name in names:
        if name not in known:
            raise unknown_pipeline(name, known, ("pipeline", "stream"))
    if not names:
        return ir
    pipelines = tuple(pipeline for pipeline in ir.pipelines if pipeline.name in names)
    return replace(ir, pipelines=pipelines, streams=tuple(stream for stream in ir.streams if stream.name in names))
