"""Where a stream stands whose targets and store do not fit together, and the places from which it can go on.

Nothing here is guessed: a position that neither the store nor a target knows is taken for the end of the log, so that
all that is read from an earlier place counts as read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from flowc.errors import UsageError
from flowc.runtime.contracts.epoch import Partition
from flowc.runtime.contracts.positions import Order
from flowc.runtime.contracts.state import Restored
from flowc.runtime.contracts.target import Held
from flowc.runtime.streams.begin import beginnings, intends, pending
from flowc.runtime.streams.behind import Lack, lacking
from flowc.runtime.streams.run import StreamRun
from flowc.service.streams.moves import opened_source, order_of
from flowc.stream import StreamPlan

if TYPE_CHECKING:
    from flowc.runtime.contracts.source import Source

HELD, CURRENT = "held", "current"
"""Places of a rewind: what every target holds, and where the stream stands."""
_EARLIEST, _LATEST = "earliest", "latest"


def leading(plan: StreamPlan, restored: Restored, held: Sequence[Held]) -> Held | None:
    """The target that holds a later epoch than the store knows; of several, one that knows the positions."""
    newest = max(held[: len(plan.targets)], key=lambda there: (there.epoch, len(there.positions)))
    known = max(restored.last, restored.checkpoint.epoch)
    return newest if intends(plan) and newest.epoch > known else None


def unknown_ends(plan: StreamPlan, run: StreamRun, restored: Restored, held: Sequence[Held]) -> dict[Partition, str]:
    """The ends of all partitions, where a target leads and nobody knows how far they were read; else nothing."""
    ahead = leading(plan, restored, held)
    if ahead is None or ahead.positions:
        return {}
    return {(name, at): end for name, source in _sources(plan, run) for at, end in source.starting(_LATEST).items()}


def place_of(
    to: str, plan: StreamPlan, run: StreamRun, known: tuple[Restored, Sequence[Held]], stands: Mapping[Partition, str]
) -> dict[Partition, str] | None:
    """The positions of the places `held` and `current`; None for other ones.

    Raises UsageError where nobody knows them.
    """
    if to not in (HELD, CURRENT):
        return None
    restored, held = known
    ahead = leading(plan, restored, held)
    if ahead is not None and not ahead.positions:
        raise _unknown(plan, next(t.name for t, h in zip(plan.targets, held, strict=False) if h is ahead))
    found = {**stands, **(beginnings(pending(restored, held)) if intends(plan) and ahead is None else {})}
    lacks = lacks_of(plan, restored, held) if to == HELD else []
    for lack in lacks:
        _require_known(plan, lack)
        found = _earlier(found, lack.held, plan, run)
    return found


def lacks_of(plan: StreamPlan, restored: Restored, held: Sequence[Held]) -> list[Lack]:
    """The targets that lack rows; beside one that leads, all that hold another epoch."""
    ahead = leading(plan, restored, held)
    if ahead is None:
        return list(lacking(plan, restored, held))
    reason = f"and another target holds epoch {ahead.epoch}"
    others = enumerate(zip(plan.targets, held, strict=False))
    behind = ((n, t.name, there) for n, (t, there) in others if there.epoch != ahead.epoch or there.absent)
    return [Lack(n, name, there, f"holds epoch {there.epoch}, {reason}") for n, name, there in behind]


def _require_known(plan: StreamPlan, lack: Lack) -> None:
    knows = bool(lack.held.positions) or not lack.held.epoch or lack.held.absent
    if not knows:
        raise _unknown(plan, lack.name)


def _unknown(plan: StreamPlan, target: str) -> UsageError:
    message = f"`{target}` keeps the number of its last epoch alone, and not the position of stream `{plan.name}`"
    help = "give a time before the first row that may be missing, or `earliest`"
    return UsageError(message, code="unreadable-argument", help=help)


def _earlier(places: Mapping[Partition, str], there: Held, plan: StreamPlan, run: StreamRun) -> dict[Partition, str]:
    """Places, or what a target holds where that is before them."""
    starts = ((name, source.starting(_EARLIEST)) for name, source in _sources(plan, run))
    first = {(name, at): start for name, found in starts for at, start in found.items()}
    held = {} if there.absent else there.positions
    return {at: _least(order_of(run, at[0]), place, held.get(at, first.get(at, place))) for at, place in places.items()}


def _least(order: Order, one: str, other: str) -> str:
    return other if order.before(other, one) else one


def _sources(plan: StreamPlan, run: StreamRun) -> Iterator[tuple[str, Source]]:
    return ((source.name, opened_source(run, source.name)) for source in plan.sources)
