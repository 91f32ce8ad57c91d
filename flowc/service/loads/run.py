"""Runs pipelines: what the compiler decided, on live systems.

1. every table that a run will write is compared with its declaration, before anything is read
2. pipeline by pipeline, in dependency order; one whose upstream failed is skipped
3. target by target, each its own transaction: stored watermark, SQL for it, live columns of the source, plan, load
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic
from typing import Protocol

from flowc.catalog import Column, Table
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.dialects import DIALECTS, RUNNER
from flowc.compiler.ir import Apply, Mode, Pipeline, Source, Sql
from flowc.compiler.loads.cursor import FROM, STORED
from flowc.compiler.loads.identity import Identity, Recorded
from flowc.compiler.loads.lifetimes import column_types
from flowc.compiler.loads.load import Reread
from flowc.compiler.loads.reads import read_of
from flowc.compiler.loads.sqlplan import plan_load
from flowc.compiler.lowering.context import Watermark
from flowc.compiler.lowering.lower import lower_pipeline
from flowc.compiler.lowering.output import check_made, check_output
from flowc.diagnostics import Reporter, Severity
from flowc.errors import DataError, EngineError, FlowcError, TransientError, no_memory
from flowc.loadplan import LoadPlan, LoadResult
from flowc.runtime.contracts.columntypes import ColumnTypes
from flowc.runtime.contracts.database import Database
from flowc.runtime.loads.load import COMMIT, LoadProgress, describe, run_load
from flowc.runtime.tracing import NO_SPAN, Span, ending
from flowc.service.access.livetables import differing
from flowc.service.access.owners import Owners
from flowc.service.access.sessions import Sessions, not_runnable, runnable
from flowc.service.checking.refusals import report_refusal
from flowc.service.loads.forgetting import gone_loads
from flowc.service.loads.identity import pass_by, recorded_load
from flowc.service.loads.planning import connections, home
from flowc.service.loads.report import PipelineReport, RunReport, Status, TargetReport
from flowc.service.loads.watermarks import Watermark as Stored
from flowc.service.loads.watermarks import bound_of, notes_of, stored_watermark
from flowc.types import UNKNOWN

_LOOKING = "look at the source and the target"
"""What a load does before it begins."""
_LOST = ("connection-lost", "connection-failed")
_LOOK = "look whether it does before you run this again; runs with `--run-id ID` find out themselves"
_Found = Mapping[str, tuple[Column, ...]]
"""Columns by the name of their source."""


class Observer(Protocol):
    """Is told what a run is doing."""

    def started(self, pipeline: str, target: str) -> None:
        """A load begins."""

    def progressed(self, progress: LoadProgress) -> None:
        """Rows have moved."""

    def ended(self, pipeline: PipelineReport) -> None:
        """A pipeline is done."""


class Silent:
    """Says nothing of it."""

    def started(self, pipeline: str, target: str) -> None:
        """A load begins."""

    def progressed(self, progress: LoadProgress) -> None:
        """Rows have moved."""

    def ended(self, pipeline: PipelineReport) -> None:
        """A pipeline is done."""


@dataclass(frozen=True, slots=True)
class Run:
    """What is run: pipelines in dependency order, those that a spec error stops, and on which systems."""

    checked: CheckedSpec
    pipelines: Sequence[Pipeline]
    sessions: Sessions
    observer: Observer
    commit: bool = True
    plans: Mapping[str, str] = field(default_factory=dict)
    """What tells apart what each pipeline lowers to, for reports."""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What SQL templates may read as `env.NAME`."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    reread: Reread | None = None
    """What loads read instead of what their watermarks say."""
    span_of: Callable[[str], Span] = lambda _pipeline: NO_SPAN
    """Below which the loads of a pipeline are traced."""
    shown: int = 0
    """How many rows a rehearsal shows of each load."""
    identity: Identity | None = None
    """What targets record, and by which they are passed by; None for what is run by hand without a name."""
    owners: Owners = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "owners", Owners(self.sessions))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A load that is ready: with the SQL for its watermark, and the columns that the source has now."""

    apply: Apply
    columns: tuple[Column, ...]
    plan: LoadPlan
    types: ColumnTypes
    notes: tuple[str, ...] = ()

    def require_types(self, target: Database) -> None:
        """Raises TransientError where somebody changed the types of the columns that were written."""
        writer = f"pipeline `{self.plan.pipeline}`"
        self.types.require(target, str(self.plan.table), writer, self.plan.columns)


