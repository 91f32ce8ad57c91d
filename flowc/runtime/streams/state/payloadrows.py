"""Payloads as rows of a store's table, in pieces that every engine takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa

from flowc.catalog import Column
from flowc.loadplan import PROJECT
from flowc.runtime.contracts.database import Database
from flowc.runtime.streams.state.encoding import decoded, encoded
from flowc.runtime.streams.state.payloads import PLAN, Payload, joined, pieces
from flowc.stream import StateSql
from flowc.types import BIGINT, TEXT, DataType, Kind

_COLUMNS = (
    Column(PROJECT, TEXT), Column("stream_name", TEXT), Column("name", TEXT), Column("epoch", BIGINT),
    Column("piece", BIGINT), Column("data", DataType(Kind.BINARY)),
)  # fmt: skip
_TYPES = (pa.string(), pa.string(), pa.string(), pa.int64(), pa.int64(), pa.binary())


def read_payloads(database: Database, templates: Mapping[str, str]) -> Iterator[Payload]:
    """All payloads of a stream."""
    return _payloads(database, templates["payloads"].format())


def read_plans(database: Database, sql: StateSql) -> Iterator[Payload]:
    """The plans alone; none where no worker of this version has made the table."""
    if sql.payloads is None or database.table(sql.payloads) is None:
        return iter(())
    return _payloads(database, sql.templates["payload"].format(name=encoded(PLAN)))


def _payloads(database: Database, query: str) -> Iterator[Payload]:
    rows = database.query(query).to_pylist()
    return joined((decoded(row["name"]), int(row["epoch"]), bytes(row["data"])) for row in rows)


def write_payloads(database: Database, sql: StateSql, stream: str, payloads: Iterable[Payload]) -> None:
    """Adds payloads, in the transaction that is open."""
    assert sql.payloads is not None
    batches = (_batch(payload, sql.project, stream) for payload in payloads)
    database.ingest(sql.payloads, _COLUMNS, batches, temporary=False)


def _batch(payload: Payload, project: str, stream: str) -> pa.RecordBatch:
    rows = [(project, stream, encoded(payload.name), payload.epoch, number, data) for number, data in pieces(payload)]
    arrays = [pa.array(values, of) for values, of in zip(zip(*rows, strict=True), _TYPES, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, [column.name for column in _COLUMNS])
