"""Single lines of files, read again where they stood: those that had more bytes than `max_line` allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError, EngineError
from flowc.runtime.contracts.source import UNREAD
from flowc.runtime.formats.framing import Records
from flowc.runtime.stores.files import SHIFT


@dataclass
class LineFetcher:
    """Lines of one source. Those that are asked for in their order are found in one pass over their file."""

    again: Callable[[str, int], Iterator[Records]]
    """Reads the records of a file from a position on."""
    _at: int = field(default=-1, init=False)
    """Where it was read from, or what was asked for last."""
    _blocks: Iterator[Records] = field(default=iter(()), init=False)
    _block: Records | None = field(default=None, init=False)

    def fetch(self, path: str, offset: int, size: int) -> pa.RecordBatch:
        """The `_value` of the line at a place, which had that size; or in `_unread` why it cannot be read still."""
        line, told = offset & ((1 << SHIFT) - 1), f"cannot be read again: it had {size} bytes, and"
        try:
            block = self._block_with(path, offset, line)
        except (DataError, EngineError) as error:
            return _found(None, f"line {line + 1} of `{path}` {told} {error.message}", size)
        place = -1 if block is None else pc.index(block.lines, line).as_py()
        if block is None or place < 0:
            return _found(None, f"line {line + 1} of `{path}` {told} is within another row now", size)
        fault = None if block.fault is None else block.fault.message
        return _found(block.values.slice(place, 1), fault, block.long.size if block.long else size)

    def _block_with(self, path: str, offset: int, line: int) -> Records | None:
        """The records among which a line is; None where the file ends before it."""
        before, self._at = self._at, -1
        if offset >> SHIFT != before >> SHIFT or offset < before:
            self._blocks, self._block = self.again(path, offset), None
        while self._block is None or self._block.end <= line:
            self._block = next(self._blocks, None)
            if self._block is None:
                return None
        self._at = offset
        return self._block


def _found(value: pa.Array | None, why: str | None, size: int) -> pa.RecordBatch:
    told = None if why is None else {"code": "unreadable-file", "message": why, "size": size}
    values = pa.nulls(1, pa.binary()) if value is None else value
    return pa.RecordBatch.from_arrays([values, pa.array([told], UNREAD)], names=["_value", "_unread"])
