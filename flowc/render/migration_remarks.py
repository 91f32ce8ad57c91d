"""What every form of a plan says in the same words: marks, remarks on changes, and the summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flowc.migration import Change, LoadFailure, MigrationPlan, PipelineChange, Precheck, StreamState, TableChanges
from flowc.service.changes.prechecks import failed

_CARRIERS = ("rebuild_table", "alter_table")
"""What only carries the statements of other changes, which are counted already."""
_MARKS = {"create": "+", "add": "+", "drop": "-", "remove": "-"}


@dataclass(frozen=True, slots=True)
class Remark:
    """One line under a change, and the role that colours it."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts in one line, and a line for each thing that stands in the way."""

    counts: str
    warnings: tuple[str, ...]


def change_mark(change: Change | PipelineChange) -> str:
    """`+` for what comes, `-` for what goes, `~` for what changes."""
    return _MARKS.get(change.action, "~")


def table_mark(entry: TableChanges) -> str:
    """The mark of a whole table; a space where nothing happens to it."""
    kinds = {change.kind for change in entry.changes}
    return "+" if "create_table" in kinds else "-" if "drop_table" in kinds else "~" if kinds else " "


def remarks(change: Change) -> Iterator[Remark]:
    """Why it cannot be done, what its prechecks found, where it is declared, what it loses, and its notes."""
    if change.blocked:
        yield Remark("error", f"cannot be done: {change.blocked}")
    for check in change.prechecks:
        yield from _checked(check)
    if change.place is not None and failed(change):
        yield Remark("help", f"at {change.place}")
    if change.lost is not None:
        yield Remark("bad" if change.lost else "good", change.loss)
    yield from (Remark("note", f"note: {note}") for note in change.notes)


def _checked(check: Precheck) -> Iterator[Remark]:
    if check.error is not None:
        yield Remark("error", f"could not be checked: {check.error}")
    elif check.count:
        yield Remark("error", check.said)
        yield Remark("help", f"help: {check.help}")
    elif check.count == 0 and check.told:
        yield Remark("good", "checked: the data allows it")


def standing_words(plan: MigrationPlan) -> Iterator[str]:
    """What is to be known although nothing changes: what no spec knows, notes on tables, what has no table."""
    for database in plan.databases:
        for entry in database.tables:
            yield from (f"{entry.label}: {item}, which no spec knows, is left alone" for item in entry.unmanaged)
            yield from (f"{entry.label}: {note}" for note in entry.notes)
    yield from map(str, plan.outputs)


def table_notes(entry: TableChanges) -> Iterator[str]:
    """What is said under a table beside its changes."""
    yield from (f"{item}: no spec knows it, it is left alone" for item in entry.unmanaged)
    yield from (f"note: {note}" for note in entry.notes)


_STATE_ROLES = {"keep": "dim", "migrate": "warning", "replay": "warning", "reset": "warning", "refuse": "bad"}


def state_mark(state: StreamState) -> str:
    """`!` where a stream does not go on with what it remembers, `~` where it does otherwise than before, else a space.

    Where that cannot be told it is a `?`.
    """
    decisions = {verdict.decision for verdict in state.verdicts}
    mark = "!" if decisions & {"refuse", "reset"} else "~" if decisions - {"keep"} else " "
    return "?" if state.unknown else mark


def state_heading(state: StreamState) -> str:
    """Whose state it is, and where."""
    return f"state of stream {state.stream}, in {state.where}"


def state_remarks(state: StreamState) -> Iterator[Remark]:
    """What becomes of what each node remembers, why, and what to do."""
    if state.unknown:
        yield Remark("note", f"what becomes of it cannot be told: {state.unknown}")
    if state.unfinished:
        count = f"{state.unfinished:,} epoch{'s are' if state.unfinished > 1 else ' is'} intended and not finished"
        then = ": the next run finishes that as it was before the edit, and begins with the edit behind it"
        yield Remark("note", f"{count}{then if state.edited else ''}")
    for verdict in state.verdicts:
        head = f"{verdict.decision.upper()} {verdict.node}"
        yield Remark(_STATE_ROLES[verdict.decision], f"{head}: {verdict.reason}" if verdict.reason else head)
        if verdict.help:
            yield Remark("help", f"help: {verdict.help}")


def failure_heading(load: LoadFailure) -> str:
    """Which load cannot run."""
    return f"pipeline {load.pipeline} into {load.target}"


def failure_remarks(load: LoadFailure) -> Iterator[Remark]:
    """Why a load cannot run, where that is declared, and what to do."""
    yield Remark("bad", f"cannot run: {load.message} [{load.code}]")
    yield from (Remark("note", f"note: {note}") for note in load.notes)
    if load.place:
        yield Remark("help", f"at {load.place}")
    if load.help:
        yield Remark("help", f"help: {load.help}")


def failure_count(plan: MigrationPlan) -> str:
    """How many loads cannot run; nothing where all can."""
    count = len({(load.pipeline, load.target) for load in plan.failures})
    return f"{count} load{'' if count == 1 else 's'} cannot run" if count else ""


def refusals(states: Iterable[StreamState]) -> Iterator[str]:
    """The streams that will not start, why, and what to do."""
    for state in states:
        for verdict in state.verdicts:
            if verdict.decision == "refuse":
                yield f"warning: stream `{state.stream}` will not start: `{verdict.node}`: {verdict.reason}"
                yield f"  help: {verdict.help}"


def state_warnings(plan: MigrationPlan) -> Iterator[str]:
    """The streams that will not start, and those that forget something, in few words."""
    tables = (entry for database in plan.databases for entry in database.tables)
    unwritable = {entry.stream for entry in tables if any(change.blocked for change in entry.changes)}
    for state in plan.states:
        empty = ", ".join(f"`{verdict.node}`" for verdict in state.verdicts if verdict.decision == "reset")
        if state.refused or state.stream in unwritable:
            yield f"stream `{state.stream}` will not start"
        elif empty:
            yield f"RESET in stream `{state.stream}`: {empty}"


def summary_words(plan: MigrationPlan) -> Summary:
    """How much of what, and what stands in the way."""
    marks = [change_mark(change) for change in plan.changes if change.kind not in _CARRIERS]
    counts = f"{marks.count('+')} to add, {marks.count('~')} to change, {marks.count('-')} to drop"
    loads = _loads(plan)
    return Summary(counts + (f"; loads: {loads}" if loads else ""), tuple(_warnings(plan)))


def _loads(plan: MigrationPlan) -> str:
    actions = [change.action for database in plan.databases for change in database.pipelines]
    named = {"add": "new", "change": "changed", "remove": "removed"}
    return ", ".join(f"{actions.count(action)} {word}" for action, word in named.items() if action in actions)


def _warnings(plan: MigrationPlan) -> Iterator[str]:
    destructive = sum(change.destructive for change in plan.changes)
    if destructive:
        yield f"{destructive} destroy{'s' if destructive == 1 else ''} data and must be allowed"
    refused = sum(bool(failed(change)) for change in plan.changes)
    if refused:
        yield f"{refused} cannot be done as {'it is' if refused == 1 else 'they are'}"
    yield from filter(None, [failure_count(plan)])
    yield from state_warnings(plan)
