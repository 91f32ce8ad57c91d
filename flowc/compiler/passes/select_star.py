"""`select-star`: a `*` that nobody knows the columns of, into a table whose columns are declared."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir, Sql
from flowc.compiler.passes.sql_texts import stream_dialect
from flowc.compiler.sql.sqltext import SqlTree, parse_query
from flowc.diagnostics import Reporter


def select_star(checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Warns of streams whose columns are those of the first messages, and whose target has others."""
    for stream in ir.streams if ir is not None else ():
        node = stream.input
        table = next((apply.target for apply in stream.applies if apply.target.table is not None), None)
        if table is None or not isinstance(node, Sql) or node.source is None or node.columns is not None:
            continue
        parsed = parse_query(node.source, stream_dialect(checked.project.streams[stream.name]), Reporter())
        star = _star(parsed) if parsed is not None else None
        if parsed is not None and star is not None:
            message = f"this `*` is what the first messages hold, and `{table.name}` takes its declared columns only"
            helps = ("name the columns, or declare those of the source: `columns: { … }`",)
            reporter.warning("select-star", message, parsed.span(star), helps=helps)


def _star(parsed: SqlTree) -> exp.Expression | None:
    tree = parsed.tree
    while isinstance(tree, exp.SetOperation | exp.Subquery):
        tree = tree.this
    columns = tree.expressions if isinstance(tree, exp.Select) else ()
    return next((column for column in columns if column.is_star), None)