def run_pipelines(run: Run, broken: Sequence[PipelineReport] = ()) -> RunReport:
    """Runs all of them and says what happened. `broken` are pipelines whose specs keep them from running.

    Failures of loads are in the report; what is raised is a fault of flowc or an interrupt, after rollback.
    """
    began = monotonic()
    report = RunReport(list(broken))
    try:
        stopped = _preflight(run)
        for pipeline in run.pipelines:
            done = _run_one(run, pipeline, stopped, report)
            report.pipelines.append(done)
            run.observer.ended(done)
    finally:
        run.sessions.close()
    report.seconds = monotonic() - began
    return report


def preview(run: Run, pipeline: Pipeline, rows: int) -> RunReport:
    """Runs one pipeline without committing; the report shows at most so many rows of each target."""
    return run_pipelines(replace(run, pipelines=(pipeline,), commit=False, shown=rows))


def _preflight(run: Run) -> dict[str, PipelineReport]:
    """The pipelines that must not start. One table that differs from its declaration stops the whole run."""
    stopped: dict[str, PipelineReport] = {}
    for pipeline in run.pipelines:
        found = PipelineReport(pipeline.name)
        try:
            require_runnable(pipeline)
            for apply in pipeline.applies:
                run.owners.refuse(apply.target)
            found.targets = [failed for apply in pipeline.applies if (failed := _differing(run, apply))]
        except FlowcError as error:
            found.error, found.status = run.sessions.redacted(error), Status.FAILED
        found.settle()
        if found.status is Status.FAILED:
            stopped[pipeline.name] = found
    differing = [name for name, found in stopped.items() if found.targets]
    if differing:
        reason = f"nothing was read: the live table of `{differing[0]}` differs from its declaration"
        for pipeline in run.pipelines:
            stopped.setdefault(pipeline.name, PipelineReport(pipeline.name, Status.SKIPPED, reason=reason))
    return stopped


def require_runnable(pipeline: Pipeline) -> None:
    """Raises UsageError for systems that a later version brings."""
    for apply in pipeline.applies:
        node = apply.input
        sources = (node,) if isinstance(node, Source) else node.inputs
        for source in sources:
            if not runnable(source.kind):
                raise not_runnable(pipeline.name, f"`{source.connection}` is a connection of kind `{source.kind}`")
        if apply.target.kind not in DIALECTS or not runnable(apply.target.kind):
            target = apply.target
            raise not_runnable(pipeline.name, f"its target `{target.connection}` is of kind `{target.kind}`")


def _differing(run: Run, apply: Apply) -> TargetReport | None:
    """The report of a target whose live table is not as declared."""
    error = differing(apply, run.sessions.target(apply.target.connection).table(apply.target.name))
    return None if error is None else TargetReport(target_label(apply), apply.mode, Status.FAILED, error=error)


def target_label(apply: Apply) -> str:
    """How reports call a target."""
    return f"{apply.target.connection}.{apply.target.name}"


def _run_one(run: Run, pipeline: Pipeline, stopped: dict[str, PipelineReport], report: RunReport) -> PipelineReport:
    if pipeline.name in stopped:
        return stopped[pipeline.name]
    bad = {done.name for done in report.pipelines if done.status is not Status.OK}
    waiting = [name for name in pipeline.depends_on if name in bad]
    if waiting:
        return PipelineReport(pipeline.name, Status.SKIPPED, reason=f"because `{waiting[0]}` did not finish")
    done = PipelineReport(pipeline.name, plan=run.plans.get(pipeline.name))
    for index, apply in enumerate(pipeline.applies):
        run.observer.started(pipeline.name, target_label(apply))
        done.targets.append(_run_target(run, pipeline.name, index, apply))
    done.settle()
    return done


def _run_target(run: Run, pipeline: str, index: int, apply: Apply) -> TargetReport:
    """One load. Its failure is reported and touches no other target."""
    began = monotonic()
    report = TargetReport(target_label(apply), apply.mode)
    reporter = Reporter()
    span = run.span_of(pipeline).child(
        f"load {report.target}", {"flowc.target": report.target, "flowc.mode": apply.mode}
    )
    try:
        _load(run, pipeline, index, apply=apply, reporter=reporter, report=report, span=span)
    except FlowcError as error:
        report.error = run.sessions.redacted(error)
    except MemoryError as error:
        report.error = no_memory(error)
    # Warnings of the live check repeat what lint says; every value is checked as it is loaded.
    report.diagnostics = tuple(d for d in reporter.sorted() if d.severity is Severity.ERROR)
    report.seconds = monotonic() - began
    if report.error is not None or reporter.has_errors:
        report.status = Status.FAILED
    _end(span, report)
    return report


def _end(span: Span, report: TargetReport) -> None:
    first = report.error or next(iter(report.diagnostics), None)
    counts = {f"flowc.rows_{name}": rows for name, rows in report.counts.items()}
    span.end(counts, first.code if first is not None else None)


