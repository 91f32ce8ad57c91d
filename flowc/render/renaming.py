"""What a rename of a project moves, for people."""

from __future__ import annotations

from flowc.render.style import Style, printable
from flowc.render.tables import table
from flowc.service.renaming import Renaming

_WORDS = {
    "migrations": "applied versions", "migration_steps": "recorded statements", "watermarks": "watermarks",
    "positions": "positions of streams", "checkpoints": "checkpoints of streams", "epochs": "epochs of streams",
    "state": "pieces of state", "facts": "facts of streams",
}  # fmt: skip


def renaming_text(renaming: Renaming, style: Style) -> str:
    """A row for each sort of thing in each place."""
    rows: list[tuple[str, str, object]] = [
        (printable(kept.where), _WORDS[name], count) for kept in renaming.found for name, count in kept.rows.items()
    ]
    rows += [(printable(place), f"how far `{name}` is", "") for place, name in renaming.outputs]
    return table(("kept in", "what", "rows"), rows, style, right=(2,))
