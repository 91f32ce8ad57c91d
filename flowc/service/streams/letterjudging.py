"""Which dead letters of a stream with `dedupe` it has judged, and the replay of those that it has not."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pyarrow as pa

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.streamplan.letters import Chosen
from flowc.compiler.streamplan.state import Owner, state_plan
from flowc.runtime.contracts.letternotes import BY, JUDGED, NOT_SEEN, SEEN, judges, parted
from flowc.runtime.streams.letterbox import LetterBox
from flowc.runtime.streams.lettersjudged import JudgedRun
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.service.streams.deadletters import DeadLetters
from flowc.service.streams.replayplans import BATCH, reading, replay_plan, take_out, taking
from flowc.service.streams.run import Pause, StreamReport, assembled
from flowc.service.streams.state import judged_name
from flowc.stream import StreamPlan


def passed(letters: pa.RecordBatch, by: int) -> pa.Array:
    """Which letters are of messages that `dedupe` has let through, so that it is not asked again."""
    return pa.array([seen is True for seen in _seen(letters, by)], pa.bool_())


def unseen(letters: pa.RecordBatch, by: int) -> pa.Array:
    """Which letters are of messages that `dedupe` has not seen."""
    return pa.array([seen is False for seen in _seen(letters, by)], pa.bool_())


def judged_by(plan: StreamPlan) -> int:
    """What tells the dedupes of a plan from those of another."""
    return judges(node.id for node in plan.stateful)


def _seen(letters: pa.RecordBatch, by: int) -> list[bool | None]:
    """Whether the dedupes that `by` tells have seen their messages; None where some of several have, or other ones.

    A letter without a note is of a plan that had no `dedupe`.
    """
    noted = (parted(headers)[1] for headers in letters.column("headers").to_pylist())
    seen = {NOT_SEEN: False, SEEN: True}
    return [
        None if notes.get(JUDGED) == SEEN and notes.get(BY) != by else seen.get(notes.get(JUDGED, NOT_SEEN))
        for notes in noted
    ]


def untold(letters: DeadLetters, chosen: Chosen, attempts: int) -> int:
    """How many letters were left, for some of several dedupes have seen their messages, and others have not."""
    box = _box(letters, chosen, attempts, BATCH)
    count = 0
    while (batch := box.next()) is not None:
        count += sum(seen is None for seen in _seen(batch.letters, judged_by(letters.plan)))
    return count


def _box(letters: DeadLetters, chosen: Chosen, attempts: int, limit: int) -> LetterBox:
    sql = letters.sql(chosen)
    assert sql is not None
    return LetterBox(sql, letters.database(), attempts, limit)


def judging(
    letters: DeadLetters, checked: CheckedSpec, ir: Ir, *, chosen: Chosen, attempts: int, pause: Pause
) -> JudgedRun:
    """The replay of letters that `dedupe` has not seen: a run of the stream itself judges them."""
    name = judged_name(letters.stream)
    plan = _unplaced(replay_plan(letters, checked, ir, name))
    made = assembled(plan, letters.sessions, StreamReport(name), pause=pause)
    made.compute.decoders, fetch = reading(letters)
    own = assembled(letters.plan, letters.sessions, StreamReport(letters.stream))
    box = _box(letters, chosen, attempts, min(plan.batch.max_rows, BATCH))
    box.wanted = partial(unseen, by=judged_by(letters.plan))
    writers = [taking(writer, letters) for writer in made.writers]
    state = letters.plan.state
    assert state is not None
    assert isinstance(own.store, DatabaseStore)
    owner = Owner(letters.plan.project, name, letters.stream)
    plan = replace(plan, state=state_plan(owner, state.connection, state.kind))
    assert plan.state is not None
    store = DatabaseStore(name, plan.state.sql, own.store.database)
    run = JudgedRun(
        plan, letters.kept_name, box, compute=made.compute, writers=writers, store=store, fetch=fetch, pause=pause,
        own=own, decoders=made.compute.decoders,
    )  # fmt: skip
    take_out(writers[-1], run, box)
    return run


def _unplaced(plan: StreamPlan) -> StreamPlan:
    """The plan whose positions a store keeps."""
    targets = tuple(target.without_positions() for target in plan.targets)
    return replace(plan, state=None, targets=targets)
