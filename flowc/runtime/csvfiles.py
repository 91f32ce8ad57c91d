"""CSV files as tables of the engine.

Files are grouped by their header, so that every column is found by its name in every file. Declared columns that the
engine's own parser would round (decimals) or guess (times) are read as text and converted exactly, batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from flowc.catalog import Column
from flowc.errors import DataError, EngineError
from flowc.plan import FilesRead
from flowc.runtime.arrow import arrow_type
from flowc.runtime.connectors.files import CsvOptions, Files, compression, csv_options, header, opened, unreadable
from flowc.runtime.names import listed, quoted
from flowc.types import INTEGER_RANGES, TEXT, DataType, Kind

if TYPE_CHECKING:
    import datafusion

_PARSED = (Kind.BOOL, Kind.FLOAT32, Kind.FLOAT64, Kind.TEXT, *INTEGER_RANGES)
_PIECE = 1 << 22

Fitted = Callable[[str, DataType, Column], str]
"""Makes the SQL that converts a column exactly: its SQL, its type, and the column it is to be."""


def register_csv(
    context: Any, name: str, read: FilesRead, files: Files, *, folder: Path, fitted: Fitted
) -> tuple[Path, ...]:
    """Makes the files of a read known to the engine as the table `name`; returns them.

    `folder` takes links to the files under names of our own, for a path may hold what the engine takes for a pattern.

    Raises:
        DataError: a file has no header, or lacks a declared column.
        EngineError: there is no file.
    """
    paths, options = files.find(read.path), csv_options(read, files)
    parts = []
    for i, (names, group) in enumerate(_groups(paths, options, read.columns).items()):
        links = folder / f"{name.encode().hex()}-{i}"
        suffix = _link(group, links)
        parts.append(_part(context, f"{name}:{i}", links, suffix, names, group, options, read.columns, fitted))
    union = " UNION ALL BY NAME ".join(f"SELECT * FROM {quoted(part)}" for part in parts)
    context.register_view(name, context.sql(union))
    return paths


def _groups(
    paths: Sequence[Path], options: CsvOptions, columns: tuple[Column, ...] | None
) -> dict[tuple[str, ...], list[Path]]:
    groups: dict[tuple[str, ...], list[Path]] = {}
    for path in paths:
        names = header(path, options)
        if not options.header and columns:
            names = tuple(column.name for column in columns) if len(names) <= len(columns) or not names else names
        if names:
            groups.setdefault((compression(path) or "", *names), []).append(path)
    if not groups and columns:
        return {("", *(column.name for column in columns)): []}
    if not groups:
        raise unreadable(paths[0], "it is empty, so its columns are unknown")
    return groups


def _link(group: Sequence[Path], folder: Path) -> str:
    """Links the files into the folder in their order; returns the ending of their names."""
    folder.mkdir()
    suffix = ".csv" + (group[0].suffix.lower() if group and compression(group[0]) else "")
    for i, path in enumerate(group):
        (folder / f"{i:06}{suffix}").symlink_to(path.resolve())
    return suffix


def _part(
    context: Any,
    name: str,
    folder: Path,
    suffix: str,
    key: tuple[str, ...],
    group: Sequence[Path],
    options: CsvOptions,
    columns: tuple[Column, ...] | None,
    fitted: Fitted,
) -> str:
    """Registers the files of one header under a name of its own, which it returns."""
    names = key[1:]
    make = _maker(folder, suffix, key[0], group, options)
    schema = _declared(names, columns, group) if columns else _inferred(context, names, folder, make)
    raw = f"{name}:raw"
    if group:
        context.register_csv(raw, str(folder), options=make(schema))
    else:
        context.register_record_batches(raw, [[pa.RecordBatch.from_pylist([], schema=schema)]])
    chosen = ", ".join(_chosen(column, fitted) for column in columns) if columns else listed(schema.names)
    context.register_view(name, context.sql(f"SELECT {chosen} FROM {quoted(raw)}"))
    return name


def _maker(
    folder: Path, suffix: str, how: str, group: Sequence[Path], options: CsvOptions
) -> Callable[[pa.Schema | None], datafusion.CsvReadOptions]:
    import datafusion

    lines = _lines_in_values(group, options)

    def make(schema: pa.Schema | None) -> datafusion.CsvReadOptions:
        return datafusion.CsvReadOptions(
            has_header=options.header,
            delimiter=options.delimiter,
            quote=options.quote,
            escape=options.escape,
            comment=options.comment,
            newlines_in_values=lines,
            schema=schema,
            schema_infer_max_records=options.infer_rows,
            file_extension=suffix,
            file_compression_type={"": "", "gzip": "gzip"}.get(how, how),
            null_regex=options.null_regex,
            truncated_rows=options.ragged,
        )

    return make


def _lines_in_values(group: Sequence[Path], options: CsvOptions) -> bool:
    """Whether a quoted value may hold a line end. Only files without any quote can safely be read in pieces."""
    quote = options.quote.encode()
    return any(quote in piece for path in group if not compression(path) for piece in _pieces(path))


def _pieces(path: Path) -> Iterator[bytes]:
    with opened(path) as stream:
        while piece := stream.read(_PIECE):
            yield piece


def _declared(names: Sequence[str], columns: Sequence[Column], group: Sequence[Path]) -> pa.Schema:
    kinds = {column.name: column.type for column in columns}
    missing = next((name for name in kinds if name not in names), None)
    if missing is not None:
        raise unreadable(group[0], f"it has no column `{missing}`, only " + ", ".join(f"`{n}`" for n in names))
    return pa.schema([pa.field(name, _raw(kinds[name]) if name in kinds else pa.string()) for name in names])


def _raw(kind: DataType) -> pa.DataType:
    return arrow_type(kind) if kind.kind in _PARSED and kind.kind is not Kind.INT128 else pa.string()


def _chosen(column: Column, fitted: Fitted) -> str:
    name = quoted(column.name)
    if _raw(column.type) == arrow_type(column.type) and column.type.kind in _PARSED:
        return name
    source = DataType(Kind.DECIMAL) if column.type.kind in (Kind.DECIMAL, Kind.INT128) else TEXT
    return f"{fitted(name, source, column)} AS {name}"


def _inferred(
    context: Any, names: Sequence[str], folder: Path, make: Callable[[pa.Schema | None], datafusion.CsvReadOptions]
) -> pa.Schema:
    """The types of the first rows under the names of the header; a column without values is text."""
    found = context.read_csv(str(folder), options=make(None)).schema()
    kinds = [pa.string() if pa.types.is_null(field.type) else field.type for field in found]
    return pa.schema([pa.field(name, kind) for name, kind in zip(names, kinds, strict=True)])


def locate(paths: Sequence[Path], words: str) -> DataError | EngineError:
    """The engine's complaint about one of several files; it names lines but no files."""
    if len(paths) == 1:
        return unreadable(paths[0], words)
    shown = ", ".join(f"`{path}`" for path in paths[:5]) + (", …" if len(paths) > 5 else "")
    message = f"one of {len(paths)} files cannot be read: {words}"
    return DataError(message, code="unreadable-file", help="mend the file or its `read` options", details=(shown,))
