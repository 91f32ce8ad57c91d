"""The graph of one stream: makes of the rows of a source what is written, and keeps what its nodes remember."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from flowc.catalog import Column
from flowc.errors import UsageError
from flowc.nodes import ROW, SqlPlan
from flowc.runtime.arrow import empty_of
from flowc.runtime.contracts.epoch import END, Intent
from flowc.runtime.contracts.letternotes import judges
from flowc.runtime.contracts.oversize import one_batch
from flowc.runtime.engine.functions import Function
from flowc.runtime.streams.graph.build import Node, built, queries
from flowc.runtime.streams.graph.flow import Repeats, Result, Watch, flow
from flowc.runtime.streams.graph.state import States
from flowc.runtime.streams.lookups import Lookups
from flowc.stream import StreamPlan

Build = Callable[..., tuple[Node, ...]]
"""Makes the nodes of a plan; see `flowc.runtime.streams.graph.build.built`."""


@dataclass
class Graph:
    """The nodes of a plan. `schemas` are those of the sources' rows, without hidden columns."""

    plan: StreamPlan
    schemas: Mapping[str, pa.Schema]
    lookups: Lookups | None = None
    functions: Sequence[Function] = ()
    build: Build = built
    nodes: tuple[Node, ...] = field(init=False)
    states: States = field(init=False)
    carries: bool = field(init=False)
    """Whether rows go in with the message that they came of."""
    traces: bool = field(init=False)
    """Whether they come out so."""
    _end: str = field(init=False)
    """The name of what is written."""
    _schema: pa.Schema | None = field(init=False)
    """Its columns; None where its query alone knows them, and has no others."""

    def __post_init__(self) -> None:
        self.nodes = self.build(self.plan.nodes, self.schemas, self.lookups, self.functions, passing=self.plan.passing)
        self.states = States.of(self.plan, self.nodes)
        texts = [node for node in self.plan.nodes if isinstance(node, SqlPlan)]
        self.carries = not texts or any(node.traced for node in texts)
        self.traces = texts[-1].traced if texts else True
        self._end = self.nodes[-1].outputs[0] if self.nodes else self.plan.sources[0].name
        self._schema = self.nodes[-1].schema if self.nodes else self.schemas[self._end]

    @property
    def remembers(self) -> int:
        """How many nodes keep state, or did when their rows went through them before."""
        return sum(node.remembers for node in self.nodes)

    @property
    def judges(self) -> int:
        """A number that tells these nodes from others."""
        return judges(node.id for node in self.nodes if node.remembers)

    def __call__(self, source: str, rows: pa.RecordBatch, intent: Intent, watch: Watch | None = None) -> Result:
        """What an epoch makes of rows of a source; all of it sees one time, and one version of each lookup."""
        current = self.lookups.current() if self.lookups is not None else {}
        for query in queries(self.nodes):
            query.transform.begin(intent.time, current if intent.versions is None else intent.versions)
        return flow(self.nodes, self._end, source, rows=rows, sources=self.schemas, at=intent.watermark, watch=watch)

    def repeats(self, source: str, rows: pa.RecordBatch, intent: Intent) -> set[int]:
        """The messages of which nothing comes out because nodes that keep state know their rows already.

        Raises UsageError where of several rows of a message some are known: it cannot be told as a whole.
        """
        told = Repeats()
        made = self(source, rows, intent, told)
        gone, parts = told.told(made.rows)
        if parts:
            message = f"stream `{self.plan.name}` makes several rows of a message, and knows some of them already"
            help = "a replay gives all rows of a message, or none: go back to before it with `flowc rewind`"
            raise UsageError(message, code="partly-known", help=help)
        return gone

    def due(self, at: int) -> bool:
        """Whether nodes let rows out at a watermark, or at `END`."""
        marks = dict.fromkeys(self.schemas, at)
        for node in self.nodes:
            mark = min((marks[name] for name in node.inputs), default=at)
            if node.operator.due(mark):
                return True
            marks.update(dict.fromkeys(node.outputs, mark if mark == END else mark - node.delay))
        return False

    def columns(self, otherwise: Sequence[Column]) -> Sequence[Column]:
        """The columns of what comes out, as the last SQL is planned; `otherwise` where there is none."""
        return next((query.columns() for query in reversed([*queries(self.nodes)])), otherwise)

    def whole(self, result: Result) -> pa.RecordBatch:
        """The rows of a result in one batch, without hidden columns but the message, which is last where it is told."""
        return one_batch([*map(self._shown, result.rows)] or [self._nothing()])

    def _shown(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        if self._schema is None:
            return rows
        names = [*self._schema.names, ROW]
        return rows if rows.schema.names == names else rows.select(names)

    def _nothing(self) -> pa.RecordBatch:
        if self._schema is None:
            return [*queries(self.nodes)][-1].nothing()
        return empty_of(pa.schema([*self._schema, pa.field(ROW, pa.int64())]))
