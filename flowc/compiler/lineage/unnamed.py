"""Columns that are made of no column that their SQL names: bounds of windows, of event time, and counts, of rows."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from flowc.compiler.dialects import OWN
from flowc.compiler.ir import Sql
from flowc.compiler.sql.streams.windowcalls import END, SESSION, START
from flowc.compiler.sql.text.sqltext import parse_query
from flowc.diagnostics import Reporter
from flowc.nodes import TIME

ROWS = "*"
"""In the place of a column: how many rows there are."""
_BOUNDS = (START, END, SESSION)


def unnamed_sources(node: Sql, column: str) -> frozenset[str]:
    """What of each source a column of a stream is made of: its event time, its rows, or neither."""
    parsed = parse_query(node.source, OWN, Reporter()) if node.source is not None else None
    if parsed is None:
        return frozenset({TIME}) if column.lower() in _BOUNDS else frozenset()
    return frozenset(_of(parsed.tree, column.lower(), set()))


def _of(tree: exp.Expression, name: str, seen: set[str]) -> Iterator[str]:
    """Of a name, by all that is called so in the query and in what it reads."""
    if name in seen:
        return
    seen.add(name)
    made = [item for select in tree.find_all(exp.Select) for item in select.expressions if _name(item) == name]
    if not made and name in _BOUNDS:
        yield TIME
    for item in made:
        yield from _of_item(tree, item, seen)


def _of_item(tree: exp.Expression, item: exp.Expression, seen: set[str]) -> Iterator[str]:
    if any(isinstance(each.this, exp.Star) for each in item.find_all(exp.Count)):
        yield ROWS
    for column in item.find_all(exp.Column):
        name = column.name.lower()
        if name in _BOUNDS:
            yield TIME
        else:
            yield from _of(tree, name, seen)


def _name(item: exp.Expression) -> str:
    return str(item.alias_or_name or item.key).lower()
