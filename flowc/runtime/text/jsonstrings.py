"""Fields of JSON Lines as the very text that the file holds: digits, order of keys and all.

Arrow knows a field by one type; what holds objects of any shape, or now a number and now a list, has none. Such fields
are cut out as they stand, by msgspec; all others are left to Arrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as arrow_json

from flowc.runtime.text.jsonfields import Cutter

TOO_BIG = "Number too big"
"""What Arrow says of a number that no double holds, be it in a field that it leaves out."""


@dataclass(frozen=True)
class Texts:
    """How lines are read of which some fields are kept as text.

    `typed` are the fields that Arrow reads; `names` those kept as text, `lists` of them as a list of texts. With
    `exact`, a field that is in neither is an error.
    """

    typed: pa.Schema
    names: tuple[str, ...]
    lists: frozenset[str]
    exact: bool

    @cached_property
    def _cutter(self) -> Cutter:
        return Cutter((*self.names, *(self.typed.names if self.exact else ())), self.lists, exact=self.exact)

    @cached_property
    def _typed_cutter(self) -> Cutter:
        return Cutter(self.typed.names)

    def read(self, lines: bytes) -> pa.RecordBatch:
        """The rows of whole lines.

        Raises ValueError (ArrowInvalid among them) for a line that is not as it should be.
        """
        rows = self._cutter.lines(lines)
        texts = {name: self._array(rows, i, name) for i, name in enumerate(self.names)}
        typed = self._typed(lines) if rows and len(self.typed) else {f.name: pa.array([], f.type) for f in self.typed}
        return pa.RecordBatch.from_pydict({**typed, **texts})

    def _array(self, rows: list[Any], index: int, name: str) -> pa.Array:
        if name not in self.lists:
            return _texts(self._cutter.texts(rows, index))
        values = map(self._cutter.column(index), rows)
        lists = [None if value is None else list(map(bytes, value)) for value in values]
        found = pa.array(lists, pa.list_(pa.binary()))
        return pa.ListArray.from_arrays(found.offsets, _texts(found.values), mask=found.is_null())

    def _typed(self, lines: bytes) -> dict[str, pa.ChunkedArray]:
        # Arrow looks even into what it leaves out, and stops at a number too great for a double there
        lines = msgspec.json.Encoder().encode_lines(self._typed_cutter.lines(lines))
        read = arrow_json.ReadOptions(block_size=len(lines) + 1)
        parse = arrow_json.ParseOptions(explicit_schema=self.typed, unexpected_field_behavior="ignore")
        table = arrow_json.read_json(pa.BufferReader(lines), read, parse)
        return {name: table.column(name).combine_chunks() for name in self.typed.names}


def _texts(values: list[bytes] | pa.Array) -> pa.Array:
    """JSON texts, where the word null is no value."""
    array = pa.array(values, pa.binary()).cast(pa.string())
    return pc.if_else(pc.equal(array, "null"), None, array)
