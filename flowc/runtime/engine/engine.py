"""DataFusion: queries over files and over the rows of several databases.

One `Engine` serves one read. Files are registered where they lie; rows of databases are put aside first, in memory or
in a temporary file. Results stream, and sorts and aggregates spill to disk beyond a share of the machine's memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.errors import DataError, EngineError, FlowcError, written_at
from flowc.formats import columnar
from flowc.loadplan import EngineRead, FilesRead, TableRead
from flowc.runtime.arrow import arrow_field, arrow_type, columns_of, data_type, nests_fields, plain, relist
from flowc.runtime.contracts.database import Database, TableStore
from flowc.runtime.convert import convert, parse, parse_inferred
from flowc.runtime.engine.arithmetic import Query, overflow
from flowc.runtime.engine.context import (
    LARGE_BATCH,
    demand_shallow,
    frame_of,
    is_too_deep,
    keep_full_joins,
    new_context,
    planned_schema,
    register,
    take_batches,
    too_deep,
)
from flowc.runtime.engine.csvfiles import Part, fault, register_csv
from flowc.runtime.engine.functions import Load, mistyped, no_functions, register_all
from flowc.runtime.engine.json import calls_json, register_json, register_parts, without_json
from flowc.runtime.engine.messages import engine_message, is_panic, refused
from flowc.runtime.engine.parquetdamage import cut_short, damaged, demand_sizes, ended_early, unread
from flowc.runtime.engine.parquetfiles import register_parquet, rows_held
from flowc.runtime.engine.rowwise import good_rows, is_rowwise, looked_at
from flowc.runtime.fit import Place, fit, misfit_in_file
from flowc.runtime.formats import rows_of
from flowc.runtime.formats.aside import Aside
from flowc.runtime.formats.csv.look import USUAL, spells
from flowc.runtime.formats.json.numbers import small_numbers
from flowc.runtime.formats.pieces import Rows
from flowc.runtime.names import quoted
from flowc.runtime.pump import Pump
from flowc.runtime.spool import Spool
from flowc.runtime.stores.files import Files
from flowc.runtime.stores.inuse import InUse
from flowc.runtime.text.json import made_json, of_column
from flowc.types import UNKNOWN, DataType, Kind, computed

Sources = Callable[[str], Database | Files]
"""Opens what a connection's name stands for. A database must be a session of its own, used for this read alone."""


