"""A query over a batch of which some rows may fail: those rows are found, and the others go through.

Most rows that fail do so in a CAST. A query in which every CAST gives NULL instead tells which rows may fail, in one
go; only those are tried apart from each other. What fails in another way is searched for in the whole batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError, EngineError, FlowcError
from flowc.nodes import ROW
from flowc.runtime.badrows import first_indices
from flowc.runtime.contracts.oversize import CODE as TOO_LARGE
from flowc.runtime.contracts.oversize import one_batch
from flowc.runtime.streams.transform import Transform, kept

_STEPS = (512, 64, 8, 1)
"""Rows in the pieces of each round; a piece that fails is cut up in the next."""

_FEW = (8, 1)
"""The rounds for rows of which most will fail."""

_MACHINE = ("Resources exhausted", "engine-panic")
"""What says that the machine, not a row, is at fault."""

Batches = Mapping[str, pa.RecordBatch]


@dataclass(frozen=True, slots=True)
class Made:
    """What a query made of a batch, and its rows that failed, by their index."""

    rows: pa.RecordBatch
    failed: tuple[tuple[int, FlowcError], ...] = ()


@dataclass
class Rowwise:
    """Runs a query that computes each row on its own, and whose last column is the hidden one."""

    transform: Transform
    _suspect: bool = field(default=False, init=False)
    """Whether the last batch had rows that fail; the next is then likely to."""

    def __call__(self, batches: Batches, name: str) -> Made:
        """The rows that the query makes of the batch of source `name`; the other sources have none.

        Raises FlowcError for what fails without any row, too.
        """
        rows = batches[name].num_rows
        if not (self._suspect and rows):
            try:
                return Made(self.transform(batches))
            except (DataError, EngineError) as error:
                if not rows or _of_the_machine(error, rows):
                    raise
        # Raises what fails where no row is at fault.
        empty = self.transform({**batches, name: batches[name].slice(0, 0)})
        made = self._by_suspects(batches, name) or self._searched(batches, name, empty)
        self._suspect = bool(made.failed)
        return made

    def _by_suspects(self, batches: Batches, name: str) -> Made | None:
        """As the query makes them, when all rows that fail are among the suspects; None otherwise."""
        try:
            made = self.transform.leniently(batches)
        except (DataError, EngineError):
            return None
        for suspects in _suspects(batches[name], made):
            found = self._among(suspects, batches, name)
            if found is not None:
                return found
        return None

    def _among(self, suspects: pa.Int64Array, batches: Batches, name: str) -> Made | None:
        batch = batches[name]
        steps = _FEW if len(suspects) <= batch.num_rows // 4 else _STEPS
        failed, _ = self._tried({**batches, name: batch.take(suspects)}, name, steps)
        bad = suspects.take(pa.array(sorted(failed), pa.int64()))
        kept = batch.filter(pc.invert(pc.is_in(first_indices(batch.num_rows), bad)))
        try:
            rows = self.transform({**batches, name: kept})
        except (DataError, EngineError):
            return None
        return Made(rows, tuple((suspects[at].as_py(), error) for at, error in sorted(failed.items())))

    def _searched(self, batches: Batches, name: str, empty: pa.RecordBatch) -> Made:
        failed, made = self._tried(batches, name, _STEPS)
        rows = one_batch([empty, *(made[start] for start in sorted(made))])
        return Made(rows, tuple(sorted(failed.items())))

    def _tried(
        self, batches: Batches, name: str, steps: Sequence[int]
    ) -> tuple[dict[int, FlowcError], dict[int, pa.RecordBatch]]:
        """The rows that fail, and what the pieces without them give, by their first row."""
        spans, made = [(0, batches[name].num_rows)], dict[int, pa.RecordBatch]()
        failed: dict[int, FlowcError] = {}
        for step in steps:
            spans = [(at, min(at + step, end)) for start, end in spans for at in range(start, end, step)]
            if not spans:
                break
            failed.clear()
            for (start, _), result in zip(spans, self._pieces(batches, name, spans), strict=True):
                if isinstance(result, FlowcError):
                    failed[start] = result
                else:
                    made[start] = result
            spans = [span for span in spans if span[0] in failed]
        return failed, made

    def _pieces(
        self, batches: Batches, name: str, spans: Sequence[tuple[int, int]]
    ) -> list[pa.RecordBatch | FlowcError]:
        pieces = [batches[name].slice(start, end - start) for start, end in spans]
        found = self.transform.apart(name, pieces)
        return found if found is not None else [self._alone({**batches, name: piece}) for piece in pieces]

    def _alone(self, batches: Batches) -> pa.RecordBatch | FlowcError:
        try:
            return self.transform(batches)
        except (DataError, EngineError) as error:
            return kept(error)


def _of_the_machine(error: FlowcError, rows: int) -> bool:
    """Whether no row is at fault: of several, none is for being too many together."""
    together = error.code == TOO_LARGE and rows > 1
    return together or any(sign in str(error) or sign == error.code for sign in _MACHINE)


def _suspects(batch: pa.RecordBatch, made: pa.RecordBatch) -> Iterator[pa.Int64Array]:
    """The rows of a batch of which a lenient query makes a NULL; then those, too, of which it makes nothing."""
    rows, origins, whole = batch.column(ROW), made.columns[-1], first_indices(batch.num_rows)
    holes = pa.repeat(pa.scalar(False), made.num_rows)
    for column in made.columns[:-1]:
        holes = pc.or_(holes, column.is_null())
    with_null = pc.is_in(rows, origins.filter(holes))
    yield whole.filter(with_null)
    yield whole.filter(pc.or_(with_null, pc.invert(pc.is_in(rows, origins))))
