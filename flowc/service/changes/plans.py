"""Makes the plan: specs, live tables and history in, all that `apply` would do out. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256

import msgspec

from flowc import __version__
from flowc.catalog import Table, TableName
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.ir import Apply, Ir, Stream
from flowc.compiler.lineage import Graph, graph
from flowc.compiler.migrate.engines import ENGINES
from flowc.compiler.migrate.impact import broken_readers, with_impact
from flowc.compiler.migrate.pipelines import FIRST_RUN, applied_pipeline, compare_pipelines, load_text
from flowc.compiler.migrate.places import placed
from flowc.compiler.migrate.streams import applied_stream, compare_streams, with_restarts
from flowc.compiler.migrate.streamtables import plan_stream_tables
from flowc.compiler.migrate.tableplan import plan_tables
from flowc.compiler.migrate.unfinished import from_applied
from flowc.compiler.migrate.wanted import wanted_tables
from flowc.diagnostics import Reporter
from flowc.errors import DataError, FlowcError, UsageError
from flowc.migration import (
    AppliedPipeline,
    Change,
    DatabasePlan,
    Managed,
    MigrationPlan,
    PipelineChange,
    Snapshot,
    StreamState,
    TableChanges,
    WantedTable,
)
from flowc.runtime.contracts.database import Database, Rehearsing
from flowc.service.access.history import History, Version
from flowc.service.access.livedatabase import fingerprint, read_live_database
from flowc.service.access.owners import refuse_owned, with_owner, without_owned
from flowc.service.access.plainnames import plain_name
from flowc.service.access.sessions import Sessions
from flowc.service.changes.prechecks import judged
from flowc.service.changes.streamlooks import StreamLooks
from flowc.service.changes.streamstates import stream_states
from flowc.service.loads.planning import offline_plans
from flowc.service.loads.run import Run, Silent
from flowc.service.loads.validation import failing_copies
from flowc.service.loads.watermarks import stored_watermark


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a project wants in one database, which several connections may name."""

    connection: str
    kind: str
    tables: tuple[WantedTable, ...] = ()
    pipelines: tuple[AppliedPipeline, ...] = ()
    applies: tuple[Apply, ...] = ()
    """The loads, each beside its entry of `pipelines`."""
    looks: StreamLooks | None = None
    """The streams of the project, whatever they write; a plan back to an earlier version has none."""
    project: ProjectSpec | None = None
    """Where all that is declared; a plan back to an earlier version is of no spec."""


def make_plan(checked: CheckedSpec, ir: Ir, sessions: Sessions, select: frozenset[str] = frozenset()) -> MigrationPlan:
    """The plan of a project, with what its prechecks count. `select` are tables and pipelines; empty means all."""
    flows = graph(ir, columns=True)
    found = (_plan(wanted, sessions, flows, select) for wanted in wanted_of(checked, ir, sessions))
    plans = tuple(plan for plan in found if plan is not None)
    looks = _looks(checked, ir, sessions)
    outputs, states = tuple(looks.outputs(select)), tuple(stream_states(looks, select))
    return MigrationPlan(plans, outputs, sessions.project, states)


def with_failures(
    plan: MigrationPlan, checked: CheckedSpec, ir: Ir, sessions: Sessions, select: frozenset[str] = frozenset()
) -> MigrationPlan:
    """The plan with the loads that cannot run whatever it does. Closes the sessions."""
    chosen = [each for each in ir.pipelines if not select or each.name in select]
    return replace(plan, failures=failing_copies(Run(checked, chosen, sessions, Silent())))


def states_of(
    checked: CheckedSpec, ir: Ir, sessions: Sessions, select: frozenset[str] = frozenset()
) -> tuple[StreamState, ...]:
    """What becomes of what the streams of a project remember, as in its plan."""
    return tuple(stream_states(_looks(checked, ir, sessions), select))


