"""Which pipeline waits for which, and an order in which all can run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowc.diagnostics import Note, Reporter
from flowc.source import Span

Waits = Mapping[str, Span]
"""The pipelines that one waits for, and where that is written (the `depends_on` entry, or the table in the SQL)."""
_SHOWN = 8
"""How many pipelines of a cycle are named at either end."""


def in_order(dependencies: Mapping[str, Waits], reporter: Reporter) -> tuple[str, ...]:
    """The pipelines with each after what it waits for, otherwise as written. A place that closes cycles closes one."""
    done: dict[str, None] = {}
    closing: set[tuple[str, int]] = set()
    for start in dependencies:
        path: list[tuple[str, Span | None]] = [(start, None)]
        places = {start: 0}
        open_ = [iter(dependencies[start].items())] if start not in done else []
        while open_:
            step = next((each for each in open_[-1] if each[0] in dependencies and each[0] not in done), None)
            if step is None:
                open_.pop()
                name, _ = path.pop()
                del places[name]
                done[name] = None
            elif step[0] not in places:
                places[step[0]] = len(path)
                path.append(step)
                open_.append(iter(dependencies[step[0]].items()))
            elif (place := (step[1].file.path, step[1].start)) not in closing:
                closing.add(place)
                _report_cycle([*path[places[step[0]] :], step], step[1], reporter)
    return tuple(done)


def _report_cycle(steps: Sequence[tuple[str, Span | None]], closing: Span, reporter: Reporter) -> None:
    names = [f"`{name}`" for name, _ in steps]
    left_out = len(names) > 2 * _SHOWN
    chain = " -> ".join([*names[:_SHOWN], "…", *names[-_SHOWN:]] if left_out else names)
    shown = [*steps[1:_SHOWN], *steps[-_SHOWN:-1]] if left_out else steps[1:-1]
    reporter.error(
        "dependency-cycle",
        f"pipelines wait for each other: {chain}",
        closing,
        notes=[Note(f"`{name}` is waited for here", span) for name, span in shown],
        helps=["leave one out: `depends_on: []` on the pipeline that may run first"],
    )
