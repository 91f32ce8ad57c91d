"""Plans of streams as text: as SQL to read, and as values for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowc.durations import duration_text
from flowc.loadplan import Execute
from flowc.nodes import AggregatePlan, Changelog, JoinPlan, NodePlan, RunningPlan, SqlPlan, Traits, WindowPlan
from flowc.render.json_values import json_value
from flowc.render.plans import columns_text, ended, plan_object, statement, steps_sql
from flowc.render.style import comment
from flowc.stream import LookupPlan, PositionSql, SourcePlan, StatePlan, StreamPlan, TargetPlan
from flowc.targets import LETTERS

_NUMBERS = {name: f"{{{name}}}" for name in ("partition", "start", "end", "epoch", "log")}
"""What an epoch fills in, shown as it stands in the templates."""


def stream_sql(plan: StreamPlan) -> str:
    """A stream as SQL to read: what it reads, the query of each epoch, and the statements of each target."""
    targets = [part for target in plan.written for part in _target(target, plan)]
    return "\n\n".join([*_reading(plan), *targets, *_state(plan.state)])


def stream_object(plan: StreamPlan) -> dict[str, object]:
    """A stream for JSON. Targets say their type in `target`; the rows that their loads read are an epoch's."""
    shown = json_value(plan)
    assert isinstance(shown, dict)
    shown["targets"] = [_target_object(target) for target in plan.targets]
    if plan.letters is not None:
        shown["letters"] = _target_object(plan.letters)
    if plan.state is not None:  # which keeps the facts too
        shown.pop("facts", None)
    return {"stream": shown.pop("name"), "version": shown.pop("version"), **shown}


def _target_object(target: TargetPlan) -> dict[str, object]:
    shown = json_value(target)
    assert isinstance(shown, dict)
    if shown.get("changes") == Changelog.INSERT_ONLY:
        shown.pop("changes")
    for name, load in target.loads.items():
        shown[name] = plan_object(load, LETTERS if name == "dead" else target.rows_are)
    return {"target": type(target).__name__.removesuffix("Target").lower(), **shown}


def _reading(plan: StreamPlan) -> Iterator[str]:
    yield comment(f"{plan.name}: stream", *map(_source, plan.sources))
    yield from map(_lookup, plan.lookups)
    yield from _graph(plan.nodes)
    for node in plan.nodes:
        if isinstance(node, SqlPlan):
            part = "" if node is plan.nodes[-1] else f" `{node.id}`"
            yield statement(Execute(f"each epoch, on DataFusion{':' if part else ''}{part}", node.text))


def _graph(nodes: Sequence[NodePlan]) -> Iterator[str]:
    """A line for each node: what it reads and does, and what is known of the rows that it gives."""
    if any(not isinstance(node, SqlPlan) for node in nodes):
        yield comment(*map(_node, nodes))


def _node(node: NodePlan) -> str:
    return f"{node.id} of {', '.join(node.inputs)}: {_does(node)}; {_known(node.traits)}"


def _does(node: NodePlan) -> str:
    if isinstance(node, SqlPlan):
        return "SQL"
    if isinstance(node, WindowPlan):
        return _windows(node)
    if isinstance(node, RunningPlan):
        aggregates = ", ".join(map(_aggregate, node.aggregates)) or "groups"
        retention = f", kept {duration_text(node.ttl)} after their last change" if node.ttl is not None else ""
        return f"{aggregates} of all rows by {', '.join(node.keys)}{retention}"
    if isinstance(node, JoinPlan):
        keys = ", ".join(left if left == right else f"{left} = {right}" for left, right in node.keys)
        least, most = (f"{bound / 1_000_000:g}" for bound in (node.least, node.most))
        within = f"the right row from {least} to {most} seconds after the left one"
        late = f"; late rows: reopen for {duration_text(node.allowed)}" if node.late == "reopen" else ""
        return f"{node.kind} join by {keys}, {within}{late}"
    return f"drops repeats by {', '.join(node.keys)} within {node.within / 1_000_000:g} seconds"