def _looks(checked: CheckedSpec, ir: Ir, sessions: Sessions) -> StreamLooks:
    return StreamLooks(checked, {stream.name: stream for stream in ir.streams}, sessions)


def _plan(wanted: Wanted, sessions: Sessions, flows: Graph, select: frozenset[str]) -> DatabasePlan | None:
    """The plan of one database.

    One that the project only reads, or that holds nothing of the selection, matters where an earlier apply left
    something: it stops no plan where it cannot be opened.
    """
    chosen = _selected(wanted, select)
    if chosen.tables or chosen.pipelines:
        return plan_database(wanted, sessions, flows, select)
    try:
        plan = plan_database(wanted, sessions, flows, select)
    except DataError:  # what was reached, and is not as it may be
        raise
    except FlowcError:
        return None
    return plan if plan.changes or plan.pipelines else None


def wanted_of(checked: CheckedSpec, ir: Ir, sessions: Sessions) -> tuple[Wanted, ...]:
    """What the project wants, database by database."""
    tables = [table for table in wanted_tables(checked, ir) if table.kind in ENGINES]
    applies = [a for p in ir.pipelines for a in p.applies if a.target.kind in ENGINES]
    streams = [(s, a) for s in ir.streams for a in s.applies if a.target.kind in ENGINES]
    loads = _loads(ir)
    looks = _looks(checked, ir, sessions)
    found: dict[tuple[str, ...], Wanted] = {}
    known = (
        (name, spec.kind.value) for name, spec in checked.project.connections.items() if spec.kind.value in ENGINES
    )
    for name, kind in dict.fromkeys(
        [*((t.connection, t.kind) for t in tables), *map(_end, applies), *(_end(a) for _, a in streams), *known]
    ):
        place = sessions.database(name).database
        held = found.get(place, Wanted(name, kind))
        seen = partial(sessions.seen_by, held.connection, name)
        declared = [replace(t, table=replace(t.table, name=seen(t.table.name))) for t in tables if t.connection == name]
        mine = tuple(_undeclared(held.tables, declared))
        here = [apply for apply in applies if apply.target.connection == name]
        own = tuple(_seen(apply, seen) for apply in here)
        written = tuple(applied_pipeline(a, loads.get(_load_key(b), "")) for a, b in zip(own, here, strict=True))
        written += tuple(applied_stream(s, _seen(a, seen)) for s, a in streams if a.target.connection == name)
        found[place] = Wanted(
            held.connection, held.kind, held.tables + mine, pipelines=held.pipelines + written,
            applies=held.applies + own, looks=looks, project=checked.project,
        )  # fmt: skip
    return tuple(found.values())


def _undeclared(held: Sequence[WantedTable], more: Sequence[WantedTable]) -> Iterator[WantedTable]:
    """The tables that no other connection of the database declares, too.

    Raises UsageError where it declares one otherwise.
    """
    known = {plain_name(table.table.name, table.kind): table for table in held}
    for table in more:
        first = known.get(plain_name(table.table.name, table.kind))
        if first is None:
            yield table
        elif replace(table.table, name=first.table.name) != first.table:
            message = (
                f"`{first.key}` and `{table.key}` are one table, as `{first.connection}` and `{table.connection}` "
                "name one database, and they differ"
            )
            help = "declare it once, or with the same columns and indexes"
            raise UsageError(message, code="duplicate-table", help=help)


def _seen(apply: Apply, seen: Callable[[TableName], TableName]) -> Apply:
    return replace(apply, target=replace(apply.target, name=seen(apply.target.name)))


def _end(apply: Apply) -> tuple[str, str]:
    return apply.target.connection, apply.target.kind


def _load_key(apply: Apply) -> tuple[str, str, TableName]:
    return apply.pipeline, apply.target.connection, apply.target.name


def _loads(ir: Ir) -> Mapping[tuple[str, str, TableName], str]:
    """The SQL of the loads that can be planned without connecting."""
    plans = offline_plans(ir.pipelines, ir.tables, Reporter(), new=False)
    return {(plan.pipeline, plan.connection, plan.table): load_text(plan) for plan in plans}


