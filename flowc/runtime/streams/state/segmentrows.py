"""Segments as rows of a store's table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from flowc.catalog import Column
from flowc.loadplan import PROJECT
from flowc.runtime.contracts.database import Database
from flowc.runtime.contracts.state import Segment
from flowc.runtime.streams.state.encoding import decoded, encoded
from flowc.stream import StateSql
from flowc.types import BIGINT, TEXT, DataType, Kind

_TEXTS = (PROJECT, "stream_name", "node", "fingerprint")
_NUMBERS = ("group_number", "first_sequence", "sequence", "row_count", "byte_count")
_COLUMNS = (
    *(Column(name, TEXT) for name in _TEXTS), *(Column(name, BIGINT) for name in _NUMBERS),
    Column("data", DataType(Kind.BINARY)),
)  # fmt: skip
_SCHEMA = pa.schema(
    [*((name, pa.string()) for name in _TEXTS), *((name, pa.int64()) for name in _NUMBERS), ("data", pa.binary())]
)
_PIECE = 256
"""Segments that are written in one batch."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a segment is: its node and group, and the sequences of the first and the last that it was made of."""

    node: str
    group: int
    first: int
    last: int
    fingerprint: str = ""
    rows: int = 0
    size: int = 0


def write_segments(
    database: Database, sql: StateSql, stream: str, segments: Iterable[tuple[Segment, int]], project: str | None = None
) -> None:
    """Adds segments, each with the first sequence that it was made of, in the transaction that is open."""
    pairs = list(segments)
    if pairs:
        owner = sql.project if project is None else project
        database.ingest(sql.segments, _COLUMNS, _batches(owner, stream, pairs), temporary=False)


def _batches(project: str, stream: str, pairs: Sequence[tuple[Segment, int]]) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(pairs), _PIECE):
        rows = [
            (project, stream, encoded(each.node), encoded(each.fingerprint), each.group, first, each.sequence,
             each.rows, len(each.data), each.data)
            for each, first in pairs[start : start + _PIECE]
        ]  # fmt: skip
        columns = zip(*rows, strict=True)
        arrays = [pa.array(values, of.type) for values, of in zip(columns, _SCHEMA, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA)


def read_segments(database: Database, sql: StateSql) -> Iterator[Segment]:
    """All segments of the stream, those of a group in the order in which they are read."""
    for row in database.query(sql.templates["segments"].format()).to_pylist():
        yield Segment(
            decoded(row["node"]), decoded(row["fingerprint"]), int(row["group_number"]), sequence=int(row["sequence"]),
            data=bytes(row["data"]), rows=int(row["row_count"]),
        )  # fmt: skip


def read_places(database: Database, sql: StateSql) -> list[Place]:
    """Where they are, without their bytes."""
    rows = database.query(sql.templates["sizes"].format()).to_pylist()
    return [
        Place(decoded(row["node"]), int(row["group_number"]), int(row["first_sequence"]), last=int(row["sequence"]),
              fingerprint=decoded(row["fingerprint"]), rows=int(row["row_count"]), size=int(row["byte_count"]))
        for row in rows
    ]  # fmt: skip
