"""`flowc.run`: pipelines and streams on live systems, once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from logging import getLogger
from threading import Event

from flowc.api.failures import bare, outward
from flowc.api.linted import Where, stream_names
from flowc.api.opening import OpenPipelines, OpenProject, names_before, open_pipelines, open_project
from flowc.api.results import RunResult
from flowc.api.specs import DEFAULT_SPECS, Specs, spec_paths
from flowc.compiler.loads.identity import Identity
from flowc.compiler.loads.load import Reread
from flowc.compiler.passes.writers import shared_tables, with_unresolved
from flowc.compiler.sql.types.tableplaces import keys_in
from flowc.controls import json_text
from flowc.durations import instant_text, parse_instant
from flowc.errors import FlowcError, UsageError
from flowc.masker import Masker
from flowc.render.ir import plan_id
from flowc.render.loads import pipeline_object
from flowc.runtime.tracing import NO_SPAN, Span
from flowc.service.access.sessions import Sessions
from flowc.service.loads.report import RunReport
from flowc.service.loads.resets import check_reread
from flowc.service.loads.run import Observer, Run, Silent
from flowc.service.runs.backfill import missing_slots, run_slots
from flowc.service.runs.executors import due_time, report_handle
from flowc.service.runs.once import Both, run_both
from flowc.service.runs.opening import run_log
from flowc.service.runs.recording import Recorded
from flowc.service.runs.records import Reason
from flowc.service.streams.run import StreamReport, run_stream

CatchUp = Callable[[Event | None], StreamReport]
"""Lets a stream catch up; the event, set from outside, ends it before."""
Around = Callable[[CatchUp], StreamReport]
"""Calls a `CatchUp`, with an event or without."""


def run(
    *names: str,
    specs: Specs = DEFAULT_SPECS,
    env: str | None = None,
    full: bool = False,
    since: str | int | date | None = None,
    until: str | int | date | None = None,
    missing: bool = False,
    drain: bool = False,
    run_id: str | None = None,
) -> RunResult:
    """Runs pipelines once, in dependency order, and lets streams catch up, as `flowc run --once`: `names`, or all.

    Names may be selectors: `tag:nightly`, `+daily` (all upstream), `daily+` (downstream). `specs` is a folder, a file
    or several of them; `env` an entry of `environments`. The named loads read everything anew with `full`, or again
    from the cursor `since` on (`--from`) up to `until`, without it (`--to`); with `missing`, only for the due times of
    that range for which no run has succeeded. With `drain`, the end of the sources of
    streams counts as the end of their input. With `run_id`, targets that an earlier call of the same id has loaded are
    passed by.

    What fails on the way is in the result. Raises SpecErrors for errors in the specs, before anything is read, and
    FlowcError where the run cannot begin: for a name that nothing has, or options that do not go together.
    """
    masker = Masker()

    def work() -> RunResult:
        reread = reread_of(names, _cursor(since), _cursor(until), full=full, missing=missing)
        once = open_once(Where(spec_paths(specs), env, masker), names, reread, missing=missing, run_id=run_id)
        return run_once(once, drain=drain)

    return outward(masker, work)


def _cursor(value: str | int | date | None) -> str | None:
    return value.isoformat() if isinstance(value, date) else None if value is None else str(value)


def _log_warning(error: FlowcError) -> None:
    getLogger("flowc").warning("this run is not recorded: %s", error.message)


@dataclass(frozen=True, slots=True)
class Recording:
    """Where a run is recorded, as `run_log` opens it, who hears that it cannot be, and where it is traced."""

    run_log: str | None = None
    warned: Callable[[FlowcError], None] = _log_warning
    span: Span = NO_SPAN
    """Below which it is traced; of a worker, the run itself."""


_RECORDING = Recording()


@dataclass(frozen=True, slots=True)
class Once:
    """What is run once: the chosen pipelines and streams of a project; streams alone where it is no OpenPipelines."""

    opened: OpenProject
    streams: tuple[str, ...]
    reread: Reread | None = None
    missing: bool = False
    """Whether only the due times within `reread` are run that lack a success."""
    run_id: str | None = None
    """What all attempts of the run have in common."""


def reread_of(
    names: Sequence[str], since: str | None, until: str | None, *, full: bool, missing: bool = False
) -> Reread | None:
    """What the named loads are to read again, if anything. Raises UsageError for what does not go together."""
    if missing:
        _range(since, until)
    if not (full or since is not None or until is not None):
        return None
    if full and (since is not None or until is not None):
        message = "`--full` reads everything, and `--from` and `--to` a part"
        raise UsageError(message, code="conflicting-options", help="leave one of them out")
    if not names:
        message = "nothing says which loads are to read again"
        options = "--full" if full else "--from … --to …"
        raise UsageError(message, code="missing-name", help=f"name them: `flowc run NAME {options}`")
    return Reread(since, until)


def _range(since: str | None, until: str | None) -> tuple[datetime, datetime]:
    """The range of due times that `--missing` is about."""
    first, last = parse_instant(since or ""), parse_instant(until) if until is not None else datetime.now(UTC)
    if first is None or last is None:
        wrong = since if first is None else until
        reason = "no `--from` is given" if wrong is None else f"`{wrong}` is no time"
        message = f"`--missing` looks at due times from one time to another, and {reason}"
        help = "for instance `--from 2026-03-01 --to 2026-04-01T00:00:00+02:00 --missing`"
        raise UsageError(message, code="conflicting-options", help=help)
    if last < first:
        message = f"no due time lies from {instant_text(first)} up to {instant_text(last)}: `--to` is before `--from`"
        help = "write what comes first behind `--from`; without `--to` it is up to now"
        raise UsageError(message, code="conflicting-options", help=help)
    return first, last


def open_once(
    where: Where,
    selectors: Sequence[str],
    reread: Reread | None = None,
    *,
    missing: bool = False,
    run_id: str | None = None,
) -> Once:
    """Opens the project for the named or selected pipelines and streams, or all. Raises as `run`."""
    _check_run_id(run_id, missing=missing)
    names = names_before(where, selectors)
    known = stream_names(where) if names else ()
    streams = tuple(name for name in names if name in known)
    if reread and streams:
        message = f"`{streams[0]}` is a stream: `--full`, `--from` and `--to` are for loads"
        raise UsageError(message, code="conflicting-options", help=f"move it with `flowc rewind {streams[0]}`")
    if streams and len(streams) == len(names):
        return Once(open_project(where), streams)
    opened = open_pipelines(where, [name for name in names if name not in streams])
    if reread is not None:
        key_of = keys_in(opened.sessions.database)
        shared = shared_tables(with_unresolved(opened.checked), opened.ir, key_of) if reread.whole else []
        check_reread(reread, opened.pipelines, shared)
    streams = streams if names else tuple(opened.checked.project.streams)
    if streams and not opened.checked.project.pipelines and not opened.broken:
        return Once(OpenProject(opened.checked, opened.ir, opened.sessions, opened.found, opened.names), streams)
    return Once(opened, streams, reread, missing, run_id)


def _check_run_id(run_id: str | None, *, missing: bool) -> None:
    """Raises UsageError for an id that says nothing: with it, every run would be an attempt of the first one."""
    if run_id is None:
        return
    if missing:
        message = "`--missing` runs due times, each of which is a run of its own"
        raise UsageError(message, code="conflicting-options", help="leave out `--run-id`")
    if not run_id.strip() or not run_id.isprintable():
        help = "give what the job has in common with its retries only, as `--run-id nightly-2026-03-10`"
        raise UsageError(f"`--run-id {run_id!r}` names no run", code="unusable-option", help=help)


def _alone(catch_up: CatchUp) -> StreamReport:
    return catch_up(None)


def run_once(
    once: Once, *, drain: bool, observer: Observer | None = None, around: Around = _alone,
    recording: Recording = _RECORDING,
) -> RunResult:  # fmt: skip
    """Runs it. The observer is told of loads, and each stream catches up inside of `around`."""
    opened = once.opened
    if not isinstance(opened, OpenPipelines):
        return _told(opened, None, _run_streams(once, drain=drain, around=around))
    project, shared = opened.checked.project, opened.sessions
    sessions = Sessions(project.connections, shared.resolver, shared.project)
    watching = _recorded(once, observer or Silent(), recording)
    plans = {pipeline.name: plan_id(pipeline) for pipeline in opened.pipelines}
    span_of = watching.span_of if isinstance(watching, Recorded) else lambda _: recording.span
    run = Run(
        opened.checked, opened.pipelines, shared, watching, env=os.environ, reread=once.reread, plans=plans,
        span_of=span_of, identity=_identity(once),
    )  # fmt: skip
    try:
        if once.missing:
            both = Both(_run_missing(once, run, watching))
        else:
            both = run_both(
                run, opened.ir, once.streams, lambda name: around(_catch_up(opened, sessions, name, drain=drain)),
                opened.broken,
            )  # fmt: skip
    finally:
        if isinstance(watching, Recorded):
            watching.close()
        sessions.close()
        shared.close()
    return _told(opened, both.pipelines, both.streams)


def _identity(once: Once) -> Identity | None:
    """What all attempts of a run have in common; None for a run by hand, which has one attempt."""
    environment, reread = once.opened.checked.project.environment, once.reread
    if (due := due_time()) is not None:
        return Identity(due, environment)
    if once.run_id is None:
        return None
    part = (reread.since, reread.until) if reread is not None else ()
    return Identity(datetime.now(UTC), environment, run=json_text((once.run_id, *part), indent=None))


def _run_missing(once: Once, run: Run, watching: Observer) -> RunReport:
    """Runs the due times that lack a success by what the run log says, each recorded as what it is for."""
    assert isinstance(watching, Recorded), "no scheduler asks for this"
    assert once.reread is not None
    since, upto = _range(once.reread.since, once.reread.until)
    slots = missing_slots(run.pipelines, watching.log, since, upto)
    return run_slots(run, slots, lambda slot: replace(watching, part=(slot.since, slot.due_at)))


def _recorded(once: Once, observer: Observer, recording: Recording) -> Observer:
    """Has a run of pipelines be recorded; that of a worker is recorded by its scheduler."""
    if report_handle() is not None:
        return observer
    opened = once.opened
    log = run_log(opened.checked.project, opened.sessions.resolver, recording.run_log)
    reason: Reason = "backfill" if once.reread is not None else "manual"
    whole = once.reread is None or once.reread.whole
    return Recorded(
        observer, log, pipeline_object, warned=recording.warned, reason=reason, whole=whole, span=recording.span
    )


def _run_streams(once: Once, *, drain: bool, around: Around) -> list[StreamReport]:
    """Streams one after the other; none after one that was asked to end."""
    reports: list[StreamReport] = []
    try:
        for name in once.streams:
            reports.append(around(_catch_up(once.opened, once.opened.sessions, name, drain=drain)))
            if reports[-1].stopped:
                break
    finally:
        once.opened.sessions.close()
    return reports


def _catch_up(opened: OpenProject, sessions: Sessions, name: str, *, drain: bool) -> CatchUp:
    run = partial(run_stream, opened.checked, opened.ir, name, sessions, drain=drain)
    return lambda stopping: run(stopping=stopping)


def _told(opened: OpenProject, report: RunReport | None, streams: Sequence[StreamReport]) -> RunResult:
    """The result, whose texts are made now: what masks secrets holds them, and is not kept."""
    result = RunResult.of(report, streams, opened.sessions.resolver.masker.redact)
    for error in result.errors:
        bare(error)
    return result