def plan_database(
    wanted: Wanted, sessions: Sessions, flows: Graph, select: frozenset[str], *, ask: bool = True
) -> DatabasePlan:
    """The plan of one database; with `ask`, its prechecks are asked."""
    made = wanted.looks.names(wanted.connection, select) if wanted.looks else ()
    live = read_live_database(sessions, wanted.connection, (*(table.table.name for table in wanted.tables), *made))
    before = live.history.snapshot
    refuse_owned([t.table.name for t in wanted.tables], wanted.connection, wanted.kind, live.history, sessions)
    wanted = _with_zones(_with_unfinished(wanted, live.history), live.history)
    chosen = _selected(wanted, select)
    others = _of_streams(wanted, live.tables, select)
    managed = without_owned(_managed(before, select), wanted.kind, live.history)
    changes = plan_tables(
        wanted.connection, wanted.kind, chosen.tables, live=live.tables, managed=managed, others=others
    )
    changes = with_impact(placed(changes, wanted.project) if wanted.project else changes, flows)
    loads = _compared(_pipelines(before, select), chosen, broken_readers(changes, flows))
    changes = with_restarts(changes, before.pipelines, loads)
    if live.there:
        database = sessions.target(wanted.connection)
        changes = rehearsed(changes, database)
        changes = judged(changes, database) if ask else changes
        loads = tuple(with_watermark(load, wanted.applies, database) for load in loads)
        loads = tuple(with_positions(load, wanted.looks) for load in loads) if ask else loads
    loads = tuple(with_owner(with_update(load, live.history), wanted.kind, live.history) for load in loads)
    return DatabasePlan(
        wanted.connection,
        wanted.kind,
        changes,
        pipelines=loads,
        snapshot=_after(live.history, chosen, select),
        version=live.history.last,
        fingerprint=fingerprint(live.tables),
        unfinished=live.history.renames,
    )


def _with_unfinished(wanted: Wanted, history: History) -> Wanted:
    """The tables with the names that their columns may have got from versions that did not finish."""
    if not history.renames:
        return wanted
    tables = (
        replace(t, unfinished=tuple((r.old, r.new) for r in history.renames if r.table == t.table.name))
        for t in wanted.tables
    )
    return replace(wanted, tables=tuple(tables))


def _with_zones(wanted: Wanted, history: History) -> Wanted:
    """The tables with all time zones by which they may have been filled, or changed, in earlier versions too."""
    before = history.snapshot
    loads = (*before.pipelines, *wanted.pipelines)
    earlier = {entry.table.name: entry.loads for entry in before.tables}
    tables = (
        replace(
            t,
            loads=_zones(t, loads, earlier.get(t.table.name, ())),
            earlier_zones=(*t.earlier_zones, *_earlier_zones(t, (*before.tables, *history.unfinished))),
        )
        for t in wanted.tables
    )
    return replace(wanted, tables=tuple(tables))


def _earlier_zones(table: WantedTable, before: Iterable[Managed]) -> tuple[tuple[str, str], ...]:
    return tuple(
        dict.fromkeys(pair for entry in before if entry.table.name == table.table.name for pair in entry.zones)
    )


_Zones = tuple[tuple[str, tuple[str, ...]], ...]


def _zones(table: WantedTable, loads: Iterable[AppliedPipeline], earlier: _Zones) -> _Zones:
    found = {load: dict.fromkeys(zones) for load, zones in earlier}
    name = plain_name(table.table.name, table.kind)
    for load in loads:
        if plain_name(TableName.parse(load.target.partition(".")[2]), table.kind) == name:
            zone = dict(load.settings).get("timezone")
            found.setdefault(load.name, {}).update({zone: None} if zone else {})
    return tuple((name, tuple(zones)) for name, zones in found.items())


