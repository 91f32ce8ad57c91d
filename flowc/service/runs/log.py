"""The run log in a database: what ran, where schedules are, who leads, what alerts have told.

One session, which one thread uses at a time. A DuckDB file is opened for each call, for it can be open in one process
at a time; any other session stays open, and is opened anew after it failed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any, TypeVar

from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.kinds import is_file
from flowc.compiler.tables import runlog as sql
from flowc.compiler.tables.rowsql import Ahead
from flowc.controls import json_text
from flowc.errors import DataError, EngineError, FlowcError, TransientError, UsageError
from flowc.runtime.contracts.database import Database
from flowc.service.access.locks import is_gone
from flowc.service.access.origin import Origin
from flowc.service.runs.damaged import DAMAGED, read_damaged
from flowc.service.runs.details import read_detail
from flowc.service.runs.records import LOST, OK, RUNNING, Claim, Condition, Outcome, RunRecord, Standing

T = TypeVar("T")
LEASE = 30.0
"""How long a lease is, in seconds, where nobody says otherwise."""
_PATIENCE = 8.0
"""Seconds that a file is waited for which one process has open at a time.

That is less than there is between a sign of life and the end of a lease.
"""
_MET = ("constraint-violated", "write-conflict")
"""The codes of a row that another process has made at the same time."""
_PIECE = 500
"""How many schedules begin with one statement."""
_AT_ONCE = 100
"""Of how many pipelines the newest runs are asked for with one statement."""
_TEXT_CHARACTERS = 20_000
"""Characters of a text that are kept, half of them from its end."""
_DETAIL_CHARACTERS = 1 << 19
"""Characters of the details of a run that are kept; of larger ones, only what it said."""


def run_id(at: datetime) -> str:
    """An id by which runs are in the order in which they began."""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S}.{at.microsecond // 1000:03}-{token_hex(4)}"


_UNASKED = ("manual", "backfill")
"""Why a run began that no schedule asked for."""


@dataclass
class RunLog:
    """The run log of one project. `opener` opens a session of the database of `kind`, `owner` is this process.

    Every method may raise the errors of a `Database`.
    """

    opener: Callable[[], Database]
    kind: str
    project: str
    owner: str
    create_tables: bool = True
    origin: Origin = field(default_factory=Origin)
    """Who begins runs, and of which commit of the project."""
    looks: bool = False
    """Whether it only reads: where there are no tables, nothing is recorded."""
    lease: float = LEASE
    """Seconds that a run, and a leader, outlive their last sign of life."""
    _database: Database | None = None
    _ready: bool = False
    _bare: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def now(self) -> datetime:
        """The time of the database, in UTC."""
        if is_file(self.kind):  # its clock is that of this machine
            return datetime.now(UTC)
        with self._session() as database:
            return _aware(database.query(sql.read_clock(self._dialect)).to_pylist()[0]["now"])

    def ensure(self) -> None:
        """Makes the tables where they are missing. Raises UsageError where others are to make them and have not."""
        with self._session():
            pass

    def close(self) -> None:
        """Ends the session."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    # Schedules

    def standings(self) -> dict[str, Standing]:
        """Where every schedule is, by pipeline."""
        rows = self._ask(sql.read_schedules(self.project, self._dialect))
        return {row["pipeline_name"]: _standing(row) for row in rows}

    def begin_schedules(self, found: Sequence[tuple[str, str, str]], now: datetime) -> None:
        """Begins schedules of pipelines, expressions and time zones: nothing before now is due."""
        for start in range(0, len(found), _PIECE):
            piece = found[start : start + _PIECE]
            try:
                self._do(sql.add_schedules(self.project, piece, now, self._dialect))
            except (DataError, TransientError) as error:  # another process has begun some of them, or is at it
                if error.code not in _MET:
                    raise
                known = self.standings()
                for each in piece:
                    self._begin_schedule(each, now, known)

    def _begin_schedule(self, found: tuple[str, str, str], now: datetime, known: Mapping[str, Standing]) -> None:
        try:
            if found[0] not in known:
                self._do(sql.add_schedules(self.project, [found], now, self._dialect))
        except (DataError, TransientError) as error:
            if error.code not in _MET:
                raise

    def change(self, standing: Standing, values: Mapping[str, object]) -> bool:
        """Changes a schedule that is as it was seen; False where it is not any more."""
        text = sql.change_schedule(
            self.project, standing.pipeline, values, self._dialect, version=standing.version
        )  # fmt: skip
        return self._do(text) == 1

    def claim(
        self, standing: Standing, claim: Claim, now: datetime, token: int | None = None, patience: float | None = None
    ) -> bool:  # fmt: skip
        """Takes a due time, for this process to run; False where another one was faster, or leads by now.

        Its first sign of life is waited for as long as the `patience`, in seconds; None for as long as any other.
        """
        values = {
            "due_at": claim.due_at, "attempt": claim.attempt, "retry_at": None, "run_id": claim.run_id,
            "expires_at": Ahead(self.lease if patience is None else patience),
        }  # fmt: skip
        take = sql.change_schedule(
            self.project, claim.pipeline, values, self._dialect, version=standing.version, token=token
        )
        begin = sql.begin_run(self._begun(claim, now), self._dialect)
        try:
            return self._all([take, begin])
        except (DataError, TransientError):
            if self.standings().get(claim.pipeline, standing).run_id == claim.run_id:
                return True  # the commit went through, and its answer was lost
            raise

    def take_over(self, run: RunRecord) -> bool:
        """Makes this process the one that does a run; False where it is over, or another worker was faster."""
        hold = sql.hold_runs(self.project, [run.id], self.lease, self._dialect)
        take = sql.take_run(self.project, run.id, run.owner, self.owner, self._dialect)
        try:
            return self._all([hold, take])
        except (DataError, TransientError):
            found = self.find(run.id)
            if found and (found[0].owner, found[0].status) == (self.owner, RUNNING):
                return True  # the commit went through, and its answer was lost
            raise

    def hold(self, runs: Sequence[str]) -> int:
        """A sign of life of runs; tells how many of them still go on by what the log says."""
        return self._do(sql.hold_runs(self.project, runs, self.lease, self._dialect)) if runs else 0

    def settle(
        self, claim: Claim, outcome: Outcome, values: Mapping[str, object], now: datetime, *, lost: bool = False,
        owner: str | None = None,
    ) -> bool:  # fmt: skip
        """Ends the run of a claim, and what becomes of its schedule; False where it was taken away as lost.

        With `lost` it is that which is done: False where it has given a sign of life meanwhile. With `owner`, False
        where the run is another one's by now.
        """
        end = sql.end_run(self.project, claim.run_id, _ended(outcome, now), self._dialect, owner=owner)
        free = {**values, "run_id": None, "expires_at": None}
        change = sql.change_schedule(self.project, claim.pipeline, free, self._dialect, run=claim.run_id, expired=lost)
        success = sql.succeed_schedule(self.project, claim.pipeline, claim.due_at, self._dialect)
        succeeded = [success] if outcome.status == OK else []
        if self._all([change, end] if owner is not None else [change], [*([end] if owner is None else []), *succeeded]):
            return True
        found = self.find(claim.run_id)  # the answer to a commit may have been lost
        same = bool(found) and found[0].status == outcome.status != LOST
        return same and (owner is None or found[0].owner == owner)

    def succeeded(self, pipeline: str, at: datetime, *, after: datetime | None = None) -> None:
        """A success that no schedule asked for: what was due until then is done, for those that wait for it.

        One that is about what was due `after` some time alone counts where nothing before that is left to do.
        """
        self._do(sql.succeed_schedule(self.project, pipeline, at, self._dialect, after=after))

    # Runs

    def begin(self, run: RunRecord) -> None:
        """Records a run that no schedule asked for."""
        claim = Claim(run.id, run.pipeline, run.started_at, run.attempt, "manual")
        values = {**self._begun(claim, run.started_at), "due_at": run.due_at, "reason": run.reason}
        self._do(sql.begin_run(values, self._dialect))

    def end(self, run: str, outcome: Outcome, now: datetime) -> bool:
        """Records how it ended; False where that was told before."""
        return self._do(sql.end_run(self.project, run, _ended(outcome, now), self._dialect)) == 1

    def runs(
        self, *, pipelines: Sequence[str] = (), status: str | None = None, before: str | None = None, most: int = 50,
        details: bool = False,
    ) -> list[RunRecord]:  # fmt: skip
        """The newest runs first, with or without details; with `before`, those that began before that id's."""
        text = sql.read_runs(
            self.project, self._dialect, pipelines=pipelines, status=status, before=before, most=most, details=details
        )  # fmt: skip
        return [_record(row) for row in self._ask(text)]

    def successes(self, pipeline: str, after: datetime, upto: datetime) -> set[datetime]:
        """The due times after one instant and up to another for which a run has succeeded."""
        text = sql.read_successes(self.project, pipeline, after, upto, self._dialect)
        return {_aware(row["due_at"]) for row in self._ask(text)}

    def newest(self, pipelines: Sequence[str], each: int, *, status: str | None = None) -> dict[str, list[RunRecord]]:
        """The newest runs of `each` of some pipelines, of one status or any, the newest first; without details."""
        found: dict[str, list[RunRecord]] = {name: [] for name in pipelines}
        for start in range(0, len(pipelines), _AT_ONCE):
            piece = pipelines[start : start + _AT_ONCE]
            for row in self._ask(sql.read_newest(self.project, piece, each, self._dialect, status=status)):
                found[row["pipeline_name"]].append(_record(row))
        return {name: sorted(runs, key=lambda run: run.id, reverse=True) for name, runs in found.items()}

    def find(self, run: str, *, whole: bool = False) -> list[RunRecord]:
        """The run of an id, or those whose ids begin so, at most two of them; with their details.

        Where the id is `whole`, it is found at once among any number of runs.
        """
        if "\0" in run:  # as no database is asked for; no run that flowc has begun has such an id
            return []
        return [_record(row) for row in self._ask(sql.read_run(self.project, run, self._dialect, whole=whole))]

    def purge(self, before: datetime) -> int:
        """Forgets runs that began before and are over; returns how many."""
        return self._do(sql.purge_runs(self.project, before, self._dialect))

    # Conditions

    def conditions(self) -> list[Condition]:
        """All that was seen."""
        with self._session() as database:
            if self._bare:
                return []
            rows = self._rows(database, sql.read_conditions(self.project, self._dialect))
            return [_condition(row) for row in rows if not row.get(DAMAGED)]

    def put_condition(self, found: Condition) -> bool:
        """Records a condition in place of that with its version; False where another process was faster."""
        values = {name: getattr(found, name) for name in ("bad", "since", "told_at", "value", "seen_at")}
        if found.version is not None:
            return self._do(sql.change_condition(self.project, found.key, values, found.version, self._dialect)) == 1
        try:
            return self._do(sql.add_condition(self.project, found.key, values, self._dialect)) == 1
        except (DataError, TransientError) as error:
            if error.code not in _MET:
                raise
            return False

    # Leadership

    def lead(self, token: int | None) -> int | None:
        """Leads the project, or goes on with that token; None while another process does."""
        if token is not None and self._do(sql.hold_lease(self.project, token, self.lease, self._dialect)) == 1:
            return token
        found = self._ask(sql.read_lease(self.project, self._dialect))
        if not found:
            with suppress(DataError, TransientError):
                self._do(sql.first_lease(self.project, self.owner, self.lease, self._dialect))
                return 1
            return None
        last = int(found[0]["token"])
        if not found[0]["expired"]:
            return None
        taken = self._do(sql.take_lease(self.project, self.owner, last, self.lease, self._dialect)) == 1
        return last + 1 if taken else None

    def resign(self, token: int) -> None:
        """Gives the lease back, so that nobody waits for its end."""
        self._do(sql.hold_lease(self.project, token, 0, self._dialect))

    def leader(self) -> tuple[str, datetime] | None:
        """Who leads, and until when; None where nobody does."""
        found = self._ask(sql.read_lease(self.project, self._dialect))
        return (found[0]["owner"], _aware(found[0]["expires_at"])) if found and not found[0]["expired"] else None

    def _begun(self, claim: Claim, now: datetime) -> dict[str, object]:
        return {
            "project": self.project, "run_id": claim.run_id, "pipeline_name": claim.pipeline, "due_at": claim.due_at,
            "attempt": claim.attempt, "reason": claim.reason, "status": RUNNING, "owner": self.owner,
            "user_name": self.origin.user, "git_commit": self.origin.commit, "started_at": now,
        }  # fmt: skip

    @property
    def _dialect(self) -> Dialect:
        return DIALECTS[self.kind]

    def _ask(self, text: str) -> list[dict[str, Any]]:
        with self._session() as database:
            return [] if self._bare else self._rows(database, text)

    def _rows(self, database: Database, text: str) -> list[dict[str, Any]]:
        """The rows of a query; of who only looks, a row that is damaged says so and hides no others."""
        try:
            rows: list[dict[str, Any]] = database.query(text).to_pylist()
            return rows
        except (DataError, EngineError, OverflowError):
            if not self.looks or not self._dialect.tables.any_values:
                raise
            return read_damaged(database, text)

    def _do(self, text: str) -> int:
        with self._session() as database:
            return database.execute(text)

    def _all(self, needed: Sequence[str], others: Sequence[str] = ()) -> bool:
        """One transaction, in which all is done, or nothing where one of the `needed` touches no row."""
        with self._session() as database:
            database.begin()
            if not all(database.execute(text) == 1 for text in needed):
                database.rollback()
                return False
            for text in others:
                database.execute(text)
            database.commit()
            return True

    @contextmanager
    def _session(self) -> Iterator[Database]:
        with self._lock:
            if self._database is None:
                self._database = self._opened()
            try:
                if not self._ready:
                    self._prepare(self._database)
                yield self._database
            except BaseException:
                self._abandon()
                raise
            if (
                self._dialect.sharing.one_process or self._bare
            ):  # who finds no tables looks again: somebody may have made them
                self.close()

    def _opened(self) -> Database:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                return self.opener()
            except TransientError:
                if not self._dialect.sharing.one_process or time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def _prepare(self, database: Database) -> None:
        asked = (sql.RUNS,) if self.looks else () if self.create_tables else (sql.RUNS, sql.CONDITIONS)
        missing = any(database.table(self._dialect.state_table(name)) is None for name in asked)
        if missing and not self.looks:
            message = "the run log lacks tables, and by `create_tables: false` only `flowc apply` makes them"
            raise UsageError(message, code="unknown-table", help="run `flowc apply`")
        if self.create_tables and not self.looks:
            make_tables(database, self._dialect)
        self._ready, self._bare = not missing, missing

    def _abandon(self) -> None:
        """A session that failed may be in any state: the next call opens another one."""
        failed, self._database, self._ready = self._database, None, False
        if failed is not None:
            with suppress(FlowcError):
                failed.rollback()
            with suppress(FlowcError):
                failed.close()


