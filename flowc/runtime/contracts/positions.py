"""Positions are text that only their source can read: who orders, counts or finds them in messages asks its `Order`.

Everybody else keeps positions, hands them on, and asks whether two are equal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from flowc.runtime.contracts.epoch import Range

_NUMBER = re.compile(r"[0-9]{1,20}")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,18}")
_BEYOND = 2**63


class Order(Protocol):
    """How the positions of a source follow each other, and which of its messages lie between two of them."""

    def read(self, text: str) -> str | None:
        """A position as it is kept, of one that a user wrote; None where it is none. So it is for partitions."""

    def before(self, one: str, other: str) -> bool:
        """Whether a position of a partition comes before another one of it."""

    def count(self, start: str, end: str) -> int | None:
        """How far it is from one position to a later one; None where that cannot be told."""

    def within(self, messages: pa.RecordBatch, ranges: Sequence[Range]) -> pa.Array:
        """A mask of the messages that are in one of the ranges."""

    def in_order(self, messages: pa.RecordBatch) -> pa.RecordBatch:
        """Messages by partition and position: the same ones come in the same order, however they were polled."""


class Numbers:
    """Partitions and positions are whole numbers, and a position is that of the message that is read next."""

    def read(self, text: str) -> str | None:
        """The number without zeros before it."""
        return str(int(text)) if _NUMBER.fullmatch(text) else None

    def before(self, one: str, other: str) -> bool:
        """Whether it is less."""
        return int(one) < int(other)

    def count(self, start: str, end: str) -> int:
        """The difference."""
        return int(end) - int(start)

    def within(self, messages: pa.RecordBatch, ranges: Sequence[Range]) -> pa.Array:
        """A mask of the messages that are in one of the ranges."""
        inside = pa.repeat(pa.scalar(False), messages.num_rows)
        partitions, offsets = messages.column("_partition"), messages.column("_offset")
        for range_ in ranges:
            own = pc.and_(pc.equal(partitions, int(range_.partition)), pc.greater_equal(offsets, int(range_.start)))
            inside = pc.or_(inside, pc.and_(own, pc.less(offsets, int(range_.end))))
        return inside

    def in_order(self, messages: pa.RecordBatch) -> pa.RecordBatch:
        """Messages by their numbers."""
        if messages.num_rows < 2:
            return messages
        partitions, offsets = messages.column("_partition"), messages.column("_offset")
        if _rises(partitions, offsets):
            return messages
        table = pa.table([partitions, offsets], ["partition", "offset"])
        return messages.take(pc.sort_indices(table, sort_keys=[("partition", "ascending"), ("offset", "ascending")]))


NUMBERS: Order = Numbers()


def _rises(partitions: pa.Array, offsets: pa.Array) -> bool:
    one, other = partitions[:-1], partitions[1:]
    equal = pc.and_(pc.equal(one, other), pc.less_equal(offsets[:-1], offsets[1:]))
    return pc.all(pc.or_(pc.less(one, other), equal), min_count=0).as_py() is True


def texts(numbers: Mapping[int, int]) -> dict[str, str]:
    """Numbers of partitions and positions as they are kept."""
    return {str(partition): str(at) for partition, at in numbers.items()}


def numbers(texts: Mapping[str, str]) -> dict[int, int]:
    """Partitions and positions that are numbers."""
    return {int(partition): int(at) for partition, at in texts.items()}


def plain(text: str) -> int | str:
    """A partition or a position as JSON shows it: those that are numbers of 64 bits are numbers there."""
    return int(text) if _is_plain(text) else text


def _is_plain(text: str) -> bool:
    return _WHOLE.fullmatch(text) is not None and int(text) < _BEYOND


def shown(partition: str) -> tuple[int, str]:
    """By which partitions are sorted for people: numbers by how great they are."""
    return (int(partition), "") if _is_plain(partition) else (_BEYOND, partition)