def _of_streams(wanted: Wanted, live: Mapping[TableName, Table], select: frozenset[str]) -> tuple[TableChanges, ...]:
    """What happens to the tables that streams write and no spec declares."""
    if wanted.looks is None:
        return ()
    declared = {table.table.name: table.table for table in wanted.tables}
    return plan_stream_tables(wanted.looks.tables(wanted.connection, select, live), live, declared)


def _compared(
    before: Sequence[AppliedPipeline], wanted: Wanted, broken: Mapping[str, tuple[str, ...]]
) -> tuple[PipelineChange, ...]:
    """The loads of pipelines that will differ, and then those of streams."""
    old, new = ([entry for entry in side if not entry.stream] for side in (before, wanted.pipelines))
    was, now = ([entry for entry in side if entry.stream] for side in (before, wanted.pipelines))
    running = wanted.looks.streams if wanted.looks else ()
    return compare_pipelines(old, new, broken) + compare_streams(was, now, wanted.kind, running)


def with_positions(load: PipelineChange, looks: StreamLooks | None) -> PipelineChange:
    """The change of a stream, with its stored positions, which count then and not its start."""
    if looks is None or not load.stream or load.action == "remove":
        return load
    found = looks.standing(load.name)
    if not found.stored:
        return load
    kept = (effect for effect in load.effects if not effect.startswith("its first start"))
    return replace(load, effects=(*kept, str(found)), positions=found.positions)


def with_watermark(load: PipelineChange, applies: Sequence[Apply], database: Database) -> PipelineChange:
    """The change of a load, with the watermark from which its next run reads on."""
    name = (load.name, load.target)
    own = (a for a in applies if (a.pipeline, f"{a.target.connection}.{a.target.name}") == name)
    stored = next((stored_watermark(apply, database) for apply in own), None)
    if stored is None or stored.value is None:
        return load
    kept = (effect for effect in load.effects if not effect.startswith(FIRST_RUN))
    return replace(load, effects=(*kept, f"its next run reads on from its watermark, {stored.value}"))


def with_update(load: PipelineChange, history: History) -> PipelineChange:
    """The change of a load, which says so where nothing of its spec differs and flowc has been updated."""
    applied = next((v.flowc for v in reversed(history.versions) if v.status == "done"), __version__)
    if load.action != "change" or load.changed or load.sql or load.breaks or applied == __version__:
        return load
    why = f"flowc was updated since the last apply ({applied} → {__version__}): only the SQL that it makes differs"
    return replace(load, effects=(*load.effects, why))


def _selected(wanted: Wanted, select: frozenset[str]) -> Wanted:
    if not select:
        return wanted
    tables = tuple(table for table in wanted.tables if table.key in select)
    return replace(wanted, tables=tables, pipelines=tuple(p for p in wanted.pipelines if p.name in select))


def _managed(before: Snapshot, select: frozenset[str]) -> tuple[Managed, ...]:
    """The tables of the history; with a selection, only the chosen ones, so that no other is dropped."""
    return tuple(entry for entry in before.tables if not select or entry.key in select)


def _pipelines(before: Snapshot, select: frozenset[str]) -> tuple[AppliedPipeline, ...]:
    return tuple(pipeline for pipeline in before.pipelines if not select or pipeline.name in select)


def _after(history: History, chosen: Wanted, select: frozenset[str]) -> Snapshot:
    """What the history holds after the plan is applied: with a selection, the rest as it was."""
    before = history.snapshot
    held, made = {entry.key: entry for entry in before.tables}, {table.table.name for table in chosen.tables}
    kept = tuple(entry for entry in before.tables if select and entry.key not in select)
    others = tuple(pipeline for pipeline in before.pipelines if select and pipeline.name not in select)
    managed = tuple(
        Managed(t.key, t.table, from_applied(t, held.get(t.key)), zones=_carried(t), loads=t.loads)
        for t in chosen.tables
    )
    left = tuple(rename for rename in history.renames if select and rename.table not in made)
    return Snapshot(kept + managed, others + chosen.pipelines, renames=left)


