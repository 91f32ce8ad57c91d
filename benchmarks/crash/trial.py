"""One trial: a stream of numbered events, killed in one of several ways, run to its end, and its target counted."""

from __future__ import annotations

import os
import random
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.crash.feeds import Item
from benchmarks.crash.lookers import LOOKERS, LOOKERS_ROWS
from benchmarks.crash.losses import LOSSES, LOSSES_ROWS, target_name
from benchmarks.crash.member import Member
from benchmarks.crash.operators import OPERATORS, OPERATORS_ROWS
from benchmarks.crash.places import ROLLING, SERVERS, SHARED, WITHOUT, Held, Place
from benchmarks.crash.worker import DONE, FAILED, Job, asked, end_all, ended, lives, stopped
from tests.services import Killable

_AGAIN = 8
"""So many runs may end with an error that trying again mends."""


@dataclass(frozen=True)
class Outcome:
    """What the target holds of the events at the end: how many were lost, and how many are there twice."""

    way: str
    lost: int
    twice: int
    kills: int
    fenced: int
    """How often a worker found that another one was ahead of it."""
    errors: str = ""
    late: int = 0
    """Messages that were taken for late ones, while none is."""
    skipped: int = 0
    again: int = 0
    """What operators were told: events that are not read, or once more. `lost` and `twice` come on top of these."""
    stops: int = 0
    """How often the stream stopped because a target had lost rows."""

    @property
    def good(self) -> bool:
        """Whether every event is there once, but for what was announced."""
        return not self.lost and not self.twice and not self.late and not self.errors


