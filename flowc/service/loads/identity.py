"""What targets hold of the runs that loaded them, so that no attempt loads what an earlier one has loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Pipeline
from flowc.compiler.loads.identity import (
    LOADS,
    Identity,
    Recorded,
    application,
    columns_of,
    due_of,
    number,
    place_of_loads,
    read_loads,
)
from flowc.compiler.loads.lifetimes import TABLE_ID, look_at
from flowc.compiler.loads.watermark import WATERMARKS, place_of_watermarks
from flowc.durations import parse_instant
from flowc.errors import EngineError
from flowc.loadplan import PROJECT, Counter, ExpectResult, Stamp
from flowc.runtime.contracts.database import Database, TableStore, stored_target
from flowc.runtime.layout import require_layout
from flowc.runtime.steps.recorded import overtaken
from flowc.service.access.sessions import Sessions
from flowc.service.loads.report import TargetReport

_SKEW = timedelta(days=1)
"""How far the clocks of two machines may be apart. What is later than that was run with `--now`."""


def recorded_load(
    apply: Apply, identity: Identity, target: Database, now: datetime, plan: str | None = None
) -> Recorded:
    """What the target holds of the lane of an identity; `plan` is what the pipeline lowers to now.

    Raises DataError for an attempt of a due time that was given up: a later one has been loaded.
    """
    if isinstance(target, TableStore):
        found = replace(_stamped(apply, identity, target), plan=plan)
    else:
        found = replace(_stored(apply, identity, target), plan=plan)
    if found.same and not isinstance(target, TableStore):
        return _of_this_table(apply, found, target)
    if identity.run is None and found.due_at is not None and identity.due_at < found.due_at <= now + _SKEW:
        raise overtaken(apply.pipeline, f"`{apply.target.name}` holds a later due time, {found.before}")
    return found


def _of_this_table(apply: Apply, found: Recorded, target: Database) -> Recorded:
    """What is recorded of the table that is there: not what was loaded into one that was dropped.

    Where the engine does not tell tables of one name apart, an empty one is in the report. One with rows is believed to
    be the same, for a restored one has another identity.
    """
    gone = replace(found, due_at=None, detail=None, anew=True)
    if target.table(apply.target.name) is None:
        return gone
    (seen,) = target.query(look_at(apply.target.name, DIALECTS[apply.target.kind])).to_pylist()
    other = found.table_id not in (None, seen[TABLE_ID.name])
    if other and not seen["filled"]:
        return gone
    return replace(found, empty=not seen["filled"], other=other)


def _stamped(apply: Apply, identity: Identity, target: TableStore) -> Recorded:
    name = str(target.resolved(apply.target.name).kept)  # the log is the table's own, whatever its connection is called
    called = application(apply, name, identity)
    found = Recorded(identity, name, due_of(target.stamp(apply.target.name, called) or 0))
    if not found.same:
        return found
    return replace(found, detail=target.note(apply.target.name, Stamp(called, number(found.due_at), 0)))


def _stored(apply: Apply, identity: Identity, target: Database) -> Recorded:
    rows = {str(row["target"]): row for row in _rows(apply, identity, target)}
    called = stored_target(rows, apply.target.connection, apply.target.name, target)
    if (row := rows.get(called)) is None:
        return Recorded(identity, called)
    due_at, table_id = parse_instant(row["due_at"]), row.get(TABLE_ID.name)
    return Recorded(identity, called, due_at, row["detail"], table_id=table_id)


def _rows(apply: Apply, identity: Identity, target: Database) -> Sequence[dict[str, Any]]:
    dialect = DIALECTS[apply.target.kind]
    query = read_loads({PROJECT: apply.project, "pipeline_name": apply.pipeline, "lane": identity.lane}, dialect)
    try:
        rows: list[dict[str, Any]] = target.query(query).to_pylist()
    except EngineError:  # there is no such table
        target.rollback()
        require_layout(target.table(dialect.state_table(LOADS)), (column.name for column in columns_of(dialect)))
        _make_place(dialect, target)
        rows = target.query(query).to_pylist()
    return rows


def make_places(pipelines: Sequence[Pipeline], sessions: Sessions) -> None:
    """Makes flowc's own tables where schedules load, so that a worker needs no right to create tables.

    Raises FlowcError where they cannot be made.
    """
    applies = [apply for pipeline in pipelines if pipeline.timing is not None for apply in pipeline.applies]
    for apply in applies:
        target, dialect = sessions.target(apply.target.connection), DIALECTS[apply.target.kind]
        if isinstance(target, TableStore):
            continue
        if target.table(dialect.state_table(LOADS)) is None:
            _make_place(dialect, target)
        if apply.incremental is not None and target.table(dialect.state_table(WATERMARKS)) is None:
            for sql in place_of_watermarks(dialect):
                target.execute(sql)


def _make_place(dialect: Dialect, target: Database) -> None:
    try:
        for sql in place_of_loads(dialect):
            target.execute(sql)
    except EngineError as error:
        message = f"cannot make `{dialect.state_table(LOADS)}`, which records runs: {error.message}"
        help = "run `flowc apply` as a user who may create tables there: it creates this one too"
        raise EngineError(message, code=error.code, help=help) from error


def pass_by(report: TargetReport, found: Recorded) -> None:
    """Reports a target as the attempt did that loaded it."""
    told = json.loads(found.detail) if found.detail else {"counts": {}, "expects": []}
    report.passed_by = True
    report.counts |= {str(Counter(name)): rows for name, rows in told["counts"].items() if rows is not None}
    report.expects = [ExpectResult(**verdict) for verdict in told["expects"]]
    of = f"for {found.before}" if found.identity.run is None else "in the same run"
    report.notes += (f"passed by: an earlier attempt has loaded it {of}",)
    if found.empty and (report.counts.get("inserted") or report.counts.get("updated")):
        report.notes += ("the table is empty now: if its rows were not moved on purpose, run the pipeline by hand",)
    if found.other:
        report.notes += ("the table is another one than before: its rows are taken for those of that attempt",)
    if told.get("plan") not in (None, found.plan):
        report.notes += ("the pipeline was edited after that attempt: the target holds rows of the earlier version",)
