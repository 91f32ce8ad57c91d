"""Streams from specs without servers: compiled, and computed batch by batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from flowc.catalog import Column
from flowc.compiler import stages
from flowc.compiler.lowering.lower import lower
from flowc.diagnostics import Reporter
from flowc.runtime.contracts.decoder import Decoding
from flowc.runtime.contracts.epoch import Epoch, Intent, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.formats.json.decode import JsonDecoder
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.origins import Origin, fail
from flowc.service.streams.run import planned
from flowc.stream import StreamPlan
from tests.unit.project import write

HEADERS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))
NOON = 1_714_996_800_000_000
"""2024-05-06 12:00 UTC, in microseconds."""

SPEC = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
  wh: {{ kind: {kind}, {place} }}
tables:
  small: {{ connection: wh, columns: {{ id: bigint, name: varchar(5), n: smallint }} }}
  noted: {{ connection: wh, columns: {{ id: bigint, doc: json }} }}
streams:
  s:
    source: {{ connection: bus, topic: events, columns: {{ id: bigint, name: text, tags: "text[]" }} }}
    sql: |
      {sql}
    to: {to}
    on_error: {on_error}
    {more}
functions:
  twice: {{ python: "own_functions:twice", args: [bigint], returns: bigint }}
  label: {{ python: "own_functions:label" }}
  product: {{ python: "own_functions:Product", kind: aggregate, args: [bigint], state: [bigint], returns: bigint }}
"""


def plan(
    folder: Path,
    sql: str,
    to: str = "{ connection: wh, table: out }",
    on_error: str = "drop",
    more: str = "",
    lookups: Mapping[str, tuple[Column, ...]] | None = None,
) -> StreamPlan:
    """The plan of a stream over `id`, `name` and `tags`; `dlq` is planned as the compute sees it.

    `lookups` are the columns that live connections would tell.
    """
    wanted = "drop" if on_error == "dlq" else on_error
    place = 'url: "postgres://u@h/db"'
    text = SPEC.format(
        kind="postgres", place=place, sql=sql.replace("\n", "\n      "), to=to, on_error=wanted, more=more
    )
    return replace(compiled(folder, text, lookups), on_error=on_error)


def compiled(folder: Path, text: str, lookups: Mapping[str, tuple[Column, ...]] | None = None) -> StreamPlan:
    """The plan of the only stream of a project."""
    reporter = Reporter()
    checked = stages.check_project([write(folder, text)], reporter, env={})
    assert checked is not None, reporter.sorted()
    ir = lower(checked, reporter)
    assert ir.streams, [f"{d.code}: {d.message}" for d in reporter.sorted()]
    told = tuple(replace(each, columns=(lookups or {}).get(each.name)) for each in ir.streams[0].lookups)
    return planned(replace(ir.streams[0], lookups=told))


def messages(values: Sequence[object], partition: int = 0, start: int = 0) -> pa.RecordBatch:
    """Messages of a topic: JSON of what is no bytes."""
    raw = [value if isinstance(value, bytes | None) else json.dumps(value).encode() for value in values]
    return pa.record_batch(
        {
            "_value": pa.array(raw, pa.binary()),
            "_key": pa.array([f"k{i}".encode() for i in range(len(raw))], pa.binary()),
            "_headers": pa.array([[{"key": "h", "value": b"\x01"}] for _ in raw], HEADERS),
            "_partition": pa.array([partition] * len(raw), pa.int32()),
            "_offset": pa.array(range(start, start + len(raw)), pa.int64()),
            "_event_ts": pa.array([NOON] * len(raw), pa.timestamp("us", "UTC")),
        }
    )


@dataclass
class Computed:
    """A stream's compute, and what it told of bad rows."""

    plan: StreamPlan
    more: Mapping[str, Any] = field(default_factory=dict)
    bad: list[str] = field(default_factory=list)
    compute: Compute = field(init=False)

    def __post_init__(self) -> None:
        decoder = JsonDecoder(self.plan.sources[0].columns or ())
        decoding = Decoding(decoder.schema, lambda batch: decoder.decode(batch.column("_value")))
        told: Callable[[Sequence[Origin]], None] = fail if self.plan.on_error == "fail" else self._told
        self.compute = Compute(self.plan, {"source": decoding}, told, **self.more)

    def _told(self, rows: Sequence[Origin]) -> None:
        self.bad += [f"{row.offset} {row.row.code}: {row.row.message}" for row in rows]

    def epoch(self, values: Sequence[object] | pa.RecordBatch, number: int = 1, time: int = NOON) -> Epoch:
        """The epoch of some messages."""
        batch = values if isinstance(values, pa.RecordBatch) else messages(values)
        ranges = (Range.numbered("source", 0, 0, batch.num_rows),)
        return self.compute(Polled("source", batch, ranges, 0.0), Intent(number, time, ranges))

    def rows(self, values: Sequence[object]) -> list[dict[str, Any]]:
        """The rows that come out."""
        return list(self.epoch(values).rows.to_pylist())
