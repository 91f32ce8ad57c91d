"""The run log as tables in a database: runs, where each schedule is, who leads the schedulers, what alerts are about.

Where a schedule is stands apart from the runs, so that a purge of those never makes anything run again. A row of
`schedules` or `conditions` changes by compare-and-set of its `version`, and a lease ends by the clock of the database.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from flowc.catalog import Column
from flowc.compiler.dialect import Dialect
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.tables.rowsql import Ahead, assignments, clock, insert, state_name, value
from flowc.compiler.tables.state import PROJECT_COLUMN, ensure_state
from flowc.loadplan import PROJECT
from flowc.types import BIGINT, TEXT, TIMESTAMPTZ

RUNS, SCHEDULES, LEASES, CONDITIONS = "runs", "schedules", "leases", "conditions"
COUNTS = ("rows_read", "rows_inserted", "rows_updated", "rows_deleted", "byte_count")
_PIPELINE = Column("pipeline_name", TEXT, nullable=False)
_RUNS = (
    PROJECT_COLUMN,
    Column("run_id", TEXT, nullable=False),
    _PIPELINE,
    Column("due_at", TIMESTAMPTZ),
    Column("attempt", BIGINT, nullable=False),
    Column("reason", TEXT, nullable=False),
    Column("status", TEXT, nullable=False),
    Column("owner", TEXT, nullable=False),
    Column("user_name", TEXT),
    Column("git_commit", TEXT),
    Column("started_at", TIMESTAMPTZ, nullable=False),
    Column("finished_at", TIMESTAMPTZ),
    *(Column(name, BIGINT) for name in COUNTS),
    Column("error_code", TEXT),
    Column("error", TEXT),
    Column("plan_id", TEXT),
    Column("detail", TEXT),
)
_COURSE = (
    "run_id", "pipeline_name", "due_at", "attempt", "reason", "status", "owner", "started_at", "finished_at",
)  # fmt: skip
"""How a run went, without what it did."""
_SCHEDULES = (
    PROJECT_COLUMN,
    _PIPELINE,
    Column("expression", TEXT, nullable=False),
    Column("timezone", TEXT, nullable=False),
    Column("since", TIMESTAMPTZ, nullable=False),
    Column("settled_at", TIMESTAMPTZ, nullable=False),
    Column("succeeded_at", TIMESTAMPTZ),
    Column("due_at", TIMESTAMPTZ),
    Column("attempt", BIGINT, nullable=False),
    Column("retry_at", TIMESTAMPTZ),
    Column("run_id", TEXT),
    Column("expires_at", TIMESTAMPTZ),
    Column("paused", BIGINT, nullable=False),
    Column("failing", BIGINT, nullable=False),
    Column("version", BIGINT, nullable=False),
)
_LEASES = (
    PROJECT_COLUMN,
    Column("owner", TEXT, nullable=False),
    Column("token", BIGINT, nullable=False),
    Column("expires_at", TIMESTAMPTZ, nullable=False),
)
_CONDITIONS = (
    PROJECT_COLUMN,
    Column("subject", TEXT, nullable=False),
    Column("condition_name", TEXT, nullable=False),
    Column("alert_name", TEXT, nullable=False),
    Column("bad", BIGINT, nullable=False),
    Column("since", TIMESTAMPTZ, nullable=False),
    Column("told_at", TIMESTAMPTZ),
    Column("value", TEXT),
    Column("seen_at", TIMESTAMPTZ),
    Column("version", BIGINT, nullable=False),
)
_CONDITION_KEY = ("subject", "condition_name", "alert_name")
_TABLES = (
    (RUNS, _RUNS, (PROJECT, "run_id")),
    (SCHEDULES, _SCHEDULES, (PROJECT, "pipeline_name")),
    (LEASES, _LEASES, (PROJECT,)),
    (CONDITIONS, _CONDITIONS, (PROJECT, *_CONDITION_KEY)),
)
_INDEXES = (("by_pipeline", "pipeline_name"), ("by_status", "status"))


def ensure_run_log(dialect: Dialect) -> tuple[str, ...]:
    """Makes the tables of the run log where they are missing."""
    made = (statement for name, columns, key in _TABLES for statement in ensure_state(name, columns, key, dialect))
    return tuple(dict.fromkeys(made))


def ensure_indexes(dialect: Dialect, known: Collection[str | None] = ()) -> tuple[str, ...]:
    """Makes the indexes by which the newest runs of one pipeline, or of one status, are found, but for those known.

    Only who owns the table may: without them all is as it is with them, and slower.
    """
    if not dialect.tables.finds_by_index:
        return ()
    runs = dialect.state_table(RUNS)
    return tuple(
        f"CREATE INDEX IF NOT EXISTS {ident(f'{runs.name}_{name}')} ON {table(runs)}"
        f" ({idents((PROJECT, column, 'run_id'))})"
        for name, column in _INDEXES
        if f"{runs.name}_{name}" not in known
    )


def read_schedules(project: str, dialect: Dialect) -> str:
    """Where every schedule of a project is; `expired` says that a run gives no sign of life."""
    names = idents(column.name for column in _SCHEDULES if column.name != PROJECT)
    seen = f"CASE WHEN {ident('expires_at')} <= {clock(dialect)} THEN 1 ELSE 0 END AS {ident('expired')}"
    return f"SELECT {names}, {seen} FROM {state_name(SCHEDULES, dialect)} WHERE {_is(PROJECT, project, dialect)}"


def add_schedules(project: str, found: Sequence[tuple[str, str, str]], now: datetime, dialect: Dialect) -> str:
    """Begins schedules of pipelines, each with its expression and time zone: nothing before now is due.

    Fails on its key where somebody has begun one of them.
    """
    start = {"since": now, "settled_at": now, "attempt": 0, "paused": 0, "failing": 0, "version": 0}
    rows = (
        {PROJECT: project, "pipeline_name": name, "expression": expression, "timezone": zone, **start}
        for name, expression, zone in found
    )
    first, *others = rows
    return insert(SCHEDULES, first, dialect, *others)


def change_schedule(
    project: str,
    pipeline: str,
    values: Mapping[str, object],
    dialect: Dialect,
    *,
    version: int | None = None,
    run: str | None = None,
    token: int | None = None,
    expired: bool = False,
) -> str:
    """Changes the row of a schedule, and its version; touches none where it is another one by now.

    It is the same with that `version`, or while that `run` goes on; where `token` is given, while that leads; and
    with `expired`, where the run gives no sign of life at this very moment.
    """
    conditions = [_schedule(project, pipeline, dialect)]
    conditions += [f"{ident('version')} = {version}"] if version is not None else []
    conditions += [_is("run_id", run, dialect)] if run is not None else []
    conditions += [f"{ident('expires_at')} <= {clock(dialect)}"] if expired else []
    if token is not None:
        leads = f"{_is(PROJECT, project, dialect)} AND {ident('token')} = {token}"
        conditions.append(f"EXISTS (SELECT 1 FROM {state_name(LEASES, dialect)} WHERE {leads})")
    sets = f"{assignments(values, dialect)}, {ident('version')} = {ident('version')} + 1"
    return f"UPDATE {state_name(SCHEDULES, dialect)} SET {sets} WHERE {' AND '.join(conditions)}"


def succeed_schedule(
    project: str, pipeline: str, at: datetime, dialect: Dialect, *, after: datetime | None = None
) -> str:
    """Remembers a success for all that was due until then, unless a later one is known.

    One that is about what was due `after` some time alone counts where nothing before that waits for a success.
    """
    column = ident("succeeded_at")
    of = f"{_schedule(project, pipeline, dialect)} AND ({column} IS NULL OR {column} < {value(at, dialect)})"
    if after is not None:
        of += f" AND ({column} >= {value(after, dialect)} OR {ident('since')} >= {value(after, dialect)})"
    return f"UPDATE {state_name(SCHEDULES, dialect)} SET {assignments({'succeeded_at': at}, dialect)} WHERE {of}"


def hold_runs(project: str, runs: Sequence[str], seconds: float, dialect: Dialect) -> str:
    """A sign of life of runs: their leases end so many seconds from now; those that were taken away are left alone."""
    ids = ", ".join(text(run, dialect) for run in runs)
    sets = assignments({"expires_at": Ahead(seconds)}, dialect)
    of = f"{_is(PROJECT, project, dialect)} AND {ident('run_id')} IN ({ids})"
    return f"UPDATE {state_name(SCHEDULES, dialect)} SET {sets} WHERE {of}"


def begin_run(values: Mapping[str, object], dialect: Dialect) -> str:
    """Records a run that has begun."""
    return insert(RUNS, values, dialect)


def end_run(
    project: str, run: str, values: Mapping[str, object], dialect: Dialect, *, owner: str | None = None
) -> str:  # fmt: skip
    """Records how a run has ended, once: touches no row when that was told before, or when it is not the `owner`'s."""
    of = f"{_run(project, run, dialect)} AND {ident('status')} = 'running'"
    of += f" AND {_is('owner', owner, dialect)}" if owner is not None else ""
    return f"UPDATE {state_name(RUNS, dialect)} SET {assignments(values, dialect)} WHERE {of}"