def _load(
    run: Run, pipeline: str, index: int, *, apply: Apply, reporter: Reporter, report: TargetReport, span: Span
) -> None:
    began = monotonic()
    with ending(span.child(_LOOKING)):
        recorded = _recorded(run, apply)
        if recorded is not None and recorded.same and _target(run, apply).table(apply.target.name) is not None:
            pass_by(report, recorded)
            return
        prepared = prepare(run, pipeline, index, apply, reporter, recorded=recorded)
    report.phases[_LOOKING] = monotonic() - began
    if prepared is None:
        return
    report.notes += prepared.notes
    result = run_load(
        prepared.plan,
        _target(run, apply),
        run.sessions.source,
        guard=lambda: run.owners.refuse_anew(apply.target),
        functions=run.sessions.functions,
        progress=run.observer.progressed,
        commit=run.commit,
        span=span,
        proof=lambda: prepared.require_types(_target(run, apply)),
    )
    if apply.before or apply.after:
        run.sessions.renew(apply.target.connection)  # a `SET search_path` would count for the loads that follow
    report.counts |= {counter.value: rows for counter, rows in result.counts.items()}
    report.bytes = result.bytes
    report.phases |= result.phases
    report.expects, report.shown = result.expects, result.shown
    report.notes += result.notes
    if result.error is not None:
        _judge_commit(run, apply, result, report)
    if isinstance(result.error, FlowcError):
        error = run.sessions.redacted(result.error)
        if error.written is None or not report_refusal(error, None, reporter):
            report.error = error
    elif result.error is not None:
        raise result.error


def _target(run: Run, apply: Apply) -> Database:
    return run.sessions.target(apply.target.connection)


def _recorded(run: Run, apply: Apply) -> Recorded | None:
    """What the target holds of the run's lane; None for a run of which nothing is recorded."""
    if run.identity is None or not run.commit:
        return None
    return recorded_load(apply, run.identity, _target(run, apply), run.now(), run.plans.get(apply.pipeline))


def _judge_commit(run: Run, apply: Apply, result: LoadResult, report: TargetReport) -> None:
    """Tells a load that failed from one that was committed, where only the answer was lost."""
    error = result.error
    if _landed(run, apply, result):
        result.error = None
        report.notes += ("the answer to its COMMIT was lost, and the target holds the rows",)
    elif run.identity is None and COMMIT in result.phases and isinstance(error, TransientError) and error.code in _LOST:
        words = f"the answer to COMMIT was lost: `{target_label(apply)}` may hold the rows"
        error.details, error.help = (*error.details, words), _LOOK


def _landed(run: Run, apply: Apply, result: LoadResult) -> bool:
    """Whether a commit took place although it failed: its answer was lost, and the target holds the run."""
    if run.identity is None or COMMIT not in result.phases or isinstance(result.error, DataError):
        return False
    run.sessions.renew(apply.target.connection)
    with suppress(FlowcError):  # the failure of the commit says more
        found = _recorded(run, apply)
        return found is not None and found.same
    return False


def prepare(
    run: Run, pipeline: str, index: int, apply: Apply, reporter: Reporter, *, recorded: Recorded | None = None
) -> Prepared | None:
    """Looks at the live systems and plans the load: the stored watermark, the SQL for it, the source's columns.

    None when the source's columns do not fit the table, which is then reported. Changes nothing.
    """
    target = _target(run, apply)
    types = _types_of(apply, target)
    live = target.table(apply.target.name)
    stored = stored_watermark(apply, target, adopt=run.commit)
    watermark = stored.value if stored else None
    since = watermark if run.reread is None else run.reread.since
    try:
        read_on = _reading_on(run, pipeline, index, apply=_anew(apply, run.reread), watermark=since, reporter=reporter)
    except EngineError as error:
        if not report_refusal(run.sessions.redacted(error), apply.input, reporter):
            raise
        return None
    if read_on is None:
        return None
    apply, columns = read_on[0], _checked(*read_on, live, reporter)
    if reporter.has_errors:
        return None
    plan = plan_load(
        apply,
        columns=columns,
        live=live,
        watermark=watermark,
        now=run.now(),
        same_database=same_database(run.sessions, apply),
        beside=any(run.sessions.same(name, apply.target.connection) for name in connections(apply.input)),
        rehearsal=not run.commit,
        kept=stored.kept if stored else None,
        reread=run.reread,
        shown=run.shown,
        recorded=recorded,
        gone=_gone(run, apply, live, stored, recorded),
    )
    return Prepared(apply, columns, plan, types, notes_of(apply, stored) if stored and run.reread is None else ())


def _gone(
    run: Run, apply: Apply, live: Table | None, stored: Stored | None, recorded: Recorded | None
) -> tuple[str, ...]:
    """The statements that remove what is stored of loads into a table that is gone; none where it is still there."""
    lost = live is None or (stored is not None and stored.stale is not None) or (recorded is not None and recorded.anew)
    return gone_loads(apply, _target(run, apply), recorded) if lost and run.commit else ()


