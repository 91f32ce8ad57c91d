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


def standings_text(standings: Sequence[Standing], style: Style) -> str:
    """A row for each target."""
    return table(
        _HEADERS,
        [(standing.pipeline, standing.target, standing.cursor, standing.value or "-") for standing in standings],
        style,
    )


def standing_failures(standings: Sequence[Standing], style: Style) -> str:
    """Which loads could not be looked at, and why."""
    return "\n\n".join(
        f"{printable(standing.pipeline)}: {failure(standing.error, style)}" for standing in standings if standing.error
    )


def standing_object(standing: Standing) -> dict[str, object]:
    """Where a load goes on, for programs."""
    return {"pipeline": standing.pipeline, "target": standing.target, "cursor": standing.cursor,
            "watermark": standing.value, "error": error_object(standing.error)}  # fmt: skip


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
