"""Compiles the project that a command works on, and shows what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import click

from flowc.cli.console import say, say_errors
from flowc.compiler import stages
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.diagnostics import Reporter, did_you_mean
from flowc.errors import UsageError
from flowc.render.diagnostics import summary
from flowc.service.checking import checker


def lint(paths: Sequence[Path], environment: str | None) -> tuple[CheckedSpec, Ir]:
    """The lowered project. With errors, shows them and exits with code 1."""
    reporter = Reporter()
    found = stages.lint(paths, reporter, environment=environment, env=os.environ, checker=checker())
    say_errors(reporter.sorted())
    if found is None or reporter.has_errors:
        say(summary(reporter.found))
        raise click.exceptions.Exit(1)
    return found


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
