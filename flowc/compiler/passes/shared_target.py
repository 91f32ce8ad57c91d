"""`shared-target`: pipelines whose rows in a table are not safe from other pipelines and streams, or theirs from it."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.passes.writers import TableWriter, shared_tables
from flowc.diagnostics import Note, Reporter


def shared_target(checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Warns when a pipeline replaces a table that something else writes too, deletes from it, or goes by its rows."""
    for shared in shared_tables(checked, ir):
        for writer in shared:
            if writer.removes or writer.omits:
                _warn(writer, shared, reporter)


def _warn(writer: TableWriter, shared: Sequence[TableWriter], reporter: Reporter) -> None:
    others = [other for other in shared if (other.name, other.stream) != (writer.name, writer.stream)]
    if not others:
        return
    # What a stream wrote does not come again.
    other = next((other for other in others if other.stream), others[0])
    does = "replaces" if writer.mode == "truncate" else "deletes rows of"
    message = f"`{writer.name}` {does} `{writer.table}`, which {other} writes too"
    note = Note(f"{other} writes it here", other.span)
    helps: tuple[str, ...] = ("load it by one pipeline, or into two tables",)
    if writer.omits:
        message = f"`{writer.name}` leaves out rows that equal rows of `{writer.table}`, which {other} writes too"
        helps = ("give it `keys` that no row of the other has", *helps)
    elif other.stream:
        helps = ("let the stream write a table of its own: it does not write its rows again",)
    reporter.warning("shared-target", message, writer.span, notes=(note,), helps=helps)
