"""Drops rows whose key was seen within some event time.

A row is dropped when an earlier row of the same key was kept whose event time is at most `within` before or after its
own, and is not more than `within` before the watermark. Keys with a NULL in them are never the same.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from flowc.nodes import DedupePlan
from flowc.runtime.contracts.state import Segment
from flowc.runtime.streams.keyed.firsts import firsts
from flowc.runtime.streams.keyed.hashes import Hasher, whole
from flowc.runtime.streams.keyed.table import Table
from flowc.runtime.streams.operators.changed import changed
from flowc.runtime.streams.operators.contract import NOTHING, Decision, Emitted, Least, Verdict, said

_EVER = -(2**62)
_SLICES = 32
"""What is old is forgotten so many times in `within`, and not with every epoch."""


class Dedupe:
    """One `dedupe` of a stream; see `flowc.runtime.streams.operators.contract.Operator`."""

    def __init__(self, plan: DedupePlan) -> None:
        self.name, self.fingerprint = plan.id, plan.fingerprint
        self._keys, self._within = plan.keys, plan.within
        self._seen = Table(plan.id, plan.fingerprint, max_bytes=plan.max_bytes)
        self._hash, self._floor, self._step = Hasher(), _EVER, max(plan.within // _SLICES, 1)
        self._input = Least(len(plan.inputs))

    @property
    def watermark(self) -> int | None:
        """That of its input: rows come out as they come in."""
        return self._input.value

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        """The rows that are no repeats, of whatever port the first ones were."""
        return Emitted(self._firsts(rows))

    def _firsts(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        judged = whole([batch.column(key) for key in self._keys])
        rows = batch if len(judged) == batch.num_rows else batch.take(pa.array(judged))
        if not rows.num_rows:
            return batch
        hi, lo = self._hash([rows.column(key) for key in self._keys])
        order = np.argsort(hi, kind="stable")
        hi, lo, at = hi[order], lo[order], rows.column("_event_ts").cast(pa.int64()).to_numpy()[order]
        kept = ~self._seen.near(hi, lo, at, self._within, self._floor)
        open_ = np.flatnonzero(kept)
        kept[open_] = firsts(hi[open_], lo[open_], at[open_], self._within, self._floor)
        known = kept & (at >= self._floor)
        self._seen.insert(hi[known], lo[known], at[known])
        if kept.all():
            return batch
        passed = np.ones(batch.num_rows, bool)
        passed[judged[order]] = kept
        return batch.filter(pa.array(passed))

    def due(self, at: int) -> bool:
        """Never: rows come out as they come in."""
        return False

    def on_watermark(self, port: int, at: int) -> Emitted:
        """Forgets what no row that is not late can repeat."""
        self._input.at(port, at)
        if self._input.value is not None:
            self._floor = self._input.value - self._within
            self._seen.forget(self._floor - self._floor % self._step)
        return NOTHING

    def on_end(self) -> Emitted:
        """Remembers on: a repeat may come in another run."""
        return NOTHING

    def verdict(self, written_by: str) -> Verdict:
        """State of other keys says nothing of these; with another `within` it goes on with what is remembered."""
        before, now = said(written_by), said(self.fingerprint)
        if not isinstance(before.get("within"), int) or {**before, "within": 0} != {**now, "within": 0}:
            return Verdict(Decision.REFUSE, changed(before, now))
        if before["within"] < now["within"]:
            # Rows of before are forgotten already, which the new one would remember a while longer.
            forgotten = "a repeat of what was forgotten under the shorter `within` gets through"
            return Verdict(Decision.MIGRATE, f"{changed(before, now)}: {forgotten}")
        return Verdict(Decision.KEEP)

    def snapshot(self) -> tuple[Segment, ...]:
        """What changed since the last call."""
        return self._seen.snapshot()

    def restore(self, segments: Iterable[Segment]) -> None:
        """Takes the state that was kept."""
        self._seen, self._floor = self._seen.restored(segments), _EVER