@dataclass
class Trial:
    """A stream in a folder, whose targets are a `place`; `wanted` are the rows that must be there at the end."""

    kind: str
    folder: Path
    place: Place
    bootstrap: str
    topics: Sequence[str]
    wanted: Sequence[Item]
    chance: random.Random
    servers: Mapping[str, Killable]
    """Those of its servers that may be killed, by kind."""
    messages: int
    """How many there are in its topics."""
    partitions: int = 4
    kills: int = field(default=0)
    skipped: int = field(default=0)
    again: int = field(default=0)
    stops: int = field(default=0)
    """How often it stopped because a target had lost rows."""
    doubled: set[str] = field(default_factory=set)
    """The targets that the rewinds behind these stops announced to have rows twice."""

    def prepare(self, way: str) -> Job:
        """Writes the specs. The stream's name is new, for a broker remembers those that wrote topics."""
        properties, rows = self.place.properties, 250
        if way in MEMBERS:
            rows = 60  # each of them is to have some left when partitions move
            assignor = self.chance.choice(("cooperative-sticky", "range"))
            properties = f", properties: {{ partition.assignment.strategy: {assignor}, {_SHORT} }}"
        rows = {**OPERATORS_ROWS, **LOOKERS_ROWS, **LOSSES_ROWS}.get(
            way, rows
        )  # the next one is to have something left to read
        name = f"events_{uuid.uuid4().hex[:8]}"
        connections = "".join(f"  {key}: {{ {text} }}\n" for key, text in self.place.connections.items())
        targets = "".join(f"\n      - {target}" for target in self.place.targets)
        letters = way == "dlq-replay"
        for folder, bad in (("specs", "none"), ("mended", "2")) if letters else (("specs", ""),):
            more = f", CAST(CASE WHEN id % 40 = 7 THEN '{bad}' ELSE '1' END AS bigint) AS n" if letters else ""
            (self.folder / folder).mkdir(parents=True)
            (self.folder / folder / "project.yaml").write_text(
                f"""\
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{self.bootstrap}"{properties} }}
{connections}
streams:
  {name}:
{self.place.reads.format(*self.topics, more=more)}
    to:{targets}
    batch: {{ max_rows: {rows} }}
    restart: {{ min_backoff: 50ms, max_backoff: 300ms }}
    {"on_error: dlq" if letters else ""}
{self.place.stream}
""",
                "utf-8",
            )
        env, drain = {**self.place.env, "HOME": str(self.folder)}, self.place.drained and self.chance.random() < 0.5
        return Job(self.folder, name, env, tune=self.place.tune, drain=drain)

    def run(self, way: str) -> Outcome:
        """Carries it out."""
        job = self.prepare(way)
        try:
            WAYS[way](self, job)
            errors = self.finish(job)
        except TimeoutError as error:
            errors = str(error)
        finally:
            end_all()
        lost = twice = 0
        for target, counts in zip(self.place.targets, self.counted(), strict=True):
            found = sum(1 for item in self.wanted if counts[item])
            lost += abs(len(self.wanted) - found - self.skipped)
            twice += self._unannounced(target, counts.total() - found)
        late = sum(map(int, job.late.read_text().split())) if job.late.exists() else 0
        late += len(_there(self.place.late)) if self.place.late is not None else 0
        said = "".join(each.read_text() for each in self.folder.glob("*.txt"))
        fenced = said.count("stream-fenced")
        return Outcome(way, lost, twice, self.kills, fenced, errors, late, self.skipped, self.again, self.stops)

    def _unannounced(self, target: str, twice: int) -> int:
        """How much of what is there too often, or should not be at all, was not announced, or not as announced.

        Where rows of several epochs go into one file, what was read and is in none yet comes once.
        """
        if self.stops:  # what is read again may be new to the target
            return max(0, twice - (self.again if target_name(target) in self.doubled else 0))
        return max(0, twice - self.again) if self.kind in ROLLING else abs(twice - self.again)

    def counted(self) -> list[Counter[Item]]:
        """How often each target holds each row; none where the target was not made yet."""
        return [Counter(_there(held)) for held in self.place.held]

    def finish(self, job: Job) -> str:
        """Runs until a run ends well; what went wrong, or nothing. A traceback of any worker is wrong."""
        job = replace(job, drain=self.place.drained)
        well = any(ended(job.start()) == DONE for _ in range(_AGAIN))
        text = job.log.read_text() if job.log.exists() else "it does not end well"
        return "" if well and "Traceback" not in text else text[-2000:]

    def working(self, job: Job) -> int:
        """A worker at any moment; where operators keep state, which takes longer to begin, while it is at work."""
        began = self.folder / f"began-{uuid.uuid4().hex[:8]}"
        process = replace(job, seen=began).start()
        until = time.monotonic() + 20
        while self.place.drained and not began.exists() and lives(process) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(self.chance.uniform(0.05, 0.9))
        return process

    def kill(self, process: int) -> None:
        """Kills a worker, if it still runs."""
        os.kill(process, signal.SIGKILL)
        self.kills += ended(process) == -signal.SIGKILL


def _there(held: Held) -> Sequence[Item]:
    """What a table holds; nothing where it was not made yet."""
    try:
        return asked(held)
    except RuntimeError:
        return ()


def _at_points(trial: Trial, job: Job) -> None:
    """Kills itself between two steps, up to three times in a row."""
    seen = trial.folder / "points.txt"
    points = POINTS.setdefault(trial.kind, {})
    if not points:
        # What points there are is learnt from a run that dies of one which every target has.
        ended(replace(job, seen=seen, point="committed", count=3).start())
        points.update(Counter(seen.read_text().split()))
    for _ in range(trial.chance.randint(1, 3)):
        point = trial.chance.choice(sorted(points))
        code = ended(replace(job, point=point, count=trial.chance.randint(1, trial.place.most)).start())
        trial.kills += code == -signal.SIGKILL


def _at_any_moment(trial: Trial, job: Job) -> None:
    """Is killed from outside, at any moment of its life."""
    for _ in range(trial.chance.randint(1, 3)):
        process = trial.working(job)
        trial.kill(process)


def _beside_another(trial: Trial, job: Job) -> None:
    """Two workers at once; one of them is killed."""
    second = job.start()
    first = trial.working(job)
    trial.kill(first)
    ended(second)


