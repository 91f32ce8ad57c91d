"""Prechecks of unique keys: the values that would be in one more than once, as they are after the changes of type."""

from __future__ import annotations

from collections.abc import Iterator

from flowc.catalog import Column
from flowc.compiler.migrate.alteration import Situation
from flowc.compiler.migrate.retype import retype
from flowc.compiler.quote import ident, idents, table
from flowc.compiler.tables.difference import same_column
from flowc.migration import Precheck

_MEND = "remove the repeats first"


def repeat_check(columns: tuple[str, ...], situation: Situation, message: str) -> Precheck:
    """The values of live columns that are there more than once; NULL equals nothing, as in a unique index."""
    held = " AND ".join(f"{ident(name)} IS NOT NULL" for name in columns)
    rows = _converted(columns, situation)
    repeated = f"SELECT 1 AS n FROM {rows} WHERE {held} GROUP BY {idents(columns)} HAVING count(*) > 1"
    return Precheck(f"SELECT count(*) FROM ({repeated}) AS q", message, _MEND)


def _converted(columns: tuple[str, ...], situation: Situation) -> str:
    """The table, or a query of it where the plan changes the type of one of the columns."""
    live = table(situation.live.name)
    values = {name: _value(name, situation) for name in columns}
    if all(value == ident(name) for name, value in values.items()):
        return live
    listed = ", ".join(f"{value} AS {ident(name)}" for name, value in values.items())
    return f"(SELECT {listed} FROM {live}) AS c"


def _value(name: str, situation: Situation) -> str:
    """The value that a column will have. One that does not fit is for another precheck to count."""
    was, now = situation.live.column(name), situation.wanted.column(situation.new_name(name))
    if was is None or now is None or was.type == now.type or same_column(now, was, situation.dialect):
        return ident(name)
    found = retype(was, now, situation)
    if found.blocked:
        return ident(name)
    return f"CASE WHEN {found.misfit} THEN NULL ELSE {found.value} END" if found.misfit else found.value


def new_repeats(was: Column, now: Column, situation: Situation) -> Iterator[Precheck]:
    """The values of each key with the column that become the same by its change of type."""
    if was.type.kind is now.type.kind:
        return
    for key in _keys(situation):
        if now.name in key:
            message = f"{{count}} values of ({', '.join(key)}) would be there more than once as {now.type}"
            yield repeat_check(tuple(map(situation.old_name, key)), situation, message)


def _keys(situation: Situation) -> Iterator[tuple[str, ...]]:
    """The unique keys that stay. Where the engine keeps none, loads merge by that of the specs."""
    live, wanted = situation.renamed_live, situation.wanted
    key = wanted.primary_key
    there = all(situation.live.column(situation.old_name(name)) for name in key)
    if key and there and (situation.dialect.attached or live.primary_key == key):
        yield key
    stay = {index.identity for index in wanted.indexes}
    for index in live.indexes:
        if index.unique and index.identity in stay and not index.where and not index.beyond:
            yield index.columns
