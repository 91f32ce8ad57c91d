"""Parquet files as tables of the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flowc.catalog import Column
from flowc.errors import DataError, EngineError
from flowc.loadplan import FilesRead
from flowc.runtime.arrow import arrow_field, data_type
from flowc.runtime.engine.context import ignore_statistics, selected
from flowc.runtime.formats.parquet.options import parquet_options
from flowc.runtime.formats.parquet.sizes import rows_together
from flowc.runtime.names import quoted
from flowc.runtime.stores.filelooks import not_parquet
from flowc.runtime.stores.files import Files, demand_columns, demand_names, has_nul, unreadable, with_names
from flowc.types import DataType


def register_parquet(
    context: Any,
    name: str,
    read: FilesRead,
    files: Files,
    *,
    folder: Path,
    fitted: Callable[[str, DataType, Column], str],
) -> tuple[str, tuple[Path, ...]]:
    """Makes the files of a read known to the engine as the table `name`; returns what it calls them, and the files.

    Raises:
        DataError: a file is not Parquet, or lacks a declared column.
        EngineError: there is no file.
    """
    most = parquet_options(read, files).max_columns
    paths = _local(files, read.path)
    links = folder / name.encode().hex()
    links.mkdir()
    for i, path in enumerate(paths):
        (links / f"{i:06}.parquet").symlink_to(path.resolve())
    wanted = () if read.inferred else [column.name for column in read.columns or ()]
    schema = _whole(_unified(paths, most, wanted), read)
    raw = f"{name}:raw"
    known = not any(map(_holds_floats, schema.types))
    if not known:
        ignore_statistics(context)
    context.register_parquet(raw, str(links), parquet_pruning=known, schema=schema.remove_metadata())
    columns = [(_chosen(schema, c, paths[0], fitted), c.name) for c in read.columns or ()]
    columns = columns or [(quoted(field.name), field.name) for field in schema]
    context.register_view(name, selected(context, raw, columns))
    return raw, paths


def _local(files: Files, path: str) -> tuple[Path, ...]:
    found = files.find(path)
    paths = tuple(file for file in found if isinstance(file, Path))
    if len(paths) < len(found):
        message = f"Parquet in `{files.store.shown()}` cannot be loaded yet"
        raise EngineError(message, code="not-runnable-yet", help="copy the files into a folder first")
    return paths


def rows_held(paths: Iterable[Path], most: int) -> int:
    """How many rows of files to hold together, of those that can be read, `most` of them at most.

    Raises:
        DataError: a row has more bytes than may be held.
    """
    return min((_rows_held(path, most) for path in paths), default=most)


def _rows_held(path: Path, most: int) -> int:
    try:
        metadata = pq.read_metadata(path)
        groups = range(metadata.num_row_groups)
        return min((rows_together(path, metadata, group, most) for group in groups), default=most)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError):  # told where it is read
        return most


def _holds_floats(kind: pa.DataType) -> bool:
    """Whether NaN may be in it, of which what a file tells of its least and greatest values is silent."""
    if pa.types.is_dictionary(kind):
        return _holds_floats(kind.value_type)
    return pa.types.is_floating(kind) or any(_holds_floats(kind.field(n).type) for n in range(kind.num_fields))


def _whole(schema: pa.Schema, read: FilesRead) -> pa.Schema:
    """With the columns that other files of the read have and these lack: they are NULL."""
    lacking = [c for c in read.columns or () if read.inferred and c.name not in schema.names]
    return pa.schema([*schema, *(arrow_field(column) for column in lacking)])


def _unified(paths: tuple[Path, ...], most: int, wanted: Sequence[str]) -> pa.Schema:
    schema = _schema(paths[0], most, wanted)
    for path in paths[1:]:
        own = _schema(path, most, wanted)
        try:
            schema = pa.unify_schemas([schema, own], promote_options="permissive")
        except pa.ArrowException:
            raise _unlike(path, own, schema) from None
    return schema


def _unlike(path: Path, own: pa.Schema, others: pa.Schema) -> DataError:
    """The error for a file whose columns have other types than those of the files before it."""
    for field in own:
        if field.name in others.names:
            try:
                pa.unify_schemas(
                    [pa.schema([others.field(field.name)]), pa.schema([field])], promote_options="permissive"
                )
            except pa.ArrowException:
                was, now = data_type(others.field(field.name)), data_type(field)
                return unreadable(path, f"its column `{field.name}` is `{now}`, and `{was}` in the files before it")
    return unreadable(path, "its columns have other types than those of the files before it")


def _schema(path: Path, most: int, wanted: Sequence[str]) -> pa.Schema:
    """The columns of a file, of those that are `wanted` alone where the engine could not tell others apart."""
    try:
        found = with_names(path, lambda: pq.read_metadata(path))
        demand_columns(path, found, most, wanted)
        schema = found.schema.to_arrow_schema()
    except MemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, *(not_parquet(path) or (str(error),))) from None
    demand_names(path, schema.names)
    if not all(map(_is_utf8, _beside(found.metadata, schema))):
        raise unreadable(path, "what it holds beside its columns is not UTF-8", "write it without that metadata")
    fields = [field for field in schema if field.name in wanted] if has_nul(schema) else schema
    return pa.schema([field.with_type(_in_utc(field.type)) for field in fields])


def _in_utc(kind: pa.DataType) -> pa.DataType:
    """A type with the instants in it, of whatever zones, in UTC, in which all are taken apart."""
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return pa.timestamp(kind.unit, "UTC")
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, _in_utc(kind.value_type), kind.ordered)
    inside = [kind.field(place) for place in range(kind.num_fields)]
    made = [field.with_type(_in_utc(field.type)) for field in inside]
    return kind if made == inside else _nested(kind, made)


def _nested(kind: pa.DataType, fields: list[pa.Field]) -> pa.DataType:
    """The type of structs, maps or lists that are made like those of another, with other parts in them."""
    if pa.types.is_struct(kind):
        return pa.struct(fields)
    if pa.types.is_map(kind):
        return pa.map_(fields[0].type.field(0), fields[0].type.field(1), kind.keys_sorted)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(fields[0], kind.list_size)
    return pa.large_list(fields[0]) if pa.types.is_large_list(kind) else pa.list_(fields[0])


def _beside(told: Mapping[bytes, bytes] | None, fields: Iterable[pa.Field]) -> Iterator[bytes]:
    """What is told of a file or a type, and of the fields in it: keys and values."""
    for key, value in (told or {}).items():
        yield from (key, value)
    for field in fields:
        inside = (field.type.field(place) for place in range(field.type.num_fields))
        yield from _beside(field.metadata, inside)


def _is_utf8(told: bytes) -> bool:
    try:
        told.decode()
    except UnicodeDecodeError:
        return False
    return True


def _chosen(schema: pa.Schema, column: Column, path: Path, fitted: Callable[[str, DataType, Column], str]) -> str:
    demand_names(path, schema.names, (column,))
    source, name = data_type(schema.field(column.name)), quoted(column.name)
    kept = source == column.type and column.nullable
    return name if kept else fitted(name, source, column)