def take_run(project: str, run: str, owner: str, new: str, dialect: Dialect) -> str:
    """Gives a run that goes on from one owner to another; touches no row when it is over, or not that owner's."""
    return end_run(project, run, {"owner": new}, dialect, owner=owner)


def read_runs(
    project: str, dialect: Dialect, *, pipelines: Sequence[str] = (), status: str | None = None,
    before: str | None = None, most: int = 50, details: bool = False,
) -> str:  # fmt: skip
    """The newest runs first, with or without their details; with `before`, those that began before that id's."""
    left = (PROJECT,) if details else (PROJECT, "detail")
    names = idents(column.name for column in _RUNS if column.name not in left)
    conditions = [_is(PROJECT, project, dialect)]
    if pipelines:
        conditions.append(f"{ident('pipeline_name')} IN ({', '.join(text(name, dialect) for name in pipelines)})")
    if status is not None:
        conditions.append(_is("status", status, dialect))
    if before is not None:
        conditions.append(f"{ident('run_id')} < {text(before, dialect)}")
    rows = f"{state_name(RUNS, dialect)} WHERE {' AND '.join(conditions)}"
    return f"SELECT {names} FROM {rows} ORDER BY {ident('run_id')} DESC LIMIT {most}"


def read_successes(project: str, pipeline: str, after: datetime, upto: datetime, dialect: Dialect) -> str:
    """The due times of a pipeline within a range for which a run has succeeded, or one of a schedule goes on."""
    due, ok = ident("due_at"), _is("status", "ok", dialect)
    lives = f"{_is(PROJECT, project, dialect)} AND {ident('expires_at')} > {clock(dialect)}"
    held = f"SELECT {ident('run_id')} FROM {state_name(SCHEDULES, dialect)} WHERE {lives}"
    goes_on = f"{_is('status', 'running', dialect)} AND {ident('run_id')} IN ({held})"
    of = f"{_schedule(project, pipeline, dialect)} AND ({ok} OR {goes_on}) AND {due} > {value(after, dialect)}"
    return f"SELECT DISTINCT {due} FROM {state_name(RUNS, dialect)} WHERE {of} AND {due} <= {value(upto, dialect)}"


