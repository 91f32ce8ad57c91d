"""Puts a replay of dead letters together: the stream's own plan, under a name of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.streamplan.letters import Chosen
from flowc.errors import FlowcError, UsageError
from flowc.nodes import DedupePlan
from flowc.runtime.streams.letterbox import LetterBox
from flowc.runtime.streams.lettersjudged import JudgedRun
from flowc.runtime.streams.lettersrun import LettersRun
from flowc.service.streams.deadletters import DeadLetters
from flowc.service.streams.letterjudging import judged_by, judging, passed, untold
from flowc.service.streams.replayplans import BATCH, reading, replay_plan, take_out, taking
from flowc.service.streams.run import Pause, StreamReport, assembled, no_pause
from flowc.service.streams.state import replayed_name
from flowc.stream import StreamPlan

EVER = 2**31 - 1
"""More attempts than a letter ever has."""


@dataclass
class Replayed:
    """What a replay did: letters that came through, their rows, and letters that failed again."""

    stream: str
    replayed: int = 0
    rows: int = 0
    failed: int = 0
    repeats: int = 0
    """Letters among those that came through which `dedupe` found to be repeats: they gave no row."""
    parked: int = 0
    """Letters that were left alone, for they failed too often."""
    unjudged: int = 0
    """Letters that were left alone: some of several dedupes have judged their messages, and others have not."""
    error: FlowcError | None = None

    def add(self, run: LettersRun) -> None:
        """Counts what a run did."""
        self.replayed, self.rows, self.failed = (
            self.replayed + run.replayed,
            self.rows + run.rows,
            self.failed + run.failed,
        )
        self.repeats += run.repeats if isinstance(run, JudgedRun) else 0


def replay(
    letters: DeadLetters, checked: CheckedSpec, ir: Ir, chosen: Chosen, *, parked: bool = False, pause: Pause = no_pause
) -> Replayed:
    """Sends dead letters through their stream once more. What fails is in the report.

    Raises UsageError for a stream whose letters cannot be replayed, or not those alone.
    """
    report, attempts = Replayed(letters.stream), EVER if parked else letters.attempts
    _demand_repeatable(letters)
    if letters.plan.stateful:
        letters.demand_table("replayed in part, and `dedupe` has not judged all of them")
    if letters.kept.table is not None and letters.sql() is None:
        return report
    _run(report, letters, lambda: _assembled(letters, checked, ir, chosen=chosen, attempts=attempts, pause=pause))
    if letters.plan.stateful and report.error is None:
        _run(report, letters, lambda: judging(letters, checked, ir, chosen=chosen, attempts=attempts, pause=pause))
    if report.error is None:
        report.parked = sum(count.parked for count in letters.counts())
        report.unjudged = untold(letters, chosen, attempts) if letters.plan.stateful else 0
    return report


def _demand_repeatable(letters: DeadLetters) -> None:
    """Raises UsageError where rows are made of several messages: a replay knows of the letters alone."""
    odd = next((node for node in letters.plan.stateful if not isinstance(node, DedupePlan)), None)
    if odd is not None:
        why = "makes rows of several messages, and a replay would make them of the letters alone"
        message = f"dead letters of stream `{letters.stream}` cannot be replayed: `{odd.id}` {why}"
        help = "read their messages again where they stand: `flowc rewind`, with state that begins anew"
        raise UsageError(message, code="not-runnable-yet", help=help)


def _run(report: Replayed, letters: DeadLetters, made: Callable[[], LettersRun]) -> None:
    run = made()
    try:
        run.run()
    except FlowcError as error:
        report.error = letters.sessions.redacted(error)
    finally:
        run.close()
    report.add(run)


def _assembled(
    letters: DeadLetters, checked: CheckedSpec, ir: Ir, *, chosen: Chosen, attempts: int, pause: Pause
) -> LettersRun:
    plan = replay_plan(letters, checked, ir, replayed_name(letters.stream))
    if letters.kept.table is None:
        return _of_topic(plan, letters, chosen, attempts, pause)
    sql = letters.sql(chosen)
    assert sql is not None
    made = assembled(plan, letters.sessions, StreamReport(plan.name), pause=pause)
    made.compute.decoders, fetch = reading(letters)
    wanted = partial(passed, by=judged_by(letters.plan)) if letters.plan.stateful else None
    box = LetterBox(sql, letters.database(), attempts, min(plan.batch.max_rows, BATCH), wanted)
    writers = [taking(writer, letters) for writer in made.writers]
    run = LettersRun(
        plan, letters.kept_name, box, compute=made.compute, writers=writers, store=made.store, fetch=fetch, pause=pause
    )
    run.passed = bool(letters.plan.stateful)
    take_out(writers[-1], run, box)
    return run


def _of_topic(plan: StreamPlan, letters: DeadLetters, chosen: Chosen, attempts: int, pause: Pause) -> LettersRun:
    """A replay of letters that stay where they are: a store knows how far it is."""
    if chosen.codes or attempts != letters.attempts:
        letters.demand_table("replayed in part")
    targets = tuple(target.without_positions() for target in plan.targets)
    plan = replace(plan, state=letters.state(), targets=targets)
    made = assembled(plan, letters.sessions, StreamReport(plan.name), pause=pause)
    made.compute.decoders, fetch = reading(letters)
    writers = [taking(writer, letters) for writer in made.writers]
    return LettersRun(
        plan,
        letters.kept_name,
        letters.topic(),
        compute=made.compute,
        writers=writers,
        store=made.store,
        fetch=fetch,
        pause=pause,
    )
