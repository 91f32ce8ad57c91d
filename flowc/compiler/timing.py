"""When pipelines run: cron expressions, time zones, and the order that `depends_on` asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from flowc.compiler.lookup import Lookup
from flowc.compiler.spec import Name, PipelineSpec, ProjectSpec
from flowc.diagnostics import Note, Reporter, did_you_mean

_ALIASES = frozenset({"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"})


def check_timing(spec: PipelineSpec, lookup: Lookup) -> None:
    """Reports a schedule, a time zone or a dependency that is not one."""
    if spec.schedule:
        _check_schedule(spec.schedule, lookup.reporter)
    if spec.timezone:
        _check_timezone(spec.timezone, lookup.reporter)
    for name in spec.depends_on or ():
        lookup.entry("pipelines", name, lookup.project.pipelines)


def _check_schedule(schedule: Name, reporter: Reporter) -> None:
    fault = cron_fault(schedule.value)
    if fault:
        helps = ("minute, hour, day, month, weekday: `0 6 * * 1-5` is 6:00 on working days",)
        reporter.error("bad-schedule", f"the schedule `{schedule.value}` {fault}", schedule.span, helps=helps)


def cron_fault(expression: str) -> str | None:
    """What is wrong with a cron expression; None when nothing is."""
    if expression in _ALIASES:
        return None
    fields = expression.split()
    if len(fields) != 5:
        return f"has {len(fields)} field{'s' * (len(fields) != 1)}, a cron expression has 5"
    # croniter takes a while to import, so it is asked only when it must be
    from croniter import CroniterError, croniter

    try:
        croniter(expression)
    except (CroniterError, ValueError, KeyError, OverflowError, MemoryError):
        return "is not a cron expression"
    return None


def _check_timezone(name: Name, reporter: Reporter) -> None:
    try:
        ZoneInfo(name.value)
    except (KeyError, ValueError, OSError):
        helps = did_you_mean(name.value, available_timezones()) or ("for instance `Europe/Berlin` or `UTC`",)
        reporter.error("unknown-timezone", f"there is no time zone `{name.value}`", name.span, helps=helps)


def find_cycle(edges: Mapping[str, Iterable[str]]) -> tuple[str, ...] | None:
    """One cycle of a graph, as the names along it; None when there is none."""
    state: dict[str, bool] = {}
    for start in edges:
        if start not in state and (cycle := _walk(start, edges, state)):
            return cycle
    return None


def _walk(start: str, edges: Mapping[str, Iterable[str]], state: dict[str, bool]) -> tuple[str, ...] | None:
    """Depth first without recursion. `state` is False while a name is on the path, True when it is done."""
    path, pending = [start], [iter(tuple(edges[start]))]
    state[start] = False
    while path:
        following = next((name for name in pending[-1] if name in edges and not state.get(name, False)), None)
        if following is None:
            state[path.pop()] = True
            pending.pop()
        elif following in state:
            return tuple(path[path.index(following) :])
        else:
            state[following] = False
            path.append(following)
            pending.append(iter(tuple(edges[following])))
    return None


def check_order(project: ProjectSpec, reporter: Reporter) -> frozenset[str]:
    """Reports pipelines that wait for each other by `depends_on`; returns their names."""
    waits = {name: {d.value: d for d in p.depends_on or ()} for name, p in project.pipelines.items()}
    found: set[str] = set()
    while cycle := find_cycle(waits):
        found.update(cycle)
        last = waits[cycle[-1]][cycle[0]]
        notes = tuple(
            Note(f"`{name}` waits for `{following}` here", waits[name][following].span)
            for name, following in pairwise(cycle)
        )
        chain = " → ".join(f"`{name}`" for name in (*cycle, cycle[0]))
        message = f"pipelines wait for each other: {chain}"
        reporter.error("cyclic-dependency", message, last.span, notes=notes, helps=("remove one from `depends_on`",))
        del waits[cycle[-1]][cycle[0]]
    return frozenset(found)
