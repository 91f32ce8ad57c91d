"""What a scheduler does next, as a function of the specs, of where schedules are, and of the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from flowc.compiler.ir import Timing
from flowc.schedule import Schedule
from flowc.service.runs.records import Reason, Standing

GRACE = timedelta(minutes=5)
"""With `catch_up: none`, how late a due time may be found and still run."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A pipeline with a schedule. `upstream` are those that it waits for, `connections` those that it uses."""

    name: str
    timing: Timing
    upstream: tuple[str, ...] = ()
    connections: frozenset[str] = frozenset()

    @property
    def schedule(self) -> Schedule:
        """When it is due."""
        return Schedule(self.timing.schedule, self.timing.timezone)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many runs go on at a time."""

    runs: int = 4
    connections: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Start:
    """A due time that is to run now."""

    pipeline: Scheduled
    standing: Standing
    due_at: datetime
    attempt: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Waiting:
    """A due time that cannot run yet, and why."""

    standing: Standing
    due_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Decisions:
    """What is to be done, in this order: schedules begun, moved and passed by, runs given up as lost, runs begun."""

    new: tuple[Scheduled, ...] = ()
    moved: tuple[tuple[Scheduled, Standing], ...] = ()
    missed: tuple[tuple[Standing, datetime], ...] = ()
    """Schedules whose due times until then nobody looked for in time, where `catch_up` is `none`."""
    lost: tuple[tuple[Scheduled | None, Standing], ...] = ()
    starts: tuple[Start, ...] = ()
    waiting: tuple[Waiting, ...] = ()

    @property
    def kept(self) -> Iterator[tuple[Standing, datetime]]:
        """Schedules with due times that begin to wait: they stay due, however long that takes."""
        return ((each.standing, each.due_at) for each in self.waiting if each.standing.due_at is None)


def decide(
    pipelines: Sequence[Scheduled], standings: Mapping[str, Standing], limits: Limits, now: datetime,
    chosen: frozenset[str] | None = None, *, until: datetime | None = None,
) -> Decisions:  # fmt: skip
    """What a scheduler does now. `pipelines` are those of the project, in dependency order: who waits comes behind.

    Of them only the `chosen` begin, all for None; the others count where one waits for them, and for the limits.
    Due times after `until` are left to others.
    """
    known = {each.name: each for each in pipelines}
    mine = [each for each in pipelines if chosen is None or each.name in chosen]
    ends = now if until is None else until
    judged = [_judge(each, standings.get(each.name), known, standings=standings, now=now, until=ends) for each in mine]
    candidates = sorted((each for each in judged if isinstance(each, Start)), key=lambda start: start.due_at)
    running = [known[name] for name, at in standings.items() if at.run_id is not None and name in known]
    starts, held = _within(candidates, running, limits)
    pairs = list(zip(mine, judged, strict=True))
    lost = [(known.get(name), at) for name, at in standings.items() if at.run_id is not None and at.expired]
    return Decisions(
        new=tuple(each for each, found in pairs if found is _NEW),
        moved=tuple((each, standings[each.name]) for each, found in pairs if found is _MOVED),
        missed=tuple((standings[each.name], found) for each, found in pairs if isinstance(found, datetime)),
        lost=tuple(lost),
        starts=tuple(starts),
        waiting=(*(each for each in judged if isinstance(each, Waiting)), *held),
    )


_NEW, _MOVED = "new", "moved"
_Judged = Start | Waiting | datetime | str | None


def _judge(
    pipeline: Scheduled, at: Standing | None, known: Mapping[str, Scheduled], *, standings: Mapping[str, Standing],
    now: datetime, until: datetime,
) -> _Judged:  # fmt: skip
    """What becomes of one pipeline; an instant where due times until then are passed by."""
    if at is None:
        return _NEW
    if at.run_id is not None or at.paused:
        return None
    if (at.expression, at.timezone) != (pipeline.timing.schedule, pipeline.timing.timezone):
        return _MOVED
    if at.due_at is not None:
        if at.retry_at is not None and at.retry_at > now:
            return Waiting(at, at.due_at, f"attempt {at.attempt} failed, and the next one waits")
        reason: Reason = "retry" if at.attempt else "schedule"
        return _when_ready(Start(pipeline, at, at.due_at, at.attempt + 1, reason), known, standings)
    due = next_due(pipeline, at, until)
    if due is None or due > until:
        return None
    if pipeline.timing.catch_up == "none" and until - due > GRACE:
        return due
    return _when_ready(Start(pipeline, at, due, 1, "schedule"), known, standings)


def next_due(pipeline: Scheduled, at: Standing, now: datetime) -> datetime | None:
    """The due time that is next: one that has come, as `catch_up` has it, or else one that will."""
    following = _after(pipeline.schedule, at.settled_at)
    if following is None or following > now or pipeline.timing.catch_up == "all":
        return following
    return pipeline.schedule.last(now)


@lru_cache(maxsize=50_000)
def _after(schedule: Schedule, settled_at: datetime) -> datetime | None:
    """Asked of every schedule at every look, and the same until its due time has run."""
    return schedule.after(settled_at)


def _when_ready(
    start: Start, known: Mapping[str, Scheduled], standings: Mapping[str, Standing]
) -> Start | Waiting:  # fmt: skip
    for name in start.pipeline.upstream:
        upstream, at = known.get(name), standings.get(name)
        if upstream is not None and at is not None and _is_open(upstream, at, start.due_at):
            return Waiting(start.standing, start.due_at, f"`{name}` has no success for that time")
    return start


def _is_open(upstream: Scheduled, at: Standing, due: datetime) -> bool:
    """Whether a pipeline has yet to succeed for the last of its due times until then."""
    last = upstream.schedule.last(due)
    return last is not None and last > at.since and (at.succeeded_at is None or at.succeeded_at < last)


def _within(
    starts: Iterable[Start], running: Sequence[Scheduled], limits: Limits
) -> tuple[list[Start], list[Waiting]]:  # fmt: skip
    """Those that there is room for, and the others with the reason."""
    total, used = len(running), Counter(name for each in running for name in each.connections)
    taken: list[Start] = []
    held: list[Waiting] = []
    for start in starts:
        uses = start.pipeline.connections
        full = next((name for name in uses if used[name] >= limits.connections.get(name, used[name] + 1)), None)
        if total >= limits.runs or full is not None:
            what = f"of `{full}`" if full is not None else "of the project"
            held.append(Waiting(start.standing, start.due_at, f"as many runs {what} go on as may"))
            continue
        total += 1
        used.update(uses)
        taken.append(start)
    return taken, held


def after_failure(timing: Timing, attempt: int, now: datetime, due_at: datetime, *, lost: bool) -> dict[str, object]:
    """What becomes of a schedule when an attempt has failed: another one later, or the due time is given up.

    A run that was lost is tried once more even where nothing is said of retries: it may never have begun.
    """
    if attempt < max(timing.attempts, 2 if lost else 1):
        return {"retry_at": now + timedelta(seconds=0 if lost else timing.wait(attempt)), "failing": 1}
    return when_settled(due_at, failing=True)


def when_missed(until: datetime) -> dict[str, object]:
    """What becomes of a schedule whose due times until then are passed by: nobody waits for those."""
    return {"settled_at": until, "since": until}


def when_settled(due_at: datetime, *, failing: bool = False) -> dict[str, object]:
    """What becomes of a schedule whose due time has run, or was given up where it is `failing`."""
    return {"settled_at": due_at, "due_at": None, "attempt": 0, "retry_at": None, "failing": int(failing)}


def when_moved(pipeline: Scheduled, at: Standing, now: datetime) -> dict[str, object]:
    """An edited schedule begins now: nothing that was due before runs by it."""
    return {
        "expression": pipeline.timing.schedule, "timezone": pipeline.timing.timezone, "since": now,
        "settled_at": max(now, at.settled_at), "due_at": None, "attempt": 0, "retry_at": None,
    }  # fmt: skip