def _windows(node: WindowPlan) -> str:
    lengths = {
        "tumbling": f"of {duration_text(node.size)}",
        "hopping": f"of {duration_text(node.size)}, a new one each {duration_text(node.step)}",
        "cumulating": f"of {duration_text(node.size)}, shown each {duration_text(node.step)}",
        "session": f"that end after {duration_text(node.step)} without rows, at most {duration_text(node.size)} long",
    }
    shifted = f", shifted by {duration_text(node.offset)}" if node.offset else ""
    zone = f", in {node.timezone}" if node.timezone else ""
    what = "sessions" if node.kind == "session" else f"{node.kind} windows"
    aggregates = ", ".join(map(_aggregate, node.aggregates))
    keys = f" by {', '.join(node.keys)}" if node.keys else ""
    early = f", shown each {duration_text(node.emit)} before they end" if node.emit is not None else ""
    return (
        f"{aggregates or 'groups'} in {what} {lengths[node.kind]}{shifted}{zone}{keys}{early}; late rows: {node.late}"
    )


def _aggregate(plan: AggregatePlan) -> str:
    arguments = [plan.argument or "*", *plan.more, *([] if plan.level is None else [f"{plan.level:g}"])]
    argument = f"{'DISTINCT ' if plan.distinct else ''}{', '.join(arguments)}"
    where = f" where {plan.where}" if plan.where is not None else ""
    return f"{plan.function}({argument}){where} AS {plan.name}"


def _known(traits: Traits) -> str:
    state = {"none": "no state", "bounded": "bounded state", "unbounded": "state without bound"}[traits.state]
    time = f", event time {traits.event_time}" if traits.event_time else ""
    key = f" by {', '.join(traits.key)}" if traits.key else ""
    return f"{traits.mode}{time}, {state}{key}"


def _source(source: SourcePlan) -> str:
    of = f"{source.format} {source.holds} of {source.connection}:{source.address}"
    return f"{source.name} is {of} {columns_text(source.columns or ())}"


def _lookup(lookup: LookupPlan) -> str:
    again = f"again every {lookup.refresh:g} seconds" if lookup.refresh is not None else "once"
    purpose = f"lookup {lookup.name} {columns_text(lookup.columns)}, read {again} from {lookup.connection}"
    return statement(Execute(purpose, lookup.query))


def _target(target: TargetPlan, plan: StreamPlan) -> Iterator[str]:
    columns = "" if target.loads else f" {columns_text(target.columns)}"
    written = f"{plan.name}: {target.content} into {target.name}{columns}{target.details}"
    yield comment(*filter(None, (written, target.commit)))
    for purpose, statements in target.setup.items():
        yield from _once(purpose, statements)
    if target.loads:
        yield from _transaction(target)


def _transaction(target: TargetPlan) -> Iterator[str]:
    """The transaction of an epoch, with what comes before it."""
    loads = {name: target.loads[name] for name in ("load", "dead") if name in target.loads}
    yield from (statement(step) for load in loads.values() for step in load.prepare)
    yield "BEGIN;"
    yield from _positions(target.position_sql) if target.position_sql is not None else ()
    for name, load in loads.items():
        yield from steps_sql(load.steps, LETTERS if name == "dead" else target.rows_are)
    yield "COMMIT;"


def _positions(sql: PositionSql) -> Iterator[str]:
    """Each partition that the epoch reads is in one of two statements."""
    filled = {"target": sql.target, "epoch": _NUMBERS["epoch"]}
    place = {name: value for name, value in _NUMBERS.items() if name != "epoch"}
    place["source"] = sql.sources[0][1] if len(sql.sources) == 1 else "{source}"
    moves = "move partitions on, each as shown for one: error `stream-fenced` when this touches fewer rows"
    yield statement(Execute(moves, sql.advancing([place], rows=True, **filled)))
    yield statement(Execute("and begin those that were never read", sql.beginning([place], rows=True, **filled)))


def _state(state: StatePlan | None) -> Iterator[str]:
    if state is not None:
        where = state.connection or "a file of its own, under .flowc/"
        yield from _once(f"keep intents, checkpoints and state in {where}", state.sql.ensure)


def _once(purpose: str, statements: tuple[str, ...]) -> Iterator[str]:
    """What is done when the stream starts, where it is not done yet."""
    if statements:
        first, *others = statements
        yield "\n".join([statement(Execute(purpose, first)), *map(ended, others)])
