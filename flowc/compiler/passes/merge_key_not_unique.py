"""`merge-key-not-unique`: several workers merge into a table that lets two rows have one key."""

from __future__ import annotations

from collections.abc import Iterator

from flowc.catalog import Table
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.dialects import dialect_of
from flowc.compiler.ir import Apply, Ir
from flowc.compiler.passes.writers import keys_span
from flowc.diagnostics import Reporter


def merge_key_not_unique(_checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Warns of merges by several workers whose keys no constraint of the declared table keeps unique."""
    for apply in _shared_merges(ir):
        table = apply.target.table
        if table is not None and not any(columns <= set(apply.keys) for columns in _unique(table)):
            keys = ", ".join(apply.keys)
            message = f"`{table.name}` has no unique index on `{keys}`, so two workers may both insert a key"
            helps = (f"add `indexes: [{{ columns: [{keys}], unique: true }}]` to the table", "use `parallelism: 1`")
            reporter.warning("merge-key-not-unique", message, keys_span(apply), helps=helps)


def _shared_merges(ir: Ir | None) -> Iterator[Apply]:
    for stream in ir.streams if ir is not None else ():
        if stream.parallelism > 1:
            yield from (
                a for a in stream.applies if a.mode == "merge" and dialect_of(a.target.kind).sharing.side_by_side
            )


def _unique(table: Table) -> Iterator[set[str]]:
    """The sets of columns that a constraint keeps unique."""
    if table.primary_key:
        yield set(table.primary_key)
    yield from (set(index.columns) for index in table.indexes if index.unique and not index.where)
