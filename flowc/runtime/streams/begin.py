"""Where a stream goes on: whether what its targets hold and what its store knows fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowc.errors import UsageError
from flowc.runtime.streams.epoch import Intent, Partition
from flowc.runtime.streams.source import replaced
from flowc.runtime.streams.state.contract import Checkpoint, Restored
from flowc.runtime.streams.targets.contract import Held
from flowc.stream import StreamPlan


def beginnings(intents: Sequence[Intent]) -> dict[Partition, int]:
    """Where the first of them begins in each partition."""
    found: dict[Partition, int] = {}
    for intent in intents:
        for range_ in intent.ranges:
            found.setdefault(range_.at, range_.start)
    return found


def adoptable(restored: Restored, held: Sequence[Held], plan: StreamPlan) -> Held | None:
    """Where an old stream with a new store begins: at the one epoch that its older targets hold. Others are new."""
    if restored.last or restored.checkpoint.epoch or plan.operators:
        return None
    older = [there for there in held if there.epoch]
    same = len({there.epoch for there in older}) == 1
    return next((there for there in older if there.positions), None) if same else None


def check_held(restored: Restored, held: Sequence[Held], plan: StreamPlan) -> None:
    """A target that is ahead of the store was written with another one.

    Raises UsageError then.
    """
    for there, target in zip(held, plan.targets, strict=False):
        if there.epoch > max(restored.last, restored.checkpoint.epoch):
            raise _lost(there.epoch, target.name, plan)


def check_log(stored: Mapping[Partition, str], source: str, log: str) -> None:
    """Positions of a log that was deleted mean nothing in the one that was made in its place.

    Raises EngineError then.
    """
    if any(own != log for (name, _), own in stored.items() if name == source) and log:
        raise replaced(source)


def check_shared(checkpoint: Checkpoint, held: Held, plan: StreamPlan) -> None:
    """State in a target's own transactions is that of its last epoch, unless something was written without it.

    Raises UsageError then.
    """
    if plan.state is not None and checkpoint.epoch != held.epoch:
        raise _lost(held.epoch, plan.targets[0].name, plan)


def _lost(epoch: int, target: str, plan: StreamPlan) -> UsageError:
    message = f"`{target}` holds epoch {epoch} of stream `{plan.name}`, which its state knows not"
    help = "bring the state store back, or give the stream another name: it begins anew, with rows in another table"
    return UsageError(message, code="state-lost", help=help)
