"""`unknown-column` in the aggregates of a stream's `window`, where the columns of its sources are declared."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.names.windows import METADATA, block_columns
from flowc.compiler.sql.sqltext import SqlTree, parse_condition
from flowc.diagnostics import Reporter, did_you_mean


def window_columns(checked: CheckedSpec, _ir: Ir | None, reporter: Reporter) -> None:
    """Reports aggregates that cannot be read, and columns in them that no source has."""
    for stream in checked.project.streams.values():
        for _, text in stream.window.aggregate if stream.window is not None else ():
            parsed = None if "{{" in text.text else parse_condition(text, "datafusion", reporter)
            columns = block_columns(stream)
            if parsed is not None and columns is not None:
                _check(parsed, columns, reporter)


def _check(parsed: SqlTree, known: frozenset[str], reporter: Reporter) -> None:
    spelled = {name.lower() for name in known}
    for column in parsed.tree.find_all(exp.Column):
        if isinstance(column.this, exp.Identifier) and column.name.lower() not in spelled:
            own = ", ".join(f"`{name}`" for name in sorted(known - set(METADATA)))
            helps = did_you_mean(column.name, known) or (f"the declared columns are {own}",)
            message = f"column `{column.name}` is not a declared column of the source"
            reporter.error("unknown-column", message, parsed.span(column), helps=helps)
