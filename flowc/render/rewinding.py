"""What a rewind would do."""

from __future__ import annotations

from collections.abc import Iterator

from flowc.render.style import Style
from flowc.render.tables import table
from flowc.service.moves import Move
from flowc.service.rewinding import Rewind

_HEADERS = ("source", "partition", "from", "to", "messages")


def rewind_text(rewind: Rewind, style: Style) -> str:
    """Each partition, and what follows for targets and state."""
    rows = [(move.source, move.partition, move.before, move.after, _change(move)) for move in rewind.moves]
    return "\n".join((table(_HEADERS, rows, style, right=(1, 2, 3, 4)), *_consequences(rewind)))


def moved_text(rewind: Rewind) -> str:
    """What a rewind that was made has done."""
    done = [f"{rewind.again} messages are read again"]
    done += [f"{rewind.skipped} are not read"] if rewind.forward else []
    done += [f"{rewind.letters} dead letters were removed"] if rewind.letters else []
    return f"{rewind.plan.name}: moved; {', '.join(done)}"


def _change(move: Move) -> str:
    if move.replaced or not move.counted:
        return "another topic" if move.replaced else "-"
    return f"{move.skipped} skipped" if move.skipped else f"{move.again} again"


def _consequences(rewind: Rewind) -> Iterator[str]:
    back = any(move.after < move.before and not move.replaced for move in rewind.moves)
    meanwhile = ", and those that a worker reads until then" if back else ""
    yield f"about {rewind.again} messages will be read again{meanwhile}"
    if rewind.forward:
        yield f"warning: about {rewind.skipped} messages will not be read at all"
    for name in rewind.doubling if back else ():
        yield f"`{name}` will hold the rows of these messages twice"
    if rewind.letters:
        yield f"{rewind.letters} dead letters of these messages will be removed"
    if rewind.plan.operators:
        yield "what the stream remembers (`dedupe`) begins anew"
    yield "a worker that runs is interrupted and goes on from there"
