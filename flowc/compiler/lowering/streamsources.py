"""The sources of a stream beside each other: their union by name, and joins between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlglot import exp

from flowc.catalog import Column
from flowc.compiler.front.streamspec import StreamSpec
from flowc.compiler.ir import Source
from flowc.compiler.quote import ident
from flowc.compiler.sql.sqltext import SqlTree
from flowc.diagnostics import Reporter
from flowc.source import MappedText, Segment


def union_text(stream: StreamSpec, sources: Sequence[Source], reporter: Reporter) -> MappedText | None:
    """The query for several sources without one: all of their rows, columns by name, NULL where one has none.

    None where columns are unknown, or after an error: a column that has two types.
    """
    known = dict[str, tuple[Column, Source]]()
    right = True
    for source in sources:
        for column in source.columns or ():
            first, whose = known.setdefault(column.name, (column, source))
            if first.type != column.type:
                _conflict(stream, source, column, whose, first, reporter)
                right = False
    if not right or not known or any(source.columns is None for source in sources):
        return None
    parts = (f"SELECT {', '.join(_chosen(source, known))} FROM {ident(source.name)}" for source in sources)
    text, span = " UNION ALL ".join(parts), stream.span
    return MappedText(text, span.file, (Segment(0, len(text), span.start, span.end),))


def _chosen(source: Source, columns: Mapping[str, tuple[Column, Source]]) -> Iterator[str]:
    own = {column.name for column in source.columns or ()}
    for name, (column, _) in columns.items():
        yield ident(name) if name in own else f"CAST(NULL AS {column.type}) AS {ident(name)}"


def _conflict(
    stream: StreamSpec, source: Source, column: Column, other: Source, first: Column, reporter: Reporter
) -> None:
    message = f"`{column.name}` is `{column.type}` in source `{source.name}` and `{first.type}` in `{other.name}`"
    helps = ("declare one type in both, or write the `sql` that puts the sources together",)
    spec = next(each for each in stream.sources if each.name.value == source.name)
    written = (each.type.span for each in spec.columns or () if each.name.value == column.name)
    reporter.error("type-mismatch", message, next(written, spec.name.span), helps=helps)


def joined(query: SqlTree, sources: Sequence[Source], reporter: Reporter) -> bool:
    """Whether the query joins streams; a join that is not bounded in time is an error."""
    names = frozenset(source.name for source in sources)
    times = {"_event_ts", *(str(source.options.get("event_time")) for source in sources)}
    found = False
    for select in query.tree.find_all(exp.Select):
        reading = [item for item in _items(select) if _reads(item, names, query.tree)]
        if len(reading) > 1:
            found = True
            if not _is_bounded(select, times):
                message = "this joins streams without a bound in time, so rows would have to be kept for ever"
                helps = (
                    "joins of streams are not run yet: put the rows together with UNION ALL, "
                    "or join with a table under `lookups`",
                )
                reporter.error("unbounded-join", message, query.span(reading[1]), helps=helps)
    return found


def _is_bounded(select: exp.Select, times: set[str]) -> bool:
    """Whether a condition of it compares event times."""
    kinds = (exp.Between, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.EQ)
    return any(column.name in times for node in select.find_all(*kinds) for column in node.find_all(exp.Column))


def _items(select: exp.Select) -> Iterator[exp.Expression]:
    from_ = select.args.get("from_")
    if from_ is not None:
        yield from_.this
    yield from (join.this for join in select.args.get("joins") or ())
    where = select.args.get("where")
    if where is not None:
        yield from where.find_all(exp.Subquery, exp.In, exp.Exists)


def _reads(item: exp.Expression, sources: frozenset[str], tree: exp.Expression) -> bool:
    """Whether a relation has rows of a source, itself or by the names of the query's own."""
    own = {cte.alias: cte.this for cte in tree.find_all(exp.CTE)}
    seen, waiting = set[str](), [item]
    while waiting:
        for table in waiting.pop().find_all(exp.Table):
            if table.name in own and table.name not in seen:
                seen.add(table.name)
                waiting.append(own[table.name])
            elif table.name in sources and table.name not in own:
                return True
    return False