def _carried(table: WantedTable) -> tuple[tuple[str, str], ...]:
    """The `change_timezone` of the columns, else that of an earlier version, by the names of now."""
    new, earlier = {old: name for name, old in table.renamed}, dict(table.earlier_zones)
    found = {new.get(name, name): zone for name, zone in earlier.items()} | dict(table.zones)
    return tuple((name, zone) for name, zone in found.items() if table.table.column(name) is not None)


def read_versions(checked: CheckedSpec, ir: Ir, sessions: Sessions) -> dict[str, tuple[Version, ...]]:
    """The applied versions of each database that the project writes."""
    wanted = (entry for entry in wanted_of(checked, ir, sessions) if entry.tables or entry.pipelines)
    return {entry.connection: read_live_database(sessions, entry.connection, ()).history.versions for entry in wanted}


def close_selection(names: Iterable[str], checked: CheckedSpec, ir: Ir) -> frozenset[str]:
    """The named tables and pipelines and all that they depend on: upstream pipelines and the tables they touch."""
    waiting, found = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _needs(name, checked, ir)
    return frozenset(found)


def _needs(name: str, checked: CheckedSpec, ir: Ir) -> list[str]:
    pipeline = ir.pipeline(name)
    if pipeline is None:
        touched = {place for stream in ir.streams if stream.name == name for place in _touched(stream)}
        specs = checked.project.tables
        return [k for k, t in ir.tables.items() if (specs[k].connection.value, str(t.name)) in touched]
    reads = {str(read) for apply in pipeline.applies for read in getattr(apply.input, "reads", ())}
    writes = {str(apply.target.name) for apply in pipeline.applies}
    tables = [key for key, table in ir.tables.items() if str(table.name) in reads | writes]
    return [*pipeline.depends_on, *tables]


def _touched(stream: Stream) -> Iterator[tuple[str, str]]:
    """The tables that a stream writes and looks up, each behind its connection."""
    yield from ((apply.target.connection, str(apply.target.name)) for apply in stream.applies)
    yield from ((lookup.connection, str(read)) for lookup in stream.lookups for read in lookup.reads)


def plan_hash(plan: MigrationPlan) -> str:
    """A hash of everything the plan does and of what it was made from."""
    done = [
        (d.connection, d.kind, d.version, d.fingerprint, [_done(c) for c in d.changes], d.snapshot)
        for d in plan.databases
    ]
    return sha256(msgspec.json.encode(done)).hexdigest()


def _done(change: Change) -> tuple[object, ...]:
    """What a change does, and how dangerous it is; not what the data said to it when it was planned."""
    return change.kind, change.object, change.risk, change.blocked, change.part_of, change.statements


def rehearsed(tables: Sequence[TableChanges], database: Database) -> tuple[TableChanges, ...]:
    """The same changes; those are blocked that the engine refuses, whatever its tables hold."""
    statements = [(change, (t.name, s.sql)) for t in tables for change in t.changes for s in change.statements]
    if not isinstance(database, Rehearsing) or not statements:
        return tuple(tables)
    refused: dict[str, str] = {}
    for place, words in database.rehearse([spoken for _, spoken in statements]).items():
        refused.setdefault(_name(statements[place][0]), words)
    return tuple(replace(t, changes=tuple(_judged(c, refused.get(_name(c))) for c in t.changes)) for t in tables)


def _name(change: Change) -> str:
    return f"{change.kind} {change.object} {change.summary}"


def _judged(change: Change, words: str | None) -> Change:
    if words is None or not change.statements:
        return change
    mend = "make that in the database first" if change.kind == "create_table" else "change it by hand"
    blocked = f"the engine refuses it ({words}): declare what it takes, or {mend}"
    return replace(change, statements=(), blocked=blocked)
