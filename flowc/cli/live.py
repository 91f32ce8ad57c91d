"""Prepares what `run`, `preview` and `validate` share: specs without errors that concern them, and sessions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from flowc.cli.console import conceal, say, say_errors
from flowc.cli.project import unknown_pipeline
from flowc.compiler import stages
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir, Pipeline
from flowc.compiler.lowering.lower import lower
from flowc.compiler.passes import run_lints
from flowc.diagnostics import Reporter
from flowc.errors import UsageError
from flowc.render.diagnostics import summary
from flowc.runtime.lean import without_pandas
from flowc.service.blame import Blame, blame
from flowc.service.report import PipelineReport, Status
from flowc.service.scope import scope_of
from flowc.service.secrets import Resolver
from flowc.service.sessions import Sessions, not_runnable


@dataclass(frozen=True, slots=True)
class ChosenPipelines:
    """What to work on: the chosen pipelines in dependency order, and those that errors of their own keep back."""

    checked: CheckedSpec
    pipelines: tuple[Pipeline, ...]
    broken: tuple[PipelineReport, ...]
    sessions: Sessions
    ir: Ir


def prepare(paths: Sequence[Path], names: Sequence[str], environment: str | None) -> ChosenPipelines:
    """Compiles the project. Errors that concern the chosen pipelines are shown and end the command with code 1."""
    without_pandas()
    reporter = Reporter()
    checked = stages.check_project(paths, reporter, environment=environment, env=os.environ)
    if checked is None:
        raise _stop(reporter)
    ir = lower(checked, reporter, env=os.environ)
    run_lints(checked, ir, reporter)
    found = blame(reporter.found, checked.project.pipelines)
    _check_names(checked, found, names)
    stopping = found.stopping(names)
    if stopping or any(ir.pipeline(name) is None for name in names):
        raise _stop(reporter)
    say_errors(reporter.sorted())
    resolver = Resolver(os.environ, Path(checked.project.root))
    conceal(resolver.masker)
    return ChosenPipelines(
        checked,
        tuple(p for p in ir.pipelines if (not names or p.name in names) and p.name not in found.own),
        () if names else _broken(found),
        Sessions(checked.project.connections, resolver, scope_of(checked.project)),
        ir,
    )


def one(live: ChosenPipelines, name: str) -> Pipeline:
    """The only chosen pipeline; an error when it could not be compiled."""
    found = next((pipeline for pipeline in live.pipelines if pipeline.name == name), None)
    if found is None:
        raise unknown_pipeline(name, (pipeline.name for pipeline in live.pipelines))
    return found


def single(names: Sequence[str], command: str) -> str:
    """The one NAME that a command needs."""
    if len(names) != 1:
        said = f"{len(names)} were given" if names else "none was given"
        message = f"`flowc {command}` takes the name of one pipeline, and {said}"
        raise UsageError(message, code="missing-name", help=f"for instance `flowc {command} sync_customers`")
    return names[0]


def _stop(reporter: Reporter) -> click.exceptions.Exit:
    say_errors(reporter.sorted())
    say(f"{summary(reporter.found)}; nothing was run")
    return click.exceptions.Exit(1)


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