def _as_a_zombie(trial: Trial, job: Job) -> None:
    """Sleeps while another one does the work, and wakes up with an epoch in its hands."""
    zombie = trial.working(job)
    os.kill(zombie, signal.SIGSTOP)
    other = job.start()
    try:
        code = ended(other, 4.0)
    except TimeoutError:
        # The zombie sleeps inside a transaction, and its server cannot know: it has to die first.
        code = FAILED
    if code != DONE:
        trial.kill(zombie)
        return
    os.kill(zombie, signal.SIGCONT)
    ended(zombie)


def _member_killed(trial: Trial, job: Job) -> None:
    """Two members of a group; one is killed at a point, the other gets its partitions, and a third one comes."""
    victim, other, member = _members(trial, job, signal.SIGKILL)
    trial.kills += ended(victim) == -signal.SIGKILL
    _await_all(other, member.start())


def _member_frozen(trial: Trial, job: Job) -> None:
    """Two members of a group; one sleeps at a point until its partitions have moved, and wakes up as a zombie."""
    victim, other, _ = _members(trial, job, signal.SIGSTOP)
    if not stopped(victim):
        _await_all(other)
        return
    trial.kills += 1
    try:
        ended(other, trial.chance.uniform(2.0, 5.0), kill=False)
        left = tuple[int, ...]()
    except TimeoutError:
        # The zombie sleeps inside a transaction, and the other one waits for it.
        left = (other,)
    os.kill(victim, signal.SIGCONT)
    _await_all(victim, *left)


def _members(trial: Trial, job: Job, by: signal.Signals) -> tuple[int, int, Member]:
    """Two members, of which the first or the second meets a signal at a point; the first is the victim."""
    member = Member(job.folder, job.stream, job.env, tune=job.tune, messages=trial.messages)
    point = trial.chance.choice(("positions", "rows", "committed", "target 0"))
    victim = replace(member, point=point, count=trial.chance.randint(1, 8), by=by)
    starting = [victim, member]
    trial.chance.shuffle(starting)
    processes = [starting[0].start()]
    time.sleep(trial.chance.uniform(0.0, 0.8))
    processes.append(starting[1].start())
    mine, other = processes if starting[0] is victim else reversed(processes)
    return mine, other, member


def _await_all(*members: int) -> None:
    for member in members:
        if (code := ended(member)) != DONE:
            raise TimeoutError(f"a member of the group gave up, with exit code {code}")


def _without_broker(trial: Trial, job: Job) -> None:
    """Its broker is killed while it works, and comes back."""
    _without(trial, job, trial.servers["kafka"])


def _without_database(trial: Trial, job: Job) -> None:
    """A database that it writes is killed while it works, and comes back."""
    _without(trial, job, trial.servers[trial.chance.choice(SERVERS[trial.kind])])


def _without(trial: Trial, job: Job, server: Killable) -> None:
    process = job.start()
    time.sleep(trial.chance.uniform(0.1, 0.9))
    server.kill()
    trial.kills += 1
    time.sleep(trial.chance.uniform(0.0, 1.0))
    server.start()
    ended(process, 300.0)


POINTS: dict[str, dict[str, int]] = {}
"""The points that workers of each kind of place come to."""

_SHORT = "session.timeout.ms: 1500, heartbeat.interval.ms: 300"
"""So that the broker misses a member soon."""

Way = Callable[[Trial, Job], None]
WORKERS: Mapping[str, Way] = {
    "points": _at_points,
    "moments": _at_any_moment,
    "beside": _beside_another,
    "zombie": _as_a_zombie,
}
MEMBERS: Mapping[str, Way] = {"rebalance": _member_killed, "frozen": _member_frozen}
"""What takes workers that share a stream."""
RESTARTS: Mapping[str, Way] = {"broker": _without_broker, "database": _without_database}
"""What takes servers of its own."""
WAYS: Mapping[str, Way] = {**WORKERS, **MEMBERS, **RESTARTS, **OPERATORS, **LOOKERS, **LOSSES}


def ways_of(kind: str, asked: Sequence[str]) -> list[str]:
    """Those of the ways asked for that there are for a kind of place."""
    without = [*(MEMBERS if kind not in SHARED else ()), *(() if kind in SERVERS else ("database",))]
    without += [way for way, kinds in WITHOUT.items() if kind in kinds]
    return [way for way in asked if way not in without]
