"""The rows of sessions that come out: their bounds and ids, their keys and aggregates, and what they do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from flowc.nodes import KIND, Change
from flowc.runtime.instants import MICROS
from flowc.runtime.streams.keyed.hashes import Hasher
from flowc.runtime.streams.operators.contract import NOTHING, Emitted
from flowc.runtime.streams.operators.window import HIDDEN, in_order
from flowc.runtime.text.hexadecimal import hex_text


@dataclass(frozen=True, slots=True)
class Out:
    """Sessions that come out; `kinds` are what their rows do where these replace others."""

    hi: Any
    lo: Any
    first: Any
    last: Any
    keys: Sequence[pa.Array]
    results: Sequence[pa.Array]
    kinds: Any = None


_NUMBERS = ("hi", "lo", "first", "last")


class SessionRows:
    """Makes rows of sessions. `schema` is that of the rows, without hidden columns."""

    def __init__(self, schema: pa.Schema, gap: int) -> None:
        self._schema, self._gap, self._hash = schema, gap, Hasher()
        self._changes = KIND in schema.names

    def __call__(self, found: Sequence[Out]) -> Emitted:
        """Sessions in the order of their starts; those that go before all others."""
        hi, lo, first, last = (np.concatenate([getattr(each, name) for each in found]) for name in _NUMBERS)
        if not len(hi):
            return NOTHING
        kinds, order = self._kinds(found), in_order(hi, lo, first)
        if kinds is not None:
            order = order[np.argsort(kinds[order] != Change.DELETE, kind="stable")]
        hi, lo, first, end = hi[order], lo[order], first[order], last[order] + self._gap
        times = [pa.array(each).cast(MICROS) for each in (first, end, end - 1)]
        pairs = zip(*([*each.keys, *each.results] for each in found), strict=True)
        columns = [pa.concat_arrays(parts).take(pa.array(order)) for parts in pairs]
        said = [] if kinds is None else [pa.array(kinds[order])]
        nothing = pa.nulls(len(hi), pa.int64())
        arrays = [*times[:2], self._ids(hi, lo, first), *columns, *said, times[2], nothing]
        return Emitted(pa.RecordBatch.from_arrays(arrays, schema=pa.schema([*self._schema, *HIDDEN])))

    def _kinds(self, found: Sequence[Out]) -> Any:
        return np.concatenate([each.kinds for each in found]) if self._changes else None

    def _ids(self, hi: Any, lo: Any, first: Any) -> pa.Array:
        bits = np.stack([hi, lo, first.view(np.uint64)], axis=1).astype("<u8")
        whole = pa.Array.from_buffers(pa.binary(24), len(hi), [None, pa.py_buffer(bits)])
        digests = self._hash.digests(whole.cast(pa.binary()))
        half = np.ascontiguousarray(np.frombuffer(digests.buffers()[1], np.uint8).reshape(-1, 32)[:, :16])
        return hex_text(pa.Array.from_buffers(pa.binary(16), len(hi), [None, pa.py_buffer(half)]).cast(pa.binary()))