def read_newest(
    project: str, pipelines: Sequence[str], each: int, dialect: Dialect, *, status: str | None = None
) -> str:
    """How the newest runs of `each` of some pipelines went: as many look-ups by an index, in one statement."""
    names = idents(_COURSE)
    rows = f"SELECT {names} FROM {state_name(RUNS, dialect)} WHERE {_is(PROJECT, project, dialect)}"
    chosen = f" AND {_is('status', status, dialect)}" if status else ""
    last = f"{chosen} ORDER BY {ident('run_id')} DESC LIMIT {each}"
    parts = (f"{rows} AND {_is('pipeline_name', name, dialect)}{last}" for name in pipelines)
    return " UNION ALL ".join(f"SELECT {names} FROM ({part}) AS q{i}" for i, part in enumerate(parts))


def read_run(project: str, run: str, dialect: Dialect, *, whole: bool = False) -> str:
    """One run with its details, by its id or, unless that is the `whole` of it, by what an id begins with.

    At most two, which tells that it is not one.
    """
    names = idents(column.name for column in _RUNS if column.name != PROJECT)
    begins = f"substr({ident('run_id')}, 1, {len(run)}) = {text(run, dialect)}"
    of = f"{_is(PROJECT, project, dialect)} AND {_is('run_id', run, dialect) if whole else begins}"
    return f"SELECT {names} FROM {state_name(RUNS, dialect)} WHERE {of} ORDER BY {ident('run_id')} LIMIT 2"


