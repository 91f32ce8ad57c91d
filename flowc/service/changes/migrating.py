"""Carries a plan out on all its databases, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Ir
from flowc.compiler.lineage import graph
from flowc.errors import UsageError
from flowc.migration import DatabasePlan, MigrationPlan
from flowc.runtime.contracts.database import Database, TableStore
from flowc.runtime.systems import open_database
from flowc.service.access.livedatabase import history_of
from flowc.service.access.origin import origin_of
from flowc.service.access.owners import refuse_owned
from flowc.service.access.sessions import CONTROL, Sessions
from flowc.service.changes.applying import Applied, Apply, Limits, Watcher, apply_database
from flowc.service.changes.plans import Wanted, close_selection, plan_database, plan_hash, wanted_of
from flowc.service.changes.prechecks import refuse_blocked
from flowc.service.changes.rollback import rollback_wanted
from flowc.service.changes.saved import SavedPlan, check_fresh

ALL = "all"


@dataclass(frozen=True, slots=True)
class Request:
    """A plan to carry out, and how. A plan that was just made and shown must still fit, like one from a file."""

    checked: CheckedSpec
    ir: Ir
    sessions: Sessions
    saved: SavedPlan
    watcher: Watcher
    limits: Limits
    looked_at: bool = True
    """Somebody has seen what it loses, and no more than that may be lost."""


def refuse_destructive(plan: MigrationPlan, allowed: Sequence[str]) -> None:
    """Raises UsageError for losses that were not allowed by the name of their object."""
    refused = [c for c in plan.changes if c.destructive and ALL not in allowed and c.object not in allowed]
    if not refused:
        return
    details = tuple(": ".join(filter(None, (c.object, c.summary, c.loss))) for c in refused)
    raise UsageError(
        "the plan destroys data, and that was not allowed; nothing was changed",
        code="destructive-change",
        help=" ".join(f"--allow-destructive {change.object}" for change in refused),
        details=details,
    )


def carry_out(request: Request) -> Iterator[Applied]:
    """Applies each database's plan; what stops one leaves the ones before it applied, and says so by its error."""
    plan = request.saved.plan
    for database in plan.databases:
        refuse_blocked(database.changes)
    try:
        for database in plan.databases:
            if _has_work(request, database):
                yield apply_database(_work(request, database))
    finally:
        request.sessions.close()


def _has_work(request: Request, plan: DatabasePlan) -> bool:
    """Whether anything is to be done or remembered. A database that is as it was applied is not touched."""
    if plan.changes or plan.pipelines:
        return True
    held = history_of(request.sessions, plan.connection)
    return held.snapshot != plan.snapshot or held.open is not None


def _work(request: Request, plan: DatabasePlan) -> Apply:
    control = request.sessions.control(plan.connection, make=True)
    plan_id = plan_hash(request.saved.plan)

    def replan() -> DatabasePlan:
        flows = graph(request.ir, columns=True)
        now = plan_database(_wanted(request, plan), request.sessions, flows, _select(request), ask=False)
        return check_fresh(plan, now, history_of(request.sessions, plan.connection), plan_id)

    def unowned() -> None:
        names = [entry.table.name for entry in plan.snapshot.tables]
        refuse_owned(names, plan.connection, plan.kind, history_of(request.sessions, plan.connection), request.sessions)

    return Apply(
        request.sessions.target(plan.connection), plan.kind, control, plan_id=plan_id, replan=replan, unowned=unowned,
        project=request.sessions.project, watcher=request.watcher, by=origin_of(request.checked.project.root),
        limits=request.limits, second=_second(request, plan), approved=_approved(plan) if request.looked_at else {},
    )  # fmt: skip


def _approved(plan: DatabasePlan) -> dict[str, int]:
    return {change.object: change.lost for change in plan.changes if change.lost is not None}


def _select(request: Request) -> frozenset[str]:
    return close_selection(request.saved.select, request.checked, request.ir)


def _wanted(request: Request, plan: DatabasePlan) -> Wanted:
    if request.saved.rollback is not None:
        return rollback_wanted(request.sessions, plan.connection, plan.kind, request.saved.rollback)
    found = wanted_of(request.checked, request.ir, request.sessions)
    return next((w for w in found if w.connection == plan.connection), Wanted(plan.connection, plan.kind))


def _second(request: Request, plan: DatabasePlan) -> Callable[[], Database] | None:
    if DIALECTS[plan.kind].sharing.one_writer:
        return None
    target = request.sessions.target(plan.connection)
    if isinstance(target, TableStore):
        return lambda: open_database(CONTROL, {"path": str(target.control_file)})
    options = request.sessions.options(plan.connection)
    return lambda: open_database(options.kind, options.values)
