"""Series as rows on DataFusion, which has lists of them, and a table of integers between two literals."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import (
    NAIVE_TIMES,
    ZONED_TIMES,
    Pair,
    Rules,
    Untranslatable,
    call,
    integer_value,
    type_of,
)
from flowc.compiler.sql.rewrite.relations import beside_table, build_rows, column_of

_TYPE = exp.DataType.Type
_NAME = "generate_series"


def _parts(series: exp.Expression) -> list[exp.Expression]:
    return [series.args[key] for key in ("start", "end", "step") if series.args.get(key) is not None]


def _as_list(series: exp.Expression) -> exp.Expression:
    return call("range" if series.args.get("is_end_exclusive") else _NAME, *_parts(series))


def _kind(series: exp.Expression) -> str | None:
    """The type of its elements where it is one of times: a series of dates is one of instants in PostgreSQL."""
    kind = type_of(series.args["start"])
    if kind is _TYPE.DATE or kind in ZONED_TIMES:
        return "TIMESTAMPTZ"
    return "TIMESTAMP" if kind in NAIVE_TIMES else None


def _in_select(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A series among the columns of a SELECT gives a row for each element."""
    around = node.parent.parent if isinstance(node.parent, exp.Alias) else node.parent
    if isinstance(around, exp.Table | exp.Lateral | exp.Unnest | exp.Explode):
        return None
    if not isinstance(around, exp.Select):
        raise Untranslatable("a series inside an expression")
    rows = exp.Explode(this=_as_list(node))
    kind = _kind(node)
    return rows if kind is None else exp.cast(rows, kind)


def _in_from(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A series in FROM; one that reads the table beside it gives that table a row for each element."""
    series = node.this
    if not isinstance(series, exp.GenerateSeries):
        return None
    if node.args.get("ordinality") or not isinstance(node.parent, exp.From | exp.Join):
        raise Untranslatable("a series with ordinality")
    alias = node.args.get("alias")
    table = alias.this.name if alias is not None and alias.this is not None else _NAME
    column = column_of(alias, 0) or table
    if series.find(exp.Column):
        return beside_table(node, table, column, _as_list(series))
    return _rows(series, table, column)


def _rows(series: exp.Expression, table: str, column: str) -> exp.Expression:
    kind = _kind(series)
    if kind is None and all(integer_value(part) is not None for part in _parts(series)):
        return build_rows(series, table, column)
    value: exp.Expression = exp.Explode(this=_as_list(series))
    rows = exp.select(exp.alias_(value, column, quoted=True))
    if kind is not None:
        inner = exp.Subquery(this=rows, alias=exp.TableAlias(this=exp.to_identifier("_s")))
        timed = exp.cast(exp.column(column, quoted=True), kind)
        rows = exp.select(exp.alias_(timed, column, quoted=True)).from_(inner)
    return exp.Subquery(this=rows, alias=exp.TableAlias(this=exp.to_identifier(table)))


ROWS: Rules = {
    exp.ExplodingGenerateSeries: (_in_select,),
    exp.Table: (_in_from,),
    exp.Lateral: (_in_from,),
}
