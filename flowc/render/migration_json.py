"""A plan for programs, as `schemas/plan.json` describes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from flowc.migration import (
    Change,
    DatabasePlan,
    LoadFailure,
    MigrationPlan,
    PipelineChange,
    Precheck,
    Statement,
    StoredPosition,
    StreamOutput,
    StreamState,
)
from flowc.render.runs import edit_object
from flowc.runtime.contracts.positions import plain
from flowc.service.changes.prechecks import failed
from flowc.service.runs.edits import ScheduleEdit

FORMAT = 1
"""The number of the format. Keys may be added to it; none is removed or changes its meaning."""


def migration_object(plan: MigrationPlan, plan_hash: str, edits: Sequence[ScheduleEdit] = ()) -> dict[str, object]:
    """The plan as lists and mappings; the format is described in `docs/reference/plan-json.md`."""
    return {
        "format": FORMAT,
        "plan": plan_hash,
        "project": plan.project,
        "databases": [_database(database) for database in plan.databases],
        "changes": [_change(change, database) for database in plan.databases for change in database.changes],
        "pipelines": [_load(load) for database in plan.databases for load in database.pipelines],
        "unmanaged": {t.label: list(t.unmanaged) for d in plan.databases for t in d.tables if t.unmanaged},
        "notes": {t.label: list(t.notes) for d in plan.databases for t in d.tables if t.notes},
        "outputs": [_output(output) for output in plan.outputs],
        "states": [_state(state) for state in plan.states],
        "failures": [_failure(failure) for failure in plan.failures],
        "schedules": [edit_object(edit) for edit in edits],
    }


def _failure(failure: LoadFailure) -> dict[str, object]:
    return {**asdict(failure), "notes": list(failure.notes)}


def _database(database: DatabasePlan) -> dict[str, object]:
    return {"connection": database.connection, "kind": database.kind, "version": database.version}


def _change(change: Change, database: DatabasePlan) -> dict[str, object]:
    return {
        "connection": database.connection,
        "kind": change.kind,
        "name": change.object,
        "action": change.action,
        "class": str(change.risk),
        "destructive": change.destructive,
        "refused": bool(failed(change)),
        "summary": change.summary,
        "before": change.before,
        "after": change.after,
        "rows": change.lost,
        "blocked": change.blocked,
        "part_of": change.part_of,
        "place": change.place,
        "notes": list(change.notes),
        "prechecks": [_precheck(check) for check in change.prechecks],
        "statements": [_statement(statement) for statement in change.statements],
    }


def _precheck(check: Precheck) -> dict[str, object]:
    return {
        "sql": check.sql,
        "count": check.count,
        "ok": not check.failed,
        "message": check.said,
        "help": check.help,
        "error": check.error,
    }


def _statement(statement: Statement) -> dict[str, object]:
    return {
        "sql": statement.sql,
        "purpose": statement.purpose,
        "transactional": statement.transactional,
        "lock": statement.lock,
        "rewrites": statement.rewrites,
        "scans": statement.scans,
    }


def _load(load: PipelineChange) -> dict[str, object]:
    return {
        "kind": load.what,
        "name": load.name,
        "target": load.target,
        "action": load.action,
        "changed": [{"key": key, "before": before, "after": after} for key, before, after in load.changed],
        "sql": {"before": load.sql[0], "after": load.sql[1]} if load.sql else None,
        "load": {"before": load.load[0], "after": load.load[1]} if load.load else None,
        "effects": list(load.effects),
        "breaks": list(load.breaks),
        "restart": load.restart,
        "positions": [_position(position) for position in load.positions],
    }


def _position(position: StoredPosition) -> dict[str, object]:
    return {
        "source": position.source,
        "partition": plain(position.partition),
        "next": plain(position.next),
        "lag": position.lag,
    }


def _output(output: StreamOutput) -> dict[str, object]:
    return {
        "stream": output.stream,
        "target": output.target,
        "what": output.what,
        "promise": output.promise,
        "start": output.start,
        "positions": [_position(position) for position in output.positions],
    }


def _state(state: StreamState) -> dict[str, object]:
    return {
        "stream": state.stream,
        "where": state.where,
        "refused": state.refused,
        "verdicts": [
            {"node": v.node, "decision": v.decision, "reason": v.reason, "help": v.help or None} for v in state.verdicts
        ],
        "unknown": state.unknown or None,
        "unfinished": state.unfinished,
        "edited": state.edited,
    }
