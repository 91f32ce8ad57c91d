"""What is to be told, and that it is told once: one thread hears of runs, looks at streams, and has tables asked.

Runs are told of by the process that settled them. What lasts (a stale table, a stream that is behind) is a condition in
the run log, for each alert: who changes it there by compare-and-set tells of it, and nobody else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Literal, Self

from flowc.durations import instant_text
from flowc.service.alerts import wording
from flowc.service.alerts.alert import FAILING, GAVE_UP, LAG, RECOVERED, RESTARTS, RUN_LOG, STALE, Alert
from flowc.service.alerts.freshness import Asked, Asker, Watched
from flowc.service.alerts.kept import Kept, Outpaced
from flowc.service.runs.records import Condition
from flowc.service.runs.scheduler import Happened

if TYPE_CHECKING:
    from flowc.service.alerts.delivery import Alerter
    from flowc.service.alerts.outage import Outage
    from flowc.service.alerts.streams import StreamState

LOOK = 5.0
"""Seconds between two looks at streams, and at which tables are to be asked."""
PATIENCE = 15.0
"""Seconds that all may take that is still to be told when a process ends."""
_LEFT = 5.0
"""Seconds of these that deliveries have at least."""
_SIGN, _GONE = 20.0, 60.0
"""Seconds after which a process tells again that it sees a stream so, and after which nobody does any more."""
_TRIES = 5
"""How often something is decided at most while other processes record what that hangs on."""
EMPTY = "empty"
"""The value of a table without rows."""


@dataclass
class Telling:
    """Tells alerts of one project, in a thread. `place` is an alert that says where this is.

    With `at_end`, tables are asked when it is closed, and not before.
    """

    place: Alert
    alerters: Sequence[Alerter]
    kept: Kept
    warned: Callable[[str], None]
    streams: Callable[[], Sequence[StreamState]] | None = None
    asker: Asker | None = None
    at_end: bool = False
    look: float = LOOK
    outage: Outage | None = None
    noted: Callable[[str], None] | None = None
    """Hears that the run log can be used again."""
    _heard: SimpleQueue[Happened | Asked | None] = field(default_factory=SimpleQueue)
    _closing: float | None = None
    _asking: int = 0
    _seen: set[tuple[str, str, str]] = field(default_factory=set)
    """The conditions that this process has seen itself."""
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to tell, where there is anything to watch or anybody to tell."""
        if not self.alerters and self.asker is None:
            return
        self._thread = threading.Thread(target=self._work, name="flowc-alerts", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def told(self, happened: Happened) -> None:
        """Hears of a run; never waits."""
        if self.alerters:
            self._heard.put(happened)

    def answered(self, asked: Asked) -> None:
        """Hears how fresh a table is; never waits."""
        self._heard.put(asked)

    def close(self, seconds: float = PATIENCE) -> None:
        """Tells what is still to be told, within so many seconds."""
        until = time.monotonic() + seconds
        self._closing = until - min(_LEFT, seconds / 2)
        self._heard.put(None)
        if self._thread is not None:
            self._thread.join(max(0.0, self._closing - time.monotonic()) + 1.0)
        for alerter in self.alerters:
            alerter.close(until)

    def _work(self) -> None:
        looked = float("-inf")
        while self._closing is None:
            if not self.at_end and time.monotonic() - looked >= self.look:
                looked = time.monotonic()
                self._guarded(self._look)
            self._hear(max(0.05, looked + self.look - time.monotonic()) if not self.at_end else None)
        self._finish()

    def _finish(self) -> None:
        """What was heard until the end; and the tables that are to be asked then."""
        if self.at_end:
            self._guarded(self._look)
        elif self.streams is not None:
            self._guarded(self._look_at_failures)
        while not self._heard.empty() or (self.at_end and self._asking and time.monotonic() < (self._closing or 0.0)):
            self._hear(0.1)
        if self.asker is not None:
            self.asker.close()
        self._guarded(self.kept.close)

    def _hear(self, seconds: float | None) -> None:
        try:
            heard = self._heard.get(timeout=seconds)
        except Empty:
            return
        if isinstance(heard, Happened):
            self._guarded(lambda: self._run(heard))
        elif isinstance(heard, Asked):
            self._asking -= 1
            self._guarded(lambda: self._decide(partial(self._judge, heard)))

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # a bug here is to keep no later alert from being told
            self.warned(f"an alert was not told: {type(error).__name__}: {error}")

    def _decide(self, decision: Callable[[], None]) -> None:
        """Decides by what is recorded, and anew where another process has recorded something else meanwhile."""
        for _ in range(_TRIES):
            try:
                decision()
                return
            except Outpaced:
                continue
        self.warned("an alert was not told: other processes record all the time what it hangs on")

    def _look(self) -> None:
        self.kept.refresh()
        self._look_at_run_log()
        # A tick of cron remembers nothing itself: without a run log it would tell the same each time.
        asks = self.asker is not None and (self.kept.usable or not self.at_end)
        for watched in self.asker.watched if self.asker is not None and asks else ():
            self._decide(partial(self._ask, watched))
        for state in self.streams() if self.streams is not None else ():
            self._stream(state)

    def _look_at_failures(self) -> None:
        self.kept.refresh()
        for state in self.streams() if self.streams is not None else ():
            if state.failure is not None:
                self._failed_stream(state)

    # The run log

    def _look_at_run_log(self) -> None:
        """Tells of an outage and of its end, by nothing that is recorded."""
        if self.outage is None:
            return
        refused, at = self.kept.refused, replace(self.place, at=self.kept.now(), subject="run log")
        alert = replace(at, kind=RUN_LOG, subject_kind="run_log", condition=RUN_LOG)
        if refused is not None:
            if (seconds := self.outage.failed()) is not None:
                words = wording.away(seconds, refused.message)
                self.warned(words.splitlines()[0])
                why = replace(alert, error_code=refused.code, error=refused.message)
                self._tell_outage(replace(why, message=words, since=alert.at - timedelta(seconds=seconds)))
        elif (seconds := self.outage.reached()) is not None:
            if self.noted is not None:
                self.noted(wording.back(seconds))
            over = replace(alert, kind=RECOVERED, message=wording.back(seconds))
            self._tell_outage(replace(over, since=alert.at - timedelta(seconds=seconds)))

    def _tell_outage(self, alert: Alert) -> None:
        """Tells every alerter, whatever it is about: what nobody sees concerns all."""
        for alerter in self.alerters:
            if alerter.minds(RUN_LOG) and alerter.tells(alert.kind):
                alerter.post(alert)

    # Runs

    def _run(self, happened: Happened) -> None:
        kind = wording.kind_of(happened)
        if kind is None:
            return
        alert = wording.of_run(happened, kind, replace(self.place, at=self.kept.now()))
        self.kept.refresh()
        for alerter in self._about(alert.subject):
            self._decide(partial(self._tell_run, alerter, alert))

    def _tell_run(self, alerter: Alerter, alert: Alert) -> None:
        if alert.kind == RECOVERED:
            self._end(alerter, alert)
        elif self._is_news(alerter, alert) and alerter.tells(alert.kind):
            alerter.post(alert)

    def _is_news(self, alerter: Alerter, alert: Alert) -> bool:
        """Whether an alerter has not told it yet, and keeps in mind that it does now.

        Each attempt that fails is news; that a pipeline gives up is so once, until it is well or that repeats.
        """
        if not alerter.minds(alert.kind):
            return True
        at = self.kept.get(alert.subject, alert.condition, alerter.name)
        if at is not None and at.bad and at.value == GAVE_UP:
            if self.kept.well_since(at):  # by hand, or unseen by this alerter: who has told that knows nothing of it
                at = replace(at, bad=False)
            elif alert.kind != GAVE_UP or not self._repeats(alerter, at, alert.at):
                return alert.kind != GAVE_UP
        self._mark(alerter, replace(alert, value=alert.kind), at)
        return True

    # Streams

    def _stream(self, state: StreamState) -> None:
        if state.failure is not None:
            self._failed_stream(state)
            return
        now = self.kept.now()
        if state.running:
            self._condition(self._alert(GAVE_UP, state.name, "stream", FAILING, now), lambda _a, _b: False)
        lag = replace(self._alert(LAG, state.name, "stream", LAG, now), value=f"{state.behind:.0f}")
        self._condition(
            lag, lambda alerter, bad: state.behind > (alerter.lag / 2 if bad else alerter.lag),
            lambda alerter: wording.lags(state.name, state.behind, alerter.lag),
        )  # fmt: skip
        again = self._alert(RESTARTS, state.name, "stream", RESTARTS, now)
        again = replace(
            again, value=str(state.restarts), message=wording.restarts(state.name, state.restarts, state.trouble)
        )
        self._condition(
            again, lambda alerter, bad: state.restarts > (alerter.restarts // 2 if bad else alerter.restarts)
        )

    def _failed_stream(self, state: StreamState) -> None:
        code, why = state.failure or ("", "")
        alert = self._alert(GAVE_UP, state.name, "stream", FAILING, self.kept.now())
        words = f"stream `{state.name}` gave up [{code}]: {why}"
        self._condition(replace(alert, message=words, error_code=code, error=why), lambda _a, _b: True)

    # Tables

    def _ask(self, watched: Watched) -> None:
        """Has a table asked whose time has come, unless another process has just done so."""
        now, at = self.kept.now(), self.kept.get(watched.pipeline, STALE)
        wait = timedelta(seconds=watched.interval)
        if at is not None and at.seen_at is not None and at.seen_at <= now < at.seen_at + wait:
            return
        claimed = Condition(watched.pipeline, STALE, "", now, seen_at=now) if at is None else replace(at, seen_at=now)
        if self.asker is not None:
            self.kept.put(claimed)
            self._asking += 1
            self.asker.ask(watched)

    def _judge(self, asked: Asked) -> None:
        """What becomes of a table's freshness by a look at it."""
        name, freshness = asked.watched.pipeline, asked.watched.freshness
        at = self.kept.get(name, STALE)
        if asked.error is not None or at is None:
            return
        now, age = self.kept.now(), timedelta(seconds=freshness.max_age)
        value = EMPTY if asked.newest is None else instant_text(asked.newest)
        stays = (at.value == EMPTY) == (asked.newest is None)
        bad = now - asked.newest > age if asked.newest else at.bad or (stays and now - at.since > age)
        seen = replace(at, value=value, bad=bad, since=at.since if stays and bad == at.bad else now)
        if seen != at:
            self.kept.put(seen)
        alert = replace(self._alert(STALE, name, "pipeline", STALE, now), value=value, since=seen.since)
        alert = replace(alert, message=wording.stale(name, freshness, asked.newest, now))
        self._condition(alert, lambda _a, _b: bad)

    # Conditions

    def _condition(
        self, alert: Alert, is_bad: Callable[[Alerter, bool], bool], words: Callable[[Alerter], str] | None = None
    ) -> None:
        """Tells that something is so, once to each alerter and again as it repeats; and that it is over.

        That a stream is well again is told by the process that saw it otherwise, while there is one: of two that run
        it, each sees its own.
        """
        for alerter in self._about(alert.subject):
            if alerter.minds(alert.kind):
                told = replace(alert, message=words(alerter)) if words is not None else alert
                self._decide(partial(self._tell_condition, alerter, told, is_bad))

    def _tell_condition(self, alerter: Alerter, alert: Alert, is_bad: Callable[[Alerter, bool], bool]) -> None:
        at = self.kept.get(alert.subject, alert.condition, alerter.name)
        before = at is not None and at.bad
        if not is_bad(alerter, before):
            if at is not None and at.bad and self._may_end(at, alert):
                self._end(alerter, replace(alert, kind=RECOVERED, message=wording.well(alert.subject, alert.condition)))
        elif at is None or not at.bad or self._repeats(alerter, at, alert.at):
            self._mark(alerter, alert, at)
            if alerter.tells(alert.kind):
                alerter.post(alert)
        elif alert.subject_kind == "stream" and self._is_old(at, alert.at, _SIGN):
            self._seen.add(at.key)
            self.kept.put(replace(at, seen_at=alert.at))

    def _may_end(self, at: Condition, alert: Alert) -> bool:
        return alert.subject_kind != "stream" or at.key in self._seen or self._is_old(at, alert.at, _GONE)

    def _is_old(self, at: Condition, now: datetime, seconds: float) -> bool:
        return at.seen_at is None or not at.seen_at <= now < at.seen_at + timedelta(seconds=seconds)

    def _repeats(self, alerter: Alerter, at: Condition, now: datetime) -> bool:
        every = alerter.spec.repeat
        return every is not None and at.told_at is not None and now - at.told_at >= timedelta(seconds=every)

    def _mark(self, alerter: Alerter, alert: Alert, at: Condition | None) -> None:
        """Keeps in mind that an alerter tells that something is so."""
        since = at.since if at is not None and at.bad else alert.at
        version = at.version if at is not None else None
        held = Condition(
            alert.subject, alert.condition, alerter.name, since, bad=True, told_at=alert.at, value=alert.value,
            seen_at=alert.at, version=version,
        )  # fmt: skip
        self.kept.put(held)
        self._seen.add(held.key)

    def _end(self, alerter: Alerter, alert: Alert) -> None:
        """Tells that something is over, where an alerter had told that it was so."""
        at = self.kept.get(alert.subject, alert.condition, alerter.name)
        if at is None or not at.bad:
            return
        self.kept.put(replace(at, bad=False, since=alert.at))
        self._seen.discard(at.key)
        if alerter.tells(RECOVERED):
            alerter.post(replace(alert, since=at.since))

    def _about(self, subject: str) -> list[Alerter]:
        return [alerter for alerter in self.alerters if alerter.about(subject)]

    def _alert(
        self, kind: str, subject: str, subject_kind: Literal["pipeline", "stream"], condition: str, at: datetime
    ) -> Alert:
        return replace(
            self.place, kind=kind, subject=subject, subject_kind=subject_kind, condition=condition, at=at
        )  # fmt: skip
