"""What moves from one project to another, for people."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.render.style import Style, printable
from flowc.render.tables import table
from flowc.service.changes.renaming import Renaming
from flowc.service.changes.taking import Taking

_WORDS = {
    "migrations": "applied versions", "migration_steps": "recorded statements", "watermarks": "watermarks",
    "loads": "recorded runs", "positions": "positions of streams", "checkpoints": "checkpoints of streams",
    "epochs": "epochs of streams", "segments": "pieces of state",
    "facts": "facts of streams", "payloads": "payloads of epochs",
}  # fmt: skip


def taking_text(taking: Taking, style: Style) -> str:
    """The same for a table that is taken over, and what that means for both projects."""
    project, name = f"project `{taking.old}`", printable(str(taking.subject))
    yield_ = f"{project} leaves `{name}` alone from then on: it neither changes nor drops it"
    first = ((printable(str(taking.subject)), "the table", ""),) if taking.owned else ()
    lines = [renaming_text(taking, style, first), ""]
    lines += [f"{yield_}; while its specs declare it, they are refused"] if taking.owned else []
    stays = ", ".join(f"`{item.name}`" for item in taking.moving)
    lines += [f"what is kept of {stays} goes with it" if stays else "no pipeline or stream here writes it"]
    for stream, others in taking.beside:
        tables = ", ".join(f"`{printable(item)}`" for item in others)
        lines += [f"`{stream}` writes {tables} too: take that as well before it runs here; its state goes now"]
    return "\n".join(lines)


def renaming_text(renaming: Renaming, style: Style, first: Sequence[tuple[str, str, object]] = ()) -> str:
    """A row for each sort of thing in each place, after those of `own`."""
    rows = [*first]
    rows += [
        (printable(store.where), _WORDS[name], count) for store in renaming.found for name, count in store.rows.items()
    ]
    rows += [
        (printable(store.where), f"bad rows in {printable(str(bad.table))}", bad.count)
        for store in renaming.found
        for bad in store.bad
    ]
    rows += [(printable(place), f"how far `{name}` is", "") for place, name in renaming.outputs]
    return table(("kept in", "what", "rows"), rows, style, right=(2,))
