"""Compiles the project that a command works on, and shows what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from flowc.cli.console import say, say_diagnostics
from flowc.compiler import stages
from flowc.compiler.ir import Ir, Pipeline
from flowc.diagnostics import Reporter, did_you_mean
from flowc.errors import UsageError
from flowc.render.diagnostics import summary


def lint(paths: Sequence[Path], environment: str | None) -> Ir:
    """The lowered project. With errors, shows them and exits with code 1; warnings are shown and do not stop."""
    reporter = Reporter()
    ir = stages.lint(paths, reporter, environment=environment, env=os.environ)
    say_diagnostics(reporter.sorted())
    if ir is None or reporter.has_errors:
        say(summary(reporter.found))
        raise click.exceptions.Exit(1)
    return ir


def chosen(ir: Ir, names: Sequence[str]) -> tuple[Pipeline, ...]:
    """The named pipelines in dependency order, or all of them."""
    for name in names:
        if ir.pipeline(name) is None:
            raise unknown_pipeline(name, (pipeline.name for pipeline in ir.pipelines))
    return tuple(pipeline for pipeline in ir.pipelines if not names or pipeline.name in names)


def unknown_pipeline(name: str, known: Iterable[str]) -> UsageError:
    """The failure of a NAME that no pipeline has."""
    names = sorted(known)
    listed = f"the pipelines are {', '.join(f'`{n}`' for n in names[:10])}" if names else "the specs hold no pipelines"
    helps = did_you_mean(name, names) or (listed + (" …" if len(names) > 10 else ""),)
    return UsageError(f"there is no pipeline `{name}`", code="unknown-pipeline", help=helps[0])
