"""A node of SQL: one query over the rows of its inputs, with the rows that it fails on left by the side."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.errors import DataError, FlowcError
from flowc.nodes import ROW, TIME, SqlPlan
from flowc.runtime.arrow import arrow_field, empty_of
from flowc.runtime.badrows import BadRow
from flowc.runtime.engine.functions import Function
from flowc.runtime.streams.lookups import Versions
from flowc.runtime.streams.operators.contract import NO_MESSAGE, Emitted, Stateless
from flowc.runtime.streams.rowwise import Made, Rowwise
from flowc.runtime.streams.transform import Transform
from flowc.types import Kind

_TIME = pa.field(TIME, pa.timestamp("us", "UTC"))
_ROW = pa.field(ROW, pa.int64())


class Query(Stateless):
    """One query of a stream. `inputs` are the schemas of its inputs, without hidden columns.

    Raises EngineError for a query that the engine does not plan.
    """

    def __init__(
        self,
        plan: SqlPlan,
        inputs: Sequence[pa.Schema],
        lookups: Versions | None = None,
        functions: Sequence[Function] = (),
    ) -> None:
        super().__init__(len(plan.inputs))
        schemas = [_read(schema, plan) for schema in inputs]
        self._plan, self._columns = plan, [schema.names for schema in schemas]
        self._empty = {name: empty_of(schema) for name, schema in zip(plan.names, schemas, strict=True)}
        called = {*plan.functions}
        self.transform = Transform(
            plan.text, dict(zip(plan.names, schemas, strict=True)), plan.arithmetic, lookups=lookups,
            functions=[function for function in functions if function.plan in called],
        )  # fmt: skip
        self._rowwise = Rowwise(self.transform) if plan.traced else None

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        """What the query makes of rows; of messages on whose rows it fails, nothing."""
        name, columns = self._plan.names[port], self._columns[port]
        read = rows if rows.schema.names == columns else rows.select(columns)
        batches = {**self._empty, name: read}
        made = self._rowwise(batches, name) if self._rowwise else Made(self.transform(batches))
        late = tuple(_failed(read, index, error) for index, error in made.failed)
        return Emitted(without(made.rows, late), late)

    def nothing(self) -> pa.RecordBatch:
        """What the query makes of no rows."""
        return self.transform(self._empty)

    def columns(self) -> tuple[Column, ...]:
        """The columns that come out as the engine plans them, without the hidden ones."""
        found = self.transform.columns()
        return found[: len(found) - self._hidden]

    def schema(self) -> pa.Schema:
        """The columns that come out, without the hidden ones."""
        found = self.nothing().schema
        documents = {each.name: arrow_field(each) for each in self.columns() if each.type.kind is Kind.JSON}
        own = list(found)[: len(found) - self._hidden]
        return pa.schema([documents.get(field.name, field) for field in own])

    @property
    def _hidden(self) -> int:
        return int(self._plan.timed) + int(self._plan.traced)


def _read(schema: pa.Schema, plan: SqlPlan) -> pa.Schema:
    """What a query reads of an input."""
    time = [_TIME] if plan.timed and TIME not in schema.names else []
    return pa.schema([*schema, *time, *([_ROW] if plan.traced else [])])


def without(rows: pa.RecordBatch, bad: Sequence[BadRow]) -> pa.RecordBatch:
    """Rows without those of messages that are bad; rows of no message stay."""
    dead = {row.index for row in bad} - {NO_MESSAGE}
    if not dead or ROW not in rows.schema.names:
        return rows
    return rows.filter(pc.invert(pc.is_in(rows.column(ROW), pa.array(dead, pa.int64()))))


def _failed(rows: pa.RecordBatch, index: int, error: FlowcError) -> BadRow:
    code = error.code if isinstance(error, DataError) else "row-fails"
    message = rows.column(ROW)[index].as_py()
    return BadRow(NO_MESSAGE if message is None else message, code, str(error))
