"""`select-star`: a `*` that nobody knows the columns of, into a table whose columns are declared."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir, Lookup, Source, Sql, Stream
from flowc.compiler.sql.text.sqltext import SqlTree, parse_query
from flowc.diagnostics import Reporter


def select_star(checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Warns of streams whose columns are those of the first messages or of a lookup, and whose target has others."""
    for stream in ir.streams if ir is not None else ():
        node = stream.input
        table = next((apply.target for apply in stream.applies if apply.target.table is not None), None)
        if table is None or not isinstance(node, Sql) or node.source is None or node.columns is not None:
            continue
        parsed = parse_query(node.source, node.dialect, Reporter())
        star = _star(parsed) if parsed is not None else None
        if parsed is not None and star is not None:
            what, mend = _words(_open(star, stream))
            message = f"this `*` is what {what}, and `{table.name}` takes its declared columns only"
            reporter.warning("select-star", message, parsed.span(star), helps=(f"name the columns{mend}",))


def _open(star: exp.Expression, stream: Stream) -> Source | Lookup | None:
    """What a `*` reads whose columns nobody declares: what it names, or else a source before a lookup."""
    read: tuple[Source | Lookup, ...] = (*stream.sources, *stream.lookups)
    found = [each for each in read if each.columns is None]
    named = star.text("table").lower()
    return next((each for each in found if each.name.lower() == named), found[0] if found else None)


def _words(read: Source | Lookup | None) -> tuple[str, str]:
    if isinstance(read, Source):
        return "the first messages hold", ", or declare those of the source: `columns: { … }`"
    if isinstance(read, Lookup):
        return f"the lookup `{read.name}` holds when the stream starts", ", or declare its table under `tables`"
    return "is known when the stream runs", ""


def _star(parsed: SqlTree) -> exp.Expression | None:
    tree = parsed.tree
    while isinstance(tree, exp.SetOperation | exp.Subquery):
        tree = tree.this
    columns = tree.expressions if isinstance(tree, exp.Select) else ()
    return next((column for column in columns if column.is_star), None)
