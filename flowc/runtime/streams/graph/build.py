"""Operators of a plan's nodes. Nothing else makes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from flowc.nodes import DedupePlan, JoinPlan, NodePlan, RunningPlan, SqlPlan, WindowPlan, outputs
from flowc.runtime.functions import Function
from flowc.runtime.streams.lookups import Versions
from flowc.runtime.streams.operators.contract import Operator
from flowc.runtime.streams.operators.dedupe import Dedupe
from flowc.runtime.streams.operators.join import IntervalJoin
from flowc.runtime.streams.operators.passing import Passing, Taken
from flowc.runtime.streams.operators.query import Query
from flowc.runtime.streams.operators.running import Running
from flowc.runtime.streams.operators.session import Sessions
from flowc.runtime.streams.operators.sessionagain import SessionsAgain
from flowc.runtime.streams.operators.window import Windows


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
        if isinstance(plan, WindowPlan):
            windows = _windows(plan, inputs[0], self.functions)
            self.schemas[plan.id] = windows.schema
            made = partial(made, schema=windows.schema, remembers=True, holds=True, delay=plan.delay)
            return made(Taken(1) if self.passing else windows)
        if isinstance(plan, RunningPlan):
            running = Running(plan, inputs[0], self.functions)
            self.schemas[plan.id] = running.schema
            made = partial(made, schema=running.schema, remembers=True, holds=True)
            return made(Taken(1) if self.passing else running)
        if isinstance(plan, JoinPlan):
            join = IntervalJoin(plan, *inputs)
            self.schemas[plan.id] = join.schema
            return made(join, schema=join.schema, remembers=True, holds=True, delay=plan.delay)
        self.schemas.update(zip(given, inputs, strict=True))
        operator = Passing(len(inputs)) if self.passing else Dedupe(plan)
        return made(operator, schema=inputs[0], remembers=True)


def _windows(plan: WindowPlan, schema: pa.Schema, functions: Sequence[Function]) -> Windows | Sessions:
    if plan.kind != "session":
        return Windows(plan, schema, functions)
    return (SessionsAgain if plan.late == "reopen" else Sessions)(plan, schema, functions)


def queries(nodes: Sequence[Node]) -> Iterator[Query]:
    """The operators that run SQL."""
    yield from (node.operator for node in nodes if isinstance(node.operator, Query))