class Engine:
    """A DataFusion session and what it put aside. Use as a context manager.

    With `place`, which says where the rows of a single file stand, rows come in their order and are found by it. Bad
    rows of files that are read so go to `aside`.
    """

    def __init__(
        self,
        sources: Sources,
        place: Place | None = None,
        *,
        functions: Load = no_functions,
        aside: Aside | None = None,
        files: InUse | None = None,
    ) -> None:
        self._sources, self._load, self._files = sources, functions, files or InUse()
        self._aside = aside or Aside()
        self._spool = Spool()
        self._parts: list[Part] = []
        self._parquet: dict[str, tuple[Path, ...]] = {}
        self._failures: list[DataError] = []
        self._functions = 0
        self._rows = USUAL
        """So many rows are held together: fewer, where they have many bytes."""
        self._place = place
        self._context = new_context(self._spool.folder, **({"target_partitions": "1"} if place else {}))

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    def read(self, read: EngineRead) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The schema and the rows of a query over its inputs."""
        self._make_known(read, rows=True)
        return self._query(read)

    def describe(self, read: EngineRead) -> tuple[Column, ...]:
        """The columns of a query, from the schemas of its inputs alone."""
        self._make_known(read, rows=False)
        return self._plan(read)[1]

    def _make_known(self, read: EngineRead, *, rows: bool) -> None:
        functions = self._load(read.functions)
        if any(function.plan.aggregate for function in functions):
            take_batches(self._context, LARGE_BATCH)
        for name, source in read.inputs:
            self._register(name, source, rows=rows)
        if rows:
            self._aside.done()
        if self._rows < USUAL:
            take_batches(self._context, self._rows)
        keep_full_joins(self._context, _text(read))
        register_parts(self._context, _text(read), self._failures.append)
        if functions:
            self._guard(lambda: register_all(functions, self._context, _text(read), self._failures.append))

    def _register(self, name: str, source: Any, *, rows: bool) -> None:
        if isinstance(source, FilesRead):
            self._guard(lambda: self._register_files(name, source, rows=rows))
            return
        database = self._sources(source.connection)
        if isinstance(source, TableRead):
            self._guard(lambda: self._context.register_dataset(name, _dataset(database, source)))
            return
        if isinstance(database, Files):
            raise EngineError(f"`{source.connection}` is no database", code="query-refused")
        with written_at(source.written):
            if rows:
                self._put(name, *database.read(source.sql))
            else:
                self._put(name, pa.schema([arrow_field(c) for c in database.describe(source.sql)]), iter(()))

    def _register_files(self, name: str, read: FilesRead, *, rows: bool) -> None:
        files = self._sources(read.connection)
        if not isinstance(files, Files):
            raise EngineError(f"`{read.connection}` is no folder of files", code="query-refused")
        self._files.note(files.find(read.path))
        folder, looks = self._spool.folder, looked_at(read, files, deep=rows)
        if is_rowwise(read, looks):
            self._put_rows(name, rows_of(read, files), files, read, rows=rows)
        elif not columnar(read.format):
            self._rows = min(self._rows, *(found.rows for found in looks.values()))
            self._parts += register_csv(
                self._context, name, read, files, looks=looks, fitted=self._fitted,
                extreme=lambda sql, column: self._extreme(sql, column, read, files),
            )  # fmt: skip
        else:
            table, paths = register_parquet(self._context, name, read, files, folder=folder, fitted=self._fitted)
            self._parquet[table] = paths
            if rows:
                demand_sizes(paths, folder)
                self._rows = min(self._rows, rows_held(paths, USUAL))

    def _put_rows(self, name: str, found: Rows, files: Files, read: FilesRead, *, rows: bool) -> None:
        """Registers rows of files of which bad ones are set aside, all of them before the first is used.

        The next rows are read while some are put away.
        """
        batches = good_rows(found, files, self._aside if read.skips else None) if rows else iter(())
        with Pump(batches, ahead=1) as read_ahead:
            self._put(name, found.schema, read_ahead, empty=frozenset(found.empty))

    def _put(
        self, name: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch], empty: frozenset[str] = frozenset()
    ) -> None:
        """Registers rows from outside the engine, in types that it has; `empty` columns fit any type."""
        fields, fitted = _emptied(*engine_rows(schema, batches), empty)
        kept = self._spool.put(fields, self._measured(fitted))
        if isinstance(kept, Path):
            self._context.register_arrow(name, str(kept))
        else:
            empty = pa.RecordBatch.from_pylist([], schema=fields)
            self._context.register_record_batches(name, [kept or [empty]])

    def _measured(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.nbytes > _MEASURED:
                self._rows = min(self._rows, max(1, _TOGETHER * batch.num_rows // batch.nbytes))
            yield batch

    def _fitted(self, sql: str, source: DataType, column: Column, *, guessed: bool = False) -> str:
        """SQL that converts one column exactly, from texts of a file when `source` is UNKNOWN.

        With `guessed`, its type was inferred, so a number that it would change is refused. What fails is kept here,
        for the engine tells little of it.
        """

        def check(array: pa.Array) -> pa.Array:
            if array.null_count and not column.nullable:
                raise ValueError("a value is missing")
            if source is UNKNOWN:
                return parse_inferred(array, column.type) if guessed else parse(array, column.type)
            return convert(array, source, column.type, None)

        place, seen = self._place, 0

        def exactly(array: pa.Array) -> pa.Array:
            nonlocal seen
            array = plain(array)
            try:
                made = check(array)
            except ValueError as error:
                where = (lambda row: place(seen + row + 1)) if place else None
                self._failures.append(misfit_in_file(column, array, check, error, where, guessed=guessed))
                raise
            seen += len(array)
            return made

        given = pa.string() if source is UNKNOWN else arrow_type(source)
        gives: pa.DataType | pa.Field = pa.null() if column.type == UNKNOWN else arrow_type(column.type)
        gives = _engine_field(column) if column.type.kind is Kind.JSON else gives
        return self._function("flowc_fit", exactly, given, gives, sql)

    def _function(
        self, name: str, function: Callable[..., pa.Array], takes: pa.DataType, gives: pa.DataType | pa.Field, sql: str
    ) -> str:
        """SQL that calls a function which is known to this session alone."""
        self._functions += 1
        register(self._context, f"{name}_{self._functions}", function, [takes], gives)
        return f"{name}_{self._functions}({sql})"

    def _extreme(self, sql: str, column: Column, read: FilesRead, files: Files) -> str:
        """SQL for floats of a column that are infinite or zero, which the engine makes of numbers beyond all floats.

        Where they may be such, the column is read once more as text, where infinities and zeros have to be spelled.
        """

        @cache
        def look() -> None:
            try:
                for _ in good_rows(rows_of(replace(read, columns=(column,)), files), files, None):
                    pass
            except DataError as error:
                self._failures.append(error)
                raise

        @cache
        def may_vanish() -> bool:
            return any(spells(path, small_numbers(column.type)) for path in files.find(read.path))

        def meant(array: pa.Array) -> pa.Array:
            if len(array) and (pc.any(pc.is_inf(array)).as_py() or may_vanish()):
                look()
            return array

        return self._function("flowc_extreme", meant, arrow_type(column.type), arrow_type(column.type), sql)

    def _query(self, read: EngineRead) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        frame, columns = self._plan(read)
        schema = pa.schema([arrow_field(column) for column in columns])
        return schema, self._all_of(self._stream(frame, schema), frame, whole=read.sql is None)

    def _all_of(self, rows: Iterator[pa.RecordBatch], frame: Any, *, whole: bool) -> Iterator[pa.RecordBatch]:
        """The rows: of a column of files that it reads alone, the engine does not see that it ends too early."""
        count = 0
        for batch in rows:
            count += batch.num_rows
            yield batch
        if self._parquet and (found := self._guard(lambda: self._ended(frame, count if whole else None))):
            raise found

    def _ended(self, frame: Any, count: int | None) -> DataError | None:
        return cut_short(frame, self._parquet) if count is None else ended_early(self._paths(), count)

    def _paths(self) -> tuple[Path, ...]:
        """The files of Parquet that are read."""
        return tuple(chain.from_iterable(self._parquet.values()))

    def _plan(self, read: EngineRead) -> tuple[Any, tuple[Column, ...]]:
        """The query, with its arithmetic checked, and the columns that it yields, under the names that were written."""
        sql = _text(read)
        demand_shallow(sql)
        written = self._guard(lambda: self._planned(sql))
        checked = self._guard(lambda: self._checked(sql, read)) if read.arithmetic else sql
        frame = self._guard(lambda: self._with_json(checked)) if calls_json(sql) or read.arithmetic else written
        schema = self._guard(lambda: planned_schema(self._context, frame))
        pairs = zip(columns_of(schema), written.schema().names, strict=True)
        return frame, tuple(replace(column, name=name) for column, name in pairs)

    def _planned(self, sql: str) -> Any:
        """The plan of a query whose JSON is not made yet."""
        return frame_of(self._context, without_json(sql))

    def _checked(self, sql: str, read: EngineRead) -> str:
        return Query(sql, read.arithmetic, self._computes, self._failures.append).checked(self._planned)

    def _with_json(self, sql: str) -> Any:
        register_json(self._context, sql)
        return self._context.sql(sql)

    def _computes(
        self, name: str, function: Callable[..., pa.Array], takes: list[pa.DataType], gives: pa.DataType
    ) -> None:
        register(self._context, name, function, takes, gives)

    def _stream(self, frame: Any, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        stream, row = self._guard(frame.execute_stream), 1
        while True:
            batch = self._guard(lambda: next(stream, None))
            if batch is None:
                self._files.check()
                break
            pairs = zip(batch.to_pyarrow().columns, schema, strict=True)
            arrays = [_planned(_plainly(array, field.name), field, row, self._place) for array, field in pairs]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            row += len(arrays[0])

    def _guard(self, work: Callable[[], Any]) -> Any:
        """The result of `work`, with the engine's failures as ours."""
        try:
            return work()
        except FlowcError:
            raise
        except (MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:
            # A panic of the engine is no Exception.
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> FlowcError:
        try:
            self._files.check()
        except DataError as changed:
            return changed
        if self._failures:
            return self._failures[0]
        words = engine_message(error)
        if is_too_deep(error):
            return too_deep("its brackets and calls stand in more levels than it reads")
        if any(sign in str(error) for sign in _FILE_SIGNS) and (found := fault(self._parts)):
            return found
        broke_down = is_panic(error)
        if (broke_down or "Parquet" in str(error)) and (found := self._damaged()):
            return found
        if broke_down:
            return EngineError(f"the engine broke down: {words}", code="engine-panic")
        return overflow(error) or mistyped(error) or refused(error)

    def _damaged(self) -> DataError | None:
        """What is wrong with a file of Parquet, as Arrow tells it, or else the engine of the file alone."""
        return damaged(self._paths()) or unread(self._context, self._paths(), self._spool.folder)


def _plainly(array: pa.Array, column: str) -> pa.Array:
    """Values of a column in plain types; those with named parts are JSON as SQL makes it."""
    if not nests_fields(array.type):
        return plain(array)
    if pa.types.is_list(array.type):
        return relist(array, _plainly(array.values, column))
    return of_column(column, lambda: made_json(array))


def _planned(array: pa.Array, field: pa.Field, row: int, place: Place | None) -> pa.Array:
    """The values in the type of their column; `row` is the number of the first.

    Raises DataError for one that it cannot hold.
    """
    if array.type == field.type:
        return array
    try:
        return array.cast(field.type)
    except pa.ArrowException:  # finer than the type, beyond it, or of a type that Arrow does not convert
        batch = pa.RecordBatch.from_arrays([array], names=[field.name])
        return fit(batch, [Column(field.name, data_type(field))], first_row=row, place=place).column(0)


_MEASURED, _TOGETHER = 1 << 20, 32 << 20
"""Bytes: of what batches are measured, and of what the engine is to hold together."""
_FILE_SIGNS = ("Csv error", "Io error", "Parser error", "Error while parsing", "incorrect number of fields")


def _dataset(store: Database | Files, read: TableRead) -> Any:
    if not isinstance(store, TableStore):
        raise EngineError(f"`{read.connection}` holds no tables of files", code="query-refused")
    return store.dataset(read.table)


def _text(read: EngineRead) -> str:
    return read.sql if read.sql is not None else f"SELECT * FROM {quoted(read.inputs[0][0])}"


def engine_rows(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Rows from outside the engine, in types that it has."""
    columns = tuple(Column(c.name, computed(c.type)) for c in columns_of(schema))
    made = engine_schema(columns)
    fields = pa.schema([own if nests_fields(own.type) else field for own, field in zip(schema, made, strict=True)])
    return fields, _fitted_batches(batches, columns, fields)


def _emptied(
    schema: pa.Schema, batches: Iterator[pa.RecordBatch], empty: frozenset[str]
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """With NULLs that have no type in the columns without values."""
    if not empty:
        return schema, batches
    fields = pa.schema([pa.field(f.name, pa.null()) if f.name in empty else f for f in schema])

    def made(batch: pa.RecordBatch) -> pa.RecordBatch:
        nothing = pa.nulls(batch.num_rows)
        arrays = [nothing if f.name in empty else own for f, own in zip(fields, batch.columns, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=fields)

    return fields, map(made, batches)


def engine_schema(columns: Iterable[Column]) -> pa.Schema:
    """The schema that rows of these columns have in the engine, where documents say that they are more than texts."""
    return pa.schema([_engine_field(column) for column in columns])


def _engine_field(column: Column) -> pa.Field:
    kind = computed(column.type)
    return arrow_field(Column(column.name, kind)) if kind.kind is Kind.JSON else pa.field(column.name, arrow_type(kind))


def _fitted_batches(
    batches: Iterator[pa.RecordBatch], columns: tuple[Column, ...], fields: pa.Schema
) -> Iterator[pa.RecordBatch]:
    row = 1
    for batch in batches:
        plain_ones = [place for place, field in enumerate(fields) if not nests_fields(field.type)]
        made = fit(batch.select(plain_ones), [columns[place] for place in plain_ones], first_row=row)
        fitted = dict(zip(plain_ones, made.columns, strict=True))
        arrays = [fitted.get(place, array) for place, array in enumerate(batch.columns)]
        yield pa.RecordBatch.from_arrays(arrays, schema=fields)
        row += batch.num_rows
