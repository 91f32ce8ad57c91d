"""Opens the project that is worked on: specs without errors that concern it, and sessions of its connections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowc.api.choosing import expand
from flowc.api.failures import SpecErrors, errors_of
from flowc.api.linted import Linted, Where, lint, unknown_pipeline
from flowc.api.reading import local_databases, resolver_of
from flowc.api.selectors import Takes, has_selectors, may_select, pipelines_only, runnable
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir, Pipeline
from flowc.compiler.sql.checks.checker import Checker
from flowc.diagnostics import Diagnostic, did_you_mean
from flowc.errors import UsageError
from flowc.service.access.locks import TABLE_LOCK
from flowc.service.access.sessions import Sessions, not_runnable
from flowc.service.loads.blame import Blame, blame
from flowc.service.loads.report import PipelineReport, Status


@dataclass(frozen=True, slots=True)
class OpenProject:
    """A project that compiles, the sessions of its databases, and the names that were given, selectors expanded."""

    checked: CheckedSpec
    ir: Ir
    sessions: Sessions
    found: tuple[Diagnostic, ...]
    """What is wrong with its specs and does not concern it."""
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenPipelines(OpenProject):
    """Its chosen pipelines in dependency order, and those that errors of their own keep back."""

    pipelines: tuple[Pipeline, ...]
    broken: tuple[PipelineReport, ...]


def open_project(
    where: Where, *, names: Sequence[str] = (), takes: Takes = runnable, checker: Checker | None = None,
    lock_wait: float = TABLE_LOCK,
) -> OpenProject:  # fmt: skip
    """Compiles the project. Raises SpecErrors for any error.

    With `names`, those inside of pipelines that are not named do no harm, and such pipelines are left out; selectors
    among them choose of what the caller `takes`. With a checker, engines are asked about the queries, as `flowc lint`
    does. `lock_wait` is how many seconds sessions wait for others.
    """
    linted = _linted(where, checker)
    names = _expanded(names, linted, takes)
    if _blame(linted).stopping(names) if names else errors_of(linted.found):
        raise SpecErrors(linted.found)
    sessions = _sessions(linted.checked, where, lock_wait)
    return OpenProject(linted.checked, linted.ir, sessions, linted.found, tuple(names))


def open_pipelines(where: Where, names: Sequence[str], takes: Takes = pipelines_only) -> OpenPipelines:
    """Compiles the project. Raises SpecErrors for errors that concern the chosen pipelines.

    Selectors among the names choose of what the caller `takes`. Without names, an error of a pipeline's schedule keeps
    back that pipeline alone.
    """
    linted = _linted(where)
    checked, ir, blame = linted.checked, linted.ir, _blame(linted)
    names = _expanded(names, linted, takes)
    if not blame.shared:  # a file that cannot be read may hold what is named
        _check_names(checked, blame, names)
    if blame.stopping(names) or any(ir.pipeline(name) is None for name in names):
        raise SpecErrors(linted.found)
    pipelines = tuple(p for p in ir.pipelines if (not names or p.name in names) and p.name not in blame.own)
    sessions = _sessions(checked, where, TABLE_LOCK)
    return OpenPipelines(
        checked,
        ir,
        sessions,
        found=linted.found,
        names=tuple(names),
        pipelines=pipelines,
        broken=() if names else _broken(blame),
    )


def names_before(where: Where, names: Sequence[str]) -> list[str]:
    """The names, selectors expanded, for those who have to know them before they open a project."""
    return _expanded(names, _linted(where), runnable) if may_select(names) else list(names)


def named(selectors: Sequence[str], opened: OpenProject) -> tuple[str, ...]:
    """The names that were given, selectors expanded, in the order of the alphabet.

    Raises UsageError for one that is no table, pipeline or stream.
    """
    project = opened.checked.project
    known = [*project.tables, *project.pipelines, *project.streams]
    names = expand(selectors, opened.checked, opened.ir)
    for name in names:
        if name not in known:
            helps = did_you_mean(name, known) or ("name a table, a pipeline or a stream of the specs",)
            raise UsageError(f"there is no table, pipeline or stream `{name}`", code="unknown-selection", help=helps[0])
    return tuple(sorted(names))


def selection(names: Sequence[str], opened: OpenProject) -> frozenset[str]:
    """The chosen tables, pipelines and streams with all that they depend on. Raises UsageError as `named`."""
    from flowc.service.changes.plans import close_selection

    return close_selection(named(names, opened), opened.checked, opened.ir)


def _linted(where: Where, checker: Checker | None = None) -> Linted:
    """The project as it compiles where connections whose references lead to one database name one database."""
    return lint(where, checker=checker, databases=local_databases(where))


def _expanded(names: Sequence[str], linted: Linted, takes: Takes) -> list[str]:
    """The names, selectors expanded. With selectors, any error stops it: without that, more might be chosen."""
    if errors_of(linted.found) and has_selectors(names, linted.checked.project):
        raise SpecErrors(linted.found)
    return expand(names, linted.checked, linted.ir, takes)


def _blame(linted: Linted) -> Blame:
    return blame(linted.found, linted.checked.project.pipelines)


def _sessions(checked: CheckedSpec, where: Where, lock_wait: float) -> Sessions:
    return Sessions(checked.project.connections, resolver_of(where, checked.project), checked.project.name, lock_wait)


def _check_names(checked: CheckedSpec, blame: Blame, names: Sequence[str]) -> None:
    project = checked.project
    known = {*project.pipelines, *blame.own}
    for name in names:
        if name in project.streams:
            raise not_runnable(name, "it is a stream")
        if name not in known:
            raise unknown_pipeline(name, {*known, *project.streams})


def _broken(blame: Blame) -> tuple[PipelineReport, ...]:
    reason = "its schedule has errors"
    return tuple(
        PipelineReport(name, Status.FAILED, reason=reason, diagnostics=errors) for name, errors in blame.own.items()
    )
