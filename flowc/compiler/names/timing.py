"""When pipelines run: cron expressions, time zones, and the names in `depends_on`."""

from __future__ import annotations

from functools import lru_cache

from flowc.compiler.front.spec import Name, PipelineSpec
from flowc.compiler.names.lookup import Lookup
from flowc.diagnostics import Reporter, did_you_mean

_ALIASES = frozenset({"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"})


def check_timing(spec: PipelineSpec, lookup: Lookup) -> None:
    """Reports a schedule, a time zone or a dependency that is not one."""
    if spec.schedule:
        _check_schedule(spec.schedule, lookup.reporter)
    if spec.timezone:
        check_timezone(spec.timezone, lookup.reporter)
    for name in spec.depends_on or ():
        lookup.entry("pipelines", name, lookup.project.pipelines)


def _check_schedule(schedule: Name, reporter: Reporter) -> None:
    fault = cron_fault(schedule.value)
    if fault:
        helps = ("minute, hour, day, month, weekday: `0 6 * * 1-5` is 6:00 on working days",)
        reporter.error("bad-schedule", f"the schedule `{schedule.value}` {fault}", schedule.span, helps=helps)


@lru_cache(maxsize=128)
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


def check_timezone(name: Name, reporter: Reporter) -> None:
    """Reports a time zone that is none."""
    # as with croniter: most projects name no zone, and the module looks through the whole installation
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(name.value)
    except (KeyError, ValueError, OSError):
        helps = did_you_mean(name.value, available_timezones()) or ("for instance `Europe/Berlin` or `UTC`",)
        reporter.error("unknown-timezone", f"there is no time zone `{name.value}`", name.span, helps=helps)
