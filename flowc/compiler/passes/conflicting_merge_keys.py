"""`conflicting-merge-keys`: merges into one table that do not agree about which rows are the same."""

from __future__ import annotations

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.passes.writers import TableWriter, shared_tables
from flowc.diagnostics import Note, Reporter


def conflicting_merge_keys(checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Warns of each merge whose keys are others than those of the first one into the same table."""
    for shared in shared_tables(checked, ir):
        merges = [writer for writer in shared if writer.mode == "merge" and writer.keys]
        for writer in merges[1:]:
            if _columns(writer) != _columns(merges[0]):
                _warn(writer, merges[0], reporter)


def _columns(writer: TableWriter) -> frozenset[str]:
    return frozenset(key.lower() for key in writer.keys)


def _warn(writer: TableWriter, first: TableWriter, reporter: Reporter) -> None:
    own, its = (", ".join(f"`{key}`" for key in each.keys) for each in (writer, first))
    message = f"{writer} merges into `{writer.table}` by {own}, and {first} by other keys"
    note = Note(f"{first} merges by {its} here", first.keyed)
    helps = ("merge by the same keys, or into two tables",)
    reporter.warning("conflicting-merge-keys", message, writer.keyed, notes=(note,), helps=helps)
