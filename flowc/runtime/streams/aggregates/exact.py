"""Sums of whole numbers and decimals that are exact, however large they grow, and their means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError
from flowc.runtime.streams.aggregates.part import Numbers

_BITS, _MASK = 32, 0xFFFFFFFF
_SHORT, _MOST = 2**31, 2**61
_CHUNK = 9
"""A limb times ten to this power has less than 64 bits."""
_WIDE = 76


class Exact(Numbers):
    """A sum as numbers of which each counts 2**32 times the one before; all but the last may be anything in between."""

    def __init__(self, name: str, kind: pa.DataType) -> None:
        self._limbs = kind.bit_width // _BITS if pa.types.is_decimal(kind) else 2
        self.scale = kind.scale if pa.types.is_decimal(kind) else 0
        super().__init__([f"{name}#{place}" for place in range(self._limbs)], np.int64)
        self._bound = 0
        """No number that is carried from is further from 0."""

    def add(self, slots: Any, values: pa.Array, times: Any) -> None:
        """Adds rows."""
        parts = _split(values)
        for column, part in zip(self.columns, parts, strict=False):
            np.add.at(column, slots, part)
        self._grows((1 << _BITS) * len(slots))

    def combine(self, slots: Any, other: Exact, others: Any) -> None:
        """Adds what another one keeps."""
        for column, part in zip(self.columns, other.carried(others), strict=True):
            np.add.at(column, slots, part)
        self._grows((1 << _BITS) * len(slots))

    def put(self, slots: Any, state: list[pa.Array]) -> None:
        """The other way round."""
        super().put(slots, state)
        self._grows(1 << _BITS)

    def take(self, slots: Any) -> list[pa.Array]:
        """What is kept of some groups: the same of equal sums."""
        return [pa.array(part) for part in self.carried(slots)]

    def carried(self, slots: Any) -> list[Any]:
        """The numbers of some slots, all but the last from 0 to 2**32 - 1."""
        return _carry([column[slots] for column in self.columns])

    def whole(self, slots: Any, kind: pa.DataType) -> pa.Array:
        """The sums of some slots as a type. Raises DataError (`arithmetic-overflow`) where one does not fit."""
        parts = self.carried(slots)
        if self._limbs == 2 and pa.types.is_integer(kind) and (abs(2 * parts[1] + 1) < 2**_BITS).all():
            return _cast(pa.array(parts[0] + (parts[1] << _BITS)), kind)
        return _cast(_decimals(parts, self.scale), kind)

    def mean(self, slots: Any, counts: Any, kind: pa.DataType) -> pa.Array:
        """The means of some slots, whose counts are no 0. Raises DataError where one does not fit."""
        parts = self.carried(slots)
        if pa.types.is_floating(kind):
            sums = pc.cast(_decimals(parts, self.scale), pa.float64()).to_numpy() if self.scale else _floats(parts)
            return pa.array(sums / counts).cast(kind)
        if counts.max(initial=0) >= _SHORT:
            raise _overflow(f"{kind}: it is of more than {_SHORT:,} rows")
        more = max(kind.scale - self.scale, 0) + 1
        found = _decimals(_divided(parts, more, counts), self.scale + more)
        return _cast(pc.round(found, kind.scale, "half_towards_infinity"), kind)

    def _grows(self, by: int) -> None:
        self._bound += by
        if self._bound > _MOST:
            self.columns, self._bound = _carry(self.columns), 1 << _BITS


def _split(values: pa.Array) -> list[Any]:
    """The numbers, lowest first, that values are made of."""
    kind = values.type
    if pa.types.is_decimal(kind):
        width = kind.bit_width // 64
        words = np.frombuffer(values.buffers()[1], np.int64)[values.offset * width :][: len(values) * width]
        words = words.reshape(-1, width)
        signs = words[:, 0] >> 63
        if any((words[:, place] != signs).any() for place in range(1, width)):
            parts = [part for word in words.T for part in (word & _MASK, (word >> _BITS) & _MASK)]
            return [*parts[:-1], words[:, -1] >> _BITS]
        numbers = words[:, 0]
    elif pa.types.is_uint64(kind):
        bits = values.to_numpy(zero_copy_only=False)
        return [(bits & np.uint64(_MASK)).astype(np.int64), (bits >> np.uint64(_BITS)).astype(np.int64)]
    else:
        numbers = values.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    if not len(numbers) or (numbers.max() < _SHORT and numbers.min() >= -_SHORT):
        return [numbers]
    return [numbers & _MASK, numbers >> _BITS]


def _carry(parts: list[Any]) -> list[Any]:
    done, more = [], 0
    for part in parts[:-1]:
        whole = part + more
        done.append(whole & _MASK)
        more = whole >> _BITS
    return [*done, parts[-1] + more]


def _floats(parts: list[Any]) -> Any:
    return parts[0] + parts[1].astype(np.float64) * 2.0**_BITS


def _decimals(parts: list[Any], scale: int) -> pa.Array:
    """Carried numbers as decimals of 256 bits."""
    top, count = parts[-1], len(parts[-1])
    fits = (top >= -(2**31)) & (top < 2**31) if len(parts) >= 8 else np.ones(count, bool)
    if not fits.all():
        raise _overflow(f"decimal({_WIDE},{scale})")
    words = np.empty((count, 8), np.int32)
    words[:] = (top >> 63)[:, None]
    for place, part in enumerate(parts[:8]):
        words[:, place] = part.astype(np.uint32).view(np.int32) if part is not top else top.astype(np.int32)
    if len(parts) < 8:
        words[:, len(parts)] = (top >> _BITS).astype(np.int32)
    return pa.Array.from_buffers(pa.decimal256(_WIDE, scale), count, [None, pa.py_buffer(words)])


def _divided(parts: list[Any], power: int, by: Any) -> list[Any]:
    """Sums times ten to a power, divided by counts, cut off towards 0."""
    negative = parts[-1] < 0
    nothing = np.zeros(len(by), np.int64)
    wide = _negated([*parts[:-1], parts[-1] & _MASK, parts[-1] >> _BITS, *[nothing] * 7][:9], negative)
    while power > 0:
        factor = 10 ** min(power, _CHUNK)
        wide, power = _carry([part * factor for part in wide]), power - _CHUNK
    rest, done = nothing, list[Any]()
    for part in reversed(wide):
        rest = (rest << _BITS) | part
        done.append(rest // by)
        rest = rest % by
    quotient = done[::-1]
    if quotient[8].any():
        raise _overflow("decimal")
    return _negated(quotient[:8], negative)


def _negated(parts: list[Any], chosen: Any) -> list[Any]:
    """The other sign for some."""
    return _carry([np.where(chosen, -part, part) for part in parts])


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    try:
        return values.cast(kind)
    except pa.ArrowInvalid as error:
        raise _overflow(str(kind)) from error


def _overflow(kind: str) -> DataError:
    help = "CAST the argument of `sum` AS DECIMAL(38,0), which leaves most digits, and that of `avg` AS DOUBLE"
    return DataError(f"a sum or a mean does not fit its type {kind}", code="arithmetic-overflow", help=help)
