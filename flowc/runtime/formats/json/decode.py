"""JSON objects as messages: declared columns, strict types, nothing rounded but what goes into a float.

An absent field and `null` are NULL; a field that no column names is ignored. `"2"` and `2.0` are no integers. Decimals
are numbers or strings of digits, times ISO-8601 text, bytes base64 text; a json column is the text as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.badrows import Findings, first_indices
from flowc.runtime.contracts.decoder import Decoded, DecoderContext, Decoding, Present, not_text, present
from flowc.runtime.fit import CODE
from flowc.runtime.formats.json.numbers import vanishing
from flowc.runtime.formats.json.read import BLANKS, demand_objects
from flowc.runtime.formats.json.scan import describe, value_text
from flowc.runtime.formats.json.search import read_good
from flowc.runtime.formats.shapes import decoded_schema
from flowc.runtime.formats.values import to_columns


def decoding(context: DecoderContext) -> Decoding:
    """How the messages of a source become rows.

    Raises:
        UsageError: a column has a type that no message can hold.
    """
    return Decoding.of(JsonDecoder(context.columns))


@dataclass
class JsonDecoder:
    """Decodes JSON objects to rows of `columns`.

    Raises UsageError when made with a type that no message can hold.
    """

    columns: tuple[Column, ...]
    schema: pa.Schema = field(init=False)
    _suspect: bool = field(default=False, init=False)
    """Whether the last batch held bad rows; the next is then likely to."""

    def __post_init__(self) -> None:
        self.schema = decoded_schema(self.columns)

    def decode(self, values: pa.BinaryArray | pa.LargeBinaryArray) -> Decoded:
        """The rows of the messages; one without a value is a tombstone, the text `null` a bad row."""
        values = values if pa.types.is_binary(values.type) else values.cast(pa.binary())
        found = Findings(len(values))
        texts = _texts(values, found)
        there = present(texts, values.is_null())
        rows, arrays = self._read(there, found)
        made = to_columns(arrays, self.columns, rows, found)
        batch = pa.RecordBatch.from_arrays(made, schema=self.schema)
        bad = found.bad()
        if bad:
            good = pc.is_in(rows, found.good())
            batch, rows = batch.filter(good), rows.filter(good)
        return Decoded(batch, rows, bad, there.skipped)

    def _read(self, there: Present, found: Findings) -> tuple[pa.Int64Array, list[pa.Array]]:
        """The rows that can be read and their raw values; the others are findings."""
        there = there.among(found.good()) if found.bad() else there
        rows, arrays = read_good(there.rows, there.values, self.columns, found, suspect=self._suspect)
        self._suspect = len(rows) < len(there.rows)
        texts = there.among(rows).values if self._suspect else there.values
        for column, array in zip(self.columns, arrays, strict=True):
            for at in vanishing(texts, column.name, array, column.type):
                words = describe(column, value_text(texts[at].as_py().encode(), column.name))
                found.add(rows[at].as_py(), CODE, words)
        return rows, arrays


def _texts(values: pa.BinaryArray, found: Findings) -> pa.StringArray:
    """The messages as text without blanks around it; those that are no UTF-8 become empty, and findings."""
    not_text(values, found)
    if found.bad():
        values = pc.if_else(pc.is_in(first_indices(len(values)), found.good()), values, b"")
    texts = values.cast(pa.string())
    try:
        demand_objects(texts)
    except ValueError:
        texts = pc.utf8_trim(texts, BLANKS)
    return texts
