"""Which pipeline waits for which, and an order in which all can run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowc.diagnostics import Note, Reporter
from flowc.source import Span


@dataclass(frozen=True, slots=True)
class Dependency:
    """A pipeline that is waited for, and where that is written (the `depends_on` entry, or the table in the SQL)."""

    name: str
    span: Span


def in_order(dependencies: Mapping[str, Sequence[Dependency]], reporter: Reporter) -> tuple[str, ...]:
    """The pipelines with each after what it waits for, otherwise as written. Each cycle is reported once."""
    done: dict[str, None] = {}
    for start in dependencies:
        path: list[tuple[str, Dependency | None]] = [(start, None)]
        places = {start: 0}
        open_ = [iter(dependencies[start])] if start not in done else []
        while open_:
            step = next((d for d in open_[-1] if d.name in dependencies and d.name not in done), None)
            if step is None:
                open_.pop()
                name, _ = path.pop()
                del places[name]
                done[name] = None
            elif step.name in places:
                _report_cycle([*path[places[step.name] :], (step.name, step)], reporter)
            else:
                places[step.name] = len(path)
                path.append((step.name, step))
                open_.append(iter(dependencies[step.name]))
    return tuple(done)


def _report_cycle(steps: Sequence[tuple[str, Dependency | None]], reporter: Reporter) -> None:
    chain = " -> ".join(f"`{name}`" for name, _ in steps)
    spans = [(name, step.span) for name, step in steps[1:] if step is not None]
    notes = [Note(f"`{name}` is waited for here", span) for name, span in spans[:-1]]
    reporter.error(
        "dependency-cycle",
        f"pipelines wait for each other: {chain}",
        spans[-1][1],
        notes=notes,
        helps=["leave one out: `depends_on: []` on the pipeline that may run first"],
    )
