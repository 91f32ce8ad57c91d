"""The names that versions which did not finish may have given to columns, so that every plan finds their values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from flowc.catalog import Table
from flowc.errors import UsageError
from flowc.migration import DatabasePlan, Managed, Rename, WantedTable

Pair = tuple[str, str]
"""Two names of one column."""
_Candidate = tuple[str, tuple[str, ...], tuple[str, ...]]


def planned_renames(plan: DatabasePlan) -> tuple[Rename, ...]:
    """The renames of columns that a plan sets out to make, after those that unfinished versions may have made."""
    renames = ((t.name, c) for t in plan.tables for c in t.changes if c.kind == "rename_column")
    return (*plan.unfinished, *(Rename(name, c.before or "", c.column or "") for name, c in renames))


def aliases(name: str, renames: Iterable[Pair]) -> frozenset[str]:
    """The name and all others that the column may have got from unfinished versions."""
    pairs, found = tuple(renames), {name}
    while more := {n for pair in pairs if found.intersection(pair) for n in pair} - found:
        found |= more
    return frozenset(found)


def with_live_names(wanted: WantedTable, live: Table, applied: Table | None) -> WantedTable:
    """The wanted table, which also takes columns from the names that unfinished versions gave them."""
    if not wanted.unfinished:
        return wanted
    candidates = tuple(_candidates(wanted, live, applied))
    found = ((name, free[0]) for name, free, held in candidates if _is_sure(free, held, candidates))
    return replace(wanted, renamed=(*wanted.renamed, *found))


def _is_sure(free: tuple[str, ...], held: tuple[str, ...], candidates: Sequence[_Candidate]) -> bool:
    """Whether there is one column that may hold the values, and that may hold those of no other wanted one."""
    return len(free) == 1 and not held and sum(free[0] in others for _, others, _ in candidates) == 1


def doubtful(wanted: WantedTable, live: Table, applied: Table | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The wanted columns that are absent, each with the live columns of which any may hold its values."""
    candidates = tuple(_candidates(wanted, live, applied)) if wanted.unfinished else ()
    unsure = ((n, f, h) for n, f, h in candidates if (f or h) and not _is_sure(f, h, candidates))
    return tuple((name, (*free, *held)) for name, free, held in unsure)


def _candidates(wanted: WantedTable, live: Table, applied: Table | None) -> Iterator[_Candidate]:
    """The wanted columns that are absent, each with the live columns that unfinished versions may have made of it.

    Those come first that are free, and then those that the specs declare as other columns.
    """
    old, names = dict(wanted.renamed), set(wanted.table.column_names)
    taken = {source for name, source in wanted.renamed if live.column(source) and not live.column(name)}
    for name in wanted.table.column_names:
        if live.column(name) is None and live.column(old.get(name, name)) is None:
            known = aliases(name, wanted.unfinished) | aliases(old.get(name, name), wanted.unfinished)
            there = known.intersection(live.column_names)
            held = {other for other in there & names if _may_be_another(known, live, other, applied)}
            yield name, tuple(sorted(there - names - taken)), tuple(sorted(held))


def _may_be_another(known: frozenset[str], live: Table, column: str, applied: Table | None) -> bool:
    """Whether a live column may hold the values that the last finished version had under another of the known names."""
    was = known.intersection(applied.column_names if applied else ())
    return column not in was if len(was) == 1 else any(live.column(name) is None for name in was)


def with_live_columns(last: Managed, live: Table, renames: Sequence[Pair]) -> Managed:
    """The applied table under the names that unfinished versions gave its columns."""
    names = dict(_moved(last.table, live, renames))
    if not names:
        return last
    found = last.live.with_names(names) if last.live is not None else None
    return replace(last, table=last.table.with_names(names), live=found)


def _moved(applied: Table, live: Table, renames: Sequence[Pair]) -> Iterator[Pair]:
    for name in applied.column_names:
        if live.column(name) is None:
            candidates = set(aliases(name, renames)).intersection(live.column_names) - set(applied.column_names)
            if len(candidates) == 1:
                yield name, candidates.pop()


def refuse_displaced(wanted: WantedTable, live: Table, applied: Table | None) -> None:
    """Raises UsageError where a column may hold the values of another one that has its name in the end."""
    if found := _displaced(wanted, live, applied):
        name, other = found
        message = f"versions that did not finish may have left the values of `{other}` in `{name}` of `{wanted.label}`"
        help = "look at the values, and give such columns names that no version had, with `renamed_from`"
        raise UsageError(f"{message}; nothing was changed", code="precheck-failed", help=help)


def _displaced(wanted: WantedTable, live: Table, applied: Table | None) -> Pair | None:
    """A live column that a wanted one would take over, and another column whose values it may hold instead.

    A name that no unfinished version used is the word of the author, who has looked.
    """
    if applied is None or not wanted.unfinished:
        return None
    known = {name for pair in wanted.unfinished for name in pair}
    for name in sorted(known.intersection(wanted.table.column_names)):
        said = _said(name, dict(wanted.renamed), live, applied)
        states = _states(aliases(name, wanted.unfinished).intersection(applied.column_names), wanted.unfinished)
        meant = {said} if applied.column(said) else {state[said] for state in states if said in state}
        source = name if live.column(name) is not None else said
        there = [state for state in states if all(live.column(other) is not None for other in state)]
        others = {state[source] for state in there if source in state} - meant
        if meant and others:
            return source, min(others)
    return None


def _said(name: str, old: Mapping[str, str], live: Table, applied: Table) -> str:
    """The earlier name of a wanted column, by its `renamed_from`, which means nothing where both are there for long."""
    was = old.get(name, name)
    stale = live.column(was) is not None and live.column(name) is not None and applied.column(name) is not None
    return name if stale else was


def _states(columns: Iterable[str], renames: Sequence[Pair]) -> list[dict[str, str]]:
    """All that the columns may be called, each name with the column it is, whichever of the renames were made."""
    found = {frozenset((name, name) for name in columns)}
    for old, new in renames:
        for state in [dict(held) for held in found]:
            if old in state and new not in state:
                found.add(frozenset((new if name == old else name, of) for name, of in state.items()))
    return [dict(state) for state in found]


def from_applied(wanted: WantedTable, last: Managed | None) -> tuple[Pair, ...]:
    """New name of each column and its name in the last finished version, however often it was renamed between."""
    if last is None or not wanted.unfinished:
        return wanted.renamed
    return (*wanted.renamed, *_origins(wanted, last.table))


def _origins(wanted: WantedTable, applied: Table) -> Iterator[Pair]:
    old = dict(wanted.renamed)
    claimed = {old.get(name, name) for name in wanted.table.column_names}
    for name in wanted.table.column_names:
        if applied.column(name) is None:
            known = aliases(old.get(name, name), wanted.unfinished)
            candidates = set(known).intersection(applied.column_names) - claimed
            if len(candidates) == 1:
                yield name, candidates.pop()
