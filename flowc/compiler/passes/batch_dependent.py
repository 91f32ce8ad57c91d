"""SQL of streams whose rows depend on which messages come together in an epoch."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir, Running, Sql, Stream
from flowc.compiler.sql.text.sqltext import parse_query
from flowc.compiler.systems.datafusion.rules.json import gathers
from flowc.diagnostics import Reporter

_WHOLE = ("group", "distinct", "limit", "having")


def batch_dependent(_checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Warns, once for each stream, of what looks at all rows of an epoch: aggregates, windows, DISTINCT, LIMIT."""
    for stream in ir.streams if ir is not None else ():
        node = stream.input if isinstance(stream.input, Sql) else None
        parsed = parse_query(node.source, node.dialect, Reporter()) if node is not None and node.source else None
        part = next(_looking(parsed.tree, stream), None) if parsed is not None else None
        # What looks at many rows beside a running aggregate is an error.
        running = any(isinstance(each, Running) for each in stream.nodes)
        if parsed is not None and part is not None and not running:
            message = "this looks at the rows of one epoch alone, and which messages come together is left to chance"
            helps = ["write rows as they come, and put them together in the target's database, for instance in a view"]
            if isinstance(part, exp.Group | exp.Having | exp.AggFunc):
                helps.append("have groups go on over epochs, with `group_ttl: 30d` and a target that replaces rows")
            reporter.warning("batch-dependent", message, parsed.span(part), helps=helps)


def _looking(tree: exp.Expression, stream: Stream) -> Iterator[exp.Expression]:
    """The parts of a query that look at many rows of a source."""
    names = _reading(tree, {source.name for source in stream.sources})
    aggregates = {plan.name.lower() for plan in stream.functions if plan.aggregate}
    for query in tree.find_all(exp.Query):
        if any(table.name in names for table in _read(query)):
            if isinstance(query, exp.Union) and query.args.get("distinct"):
                yield query
            yield from (part for part in map(query.args.get, _WHOLE) if isinstance(part, exp.Expression))
            yield from _calls(query, aggregates)


def _read(query: exp.Query) -> Iterator[exp.Table]:
    """The tables of a query but those of the CTEs before it."""
    before = query.find_ancestor(exp.With)
    return (table for table in query.find_all(exp.Table) if table.find_ancestor(exp.With) is before)


def _calls(query: exp.Query, aggregates: set[str]) -> Iterator[exp.Expression]:
    for node in query.find_all(exp.AggFunc, exp.Window, exp.Anonymous, exp.JSONArrayAgg):
        plain = isinstance(node, exp.Anonymous) and not (node.name.lower() in aggregates or gathers(node))
        if not plain and node.find_ancestor(exp.Select) is query:
            yield node


def _reading(tree: exp.Expression, sources: set[str]) -> set[str]:
    """The names of the sources, and of what the query itself makes of them."""
    names = set(sources)
    for cte in tree.find_all(exp.CTE):
        reads = any(table.name in names for table in cte.this.find_all(exp.Table))
        names = names | {cte.alias} if reads else names - {cte.alias}
    return names
