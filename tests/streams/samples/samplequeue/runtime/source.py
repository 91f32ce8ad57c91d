"""The room of a sample queue; see `flowc.runtime.contracts.opening`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from flowc.runtime.contracts.opening import Opened, Opening
from tests.streams.broker import Broker, acknowledged
from tests.streams.samples.columns import with_columns


@dataclass
class SampleQueue(Broker):
    """Gives the columns that are asked for; what the broker does not have is NULL."""

    columns: tuple[str, ...] = ()

    def receive(self, max_rows: int, max_wait: float, max_bytes: int) -> pa.RecordBatch | None:
        batch = super().receive(max_rows, max_wait, max_bytes)
        return None if batch is None else with_columns(batch, self.columns)


def open_source(opening: Opening) -> Opened:
    """The queue in the file of the connection."""
    path = Path(str(opening.options["path"]))
    return Opened(SampleQueue(path, name=opening.plan.name, columns=opening.columns))


def reach(options: Mapping[str, object]) -> str:
    """How many messages were forgotten."""
    return f"samplequeue: {len(acknowledged(Path(str(options['path']))))} acknowledged"
