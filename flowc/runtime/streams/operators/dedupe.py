"""Drops rows whose key was seen within some event time.

A row is dropped when an earlier row of the same key was kept whose event time is at most `within` before or after its
own, and is not more than `within` before the watermark. Keys with a NULL in them are never the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import EngineError
from flowc.runtime.streams.operators.contract import NOTHING, Decision, Emitted, Least, Verdict
from flowc.runtime.streams.operators.firsts import firsts
from flowc.runtime.streams.operators.keys import Hasher
from flowc.runtime.streams.operators.seen import Entries, Seen
from flowc.runtime.streams.state.contract import Group
from flowc.stream import DedupePlan

_FORMAT = {"flowc": "dedupe", "format": "1"}
_SCHEMA = pa.schema([("key", pa.binary(16)), ("at", pa.int64())], _FORMAT)
_EVER = -(2**62)


class Dedupe:
    """One `dedupe` of a stream; see `flowc.runtime.streams.operators.contract.Operator`."""

    def __init__(self, plan: DedupePlan) -> None:
        self.name, self.fingerprint = plan.id, plan.fingerprint
        self._keys, self._within = plan.keys, plan.within
        self._seen, self._hash, self._floor = Seen(plan.within), Hasher(), _EVER
        self._input = Least(len(plan.inputs))

    @property
    def watermark(self) -> int | None:
        """That of its input: rows come out as they come in."""
        return self._input.value

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        """The rows that are no repeats, of whatever port the first ones were."""
        return Emitted(self._firsts(rows))

    def _firsts(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        judged = _judged(batch, self._keys)
        rows = batch if len(judged) == batch.num_rows else batch.take(pa.array(judged))
        if not rows.num_rows:
            return batch
        hi, lo = self._hash([rows.column(key) for key in self._keys])
        order = np.argsort(hi, kind="stable")
        hi, lo, at = hi[order], lo[order], rows.column("_event_ts").cast(pa.int64()).to_numpy()[order]
        kept = ~self._seen.near(hi, lo, at, self._floor)
        open_ = np.flatnonzero(kept)
        kept[open_] = firsts(hi[open_], lo[open_], at[open_], self._within, self._floor)
        known = kept & (at >= self._floor)
        self._seen.add(hi[known], lo[known], at[known])
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
            self._seen.forget(self._floor)
        return NOTHING

    def on_end(self) -> Emitted:
        """Remembers on: a repeat may come in another run."""
        return NOTHING

    def verdict(self, written_by: str) -> Verdict:
        """State of other keys says nothing of these; with another `within` it goes on with what is remembered."""
        before, now = _said(written_by), _said(self.fingerprint)
        if not before or {**before, "within": 0} != {**now, "within": 0}:
            return Verdict(Decision.REFUSE, "its keys were changed")
        if before["within"] < now["within"]:
            # Rows of before are forgotten already, which the new one would remember a while longer.
            return Verdict(Decision.MIGRATE, "a repeat of what was forgotten under the shorter `within` gets through")
        return Verdict(Decision.KEEP)

    def snapshot(self) -> tuple[Group, ...]:
        """The key groups that changed since the last call."""
        numbers, entries = self._seen.take_changed()
        ends = np.searchsorted(entries.group, numbers, side="right")
        starts = np.searchsorted(entries.group, numbers, side="left")
        keys = np.stack([entries.hi, entries.lo], axis=1).astype("<u8").tobytes()
        whole = pa.Array.from_buffers(pa.binary(16), len(entries), [None, pa.py_buffer(keys)])
        batch = pa.RecordBatch.from_arrays([whole, pa.array(entries.at)], schema=_SCHEMA)
        parts = (batch.slice(start, end - start) for start, end in zip(starts, ends, strict=True))
        return tuple(Group(self.name, int(n), _bytes(part)) for n, part in zip(numbers, parts, strict=True))

    def restore(self, groups: Iterable[Group]) -> None:
        """Takes the state that was kept."""
        self._seen, self._floor = Seen(self._within), _EVER
        found = list(self._read(groups))
        if found:
            self._seen.large = Entries.of(*(np.concatenate(column) for column in zip(*found, strict=True)))

    def _read(self, groups: Iterable[Group]) -> Iterator[tuple[Any, Any, Any, Any]]:
        for group in groups:
            with pa.ipc.open_stream(group.data) as reader:
                if reader.schema.metadata != _SCHEMA.metadata:
                    message = f"the state of `{self.name}` has a format that this version does not read"
                    raise EngineError(message, code="unreadable-state", help="run the version of flowc that wrote it")
                rows = reader.read_next_batch()
            bits = np.frombuffer(rows.column("key").buffers()[1], "<u8")[: 2 * rows.num_rows].reshape(-1, 2)
            at = rows.column("at").to_numpy()
            yield bits[:, 0], bits[:, 1], at, np.full(len(at), group.number, np.uint16)


def _said(fingerprint: str) -> dict[str, Any]:
    """What a fingerprint says; nothing for one that no dedupe has written."""
    try:
        said = json.loads(fingerprint)
    except ValueError:
        return {}
    return said if isinstance(said, dict) and isinstance(said.get("within"), int) else {}


def _judged(batch: pa.RecordBatch, keys: Iterable[str]) -> Any:
    """The rows without a NULL in their key."""
    columns = [batch.column(key) for key in keys]
    if not any(column.null_count for column in columns):
        return np.arange(batch.num_rows)
    valid = np.ones(batch.num_rows, bool)
    for column in columns:
        valid &= pc.is_valid(column).to_numpy(zero_copy_only=False)
    return np.flatnonzero(valid)


def _bytes(part: pa.RecordBatch) -> bytes:
    """A group as an Arrow stream; nothing for one that is empty."""
    if not part.num_rows:
        return b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, part.schema) as writer:
        writer.write_batch(part)
    return bytes(sink.getvalue())
