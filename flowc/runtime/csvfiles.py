"""CSV files as tables of the engine.

Files are grouped by their header, so that every column is found by its name in every file. Declared columns that the
engine's own parser would round (decimals) or guess (times) are read as text and converted exactly, batch by batch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.plan import FilesRead
from flowc.runtime.arrow import arrow_type, columns_of
from flowc.runtime.connectors.files import CsvOptions, Files, compression, csv_options, header, opened, unreadable
from flowc.runtime.enginewords import spoken
from flowc.runtime.names import literal, quoted
from flowc.types import INTEGER_RANGES, UNKNOWN, DataType, Kind

_EXACT = frozenset({Kind.BOOL, Kind.FLOAT32, Kind.FLOAT64, *INTEGER_RANGES} - {Kind.INT128})
_PIECE = 1 << 22

Make = Callable[[pa.Schema | None], Any]
"""Makes the engine's options for reading CSV with a schema, or with one to be inferred."""
Fitted = Callable[[str, DataType, Column], str]
"""Makes the SQL that converts a column exactly: its SQL, its type, and the column it is to be."""


@dataclass(frozen=True, slots=True)
class Part:
    """The files of one header: linked into a folder, and how the engine reads them."""

    paths: tuple[Path, ...]
    folder: Path
    suffix: str
    schema: pa.Schema
    make: Make


def register_csv(
    context: Any, name: str, read: FilesRead, files: Files, *, folder: Path, fitted: Fitted
) -> tuple[Part, ...]:
    """Makes the files of a read known to the engine as the table `name`; returns what it took, for `fault`.

    `folder` takes links to the files under names of our own, for a path may hold what the engine takes for a pattern.

    Raises:
        DataError: a file has no header, or lacks a declared column.
        EngineError: there is no file.
    """
    paths, options = files.find(read.path), csv_options(read, files)
    parts = []
    for i, ((how, *names), group) in enumerate(_groups(paths, options, read.columns).items()):
        links = folder / f"{name.encode().hex()}-{i}"
        suffix = _link(group, links)
        make = _maker(suffix, how, group, options)
        columns = read.columns or columns_of(_inferred(context, names, links, make))
        schema = _raw_schema(names, columns, group, options)
        part = Part(tuple(group), links, suffix, schema, make)
        chosen = ", ".join(_chosen(column, options, fitted) for column in columns)
        _register(context, f"{name}:{i}", part, chosen)
        parts.append(part)
    union = " UNION ALL BY NAME ".join(f"SELECT * FROM {quoted(f'{name}:{i}')}" for i in range(len(parts)))
    context.register_view(name, context.sql(union))
    return tuple(parts)


def _register(context: Any, name: str, part: Part, chosen: str) -> None:
    raw = f"{name}:raw"
    if part.paths:
        context.register_csv(raw, str(part.folder), options=part.make(part.schema))
    else:
        context.register_record_batches(raw, [[pa.RecordBatch.from_pylist([], schema=part.schema)]])
    context.register_view(name, context.sql(f"SELECT {chosen} FROM {quoted(raw)}"))


def _groups(
    paths: Sequence[Path], options: CsvOptions, columns: tuple[Column, ...] | None
) -> dict[tuple[str, ...], list[Path]]:
    """Files by compression and header; empty ones are left out."""
    groups: dict[tuple[str, ...], list[Path]] = {}
    own = tuple(column.name for column in columns or ())
    for path in paths:
        names = header(path, options)
        if not options.header and len(names) <= len(own):
            names = own if names else ()
        if names:
            groups.setdefault((compression(path) or "", *names), []).append(path)
    if not groups and own:
        return {("", *own): []}
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


def _maker(suffix: str, how: str, group: Sequence[Path], options: CsvOptions) -> Make:
    import datafusion

    lines = _lines_in_values(group, options)

    def make(schema: pa.Schema | None) -> Any:
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
            file_compression_type=how,
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


def _inferred(context: Any, names: Sequence[str], folder: Path, make: Make) -> pa.Schema:
    """The types of the first rows under the names of the header; a column without values is text."""
    found = context.read_csv(str(folder), options=make(None)).schema()
    zoned = _zoned(context, [field.name for field in found if pa.types.is_timestamp(field.type)], folder, make, found)
    kinds = [pa.string() if pa.types.is_null(field.type) else zoned.get(field.name, field.type) for field in found]
    return pa.schema([pa.field(name, kind) for name, kind in zip(names, kinds, strict=True)])


_ZONE = r"(?i):.*(z|[+-]\d\d(:?\d\d)?)$"
_SAMPLE = 1000


def _zoned(context: Any, names: Sequence[str], folder: Path, make: Make, found: pa.Schema) -> dict[str, pa.DataType]:
    """The type of those timestamps that are written with a zone, of which the engine's inference knows nothing."""
    import pyarrow.compute as pc

    if not names:
        return {}
    text = pa.schema([pa.field(field.name, pa.string()) for field in found])
    sample = context.read_csv(str(folder), options=make(text)).limit(_SAMPLE).to_arrow_table()
    zoned = [name for name in names if pc.any(pc.match_substring_regex(sample.column(name), _ZONE)).as_py()]
    return dict.fromkeys(zoned, pa.timestamp("us", "UTC"))


def _raw_schema(
    names: Sequence[str], columns: Sequence[Column], group: Sequence[Path], options: CsvOptions
) -> pa.Schema:
    """The types that the engine's parser is to read, in the order of the file."""
    wanted = {column.name: column for column in columns}
    missing = next((name for name in wanted if name not in names), None)
    if missing is not None:
        raise unreadable(group[0], f"it has no column `{missing}`, only " + ", ".join(f"`{n}`" for n in names))
    parsed = {name for name, column in wanted.items() if _parsed(column, options)}
    return pa.schema([pa.field(n, arrow_type(wanted[n].type) if n in parsed else pa.string()) for n in names])


def _parsed(column: Column, options: CsvOptions) -> bool:
    """Whether the engine's own parser reads it exactly. It knows no `null_regex` when it reads."""
    kind = column.type.kind
    return (kind is Kind.TEXT and not options.null_regex) or (kind in _EXACT and not options.null_regex)


def _chosen(column: Column, options: CsvOptions, fitted: Fitted) -> str:
    name = quoted(column.name)
    if _parsed(column, options):
        return name
    text = name
    if options.null_regex:
        # The engine's parser gives NULL for empty values, also where something else was chosen to mean it.
        given = f"coalesce({name}, '')" if column.type.kind is Kind.TEXT and not options.ragged else name
        text = f"CASE WHEN regexp_like({given}, {literal(options.null_regex)}) THEN NULL ELSE {given} END"
    return f"{fitted(text, UNKNOWN, column)} AS {name}"


_FAR_LINE = re.compile(r"at line (\d+)")


def fault(parts: Sequence[Part], folder: Path) -> DataError | None:
    """The first file that cannot be read, with the line. The engine names no file, and lines only of its pieces."""
    import datafusion

    for i, (part, path) in enumerate((own, path) for own in parts for path in own.paths):
        alone = folder / f"alone-{i}"
        _link([path], alone)
        context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(1))
        try:
            for _ in context.read_csv(str(alone), options=part.make(part.schema)).execute_stream():
                pass
        except Exception as error:  # the engine has no class of errors of its own
            # It counts the lines of values from nought, those of records from one.
            return unreadable(path, _FAR_LINE.sub(lambda m: f"at line {int(m[1]) + 1}", spoken(error)))
    return None
