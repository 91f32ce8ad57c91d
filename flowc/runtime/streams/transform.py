"""The SQL of a stream, batch by batch: one statement, planned anew each time, for plans keep the tables they saw."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa

from flowc.catalog import Column
from flowc.errors import DataError, FlowcError
from flowc.loadplan import Arithmetic
from flowc.runtime.arrow import arrow_field, columns_of, data_type, nests_fields, plain
from flowc.runtime.contracts.oversize import counted, oversized
from flowc.runtime.engine.arithmetic import Query, overflow
from flowc.runtime.engine.context import demand_shallow, keep_full_joins, new_context, planned_schema, register
from flowc.runtime.engine.functions import Function, mistyped, register_all
from flowc.runtime.engine.json import register_json, register_parts, without_json
from flowc.runtime.engine.messages import refused
from flowc.runtime.scratch import of_process
from flowc.runtime.streams.lookups import Version, Versions
from flowc.runtime.text.json import made_json, of_column
from flowc.stream import NOW
from flowc.types import DataType, Kind

_JSON = DataType(Kind.JSON)
_CAST = re.compile(r"\bCAST\(", re.IGNORECASE)
_TIME = pa.timestamp("us", "UTC")


class Transform:
    """Runs one query over the batches of its sources. `schemas` are those of the sources, by name.

    `lookups` are open; `functions` are those of the project that the query calls.

    Raises EngineError for a query that the engine does not plan.
    """

    def __init__(
        self,
        sql: str,
        schemas: Mapping[str, pa.Schema],
        arithmetic: tuple[Arithmetic, ...] = (),
        *,
        lookups: Versions | None = None,
        functions: Sequence[Function] = (),
    ) -> None:
        # One partition: an epoch is small, and the other core decodes the next one.
        self._context = new_context(of_process(), target_partitions="1")
        self._failures: list[DataError] = []
        self._now = 0
        register(self._context, NOW, self._time, [pa.int64()], _TIME)
        self._seen = dict[str, Version]()
        self._look_up(lookups.current() if lookups is not None else {})
        for name, schema in schemas.items():
            self._context.register_batch(name, pa.RecordBatch.from_pylist([], schema=schema))
        keep_full_joins(self._context, sql)
        register_parts(self._context, sql, self._failures.append)
        if functions:
            self._guard(lambda: register_all(functions, self._context, sql, self._failures.append))
        self._sql = self._guard(lambda: self._checked(sql, arithmetic))

    def _checked(self, sql: str, arithmetic: tuple[Arithmetic, ...]) -> str:
        demand_shallow(sql)
        if arithmetic:
            computing = Query(sql, arithmetic, self._computes, self._failures.append)
            sql = computing.checked(lambda text: self._context.sql(without_json(text)))
        register_json(self._context, sql)
        self._context.sql(sql)
        return sql

    def _computes(
        self, name: str, function: Callable[..., pa.Array], takes: list[pa.DataType], gives: pa.DataType
    ) -> None:
        register(self._context, name, function, takes, gives)

    def _time(self, asked: pa.Array) -> pa.Array:
        # Planned anew for each batch, the call is a literal by the time the query runs.
        return pa.repeat(pa.scalar(self._now, _TIME), len(asked))

    def begin(self, time: int, versions: Mapping[str, Version]) -> None:
        """Begins an epoch: all that is run of it sees one time, and one version of each lookup.

        `time` is in microseconds since 1970 UTC; see `flowc.stream.NOW`. `versions` are those of an epoch that was
        intended with them; else the current ones.
        """
        self._now = time
        self._look_up(versions)

    def columns(self) -> tuple[Column, ...]:
        """What the query yields, as the engine plans it; values with named parts become JSON."""
        schema = self._guard(lambda: planned_schema(self._context, self._context.sql(self._sql)))
        nests = [nests_fields(field.type) for field in schema]
        return tuple(replace(c, type=_JSON) if n else c for c, n in zip(columns_of(schema), nests, strict=True))

    def __call__(self, batches: Mapping[str, pa.RecordBatch]) -> pa.RecordBatch:
        """The rows that the query makes of the batches."""
        return self._run(self._sql, batches)

    def leniently(self, batches: Mapping[str, pa.RecordBatch]) -> pa.RecordBatch:
        """As the query, with NULL where a CAST would fail: of no use but to see where that may be."""
        return self._run(_CAST.sub("TRY_CAST(", self._sql), batches)

    def _run(self, sql: str, batches: Mapping[str, pa.RecordBatch]) -> pa.RecordBatch:
        for name, batch in batches.items():
            self._context.deregister_table(name)
            self._context.register_batch(name, batch)
        return _plainly(self._guard(lambda: self._context.sql(sql).to_arrow_table()))

    def _look_up(self, versions: Mapping[str, Version]) -> None:
        """Registers the lookups that are other versions than before."""
        for name, version in versions.items():
            if not version.is_of(self._seen.get(name)):
                self._context.deregister_table(name)
                empty = pa.RecordBatch.from_pylist([], schema=version.schema)
                self._context.register_record_batches(name, [list(version.batches) or [empty]])
                self._seen[name] = version

    def apart(self, name: str, pieces: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch | FlowcError] | None:
        """What the query makes of each piece of one source's batch, or why it makes nothing of it.

        The pieces are partitions of one plan, so that one that fails does not touch the others. None where the engine
        puts partitions together.
        """
        self._context.deregister_table(name)
        self._context.register_record_batches(name, [[piece] for piece in pieces])
        frame = self._guard(lambda: self._context.sql(self._sql))
        schema = self._guard(lambda: planned_schema(self._context, frame))
        streams = self._guard(frame.execute_stream_partitioned)
        if len(streams) != len(pieces):
            return None
        return [self._drained(stream, schema) for stream in streams]

    def _drained(self, stream: Any, schema: pa.Schema) -> pa.RecordBatch | FlowcError:
        try:
            batches = self._guard(lambda: [batch.to_pyarrow() for batch in stream])
        except FlowcError as error:
            return kept(error)
        # What the plan says of NULLs differs from what its batches say.
        return _plainly(pa.Table.from_batches(batches) if batches else schema.empty_table())

    def _guard(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except (FlowcError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            # A panic of the engine is no Exception.
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> FlowcError:
        if self._failures:
            first = self._failures[0]
            self._failures.clear()
            return first
        if (large := oversized(error)) is not None:
            return large
        return overflow(error) or mistyped(error) or refused(error)


def kept(error: FlowcError) -> FlowcError:
    """An error that is told later, without the frames that it came through: they would hold on to whole batches."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _plainly(found: pa.Table) -> pa.RecordBatch:
    """The rows in plain types; what has named parts is JSON text, and its field says so."""
    arrays, fields = [], []
    for field, column in zip(found.schema, found.columns, strict=True):
        nests = nests_fields(field.type)
        with counted():
            write = made_json if nests else plain
            arrays.append(of_column(field.name, partial(write, _one(column))))
        is_json = nests or data_type(field).kind is Kind.JSON
        fields.append(arrow_field(Column(field.name, _JSON)) if is_json else pa.field(field.name, arrays[-1].type))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _one(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
