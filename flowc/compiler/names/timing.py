"""When pipelines run: cron expressions, time zones, and the names in `depends_on`."""

from __future__ import annotations

from collections.abc import Iterable

from flowc.compiler.front.spec import ConnectionSpec, Name, PipelineSpec
from flowc.compiler.names.lookup import Lookup
from flowc.diagnostics import Reporter, did_you_mean
from flowc.schedule import cron_fault

_MEMORY = ":memory:"
_SHOWN = 100
"""Characters of a schedule that a message repeats."""


def check_timing(spec: PipelineSpec, lookup: Lookup) -> None:
    """Reports a schedule, a time zone or a dependency that is not one."""
    if spec.timing.schedule:
        _check_schedule(spec.timing.schedule, lookup.reporter)
    if spec.timezone:
        check_timezone(spec.timezone, lookup.reporter)
    for name in spec.depends_on or ():
        lookup.entry("pipelines", name, lookup.project.pipelines)


def check_freshness_target(spec: PipelineSpec, connections: Iterable[ConnectionSpec], reporter: Reporter) -> None:
    """Reports `freshness` of a table that nobody but the load itself can ask."""
    for connection in connections:
        if spec.freshness is not None and connection.options.get("path") == _MEMORY:
            name = connection.name.value
            message = f"`freshness` cannot be watched: `{name}` is in memory, which its own process alone sees"
            helps = ("leave `freshness` out, or keep the table in a file or on a server",)
            reporter.error("unsupported-target", message, spec.freshness.column.span, helps=helps)


def _check_schedule(schedule: Name, reporter: Reporter) -> None:
    fault = cron_fault(schedule.value)
    if fault:
        helps = ("minute, hour, day, month, weekday: `0 6 * * 1-5` is 6:00 on working days",)
        shown = schedule.value if len(schedule.value) <= _SHOWN else f"{schedule.value[:_SHOWN]}…"
        reporter.error("bad-schedule", f"the schedule `{shown}` {fault}", schedule.span, helps=helps)


def check_timezone(name: Name, reporter: Reporter) -> None:
    """Reports a time zone that is none."""
    # imported only where it is used: most projects name no zone, and the module looks through the whole installation
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(name.value)
    except (KeyError, ValueError, OSError):
        helps = did_you_mean(name.value, available_timezones()) or ("for instance `Europe/Berlin` or `UTC`",)
        reporter.error("unknown-timezone", f"there is no time zone `{name.value}`", name.span, helps=helps)
