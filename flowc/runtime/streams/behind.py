"""Targets that hold less than the store of their stream knows to be there, so that rows would be missing for good.

They were dropped, made anew or put back from an older copy; or the spec left them out for a while.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from flowc.errors import EngineError, UsageError
from flowc.runtime.contracts.marks import Mark, Marks, is_behind, is_forgotten, is_returning
from flowc.runtime.contracts.state import Restored
from flowc.runtime.contracts.target import Held, PutBack, Writer
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.stream import StreamPlan

_log = logging.getLogger("flowc.state")


@dataclass(frozen=True, slots=True)
class Lack:
    """A target that lacks rows: its number among the targets, what it holds, and what it lacks in words."""

    number: int
    name: str
    held: Held
    reason: str


def target_names(plan: StreamPlan) -> list[str]:
    """The names of all that a stream writes, in the order of its writers."""
    return [target.name for target in plan.written]


def marks_of(plan: StreamPlan, writers: Sequence[Writer]) -> dict[str, Mark]:
    """The marks of all targets, as their writers know them."""
    return {name: writer.mark for name, writer in zip(target_names(plan), writers, strict=False)}


def marks_held(plan: StreamPlan, held: Sequence[Held]) -> dict[str, Mark]:
    """The marks of all targets, by what they hold."""
    return {name: there.mark for name, there in zip(target_names(plan), held, strict=False)}


def lacking(plan: StreamPlan, restored: Restored, held: Sequence[Held]) -> Iterator[Lack]:
    """The targets that lack rows. One that is new in the spec lacks none."""
    marks, last, names = restored.checkpoint.targets, restored.checkpoint.epoch, target_names(plan)
    for number, (name, there) in enumerate(zip(names, held, strict=False)):
        if there.unasked:
            continue
        if there.absent:
            yield Lack(number, name, there, "is gone or was created again, while its positions are still there")
        elif marks is not None and name in marks and is_behind(there.mark, marks[name]):
            yield Lack(number, name, there, f"{_held(there)}, and held epoch {marks[name].epoch} before")
        elif marks is not None and name not in marks and is_returning(there.mark, last, _others(marks, names)):
            yield Lack(number, name, there, f"comes back: {_held(there)}, and lacks the rows up to epoch {last}")


def _held(there: Held) -> str:
    return f"holds epoch {there.epoch}" if there.epoch else "holds no epoch"


def _others(marks: Marks, names: Sequence[str]) -> list[Mark]:
    return [mark for name, mark in marks.items() if name not in names]


def added_and_removed(plan: StreamPlan, restored: Restored, held: Sequence[Held]) -> tuple[list[str], list[str]]:
    """The targets that the stream gets with its next run, and those that the spec leaves out since the last one."""
    marks, names = restored.checkpoint.targets, target_names(plan)
    if marks is None or any(there.epoch > max(restored.last, restored.checkpoint.epoch) for there in held):
        return [], []
    return [name for name in names if name not in marks], [name for name in marks if name not in names]


def overtaken(plan: StreamPlan, restored: Restored, held: Sequence[Held], writers: Sequence[Writer]) -> list[Held]:
    """What the targets hold, where another worker may have written between the looks at them and at the store.

    A target that lacks rows is looked at once more: what the store knows to be there is there by then, or is lost.
    """
    found = list(held)
    for lack in lacking(plan, restored, held):
        now = writers[lack.number].look()
        known = max(restored.last, restored.checkpoint.epoch)
        found[lack.number] = replace(now, epoch=min(now.epoch, known))
    return found


def check_behind(plan: StreamPlan, restored: Restored, held: Sequence[Held]) -> None:
    """A stream does not go on where a target lacks rows: nothing would write them any more.

    Raises UsageError then.
    """
    for lack in lacking(plan, restored, held):
        message = f"`{lack.name}` {lack.reason} (stream `{plan.name}`)"
        raise UsageError(message, code="target-behind", help=way_on(plan, lack))


def check_recorded(plan: StreamPlan, restored: Restored, held: Sequence[Held]) -> None:
    """A stream does not finish epochs where a topic does not record any more whether it holds them.

    Their rows might come twice. Raises EngineError then.
    """
    marks, first = restored.checkpoint.targets or {}, restored.checkpoint.epoch + 1
    for target, there in zip(plan.written, held, strict=False):
        if restored.intents and target.forgets_epochs and is_forgotten(there.mark, marks.get(target.name, Mark())):
            message = (
                f"`{target.name}` does not record any more whether it holds the epochs from {first} to {restored.last} "
                f"of stream `{plan.name}`: it has got no rows for longer than the broker keeps offsets "
                "(`offsets.retention.minutes`)"
            )
            help = (
                "look for the last rows there: "
                f"`flowc rewind {plan.name} --to current` writes those of these epochs again; "
                "a second rewind to a position behind them skips them"
            )
            raise EngineError(message, code="positions-lost", help=help)


def warn_of_empty(plan: StreamPlan, held: Sequence[Held], writers: Sequence[Writer]) -> None:
    """Says which tables have no rows although the stream has written epochs: a consumer, or somebody, removed them."""
    for target, there, writer in zip(plan.written, held, writers, strict=False):
        if (
            there.epoch
            and isinstance(writer, DatabaseWriter)
            and not writer.plan.letters
            and writer.has_rows() is False
        ):
            again = shlex.join(("flowc", "rewind", plan.name, "--to", "earliest"))
            message = (
                "stream `%s`: `%s` has no rows after epoch %s: if somebody created it again, `%s` writes its rows again"
            )
            _log.warning(message, plan.name, target.name, there.epoch, again)


def check_there(writers: Sequence[Writer], *, counted: bool) -> list[Held]:
    """What targets hold: all that their writers have written. `counted` says that one store counts the epochs.

    Raises PutBack where one lacks some: the next attempt finds out what is lost.
    """
    found = []
    for writer in writers:
        written = writer.mark  # before the look: some publish at any time
        there = writer.look()
        if there.absent or (counted and is_behind(there.mark, written)):
            raise PutBack("a target of the stream", there.epoch, written.epoch)
        found.append(there)
    return found


def way_on(plan: StreamPlan, lack: Lack) -> str:
    """What can be done about it."""
    if lack.number >= len(plan.targets):
        return (
            f"`flowc rewind {plan.name} --to current` goes on, and keeps the letters that are there; "
            "`--to earliest` makes all letters again, and writes the rows of all targets again"
        )
    knows = plan.written[lack.number].keeps_positions
    place = "--to held`" if knows else "--to earliest`, or to a time before the first row that it lacks,"
    return f"`flowc rewind {plan.name} {place} writes its rows again; `--to current` goes on without them"
