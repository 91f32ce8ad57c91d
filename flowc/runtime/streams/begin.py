"""Where a stream goes on: whether what its targets hold and what its store knows fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from flowc.errors import EngineError, FlowcError, UsageError
from flowc.runtime.contracts.epoch import Epoch, Intent, Maker, Partition, Range
from flowc.runtime.contracts.source import STREAM, replaced
from flowc.runtime.contracts.state import Checkpoint, Restored, StateStore
from flowc.runtime.contracts.target import Fenced, Held, Writer
from flowc.runtime.streams.behind import check_behind, check_recorded, overtaken, target_names
from flowc.runtime.streams.loop import Seekable, Standing
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.stream import StreamPlan


def intends(plan: StreamPlan) -> bool:
    """Whether the store knows the positions, and not the only target."""
    return plan.state is not None and not plan.state.shared


def keeps_versions(plan: StreamPlan) -> bool:
    """Whether an epoch that is replayed must see the versions of lookups that it saw.

    So it is where something may have been made of it already: a target holds it and others do not, or state does.
    """
    several = len(plan.targets) + (plan.letters is not None) > 1
    return bool(plan.lookups) and intends(plan) and (several or bool(plan.stateful))


def opened(
    plan: StreamPlan, store: StateStore | None, writers: Sequence[Writer], *, looking: bool = False
) -> tuple[Restored, list[Held]]:
    """What the store and the targets hold; with `looking` no other worker is shut out, and any state will do.

    The store is read behind the targets: whatever another worker writes into these it has intended before. Raises
    UsageError where state in a target's own transactions is not that of its last epoch.
    """
    held = [writer.look() if looking else writer.open() for writer in writers]
    if store is None:
        return Restored(), held
    restored = store.open()
    if intends(plan):
        return restored, overtaken(plan, restored, held, writers)
    after = writers[0].look()
    if not looking and _trails(plan, restored, after):
        check_behind(plan, restored, [after])
        after = _caught_up(writers[0], restored.checkpoint)
    return restored, [after if looking else _shared(restored.checkpoint, held[0], after, plan)]


def _trails(plan: StreamPlan, restored: Restored, held: Held) -> bool:
    """Whether the only table holds an earlier epoch than the state that its transactions keep from now on.

    The last checkpoint is of a plan with other targets, which `check_behind` judges: the table may be new, or lack
    epochs without rows.
    """
    point = restored.checkpoint
    others = point.targets is not None and point.targets.keys() != set(target_names(plan))
    return others and held.epoch < point.epoch and restored.last <= point.epoch


def _caught_up(writer: Writer, point: Checkpoint) -> Held:
    """What a table holds that has recorded the epoch of the state, without rows."""
    assert isinstance(writer, DatabaseWriter)
    none = pa.RecordBatch.from_pylist([], schema=pa.schema([]))

    def made(held: Held) -> Epoch:
        ends = sorted(point.positions.items())
        ranges = (Range(*at, held.positions.get(at, end), end, point.logs.get(at, "")) for at, end in ends)
        return Epoch(Intent(point.epoch, 0, tuple(ranges)), none, 0)

    writer.move(made)
    return writer.look()


def _shared(checkpoint: Checkpoint, before: Held, after: Held, plan: StreamPlan) -> Held:
    """What the target held when the state was read, between two looks at it: another worker may write meanwhile."""
    if not before.epoch <= checkpoint.epoch <= after.epoch:
        raise _lost(before.epoch, plan.targets[0].name, plan)
    if checkpoint.epoch == after.epoch:
        return after
    return Held(checkpoint.epoch, dict(checkpoint.positions), dict(checkpoint.logs), absent=after.absent)


def beginnings(intents: Sequence[Intent]) -> dict[Partition, str]:
    """Where the first of them begins in each partition."""
    found: dict[Partition, str] = {}
    for intent in intents:
        for range_ in intent.ranges:
            found.setdefault(range_.at, range_.start)
    return found


def pending(restored: Restored, held: Sequence[Held]) -> list[Intent]:
    """The epochs with messages that some targets may lack."""
    least = min((there.epoch for there in held), default=restored.last)
    return [i for i in restored.intents if i.number > least and any(range_.moves for range_ in i.ranges)]


def adoptable(restored: Restored, held: Sequence[Held], plan: StreamPlan) -> Held | None:
    """Where an old stream with a new store begins: at the one epoch that its older targets hold. Others are new.

    A worker of before, which knows of no store, may go on for a while beside one that does. A store that has counted
    epochs from the first one is no new one: it was put back from an older copy.
    """
    if restored.last and not restored.checkpoint.epoch:
        return None
    older = [there for there in held if there.epoch]
    same = len({there.epoch for there in older}) == 1
    if plan.stateful or not same or older[0].epoch <= restored.last or (restored.last and len(older) == len(held)):
        return None
    return next((there for there in older if there.positions), None)


def check_held(restored: Restored, held: Sequence[Held], plan: StreamPlan) -> None:
    """A target that is ahead of the store was written with another one; one that is behind it has lost rows.

    Raises UsageError then, and EngineError where a topic does not record any more what it holds.
    """
    for there, name in zip(held, target_names(plan), strict=False):
        if there.epoch > max(restored.last, restored.checkpoint.epoch):
            raise _lost(there.epoch, name, plan)
    check_behind(plan, restored, held)
    check_recorded(plan, restored, held)


def check_maker(restored: Restored, own: Maker, plan: StreamPlan) -> None:
    """Epochs are made again by the plan that intended them: another one gives other rows, and skips what is written.

    Raises Fenced where another plan has intended some, which are finished before this one begins.
    """
    if any(intent.maker not in (own, None) for intent in restored.intents):
        raise Fenced(f"another worker goes on with stream `{plan.name}`, by another plan of it")


def check_known(plan: StreamPlan, restored: Restored, held: Sequence[Held], after: Sequence[Held]) -> None:
    """As a run does when it begins: what the targets held before and behind the look at the store, it has to know.

    Raises UsageError where it does not.
    """
    if intends(plan):
        check_held(restored, held, plan)
    else:
        if not _trails(plan, restored, after[0]):
            _shared(restored.checkpoint, held[0], after[0], plan)
        check_behind(plan, restored, held)


def check_lost(held: Held, plan: StreamPlan) -> None:
    """A stream whose memory is gone does not begin anew unasked: what it has written would come twice, or never.

    Raises EngineError where a target does not know any more how far partitions were read.
    """
    if held.lost:
        source = min(held.lost)[0]
        message = (
            f"`{plan.targets[0].name}` does not know any more how far `{source}` was read: the topic was deleted, or "
            f"stream `{plan.name}` has not run for longer than the broker keeps offsets (`offsets.retention.minutes`)"
        )
        help = f"say where it goes on: `flowc rewind {plan.name} --to earliest`, or `latest`, or a time"
        raise EngineError(message, code="positions-lost", help=help)


def check_log(stored: Mapping[Partition, str], source: str, log: str) -> None:
    """Positions of a log that was deleted mean nothing in the one that was made in its place.

    Raises EngineError then.
    """
    if any(own != log for (name, _), own in stored.items() if name == source) and log:
        raise replaced(source)


def check_sources(
    plan: StreamPlan, read: Mapping[Partition, str], logs: Mapping[Partition, str], readers: Mapping[str, Seekable]
) -> None:
    """Positions are stored under the names of sources: what one source has read, another one would read again.

    `read` are the positions of the stream, and `logs` the logs that these are of. Raises UsageError where a source
    reads what another one has read and does not read any more.
    """
    known = {source for source, _ in read}
    for name, reader in readers.items():
        former = set() if name in known else known - readers.keys()
        same = {source for (source, _), log in logs.items() if log and log == reader.log}
        for before in sorted(known - {name}):
            goes_on = isinstance(reader, Standing) and reader.unedited
            if before in former & same or (not goes_on and _passed_on(name, before, read, logs, readers)):
                raise _renamed(plan, name, before)


def _passed_on(
    name: str,
    before: str,
    read: Mapping[Partition, str],
    logs: Mapping[Partition, str],
    readers: Mapping[str, Seekable],
) -> bool:
    """Whether a source reads for the first time what another one has read and does not read any more."""

    def shared(reader: str, source: str) -> Iterator[str]:
        if reader in readers:
            places = [(position, logs.get(at, "")) for at, position in read.items() if at[0] == source]
            yield from (each for place in places for each in readers[reader].read_by(source, *place))

    found = set(shared(name, before))
    return bool(found) and not found <= {*shared(name, name), *shared(before, before)}


def _renamed(plan: StreamPlan, name: str, before: str) -> UsageError:
    if before in {source.name for source in plan.sources}:
        message = f"`{name}` of stream `{plan.name}` reads what `{before}` has read, which does not read it any more"
        help = f"let `{before}` read it as before"
    else:
        message = f"`{name}` reads what `{before}` has read, which is no source of stream `{plan.name}` any more"
        help = f"call the source `{before}` again"
    help += ", or give the stream another name: it begins anew, with its rows in another table"
    return UsageError(f"{message}: all of it would come twice", code="source-renamed", help=help)


def named(error: FlowcError, stream: str) -> FlowcError:
    """An error of a source, which does not know the stream that reads it, with the name of that in its help."""
    error.help = error.help and error.help.replace(STREAM, stream)
    return error


def _lost(epoch: int, target: str, plan: StreamPlan) -> UsageError:
    message = f"`{target}` holds epoch {epoch} of stream `{plan.name}`, which its state knows not"
    help = (
        "bring the state store back, or go on without it: "
        f"`flowc rewind {plan.name} --to held`, `current` or a time shows what is read again, forgotten or missing"
    )
    return UsageError(message, code="state-lost", help=help)