def purge_runs(project: str, before: datetime, dialect: Dialect) -> str:
    """Forgets runs that began before an instant and are over."""
    of = f"{_is(PROJECT, project, dialect)} AND {ident('started_at')} < {value(before, dialect)}"
    return f"DELETE FROM {state_name(RUNS, dialect)} WHERE {of} AND {ident('status')} <> 'running'"


def read_lease(project: str, dialect: Dialect) -> str:
    """Who leads, with which token, and whether the lease has ended."""
    over = f"CASE WHEN {ident('expires_at')} <= {clock(dialect)} THEN 1 ELSE 0 END AS {ident('expired')}"
    names = idents(("owner", "token", "expires_at"))
    return f"SELECT {names}, {over} FROM {state_name(LEASES, dialect)} WHERE {_is(PROJECT, project, dialect)}"


def first_lease(project: str, owner: str, seconds: float, dialect: Dialect) -> str:
    """Leads a project that nobody has led yet; fails on its key where somebody has."""
    return insert(LEASES, {PROJECT: project, "owner": owner, "token": 1, "expires_at": Ahead(seconds)}, dialect)


def take_lease(project: str, owner: str, token: int, seconds: float, dialect: Dialect) -> str:
    """Leads in place of who had that token, if the lease has ended by the clock of the database, or was given back."""
    sets = assignments({"owner": owner, "token": token + 1, "expires_at": Ahead(seconds)}, dialect)
    over = f"{ident('expires_at')} <= {clock(dialect)}"
    of = f"{_is(PROJECT, project, dialect)} AND {ident('token')} = {token} AND {over}"
    return f"UPDATE {state_name(LEASES, dialect)} SET {sets} WHERE {of}"


def hold_lease(project: str, token: int, seconds: float, dialect: Dialect) -> str:
    """Goes on leading, for so long from now; 0 gives the lease back. Touches no row when another one leads."""
    of = f"{_is(PROJECT, project, dialect)} AND {ident('token')} = {token}"
    return f"UPDATE {state_name(LEASES, dialect)} SET {assignments({'expires_at': Ahead(seconds)}, dialect)} WHERE {of}"


def read_conditions(project: str, dialect: Dialect) -> str:
    """What is, or was, the matter with pipelines and streams, and which alerts have told it."""
    names = idents(column.name for column in _CONDITIONS if column.name != PROJECT)
    return f"SELECT {names} FROM {state_name(CONDITIONS, dialect)} WHERE {_is(PROJECT, project, dialect)}"


def add_condition(project: str, key: Sequence[str], values: Mapping[str, object], dialect: Dialect) -> str:
    """Records a condition (subject, name, alert) that nobody has seen yet; fails on its key where somebody has."""
    held = {PROJECT: project, **dict(zip(_CONDITION_KEY, key, strict=True)), **values, "version": 0}
    return insert(CONDITIONS, held, dialect)


def change_condition(
    project: str, key: Sequence[str], values: Mapping[str, object], version: int, dialect: Dialect
) -> str:  # fmt: skip
    """Changes a condition that has that version; touches none where it is another one by now."""
    conditions = [_is(PROJECT, project, dialect), f"{ident('version')} = {version}"]
    conditions += [_is(name, value, dialect) for name, value in zip(_CONDITION_KEY, key, strict=True)]
    sets = f"{assignments(values, dialect)}, {ident('version')} = {ident('version')} + 1"
    return f"UPDATE {state_name(CONDITIONS, dialect)} SET {sets} WHERE {' AND '.join(conditions)}"


def read_clock(dialect: Dialect) -> str:
    """The time of the database."""
    return f"SELECT {clock(dialect)} AS {ident('now')}"


def _run(project: str, run: str, dialect: Dialect) -> str:
    return f"{_is(PROJECT, project, dialect)} AND {_is('run_id', run, dialect)}"


def _schedule(project: str, pipeline: str, dialect: Dialect) -> str:
    return f"{_is(PROJECT, project, dialect)} AND {_is('pipeline_name', pipeline, dialect)}"


def _is(column: str, given: str, dialect: Dialect) -> str:
    return f"{ident(column)} = {text(given, dialect)}"