def _checked(apply: Apply, columns: tuple[Column, ...], live: Table | None, reporter: Reporter) -> tuple[Column, ...]:
    """The source's columns; reports what of them cannot be written."""
    if (table := live or apply.target.table) is None:
        check_made(apply, columns, reporter, live=True)
        return columns
    columns = _untyped_nulls(apply.input, columns)
    check_output(apply, columns, table, reporter, live=True)
    return columns


def _types_of(apply: Apply, target: Database) -> ColumnTypes:
    types = ColumnTypes(column_types(apply.target.name, DIALECTS[apply.target.kind]), apply.target.name)
    if not apply.before:  # behind statements of the user's, the name may mean another table
        types.remember(target)
    return types


def _anew(apply: Apply, reread: Reread | None) -> Apply:
    """The load as it is when it reads again: what appends replaces all rows, and no `lag` reaches behind a bound."""
    if reread is None:
        return apply
    incremental = replace(apply.incremental, lag=0.0) if apply.incremental else None
    mode: Mode = "truncate" if reread.whole and apply.mode == "append" else apply.mode
    return replace(apply, incremental=incremental, mode=mode)


def _reading_on(
    run: Run, pipeline: str, index: int, *, apply: Apply, watermark: str | None, reporter: Reporter
) -> tuple[Apply, tuple[Column, ...]] | None:
    """The load with its watermark in the SQL where its author placed it, and the source's columns; None for errors."""
    incremental, found = apply.incremental, _found_columns(apply.input, run.sessions)
    if watermark is None or incremental is None or not incremental.in_sql:
        typed = _typed(run, pipeline, index, apply=apply, found=found, reporter=reporter)
        return None if typed is None else (typed, _columns(run, typed))
    # How a value is written depends on the cursor's type, which only the source can tell.
    guessed = _filled_in(run, pipeline, index, watermark=watermark, found=found, reporter=Reporter()) or apply
    columns = _columns(run, guessed)
    bound = bound_of(guessed, incremental, columns, watermark, STORED if run.reread is None else FROM)
    filled = _filled_in(run, pipeline, index, watermark=bound, found=found, reporter=reporter)
    if filled is None:
        return None
    return filled, columns if read_of(filled.input) == read_of(guessed.input) else _columns(run, filled)


def _untyped_nulls(node: Source | Sql, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Columns that hold nothing but NULL fit one of any type, where the engine makes some type up for them."""
    nulls = node.nulls if isinstance(node, Sql) else frozenset[str]()
    return tuple(replace(column, type=UNKNOWN) if column.name in nulls else column for column in columns)


def _typed(run: Run, pipeline: str, index: int, *, apply: Apply, found: _Found, reporter: Reporter) -> Apply | None:
    """The load with its SQL written for the columns of its sources; None for errors."""
    made = _filled_in(run, pipeline, index, watermark=None, found=found, reporter=reporter) if found else apply
    return replace(apply, input=_over(made.input, apply.input)) if made is not None else None


def _filled_in(
    run: Run, pipeline: str, index: int, *, watermark: Watermark, found: _Found, reporter: Reporter
) -> Apply | None:
    lowered = lower_pipeline(run.checked, pipeline, reporter, watermark=watermark, env=run.env, found=found)
    return None if lowered is None or reporter.has_errors else _anew(lowered.applies[index], run.reread)


def _columns(run: Run, apply: Apply) -> tuple[Column, ...]:
    return describe(read_of(apply.input), run.sessions.source, run.sessions.functions)


def same_database(sessions: Sessions, apply: Apply) -> bool:
    """Whether the source's query can run inside the target's own transaction."""
    connection = home(apply.input)
    return connection is not None and sessions.same(connection, apply.target.connection)


def _found_columns(node: Source | Sql, sessions: Sessions) -> _Found:
    """What the sources of a query that flowc itself runs have, where specs do not say all of it."""
    if isinstance(node, Source) or node.engine != RUNNER or node.source is None:
        return {}
    return {source.name: describe(read_of(source), sessions.source) for source in node.inputs if not _is_typed(source)}


def _is_typed(source: Source) -> bool:
    return source.columns is not None and all(column.type != UNKNOWN for column in source.columns)


def _over(query: Source | Sql, given: Source | Sql) -> Source | Sql:
    """A query over given sources, in whose place it was lowered with columns that were found in them."""
    if isinstance(query, Source) or isinstance(given, Source):
        return given
    pairs = zip(given.inputs, query.inputs, strict=True)
    return replace(query, inputs=tuple(replace(own, columns=made.columns, found=made.found) for own, made in pairs))
