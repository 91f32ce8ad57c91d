"""Rows of Parquet files as messages: structs, whose fields go into the columns of their names, exactly."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.runtime.arrow import arrow_schema, empty
from flowc.runtime.badrows import first_indices, fit_rows
from flowc.runtime.codecs.contract import Decoded


@dataclass
class ParquetDecoder:
    """Fits rows of Parquet files to `columns`. With `inferred`, a file may lack some of them."""

    columns: tuple[Column, ...]
    inferred: bool = False
    schema: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        self.schema = arrow_schema(self.columns)

    def decode(self, values: pa.Array) -> Decoded:
        """The rows of structs; those with a value that does not fit are set aside.

        Raises:
            DataError: a declared column is missing.
        """
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
                self._missing(column, names)
                arrays.append(pa.nulls(len(values), self.schema.field(column.name).type))
                fields.append(self.schema.field(column.name))
        fitted = fit_rows(pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields)), self.columns)
        return Decoded(fitted.batch, fitted.rows, fitted.bad, first_indices(0))

    def _missing(self, column: Column, names: list[str]) -> None:
        if not self.inferred:
            message = f"a file has no column `{column.name}`, only " + ", ".join(f"`{name}`" for name in names)
            raise DataError(message, code="unreadable-file", help="mend the file or the declared columns")
