"""What becomes of the rows of an epoch on their way through the nodes.

A node first gets what a watermark let out of the nodes before it, then that watermark, and then the rows of the epoch:
what was let out is older than what is still to come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.compute as pc

from flowc.nodes import ROW
from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.epoch import END
from flowc.runtime.streams.graph.build import Node
from flowc.runtime.streams.operators.contract import LATE, NO_MESSAGE, Emitted
from flowc.runtime.streams.operators.query import without

if TYPE_CHECKING:
    from flowc.runtime.streams.operators.join import IntervalJoin

Batches = dict[str, list[pa.RecordBatch]]
"""What there is to read, by the names of sources and of what nodes give."""
Watch = Callable[[pa.RecordBatch, pa.RecordBatch | None], None]
"""Told what went into a node that keeps state and lets rows through at once, and what came out of it."""


@dataclass(frozen=True, slots=True)
class Aside:
    """A row that leaves by the side, and how many of the nodes that keep state had seen its message by then."""

    row: BadRow
    seen: int


@dataclass(frozen=True, slots=True)
class Result:
    """The batches that come out of the last node, and the rows that left on the way.

    By nodes, `dropped` are the numbers of rows that came too late and are counted alone, and `emitted` of those that
    came out of nodes in which rows stay.
    """

    rows: tuple[pa.RecordBatch, ...]
    late: tuple[Aside, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    emitted: Mapping[str, int] = field(default_factory=dict)


def flow(
    nodes: Sequence[Node], end: str, source: str, *, rows: pa.RecordBatch, sources: Iterable[str], at: int | None,
    watch: Watch | None = None,
) -> Result:  # fmt: skip
    """The rows of an epoch, which are of one source; `at` is the watermark before them, or `END`.

    `end` names what is written in the end.
    """
    step = _Flow(at, {source: [rows]}, dict.fromkeys(sources, at), watch)
    for node in nodes:
        step.through(node)
    return Result((*step.older.get(end, ()), *step.rows.get(end, ())), tuple(step.late), step.dropped, step.emitted)


@dataclass
class _Flow:
    at: int | None
    rows: Batches
    marks: dict[str, int | None]
    """Before which nothing more is expected of what can be read."""
    watch: Watch | None
    older: Batches = field(default_factory=dict)
    """What watermarks let out."""
    late: list[Aside] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    emitted: dict[str, int] = field(default_factory=dict)
    seen: int = 0

    def through(self, node: Node) -> None:
        """Takes everything through one node."""
        self._process(node, self.older)
        if self.at == END:
            self._let_out(node, 0, node.operator.on_end())
        elif self.at is not None:
            self._move_on(node)
        self._process(node, self.rows)
        self.seen += node.remembers

    def _move_on(self, node: Node) -> None:
        for port, name in enumerate(node.inputs):
            mark = self.marks.get(name)
            if mark is not None:
                self._let_out(node, port, node.operator.on_watermark(port, mark))
        self.marks.update(dict.fromkeys(node.outputs, node.operator.watermark))

    def _process(self, node: Node, batches: Batches) -> None:
        late = self._late_beside(node, batches)
        for port, name in enumerate(node.inputs):
            for batch in batches.get(name, ()):
                # What is late for one window may be in time for another.
                bad = [*(aside.row for aside in self.late if aside.row.code != LATE), *late[port]]
                rows = without(batch, bad) if bad else batch
                made = node.operator.process(port, rows)
                if self.watch is not None and node.remembers and not node.holds:
                    self.watch(rows, made.rows)
                self._emit(node, port, made, batches)

    def _late_beside(self, node: Node, batches: Batches) -> list[list[BadRow]]:
        """For each port of a join, the messages that are late at the other one alone: what is late has no part in it.

        Only a join of a stream with itself has rows of one message at both.
        """
        given = [batches.get(name, ()) for name in node.inputs]
        if not node.joins or not all(given):
            return [[] for _ in given]
        operator = cast("IntervalJoin", node.operator)
        late = [{at for rows in each for at in operator.late(port, rows)} for port, each in enumerate(given)]
        return [[BadRow(at, LATE, "") for at in late[1 - port] - late[port]] for port in (0, 1)]

    def _let_out(self, node: Node, port: int, made: Emitted) -> None:
        """Rows of before came of no message of this epoch, and are never blamed on one."""
        rows, late = made.rows, tuple(replace(row, index=NO_MESSAGE) for row in made.late)
        if rows is not None and ROW in rows.schema.names:
            at, none = rows.schema.get_field_index(ROW), pa.nulls(rows.num_rows, pa.int64())
            rows = rows.set_column(at, pa.field(ROW, pa.int64()), none)
        rows = rows if rows is not None and rows.num_rows else None
        self._emit(node, port, Emitted(rows, late, made.dropped), self.older)

    def _emit(self, node: Node, port: int, made: Emitted, batches: Batches) -> None:
        self.late += [Aside(row, self.seen) for row in made.late]
        if made.dropped:
            self.dropped[node.id] = self.dropped.get(node.id, 0) + made.dropped
        if made.rows is not None and node.holds:
            self.emitted[node.id] = self.emitted.get(node.id, 0) + made.rows.num_rows
        if made.rows is not None:
            batches.setdefault(node.outputs[min(port, len(node.outputs) - 1)], []).append(made.rows)


@dataclass
class Losses:
    """What went into nodes that keep state, and what came out, by messages: looked at where one is set aside."""

    _pairs: list[tuple[pa.Array, pa.Array | None]] = field(default_factory=list)

    def __call__(self, read: pa.RecordBatch, given: pa.RecordBatch | None) -> None:
        """Takes what went into such a node, and what came out of it."""
        self._pairs.append((read.column(ROW), given.column(ROW) if given is not None else None))

    def of(self, messages: Sequence[int]) -> set[int]:
        """Those of some messages that lost rows at such a node."""
        wanted = pa.array(messages, pa.int64())
        return {
            row
            for before, after in self._pairs
            for row, count in _counts(before.filter(pc.is_in(before, wanted))).items()
            if (_counts(after.filter(pc.is_in(after, wanted))) if after is not None else {}).get(row, 0) < count
        }


@dataclass
class Repeats:
    """Which messages lost rows at nodes that keep state."""

    _lost: set[int] = field(default_factory=set)
    _left: set[int] = field(default_factory=set)

    def __call__(self, read: pa.RecordBatch, given: pa.RecordBatch | None) -> None:
        """Takes what went into such a node, and what came out of it."""
        before, after = _counted(read), _counted(given) if given is not None else {}
        self._lost.update(row for row, count in before.items() if after.get(row, 0) < count)
        self._left.update(after)

    def told(self, rows: Sequence[pa.RecordBatch]) -> tuple[set[int], set[int]]:
        """The messages of which nothing is left, and those of which something is, among those that lost some."""
        traced = [batch for batch in rows if ROW in batch.schema.names]
        left = {row for batch in traced for row in _counted(batch)} if traced else self._left
        return self._lost - left, self._lost & left


def _counted(rows: pa.RecordBatch) -> Mapping[int, int]:
    return _counts(rows.column(ROW))


def _counts(rows: pa.Array) -> Mapping[int, int]:
    counts = pc.value_counts(rows)
    pairs = zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)
    return {row: count for row, count in pairs if row is not None and row != NO_MESSAGE}
