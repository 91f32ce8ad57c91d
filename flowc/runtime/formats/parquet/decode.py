"""Rows of Parquet files as messages: structs, whose fields go into the columns of their names, exactly."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from flowc.catalog import Column
from flowc.runtime.arrow import arrow_schema, empty
from flowc.runtime.badrows import first_indices, fit_rows
from flowc.runtime.contracts.decoder import Decoded, DecoderContext, Decoding


def decoding(context: DecoderContext) -> Decoding:
    """How the rows of files become the rows of a source."""
    return Decoding.of(ParquetDecoder(context.columns))


@dataclass
class ParquetDecoder:
    """Fits rows of Parquet files to `columns`; what a file lacks of them is NULL."""

    columns: tuple[Column, ...]
    schema: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        self.schema = arrow_schema(self.columns)

    def decode(self, values: pa.Array) -> Decoded:
        """The rows of structs; those with a value that does not fit are set aside."""
        if not len(values):
            return Decoded(empty(self.columns), first_indices(0), (), first_indices(0))
        names = [of.name for of in values.type]
        arrays, fields = [], []
        for column in self.columns:
            if column.name in names:
                at = names.index(column.name)
                arrays.append(values.field(at) if not values.null_count else values.flatten()[at])
                fields.append(values.type.field(at))
            else:
                arrays.append(pa.nulls(len(values), self.schema.field(column.name).type))
                fields.append(self.schema.field(column.name))
        fitted = fit_rows(pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields)), self.columns)
        return Decoded(fitted.batch, fitted.rows, fitted.bad, first_indices(0))
