"""What the run log holds, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Reason = Literal["schedule", "retry", "manual", "backfill"]
"""Why a run began."""
RUNNING, OK, FAILED, SKIPPED, LOST, TIMEOUT, CANCELLED = (
    "running", "ok", "failed", "skipped", "lost", "timeout", "cancelled",
)  # fmt: skip
"""How a run is, or has ended. `lost` gave no sign of life for as long as its lease lasted."""
_WORKER, _AWAITS = "#", "@"
"""What stands in the names of owners: behind the process of a worker, and before the place where one is to begin."""
STATUSES = (RUNNING, OK, FAILED, SKIPPED, LOST, TIMEOUT, CANCELLED)


def worker_name(process: str, token: str) -> str:
    """The owner of a run that was taken over: the process, and a token, for one process may be several one by one."""
    return f"{process}{_WORKER}{token}"


def awaiting_name(process: str, place: str) -> str:
    """The owner of runs that workers at a place are to take over."""
    return f"{process}{_AWAITS}{place}"


def awaits(owner: str, place: str = "") -> bool:
    """Whether an owner has workers take over, at that place where one is named."""
    _, waits, where = owner.partition(_AWAITS)
    return bool(waits) and place in ("", where)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run has ended. `counts` are rows and bytes by the names of their columns."""

    status: str
    counts: Mapping[str, int] = field(default_factory=dict)
    error_code: str | None = None
    error: str | None = None
    plan: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Targets with their counts and checks, times of phases, and what the run said at its end."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a pipeline. `due_at` is None where no schedule asked for it."""

    id: str
    pipeline: str
    attempt: int
    reason: str
    status: str
    owner: str
    started_at: datetime
    due_at: datetime | None = None
    finished_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    error_code: str | None = None
    error: str | None = None
    plan: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    user: str | None = None
    commit: str | None = None

    @property
    def host(self) -> str:
        """The machine of the process that owns the run."""
        return self.owner.partition(":")[0].partition(_WORKER)[0]

    @property
    def taken_over(self) -> bool:
        """Whether a worker does it that is no process of its scheduler."""
        return _WORKER in self.owner

    def awaits(self, place: str = "") -> bool:
        """Whether a worker is to take it over, at that place where one is named."""
        return awaits(self.owner, place)

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at is not None else None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the schedule of a pipeline is.

    Due times up to `settled_at` are done with; the one at `due_at` is open: it runs (`run_id`), or waits until
    `retry_at`, with `attempt` attempts begun. Before `since`, nobody expected anything.
    """

    pipeline: str
    expression: str
    timezone: str
    since: datetime
    settled_at: datetime
    version: int
    succeeded_at: datetime | None = None
    due_at: datetime | None = None
    attempt: int = 0
    retry_at: datetime | None = None
    run_id: str | None = None
    paused: bool = False
    failing: bool = False
    expired: bool = False
    """Whether the run gives no sign of life."""
    damaged: tuple[str, ...] = ()
    """The columns of its row that hold values of another type than they declare."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What is the matter with a pipeline or a stream, or was until it became well; of an alert, whether it told so.

    `since` is when it became as it is, `value` what was measured, and `seen_at` when that was.
    """

    subject: str
    name: str
    alert: str
    since: datetime
    bad: bool = False
    told_at: datetime | None = None
    value: str | None = None
    seen_at: datetime | None = None
    version: int | None = None
    """None where it is not recorded yet."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from others."""
        return self.subject, self.name, self.alert


@dataclass(frozen=True, slots=True)
class Claim:
    """A due time that this process runs, and nobody else."""

    run_id: str
    pipeline: str
    due_at: datetime
    attempt: int
    reason: Reason
    traceparent: str = ""
    """What the worker goes on with in a trace, as W3C Trace Context has it; empty where nothing is traced."""
