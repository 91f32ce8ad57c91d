"""Where incremental loads go on, and what moving them would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowc.render.failure import error_object, failure
from flowc.render.style import Style, printable
from flowc.render.tables import table

if TYPE_CHECKING:
    from flowc.service.loads.resets import Move, Standing

_HEADERS = ("load", "target", "cursor", "watermark")


def standings_text(found: Sequence[Standing], style: Style) -> str:
    """A row for each target."""
    return table(_HEADERS, [(at.pipeline, at.target, at.cursor, at.value or "-") for at in found], style)


def standing_failures(found: Sequence[Standing], style: Style) -> str:
    """Which loads could not be looked at, and why."""
    return "\n\n".join(f"{printable(at.pipeline)}: {failure(at.error, style)}" for at in found if at.error)


def standing_object(at: Standing) -> dict[str, object]:
    """Where a load goes on, for programs."""
    return {"pipeline": at.pipeline, "target": at.target, "cursor": at.cursor, "watermark": at.value,
            "error": error_object(at.error)}  # fmt: skip


def moves_text(moves: Sequence[Move]) -> str:
    """Each watermark, and from where the next run reads."""
    return "\n".join(map(_move, moves))


def _move(move: Move) -> str:
    before = move.before.value or "no watermark"
    if move.after is not None:
        return printable(f"{move.target}: {before} → {move.after}; the next run reads from there on")
    incremental = move.apply.incremental
    start = incremental.start if incremental else None
    reads = "everything" if start is None else f"from {start} on"
    return printable(f"{move.target}: {before} → forgotten; the next run reads {reads}")
