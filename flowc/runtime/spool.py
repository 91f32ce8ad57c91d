"""Rows put aside: in memory while they are few, in a temporary file when they are many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from flowc.runtime.scratch import Scratch

_IN_MEMORY = 32 << 20


class Spool:
    """A folder for rows put aside, gone when closed."""

    def __init__(self) -> None:
        self._scratch = Scratch()
        self._count = 0

    @property
    def folder(self) -> Path:
        """Where files may be put until it is closed."""
        return self._scratch.path

    def close(self) -> None:
        """Removes everything."""
        self._scratch.close()

    def put(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> list[pa.RecordBatch] | Path:
        """All of the batches: a list while they are small together, else an Arrow file."""
        kept: list[pa.RecordBatch] = []
        size = 0
        for batch in batches:
            kept.append(batch)
            size += batch.nbytes
            if size > _IN_MEMORY:
                return self._write(schema, kept, batches)
        return kept

    def _write(self, schema: pa.Schema, kept: list[pa.RecordBatch], batches: Iterator[pa.RecordBatch]) -> Path:
        self._count += 1
        path = self.folder / f"{self._count}.arrow"
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema, options=options) as writer:
            while kept:
                writer.write_batch(kept.pop(0))
            for batch in batches:
                writer.write_batch(batch)
        return path

    def take(self, kept: list[pa.RecordBatch] | Path) -> Iterator[pa.RecordBatch]:
        """What was put aside, in its order."""
        if not isinstance(kept, Path):
            yield from kept
            return
        with pa.memory_map(str(kept)) as source:
            reader = pa.ipc.open_file(source)
            for i in range(reader.num_record_batches):
                yield reader.get_batch(i)
