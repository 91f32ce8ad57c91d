"""Operators of a plan's nodes. Nothing else makes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import pyarrow as pa

from flowc.nodes import DedupePlan, JoinPlan, NodePlan, RunningPlan, SqlPlan, WindowPlan, outputs
from flowc.runtime.engine.functions import Function
from flowc.runtime.streams.lookups import Versions
from flowc.runtime.streams.operators.contract import Operator
from flowc.runtime.streams.operators.dedupe import Dedupe
from flowc.runtime.streams.operators.passing import Passing, Taken
from flowc.runtime.streams.operators.query import Query


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its operator, and the names of what goes into it and comes out of it.

    What is processed of a port comes out of the output of the same number where there are several.
    """

    id: str
    operator: Operator
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    schema: pa.Schema | None = None
    """What comes out, without hidden columns; None for a query that no other node reads."""
    remembers: bool = False
    """Whether it keeps state, or did when its rows went through it before."""
    holds: bool = False
    """Whether rows stay in it, so that none is lost that does not come out."""
    delay: int = 0
    """How far behind that of its input its watermark is, in microseconds."""
    joins: bool = False


def built(
    plans: Sequence[NodePlan],
    schemas: Mapping[str, pa.Schema],
    lookups: Versions | None = None,
    functions: Sequence[Function] = (),
    *,
    passing: bool = False,
) -> tuple[Node, ...]:
    """The nodes of a plan in topological order. `schemas` are those of the sources, without hidden columns.

    With `passing`, what keeps state lets everything through. Raises EngineError for a query that the engine does not
    plan.
    """
    making, read = _Making(dict(schemas), lookups, functions, passing), {name for plan in plans for name in plan.inputs}
    return tuple(making.node(plan, _outputs(plan), needed=bool(read.intersection(_outputs(plan)))) for plan in plans)


def _outputs(node: NodePlan) -> tuple[str, ...]:
    return outputs(node.id, node.inputs) if isinstance(node, DedupePlan) else (node.id,)


@dataclass
class _Making:
    schemas: dict[str, pa.Schema]
    """Of everything that a node may read, without hidden columns."""
    lookups: Versions | None
    functions: Sequence[Function]
    passing: bool

    def node(self, plan: NodePlan, given: tuple[str, ...], *, needed: bool) -> Node:
        """A node; with `needed`, other nodes read what it gives."""
        inputs = [self.schemas[name] for name in plan.inputs]
        made = partial(Node, plan.id, inputs=plan.inputs, outputs=given)
        if isinstance(plan, SqlPlan):
            query = Query(plan, inputs, self.lookups, self.functions)
            if needed:
                self.schemas[plan.id] = query.schema()
            return made(query, schema=self.schemas.get(plan.id))
        if not isinstance(plan, DedupePlan):
            operator, delay = _gathering(plan, inputs, self.functions)
            self.schemas[plan.id] = operator.schema
            passed = Taken(1) if self.passing and not isinstance(plan, JoinPlan) else operator
            joins = isinstance(plan, JoinPlan)
            return made(passed, schema=operator.schema, remembers=True, holds=True, delay=delay, joins=joins)
        self.schemas.update(zip(given, inputs, strict=True))
        return made(Passing(len(inputs)) if self.passing else Dedupe(plan), schema=inputs[0], remembers=True)


class Gathering(Operator, Protocol):
    """An operator that makes rows of several; `schema` is what comes out, without hidden columns."""

    @property
    def schema(self) -> pa.Schema: ...


def _gathering(
    plan: WindowPlan | RunningPlan | JoinPlan, inputs: Sequence[pa.Schema], functions: Sequence[Function]
) -> tuple[Gathering, int]:
    """The operator, and how far behind that of its input its watermark is. Most streams have none to import."""
    if isinstance(plan, JoinPlan):
        from flowc.runtime.streams.operators.join import IntervalJoin

        return IntervalJoin(plan, *inputs), plan.delay
    if isinstance(plan, RunningPlan):
        from flowc.runtime.streams.operators.running import Running

        return Running(plan, inputs[0], functions), 0
    if plan.kind != "session":
        from flowc.runtime.streams.operators.window import Windows

        return Windows(plan, inputs[0], functions), plan.delay
    from flowc.runtime.streams.operators.session import Sessions
    from flowc.runtime.streams.operators.sessionagain import SessionsAgain

    return (SessionsAgain if plan.late == "reopen" else Sessions)(plan, inputs[0], functions), plan.delay


def queries(nodes: Sequence[Node]) -> Iterator[Query]:
    """The operators that run SQL."""
    yield from (node.operator for node in nodes if isinstance(node.operator, Query))
