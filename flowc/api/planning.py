"""`flowc.plan`: what `flowc apply` would change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from logging import getLogger

from flowc.api.failures import outward
from flowc.api.linted import Where
from flowc.api.opening import OpenProject, open_project, selection
from flowc.api.specs import DEFAULT_SPECS, Specs, spec_paths
from flowc.controls import json_text
from flowc.errors import FlowcError
from flowc.masker import Masker
from flowc.migration import Change, LoadFailure, MigrationPlan, PipelineChange, StreamState
from flowc.render.migration import migration_text, summary
from flowc.render.migration_json import migration_object
from flowc.render.runs import edits_text
from flowc.render.style import Style
from flowc.service.changes.plans import make_plan, plan_hash, with_failures
from flowc.service.checking import checker
from flowc.service.runs.edits import ScheduleEdit, edited


@dataclass(frozen=True, slots=True, repr=False)
class PlanResult:
    """What `flowc plan` shows."""

    plan: MigrationPlan
    """The whole plan, database by database."""
    _text: str
    _json: str

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes of tables, in the order in which they are made."""
        return self.plan.changes

    @property
    def pipelines(self) -> tuple[PipelineChange, ...]:
        """How loads and streams will differ."""
        return tuple(change for database in self.plan.databases for change in database.pipelines)

    @property
    def has_changes(self) -> bool:
        """Whether tables, loads or streams change."""
        return not self.plan.empty

    @property
    def refused(self) -> tuple[StreamState, ...]:
        """The streams that will not start with what they remember."""
        return self.plan.refused

    @property
    def failures(self) -> tuple[LoadFailure, ...]:
        """The loads that cannot run, because their sources have other columns than their tables."""
        return self.plan.failures

    def text(self) -> str:
        """What `flowc plan` prints."""
        return self._text

    def to_json(self) -> str:
        """What `flowc plan --json` prints: one JSON object."""
        return self._json

    def __repr__(self) -> str:
        return f"<PlanResult: {summary(self.plan, Style()).removeprefix('Plan: ')}>"


def plan(specs: Specs = DEFAULT_SPECS, *, select: str | Iterable[str] = (), env: str | None = None) -> PlanResult:
    """Plans what `flowc apply` would change in databases and loads, as `flowc plan`. Reads, and changes nothing.

    `specs` is a folder, a file or several of them; `select` names tables, pipelines and streams, or selects them
    (`tag:nightly`, `+orders`), which are planned with all that they depend on; `env` is an entry of `environments`.
    Raises SpecErrors for errors in the specs, and FlowcError where a database cannot be asked.
    """
    masker, names = Masker(), [select] if isinstance(select, str) else list(select)
    return outward(masker, lambda: _planned(Where(spec_paths(specs), env, masker), names))


def _planned(where: Where, names: Sequence[str]) -> PlanResult:
    opened = open_project(where, checker=checker())
    try:
        chosen = selection(names, opened)
        plan = make_plan(opened.checked, opened.ir, opened.sessions, chosen)
        plan = with_failures(plan, opened.checked, opened.ir, opened.sessions, chosen)
        edits = () if names else _edited(opened)
    finally:
        opened.sessions.close()
    return _told(plan, edits, where.masker.redact)


def _edited(opened: OpenProject) -> tuple[ScheduleEdit, ...]:
    """Schedules that a scheduler will find edited; none where the run log cannot be read, which the log tells."""
    try:
        return tuple(edited(opened.checked.project, opened.ir, opened.sessions.resolver))
    except FlowcError as error:
        getLogger("flowc").warning("whether schedules were edited is not known: %s", error.message)
        return ()


def _told(plan: MigrationPlan, edits: Sequence[ScheduleEdit], redact: Callable[[str], str]) -> PlanResult:
    """The result, whose texts are made now: what masks secrets holds them, and is not kept."""
    style = Style(conceal=redact)
    text = "\n\n".join(filter(None, (migration_text(plan, style, edited=bool(edits)), edits_text(edits, style))))
    return PlanResult(plan, redact(text), redact(json_text(migration_object(plan, plan_hash(plan), edits))))
