"""Messages as they are: their bytes, or their text, in one column `value`."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from flowc.catalog import Column
from flowc.errors import UsageError
from flowc.runtime.badrows import Findings
from flowc.runtime.contracts.decoder import Decoded, DecoderContext, Decoding, not_text, present
from flowc.runtime.formats.shapes import decoded_schema
from flowc.types import TEXT, DataType, Kind


def decoding(context: DecoderContext) -> Decoding:
    """How the messages of a source become rows.

    Raises:
        UsageError: the source has other columns than `value`.
    """
    columns = context.columns
    if [column.name for column in columns] != ["value"] or columns[0].type.kind not in (Kind.TEXT, Kind.BINARY):
        message = f"source `{context.source}` is raw, and a raw message is one column `value`, binary or text"
        raise UsageError(message, code="unsupported-type", help="columns: { value: text }, or none")
    return Decoding.of(RawDecoder(columns[0].type.kind is Kind.TEXT))


@dataclass(frozen=True)
class RawDecoder:
    """Takes every message as it is. With `text`, one that is not UTF-8 is a bad row."""

    text: bool = False
    schema: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        kind = TEXT if self.text else DataType(Kind.BINARY)
        object.__setattr__(self, "schema", decoded_schema([Column("value", kind)]))

    def decode(self, values: pa.BinaryArray | pa.LargeBinaryArray) -> Decoded:
        """A row for each message that has a value."""
        values = values if pa.types.is_binary(values.type) else values.cast(pa.binary())
        found = Findings(len(values))
        there = present(values, values.is_null())
        if self.text:
            not_text(values, found)
            there = there.among(found.good())
        batch = pa.RecordBatch.from_arrays([there.values.cast(self.schema.field("value").type)], schema=self.schema)
        return Decoded(batch, there.rows, found.bad(), there.skipped)
