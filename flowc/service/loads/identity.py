"""What targets hold of the runs that loaded them, so that no attempt loads what an earlier one has loaded."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply
from flowc.compiler.loads.identity import (
    LOADS,
    Identity,
    Recorded,
    application,
    due_of,
    key_of,
    number,
    place_of_loads,
    read_load,
)
from flowc.durations import parse_instant
from flowc.errors import EngineError
from flowc.loadplan import Counter, ExpectResult, Stamp
from flowc.runtime.connector import Database, TableStore
from flowc.runtime.recorded import overtaken
from flowc.service.loads.report import TargetReport

_SKEW = timedelta(days=1)
"""How far the clocks of two machines may be apart. What is later than that was run with `--now`."""


def recorded_load(apply: Apply, identity: Identity, target: Database, now: datetime) -> Recorded:
    """What the target holds of the lane of an identity.

    Raises DataError for an attempt of a due time that was given up: a later one has been loaded.
    """
    name = f"{apply.target.connection}.{target.resolved(apply.target.name).kept}"
    if isinstance(target, TableStore):
        due, detail = _stamped(apply, identity, name, target)
    else:
        due, detail = _stored(apply, identity, name, target)
    found = Recorded(identity, name, due, detail)
    if found.due_at is not None and identity.due_at < found.due_at <= now + _SKEW:
        raise overtaken(apply.pipeline, f"`{apply.target.name}` holds a later due time, {found.before}")
    return found


def _stamped(apply: Apply, identity: Identity, name: str, target: TableStore) -> tuple[datetime | None, str | None]:
    called = application(apply, name, identity)
    due = due_of(target.stamp(apply.target.name, called) or 0)
    if due != identity.due_at:
        return due, None
    return due, target.note(apply.target.name, Stamp(called, number(due), 0))


def _stored(apply: Apply, identity: Identity, name: str, target: Database) -> tuple[datetime | None, str | None]:
    dialect = DIALECTS[apply.target.kind]
    query = read_load(key_of(apply, name, identity.lane), dialect)
    try:
        rows = target.query(query).to_pylist()
    except EngineError:  # there is no such table
        target.rollback()
        _make_place(dialect, target)
        rows = target.query(query).to_pylist()
    return (parse_instant(rows[0]["due_at"]), rows[0]["detail"]) if rows else (None, None)


def _make_place(dialect: Dialect, target: Database) -> None:
    try:
        for sql in place_of_loads(dialect):
            target.execute(sql)
    except EngineError as error:
        message = f"cannot make `{dialect.state_table(LOADS)}`, where scheduled runs record due times: {error.message}"
        help = error.help or "let the user of the connection create tables there"
        raise EngineError(message, code=error.code, help=help) from error


def pass_by(report: TargetReport, found: Recorded) -> None:
    """Reports a target as the attempt did that loaded it."""
    told = json.loads(found.detail) if found.detail else {"counts": {}, "expects": []}
    report.passed_by = True
    report.counts |= {str(Counter(name)): rows for name, rows in told["counts"].items() if rows is not None}
    report.expects = [ExpectResult(**verdict) for verdict in told["expects"]]
    report.notes += (f"passed by: an earlier attempt has loaded it for {found.before}",)
