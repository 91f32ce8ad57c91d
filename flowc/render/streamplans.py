"""Plans of streams as text: as SQL to read, and as values for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowc.durations import duration_text
from flowc.loadplan import Execute
from flowc.nodes import AggregatePlan, Changelog, JoinPlan, NodePlan, RunningPlan, SqlPlan, Traits, WindowPlan
from flowc.render.json_values import json_value
from flowc.render.plans import columns_text, ended, plan_object, statement, steps_sql
from flowc.render.style import comment
from flowc.stream import (
    FilesTarget,
    LookupPlan,
    PositionSql,
    SourcePlan,
    StatePlan,
    StreamPlan,
    TableTarget,
    TargetPlan,
    TopicTarget,
)

_LETTERS = "the dead letters of the epoch"
_NUMBERS = {name: f"{{{name}}}" for name in ("partition", "start", "end", "epoch", "log")}
"""What an epoch fills in, shown as it stands in the templates."""


def stream_sql(plan: StreamPlan) -> str:
    """A stream as SQL to read: what it reads, the query of each epoch, and the statements of each target."""
    targets = [part for target in _targets(plan) for part in _target(target, plan)]
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
    if isinstance(target, TableTarget):
        loads = {"load": target.load, "first": target.first}
        shown |= {key: plan_object(load, _rows(target)) for key, load in loads.items() if load is not None}
    if isinstance(target, TableTarget) and target.dead is not None:
        shown["dead"] = plan_object(target.dead, _LETTERS)
    return {"target": type(target).__name__.removesuffix("Target").lower(), **shown}


def _rows(target: TableTarget) -> str:
    if target.letters:
        return _LETTERS
    only = target.changes is Changelog.INSERT_ONLY
    return "the rows of the epoch" if only else f"the last change of each key of the epoch ({target.changes})"


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
        kept = f", kept {duration_text(node.ttl)} after their last change" if node.ttl is not None else ""
        return f"{aggregates} of all rows by {', '.join(node.keys)}{kept}"
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
    given = [plan.argument or "*", *plan.more, *([] if plan.level is None else [f"{plan.level:g}"])]
    argument = f"{'DISTINCT ' if plan.distinct else ''}{', '.join(given)}"
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


def _targets(plan: StreamPlan) -> tuple[TargetPlan, ...]:
    return plan.targets if plan.letters is None else (*plan.targets, plan.letters)


def _target(target: TargetPlan, plan: StreamPlan) -> Iterator[str]:
    if isinstance(target, TableTarget):
        yield from _table(target, plan)
    elif isinstance(target, FilesTarget):
        parts = f", partitioned by {', '.join(target.partition_by)}" if target.partition_by else ""
        yield comment(f"{plan.name}: {target.format} files into {target.name} {columns_text(target.columns)}{parts}")
    else:
        key = f", key {', '.join(target.key)}" if target.key else ""
        what = "dead letters" if target.letters else f"{target.format} messages"
        if target.changes is not Changelog.INSERT_ONLY:
            what = f"{what} of the last change of each key ({target.changes}), without a value where it goes,"
        told = f"{plan.name}: {what} into {target.name} {columns_text(target.columns)}{key}"
        yield comment(told, _commit(target))


def _commit(target: TopicTarget) -> str:
    """What is in one transaction of a topic."""
    if not target.transactions:
        return "without transactions"
    beside = ["the positions of the sources"] if target.positions else []
    beside += [f"dead letters into {target.dead_topic}"] if target.dead_topic else []
    return f"one transaction for each epoch{', with ' if beside else ''}{' and '.join(beside)}"


def _table(target: TableTarget, plan: StreamPlan) -> Iterator[str]:
    """What is done once, and then the transaction of an epoch."""
    what = "dead letters" if target.letters else target.load.mode
    yield comment(f"{plan.name}: {what} into {target.name}, one commit for each epoch")
    yield from _once("keep positions", target.positions.ensure if target.positions is not None else ())
    yield from _once("make the table, where it is missing", target.create)
    yield from _once("make the table of dead letters, where it is missing", target.create_dead)
    loads = (target.load,) if target.dead is None else (target.load, target.dead)
    yield from (statement(step) for load in loads for step in load.prepare)
    yield "BEGIN;"
    yield from _positions(target.positions) if target.positions is not None else ()
    yield from steps_sql(target.load.steps, _rows(target))
    yield from steps_sql(target.dead.steps, _LETTERS) if target.dead is not None else ()
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
