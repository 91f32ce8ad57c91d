"""Columns behind a window that say when it begins and ends: how far they are from the event time of its rows.

The rows of a window are of the last microsecond before its end. So a condition of a join that compares the bounds of
windows is one of event times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from flowc.compiler.dialects import RUNNER
from flowc.compiler.sql import marks
from flowc.compiler.sql.relations import fold
from flowc.compiler.sql.streams.joinbounds import conjuncts
from flowc.compiler.sql.streams.streamreads import cte_of, streams_of
from flowc.compiler.sql.streams.windowcalls import END, START, WindowCall

_LATER = 1
"""How many microseconds the end of a window is behind the event time of its rows."""
_FIXED = ("tumbling", "hopping")
"""The kinds of windows that all have one length."""


@dataclass
class WindowTimes:
    """Finds the bounds of windows in a query that has stand-ins in the place of these, and was resolved."""

    windows: Sequence[WindowCall]
    sources: frozenset[str]
    _known: dict[int, tuple[exp.Expression, Mapping[str, int]]] = field(default_factory=dict)
    """What was found, by what relations and queries are; they are held, so that none is taken for another."""

    def of(self, relation: exp.Expression) -> Mapping[str, int]:
        """By the name of each column that is a bound of windows, how many microseconds it is after the event time."""
        if id(relation) not in self._known:
            self._known[id(relation)] = relation, self._read(relation) if self.windows else {}
        return self._known[id(relation)][1]

    def _read(self, relation: exp.Expression) -> Mapping[str, int]:
        if isinstance(relation, exp.Table):
            cte = cte_of(relation)
            return self.of(cte.this) if cte is not None and not cte.args["alias"].args.get("columns") else {}
        if isinstance(relation, exp.Subquery) and marks.WINDOW.has(relation):
            return _added(next(call for call in self.windows if call.id == marks.WINDOW.of(relation)))
        if isinstance(relation, exp.Subquery):
            return self.of(relation.this)
        if isinstance(relation, exp.Union) and not relation.args.get("distinct"):
            return dict(self._united(relation))
        return dict(self._selected(relation)) if isinstance(relation, exp.Select) else {}

    def _united(self, union: exp.Union) -> Iterator[tuple[str, int]]:
        """The bounds that have the same place in both queries, which are put together by their order."""
        sides = union.this.unnest(), union.expression.unnest()
        names = [[each.alias_or_name for each in side.selects] for side in sides]
        one, other = (self.of(side) for side in sides)
        if not any(each.is_star for side in sides for each in side.selects):
            yield from ((a, one[a]) for a, b in zip(*names, strict=False) if a in one and one[a] == other.get(b))

    def _selected(self, select: exp.Select) -> Iterator[tuple[str, int]]:
        """The bounds among what a query gives."""
        found = {called(each): self.of(each) for each in relations_of(select)}
        known = {name: times for name, times in found.items() if times}
        several = sum(bool(streams_of(each, self.sources)) for each in relations_of(select)) > 1
        if several and not _at_once(select, known):
            return  # a pair is of another time than one of its rows
        for item in select.expressions:
            star, value = item.this if isinstance(item, exp.Column) else item, item.unalias()
            if isinstance(star, exp.Star):
                yield from _starred(item, star, known)
            elif isinstance(value, exp.Column) and (at := _time(value, known)) is not None:
                alias = item.args.get("alias")
                yield (fold(alias, RUNNER) if isinstance(alias, exp.Identifier) else folded(value)), at


def _added(call: WindowCall) -> Mapping[str, int]:
    """The bounds that a call adds. That of a session, or of steps, begins at no fixed time before its end."""
    begins = {START: _LATER - call.size} if call.kind in _FIXED else {}
    return {END: _LATER, **begins}


def _at_once(select: exp.Select, known: Mapping[str, Mapping[str, int]]) -> bool:
    """Whether a query joins rows of two windows that are of one time."""
    equal = (each for join in select.args.get("joins") or () for each in conjuncts(join.args.get("on")))
    pairs = ((each.this, each.expression) for each in equal if isinstance(each, exp.EQ))
    times = [[_time(each, known) for each in pair if isinstance(each, exp.Column)] for pair in pairs]
    return len(known) == 2 and any(len(pair) == 2 and pair[0] is not None and pair[0] == pair[1] for pair in times)


def _starred(item: exp.Expression, star: exp.Star, known: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, int]]:
    without = {each.name for each in star.args.get("except_") or ()}
    table = item.args.get("table") if star is not item else None
    meant = [fold(table, RUNNER)] if table is not None else list(known)
    for name in meant:
        yield from ((column, at) for column, at in known.get(name, {}).items() if column not in without)


def _time(column: exp.Column, known: Mapping[str, Mapping[str, int]]) -> int | None:
    """The time of a column that is a bound; where columns of sources are not known, one by its name alone."""
    table = column.args.get("table")
    owners = (fold(table, RUNNER),) if table is not None else marks.OWNERS.get(column) or tuple(known)
    found = [at for name in owners if (at := known.get(name, {}).get(folded(column))) is not None]
    return found[0] if len(found) == 1 else None


def folded(column: exp.Column) -> str:
    """The name of a column as the engine reads it."""
    return fold(column.this, RUNNER) if isinstance(column.this, exp.Identifier) else ""


def relations_of(select: exp.Select) -> Iterator[exp.Expression]:
    """The relations of a query's FROM."""
    from_ = select.args.get("from_")
    yield from [from_.this] if from_ is not None else []
    yield from (join.this for join in select.args.get("joins") or ())


def called(relation: exp.Expression) -> str:
    """The name of a relation in FROM, as it is looked up."""
    alias = relation.args.get("alias")
    named = alias.this if alias is not None and alias.this is not None else relation.this
    return fold(named, RUNNER) if isinstance(named, exp.Identifier) else ""
