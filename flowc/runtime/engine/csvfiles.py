"""CSV files as tables of the engine.

Files are grouped by their header, so that every column is found by its name in every file. Declared columns that the
engine's own parser would round (decimals, doubles that were inferred) or guess (times) are read as text and converted
exactly, batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.loadplan import FilesRead
from flowc.runtime.arrow import arrow_type
from flowc.runtime.contracts.store import File
from flowc.runtime.engine.messages import engine_message
from flowc.runtime.formats.csv.header import header
from flowc.runtime.formats.csv.lines import csv_error
from flowc.runtime.formats.csv.look import Look
from flowc.runtime.formats.csv.options import CsvOptions, csv_options
from flowc.runtime.formats.csv.types import Sample, inferred
from flowc.runtime.names import literal, quoted
from flowc.runtime.stores.files import Files, compression, no_columns, unreadable
from flowc.runtime.stores.local import url
from flowc.types import INTEGER_RANGES, UNKNOWN, Kind

_EXACT = frozenset({Kind.BOOL, Kind.FLOAT32, Kind.FLOAT64, *INTEGER_RANGES} - {Kind.INT128})

Make = Callable[[pa.Schema | None], Any]
"""Makes the engine's options for reading CSV with a schema, or with one to be inferred."""
Fitted = Callable[..., str]
"""Makes the SQL that converts a column exactly: its SQL, its type, the column it is to be; see the engine."""
Extreme = Callable[[str, Column], str]
"""Makes the SQL that is asked about infinities and zeros in a column, and fails where the files spell other numbers."""


@dataclass(frozen=True, slots=True)
class Part:
    """The files of one header, and how the engine reads them."""

    paths: tuple[Path, ...]
    schema: pa.Schema
    make: Make
    options: CsvOptions
    columns: tuple[Column, ...]
    guessed: bool = False
    """Whether the types of the columns were inferred, not declared."""

    def parsed(self, column: Column) -> bool:
        """Whether the engine's own parser reads the column exactly. It knows no `null_regex` when it reads."""
        kind = column.type.kind
        # It rounds to the nearest double: what a declared one means, but not what an inferred one may do.
        exact = kind is Kind.TEXT or (kind in _EXACT and not (self.guessed and kind is Kind.FLOAT64))
        return exact and not self.options.null_regex


def register_csv(
    context: Any,
    name: str,
    read: FilesRead,
    files: Files,
    *,
    looks: Mapping[File, Look],
    fitted: Fitted,
    extreme: Extreme,
) -> tuple[Part, ...]:
    """Makes the files of a read known to the engine as the table `name`; returns what it took, for `fault`.

    Raises:
        DataError: a file has no header, or lacks a declared column.
        EngineError: there is no file.
    """
    options = csv_options(read, files)
    groups = _groups(tuple(path for path in looks if isinstance(path, Path)), options, read.columns).items()
    texts = [_part(header, group, options, looks) for header, group in groups]
    guessed = read.inferred or read.columns is None
    columns = _inferred(texts) if read.columns is None else read.columns
    parts = [_typed(part, columns, guessed=guessed) for part in texts]
    for i, part in enumerate(parts):
        _register(context, f"{name}:{i}", part, fitted, extreme)
    union = " UNION ALL BY NAME ".join(f"SELECT * FROM {quoted(f'{name}:{i}')}" for i in range(len(parts)))
    context.register_view(name, context.sql(union))
    return tuple(parts)


def _part(header: tuple[str, ...], group: Sequence[Path], options: CsvOptions, looks: Mapping[File, Look]) -> Part:
    """The files of one header, all of whose columns are texts."""
    how, *names = header
    schema = pa.schema([pa.field(name, pa.string()) for name in names])
    make = _maker(how, options, lines=any(looks[path].spread for path in group))
    return Part(tuple(group), schema, make, options, ())


