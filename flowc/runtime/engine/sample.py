"""The first rows of a read, for people to look at."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from flowc.loadplan import EngineRead, FilesRead, QueryRead, Read, TableRead
from flowc.runtime.engine.engine import Engine, Sources
from flowc.runtime.engine.functions import Load, no_functions
from flowc.runtime.stores.files import Files


def sample(read: Read, sources: Sources, rows: int, functions: Load = no_functions) -> pa.Table:
    """At most `rows` rows. The query should hold a limit of its own, or more than that is read."""
    if isinstance(read, QueryRead):
        source = sources(read.connection)
        assert not isinstance(source, Files), "a query runs on a database"
        return _first(*source.read(read.sql), rows)
    whole = EngineRead((("source", read),), None) if isinstance(read, FilesRead | TableRead) else read
    with Engine(sources, functions=functions) as engine:
        return _first(*engine.read(whole), rows)


def _first(schema: pa.Schema, batches: Iterator[pa.RecordBatch], rows: int) -> pa.Table:
    kept: list[pa.RecordBatch] = []
    for batch in batches:
        if rows > 0:
            kept.append(batch.slice(0, rows))
            rows -= kept[-1].num_rows
    return pa.Table.from_batches(kept, schema)
