"""Compiles the project that is worked on."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flowc.api.failures import SpecErrors
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.reading import Databases, as_written, load_project
from flowc.compiler.sql.checks.checker import Checker
from flowc.diagnostics import Diagnostic, Reporter, did_you_mean
from flowc.errors import UsageError
from flowc.masker import Masker


@dataclass(frozen=True, slots=True)
class Where:
    """Which specs are meant: their paths, and the entry of `environments`. `masker` learns the secrets they name."""

    paths: Sequence[Path]
    environment: str | None = None
    masker: Masker = field(default_factory=Masker, repr=False)


@dataclass(frozen=True, slots=True)
class Linted:
    """A project as far as it compiles, and all that was found in it."""

    checked: CheckedSpec
    ir: Ir
    found: tuple[Diagnostic, ...]


def lint(
    where: Where, *, checker: Checker | None = None, databases: Databases = as_written
) -> Linted:  # fmt: skip
    """The project, whatever is wrong with it; with a checker, engines are asked about the queries.

    `databases` resolves what connections name. Raises SpecErrors where there are no specs.
    """
    reporter = Reporter(masker=where.masker)
    from flowc.compiler import stages

    linted = stages.lint(
        where.paths, reporter, environment=where.environment, env=os.environ, checker=checker, databases=databases
    )
    if linted is None:
        raise SpecErrors(reporter.sorted())
    return Linted(*linted, tuple(reporter.sorted()))


def stream_names(where: Where) -> Collection[str]:
    """The streams of the specs, as far as they can be read; whatever is wrong is for others to tell."""
    project = load_project(where.paths, Reporter(), environment=where.environment, env=os.environ)
    return project.streams if project is not None else ()


def unknown_pipeline(name: str, known: Iterable[str], what: Sequence[str] = ("pipeline",)) -> UsageError:
    """The failure of a NAME that nothing has; `what` are the kinds of things that it could be of."""
    names, several = sorted(known), " and ".join(f"{kind}s" for kind in what)
    listed = f"the {several} are {', '.join(f'`{n}`' for n in names[:10])}" if names else f"the specs hold no {several}"
    helps = did_you_mean(name, names) or (listed + (" …" if len(names) > 10 else ""),)
    return UsageError(f"there is no {' or '.join(what)} `{name}`", code="unknown-pipeline", help=helps[0])