def make_tables(database: Database, dialect: Dialect) -> None:
    """Makes the tables of a run log where they are missing; of processes that do so at once, one tries again."""
    until = time.monotonic() + _PATIENCE
    before = database.table(dialect.state_table(sql.RUNS))
    known = {index.name for index in before.indexes} if before is not None else set[str | None]()
    for text in sql.ensure_run_log(dialect):
        while True:
            try:
                database.execute(text)
                break
            except (DataError, TransientError):
                database.rollback()
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
    # To make an index waits for all who write, even where there is one.
    for text in sql.ensure_indexes(dialect, known):
        try:
            database.execute(text)
        except FlowcError:  # of another owner, or in use: they make nothing but speed
            database.rollback()


def _standing(row: Mapping[str, Any]) -> Standing:
    return Standing(
        pipeline=row["pipeline_name"], expression=row["expression"], timezone=row["timezone"],
        since=_aware(row["since"]), settled_at=_aware(row["settled_at"]), version=int(row["version"]),
        succeeded_at=_maybe(row["succeeded_at"]), due_at=_maybe(row["due_at"]), attempt=int(row["attempt"]),
        retry_at=_maybe(row["retry_at"]), run_id=row["run_id"], paused=bool(row["paused"]),
        failing=bool(row["failing"]), expired=bool(row["expired"]), damaged=row.get(DAMAGED, ()),
    )  # fmt: skip


