"""What is wrong with Parquet files: what the engine does not tell of them, or not in words that name the file."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flowc.errors import DataError
from flowc.runtime.arrow import data_type
from flowc.runtime.engine.messages import engine_message, is_panic
from flowc.runtime.stores.files import unreadable

_FOOTER_END = 8
"""Bytes behind a footer: its length, and what Parquet ends with."""
_HUGE = re.compile(rb"[\x80-\xff]{5}")
"""What a footer holds where one of its numbers is 16 GiB or more, for each of their bytes has 7 bits; texts may too."""


def demand_sizes(paths: Iterable[Path], folder: Path) -> None:
    """Refuses files that say of a column that it has more bytes than they: for those, the engine ends the process.

    So does Arrow where a column is encrypted, if it is asked; so DuckDB is, where a footer has such large numbers.

    Raises:
        DataError: a file says so.
    """
    for path in paths:
        if _HUGE.search(_footer(path)):
            _demand_fitting(path, _link(path, folder))


def _footer(path: Path) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _FOOTER_END))
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(0, size - _FOOTER_END - length))
        return file.read(length)


def _link(path: Path, folder: Path) -> str:
    """A name for the file in which nothing is a pattern."""
    link = Path(mkdtemp(dir=folder)) / "alone.parquet"
    link.symlink_to(path.resolve())
    return str(link)


def _demand_fitting(path: Path, link: str) -> None:
    # Imported when first needed: it takes longer than most files take to be read.
    import duckdb

    asked = """SELECT path_in_schema, row_group_id + 1, total_compressed_size FROM parquet_metadata($path)
        WHERE total_compressed_size NOT BETWEEN 0 AND $size LIMIT 1"""
    try:
        with duckdb.connect() as connection:
            found = connection.execute(asked, {"path": link, "size": path.stat().st_size}).fetchone()
    except duckdb.Error as error:
        raise unreadable(path, str(error).replace(link, path.name), "write the file anew") from None
    if found is not None:
        name, group, size = found
        words = f"column `{name.replace(', ', '.')}` has {size} bytes in row group {group}, more than the file"
        raise unreadable(path, words, "write the file anew")


def _written(file: pq.ParquetFile) -> pa.Schema:
    """The Arrow types that were written: what reads a file by itself takes its decimals as they are."""
    kept = (file.metadata.metadata or {}).get(b"ARROW:schema")
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(kept))) if kept else file.schema_arrow


def _dictionary_of_decimals(kind: pa.DataType) -> pa.DataType | None:
    if pa.types.is_dictionary(kind):
        return kind.value_type if pa.types.is_decimal(kind.value_type) else None
    inside = (_dictionary_of_decimals(kind.field(place).type) for place in range(kind.num_fields))
    return next(filter(None, inside), None)


def damaged(paths: Iterable[Path]) -> DataError | None:
    """The first column of files in whose bytes something is wrong: they are read again, column by column.

    What the engine alone cannot read is a dictionary of decimals.
    """
    for path in paths:
        try:
            with pq.ParquetFile(path) as file:
                for field in _written(file):
                    if (values := _dictionary_of_decimals(field.type)) is not None:
                        words = f"its column `{field.name}` is a dictionary of `{data_type(values)}`"
                        return unreadable(path, words, "write the numbers themselves, without a dictionary in Arrow")
                for place in range(file.metadata.num_columns):
                    name = file.metadata.schema.column(place).path
                    if why := _wrong_in(file, name):
                        return unreadable(path, f"column `{name}`: {why}", "write the file anew")
        except MemoryError:
            raise
        except (pa.ArrowException, OSError) as error:
            return unreadable(path, str(error))
    return None


def cut_short(frame: Any, tables: Mapping[str, Sequence[Path]]) -> DataError | None:
    """What is wrong with files of which a query reads one column alone, so that nothing tells that it ends too early.

    Of two columns, the engine says so; the one is read once more.
    """
    plans = [frame.optimized_logical_plan()]
    while plans:
        plan = plans.pop()
        plans.extend(plan.inputs())
        scan: Any = plan.to_variant()
        columns: list[tuple[int, str]] = scan.projection() if type(scan).__name__ == "TableScan" else []
        if len(columns) == 1 and (found := _lacking(tables.get(scan.table_name(), ()), columns[0][1])):
            return found
    return None


def _lacking(paths: Iterable[Path], column: str) -> DataError | None:
    """The first file of which a column has less values, or more, than there are rows."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            parts = [file.metadata.schema.column(place).path for place in range(file.metadata.num_columns)]
            for part in (part for part in parts if part == column or part.startswith(f"{column}.")):
                try:
                    count = file.scan_contents([part])
                except (pa.ArrowException, OSError) as error:
                    return unreadable(path, f"column `{part}`: {error}", "write the file anew")
                if why := _miscounted(count, file):
                    return unreadable(path, f"column `{part}`: {why}", "write the file anew")
    return None


def ended_early(paths: Sequence[Path], rows: int) -> DataError | None:
    """What is wrong with files of which so many rows were read, where they say that they have others."""
    said = sum(pq.read_metadata(path).num_rows for path in paths)
    if not paths or rows == said:
        return None
    return damaged(paths) or unreadable(paths[0], f"{rows} rows can be read, of {said} that there are", "write it anew")


def unread(context: Any, paths: Iterable[Path], folder: Path) -> DataError | None:
    """The first file that a session of the engine does not read even alone, in its words; `folder` takes links."""
    for path in paths:
        try:
            # With a schema, texts are read into what they are loaded from.
            schema = pq.read_schema(path).remove_metadata()
            for _ in context.read_parquet(_link(path, folder), schema=schema).execute_stream():
                pass
        except BaseException as error:  # the engine has no class of errors of its own
            if isinstance(error, MemoryError) or not (isinstance(error, Exception) or is_panic(error)):
                raise
            return unreadable(path, engine_message(error), "write the file anew")
    return None


def _wrong_in(file: pq.ParquetFile, name: str) -> str:
    count = 0
    try:
        for batch in file.iter_batches(columns=[name]):
            batch.validate(full=True)
            count += batch.num_rows
    except MemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        return str(error)
    return _miscounted(count, file)


def _miscounted(count: int, file: pq.ParquetFile) -> str:
    rows = file.metadata.num_rows
    return f"it has {count} values for {rows} rows" if count != rows else ""
