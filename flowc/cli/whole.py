"""Prepares what `plan`, `apply`, `drift` and `import` share: a project without errors, and sessions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from flowc.cli.console import conceal, say, say_errors
from flowc.compiler import stages
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.sql.checker import Checker
from flowc.diagnostics import Diagnostic, Reporter, did_you_mean
from flowc.errors import UsageError
from flowc.render.diagnostics import summary
from flowc.runtime.lean import without_pandas
from flowc.service.blame import blame
from flowc.service.locks import TABLE_LOCK
from flowc.service.plans import close_selection
from flowc.service.scope import scope_of
from flowc.service.secrets import Resolver
from flowc.service.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Whole:
    """A project that compiles, and the sessions of its databases."""

    checked: CheckedSpec
    ir: Ir
    sessions: Sessions


def prepare_whole(
    paths: Sequence[Path],
    environment: str | None,
    show: Callable[[Iterable[Diagnostic]], None] = say_errors,
    checker: Checker | None = None,
    names: Sequence[str] = (),
    lock_wait: float = TABLE_LOCK,
) -> Whole:
    """Compiles the project and shows what it finds. Any error ends the command with code 1.

    With `names`, those inside of pipelines that are not named do not, and such pipelines are left out. With a checker,
    engines are asked about the queries, as `flowc lint` does. `lock_wait` is how long sessions wait for others.
    """
    without_pandas()
    reporter = Reporter()
    found = stages.lint(paths, reporter, environment=environment, env=os.environ, checker=checker)
    show(reporter.sorted())
    if found is None or (
        blame(reporter.found, found[0].project.pipelines).stopping(names) if names else reporter.has_errors
    ):
        say(f"{summary(reporter.found)}; nothing was planned")
        raise click.exceptions.Exit(1)
    checked, ir = found
    resolver = Resolver(os.environ, Path(checked.project.root))
    conceal(resolver.masker)
    sessions = Sessions(checked.project.connections, resolver, scope_of(checked.project), lock_wait)
    return Whole(checked, ir, sessions)


def selection(names: Sequence[str], whole: Whole) -> frozenset[str]:
    """The chosen tables, pipelines and streams with all that they depend on.

    Raises UsageError for a name that is none of them.
    """
    project = whole.checked.project
    known = [*project.tables, *project.pipelines, *project.streams]
    for name in names:
        if name not in known:
            helps = did_you_mean(name, known) or ("name a table, a pipeline or a stream of the specs",)
            raise UsageError(f"there is no table, pipeline or stream `{name}`", code="unknown-selection", help=helps[0])
    return close_selection(names, whole.checked, whole.ir)