def _condition(row: Mapping[str, Any]) -> Condition:
    return Condition(
        subject=row["subject"], name=row["condition_name"], alert=row["alert_name"], bad=bool(row["bad"]),
        since=_aware(row["since"]), told_at=_maybe(row["told_at"]), value=row["value"],
        seen_at=_maybe(row["seen_at"]), version=int(row["version"]),
    )  # fmt: skip


def _record(row: Mapping[str, Any]) -> RunRecord:
    damaged = row.get(DAMAGED, ())
    if damaged:
        why = f"its row in the run log is damaged: {', '.join(damaged)}"
        row = {**row, "status": DAMAGED, "error_code": None, "error": why}
    return RunRecord(
        id=row["run_id"], pipeline=row["pipeline_name"], attempt=int(row["attempt"]), reason=row["reason"],
        status=row["status"], owner=row["owner"], started_at=_aware(row["started_at"]), due_at=_maybe(row["due_at"]),
        finished_at=_maybe(row["finished_at"]),
        counts={name: int(row[name]) for name in sql.COUNTS if row.get(name) is not None},
        error_code=row.get("error_code"), error=row.get("error"), plan=row.get("plan_id"),
        detail=read_detail(row.get("detail")), user=row.get("user_name"), commit=row.get("git_commit"),
    )  # fmt: skip


