"""Which pipelines wait for which, and their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from flowc.compiler.checked import CheckedPipeline, CheckedSpec
from flowc.compiler.front.places import Place
from flowc.compiler.lowering.context import Lowering
from flowc.compiler.lowering.inputs import Input, read_input
from flowc.compiler.sql.types.tableplaces import KeyOf, TableKey, keys_in, keys_of_project
from flowc.diagnostics import Note, Reporter
from flowc.source import Span

Waits = Mapping[str, Span]
"""The pipelines that one waits for, and where that is written (the `depends_on` entry, or the table in the SQL)."""
_Find = Callable[[CheckedPipeline, Input], Waits]
_SHOWN = 8
"""How many pipelines of a cycle are named at either end."""


def all_waits(checked: CheckedSpec, inputs: Mapping[str, Input]) -> Mapping[str, Waits]:
    """What each pipeline waits for."""
    find = _finder(checked, keys_of_project(checked.project))
    return _without_circles({name: find(checked.pipelines[name], inputs[name]) for name in inputs}, checked, inputs)


def upstream_waits(name: str, inputs: dict[str, Input], lowering: Lowering) -> Mapping[str, Waits]:
    """What a pipeline waits for, and all that it waits for; it is the first. `inputs` gets those that were missing."""
    checked = lowering.checked
    find = _finder(checked, keys_of_project(checked.project))
    waits: dict[str, Waits] = {}
    pending = [name]
    while pending:
        step = pending.pop()
        if step not in inputs:
            inputs[step] = read_input(checked.pipelines[step], lowering)
        waits[step] = find(checked.pipelines[step], inputs[step])
        pending += [n for n in waits[step] if n in checked.pipelines and n not in waits and n not in pending]
    return _without_circles(waits, checked, inputs)


def _without_circles(
    waits: Mapping[str, Waits], checked: CheckedSpec, inputs: Mapping[str, Input]
) -> Mapping[str, Waits]:  # fmt: skip
    """Leaves out waits for who writes by another connection of the database, where they are part of a cycle.

    That two addresses lead to one table is less sure than that one connection does, and the pipelines can run: each
    reads what the last run of the other one left.
    """
    problems = Reporter()
    order = in_order(waits, problems)
    if not problems.errors:
        return waits
    by_name, circles = _finder(checked, keys_in(lambda connection: Place((connection,)))), _circles(waits, order)
    kept = {}
    for name, found in waits.items():
        sure = by_name(checked.pipelines[name], inputs[name])
        kept[name] = {n: span for n, span in found.items() if n in sure or circles.get(n) != circles[name]}
    return kept


def _circles(waits: Mapping[str, Waits], order: Sequence[str]) -> Mapping[str, str]:
    """For each pipeline the first of those that wait for it and for which it waits; `order` has these together."""
    waiting: dict[str, list[str]] = {}
    for name, found in waits.items():
        for other in found:
            waiting.setdefault(other, []).append(name)
    circles: dict[str, str] = {}
    for first in reversed(order):
        pending = [first]
        while pending:
            name = pending.pop()
            if name in waits and name not in circles:
                circles[name] = first
                pending += waiting.get(name, ())
    return circles


def _finder(checked: CheckedSpec, key_of: KeyOf) -> _Find:
    """What finds what a pipeline waits for: what it says, else the pipelines whose targets it reads."""
    writers: dict[TableKey, list[str]] = {}
    for pipeline in checked.pipelines.values():
        for target in pipeline.targets:
            key = key_of(target.connection.name.value, target.connection.kind.value, target.name)
            writers.setdefault(key, []).append(pipeline.spec.name.value)

    def find(pipeline: CheckedPipeline, given: Input) -> Waits:
        spec = pipeline.spec
        if "depends_on" in spec.gaps:
            return {}
        if spec.depends_on is not None:
            return {name.value: name.span for name in spec.depends_on}
        found: dict[str, Span] = {}
        for read in given.reads:
            names = writers.get(key_of(read.connection, read.kind, read.table), ())
            fresh = [name for name in names if name not in found] if found else names
            found |= dict.fromkeys(fresh, read.span)
        found.pop(spec.name.value, None)
        return found

    return find


def in_order(dependencies: Mapping[str, Waits], reporter: Reporter) -> tuple[str, ...]:
    """The pipelines with each after what it waits for, otherwise as written. A place that closes cycles closes one."""
    done: dict[str, None] = {}
    closing: set[tuple[str, int]] = set()
    closed: set[int] = set()  # thousands of waits may be for the writers of one table, all at one place
    for start in dependencies:
        path: list[tuple[str, Span | None]] = [(start, None)]
        places = {start: 0}
        open_ = [iter(dependencies[start].items())] if start not in done else []
        while open_:
            ahead = (
                (name, span) for name, span in open_[-1]
                if name in dependencies and name not in done and (name not in places or id(span) not in closed)
            )  # fmt: skip
            step = next(ahead, None)
            if step is None:
                open_.pop()
                name, _ = path.pop()
                del places[name]
                done[name] = None
            elif step[0] not in places:
                places[step[0]] = len(path)
                path.append(step)
                open_.append(iter(dependencies[step[0]].items()))
            else:
                closed.add(id(step[1]))
                if (place := (step[1].file.path, step[1].start)) not in closing:
                    closing.add(place)
                    _report_cycle([*path[places[step[0]] :], step], step[1], reporter)
    return tuple(done)


def _report_cycle(steps: Sequence[tuple[str, Span | None]], closing: Span, reporter: Reporter) -> None:
    left_out = len(steps) > 2 * _SHOWN
    named = [
        [f"`{name}`" for name, _ in part] for part in ((steps[:_SHOWN], steps[-_SHOWN:]) if left_out else (steps,))
    ]
    chain = " -> … -> ".join(" -> ".join(part) for part in named)
    shown = [*steps[1:_SHOWN], *steps[-_SHOWN:-1]] if left_out else steps[1:-1]
    reporter.error(
        "dependency-cycle",
        f"pipelines wait for each other: {chain}",
        closing,
        notes=[Note(f"`{name}` is waited for here", span) for name, span in shown],
        helps=["leave one out: `depends_on: []` on the pipeline that may run first"],
    )
