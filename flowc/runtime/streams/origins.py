"""Where a bad row came from, in words, and what becomes of a stream that takes none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from flowc.errors import DataError
from flowc.formats import FORMATS
from flowc.runtime.badrows import BadRow, brief
from flowc.runtime.stores.files import SHIFT
from flowc.runtime.streams.operators.contract import NO_MESSAGE
from flowc.stream import SourcePlan


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a bad row came from."""

    topic: str
    partition: int | str
    offset: int | str
    row: BadRow
    file: str = ""
    """Of a file, what its rows are counted in: `line`, or `row`."""

    def __str__(self) -> str:
        words = brief(self.row.message)
        if self.row.index == NO_MESSAGE:
            return f"a row of earlier messages, which the stream kept: {words}"
        if self.file:
            return f"`{self.topic}`, {self.file} {(int(self.offset) & ((1 << SHIFT) - 1)) + 1}: {words}"
        return f"{self.topic}[{self.partition}] at {self.offset}: {words}"


def origins(source: SourcePlan, messages: pa.RecordBatch, bad: Iterable[BadRow]) -> list[Origin]:
    """Where bad rows came from, told by the index of their message, in the order of the messages."""
    found = (_origin(source, messages, row) for row in bad)
    return sorted(found, key=lambda at: (at.row.index != NO_MESSAGE, at.partition, at.offset))


def _origin(source: SourcePlan, messages: pa.RecordBatch, row: BadRow) -> Origin:
    if row.index == NO_MESSAGE:
        return Origin(source.address, NO_MESSAGE, NO_MESSAGE, row)
    partition, offset = (messages.column(name)[row.index].as_py() for name in ("_partition", "_offset"))
    if source.holds == "files":
        unit = FORMATS[source.format].unit
        return Origin(messages.column("_topic")[row.index].as_py(), partition, offset, row, unit)
    return Origin(source.address, partition, offset, row)


def fail(rows: Sequence[Origin]) -> None:
    """What `on_error: fail` does with bad rows: the first one stops the stream, and is shown."""
    raise DataError(
        f"a message cannot be read: {rows[0]}",
        code=rows[0].row.code,
        help="mend the producer or the SQL, or say what becomes of bad messages: `on_error: drop` or `dlq`",
        details=tuple(str(row) for row in rows[1:6]),
    )