def _ended(outcome: Outcome, now: datetime) -> dict[str, object]:
    detail = json_text(_told(outcome.detail), indent=None) if outcome.detail else None
    if detail is not None and len(detail) > _DETAIL_CHARACTERS:
        detail = json_text(_told({"said": outcome.detail.get("said", "")}), indent=None)
    return {
        "status": outcome.status, "finished_at": now, **{name: outcome.counts.get(name) for name in sql.COUNTS},
        "error_code": outcome.error_code, "error": None if outcome.error is None else _told(outcome.error),
        "plan_id": outcome.plan, "detail": detail,
    }  # fmt: skip


def _told(value: Any) -> Any:
    """A value whose texts every database stores, and of which none is endless."""
    if isinstance(value, str):
        shown = value.replace("\0", "␀").encode(errors="replace").decode()
        return (
            shown
            if len(shown) <= _TEXT_CHARACTERS
            else f"{shown[: _TEXT_CHARACTERS // 2]} … {shown[-_TEXT_CHARACTERS // 2 :]}"
        )
    if isinstance(value, Mapping):
        return {_told(str(key)): _told(held) for key, held in value.items()}
    return [_told(each) for each in value] if isinstance(value, list | tuple) else value


def _maybe(at: datetime | None) -> datetime | None:
    return None if at is None else _aware(at)


def _aware(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def as_seen(run: RunRecord) -> RunRecord:
    """A run as it is: one whose process this machine knows to be gone was lost, though nobody could record that."""
    lost = run.status == RUNNING and run.reason in _UNASKED and is_gone(run.owner)
    return replace(run, status=LOST) if lost else run