def _typed(part: Part, columns: Sequence[Column], *, guessed: bool) -> Part:
    """The files read as those of the columns that they have: of all that are declared, and of some that were found."""
    names = frozenset(part.schema.names)
    missing = None if guessed else next((column.name for column in columns if column.name not in names), None)
    if missing is not None:
        there = ", ".join(f"`{name}`" for name in part.schema.names)
        raise unreadable(part.paths[0], f"it has no column `{missing}`, only {there}")
    own = tuple(column for column in columns if column.name in names)
    made = replace(part, columns=own, guessed=guessed)
    native = {column.name: arrow_type(column.type) for column in own if made.parsed(column)}
    return replace(made, schema=pa.schema([pa.field(n, native.get(n, pa.string())) for n in part.schema.names]))


def _register(context: Any, name: str, part: Part, fitted: Fitted, extreme: Extreme) -> None:
    raw = f"{name}:raw"
    chosen = ", ".join(_chosen(column, part, fitted, extreme) for column in part.columns)
    if part.paths:
        context.register_csv(raw, [url(path) for path in part.paths], options=part.make(part.schema))
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
        raise no_columns(paths[0])
    return groups


def _maker(how: str, options: CsvOptions, *, lines: bool) -> Make:
    import datafusion

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
            file_extension="",  # whatever the names end in
            file_compression_type=how,
            null_regex=options.null_regex,
            truncated_rows=options.ragged,
        )

    return make


def _inferred(groups: Iterable[Part]) -> tuple[Column, ...]:
    """The columns of files whose source declares none, from the first rows of each group.

    Raises:
        DataError: a row has too few or too many fields, or the files disagree about a type.
    """
    samples: list[Sample] = []
    whole = True
    for part in groups:
        left = part.options.infer_rows
        for path in part.paths:
            rows = _first_rows(part, path, left)
            samples.append(Sample(path, rows))
            left -= rows.num_rows
        whole = whole and left > 0
    return inferred(samples, whole=whole)


def _first_rows(part: Part, path: Path, count: int) -> pa.Table:
    """The first rows of one file as texts, in their order: read by a session of its own, on one thread."""
    context = _alone()
    chosen = ", ".join(f"{_text(name, Kind.TEXT, part.options)} AS {quoted(name)}" for name in part.schema.names)
    try:
        context.register_csv("raw", url(path), options=part.make(part.schema))
        return context.sql(f"SELECT {chosen} FROM raw LIMIT {count}").to_arrow_table().cast(part.schema)
    except Exception as error:  # the engine has no class of errors of its own
        raise fault([part]) or unreadable(path, engine_message(error)) from None


def _alone() -> Any:
    import datafusion

    return datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(1))


def _chosen(column: Column, part: Part, fitted: Fitted, extreme: Extreme) -> str:
    name = quoted(column.name)
    if part.parsed(column):
        # The engine makes an infinity of a number that is too great for a float, and zero of one that is too small.
        value = name
        if column.type.is_float:
            value = f"CASE WHEN abs({name}) = 'inf' OR {name} = 0 THEN {extreme(name, column)} ELSE {name} END"
        return f"{value} AS {name}" if column.nullable else f"{fitted(value, column.type, column)} AS {name}"
    text = _text(column.name, column.type.kind, part.options)
    return f"{fitted(text, UNKNOWN, column, guessed=part.guessed)} AS {name}"


def _text(column: str, kind: Kind, options: CsvOptions) -> str:
    """SQL for the text of a column, NULL where the options say so."""
    name = quoted(column)
    if not options.null_regex:
        return name
    # The engine's parser gives NULL for empty values, also where something else was chosen to mean it.
    given = f"coalesce({name}, '')" if kind is Kind.TEXT and not options.ragged else name
    return f"CASE WHEN regexp_like({given}, {literal(options.null_regex)}) THEN NULL ELSE {given} END"


def fault(parts: Sequence[Part]) -> DataError | None:
    """The first file that cannot be read, with the line. The engine names no file, and lines only of its pieces."""
    for part, path in ((own, path) for own in parts for path in own.paths):
        try:
            for _ in _alone().read_csv(url(path), options=part.make(part.schema)).execute_stream():
                pass
        except Exception as error:  # the engine has no class of errors of its own
            return csv_error(engine_message(error), path, part.schema, part.options, guessed=part.guessed)
    return None
