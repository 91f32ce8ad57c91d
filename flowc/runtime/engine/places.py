"""Where in its file a value stands that does not fit: the files are read once more, one by one and in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flowc.errors import DataError, FlowcError
from flowc.formats import columnar
from flowc.loadplan import EngineRead, FilesRead, Ingest, Read
from flowc.runtime.contracts.store import File
from flowc.runtime.engine.engine import Engine, Sources
from flowc.runtime.engine.rowwise import is_rowwise, looked_at, place_of
from flowc.runtime.fit import CODE, Place, fit
from flowc.runtime.formats import rows_of
from flowc.runtime.formats.csv.lines import csv_line
from flowc.runtime.formats.csv.options import csv_options
from flowc.runtime.stores.files import Files


def misplaced(step: Ingest, sources: Sources, error: DataError) -> DataError | None:
    """The error of the first value in the files of a load that does not fit, with file and line; None where all do.

    Where a query stands between the files and the load, rows of the one are not those of the other: only a value that
    is itself the one of `error` is named, by its first place.
    """
    found = _first(step, sources)
    same = found is not None and found.message.startswith(error.message)
    return found if same or _whole(step.read) else None


def _first(step: Ingest, sources: Sources) -> DataError | None:
    try:
        for read in _files(step.read):
            files = sources(read.connection)
            if isinstance(files, Files):
                _reread(_typed(read, sources), files, step if _whole(step.read) else None, sources)
    except FlowcError as error:
        return error if isinstance(error, DataError) and error.code == CODE else None
    return None


def _files(read: Read) -> Iterator[FilesRead]:
    inputs = [source for _, source in read.inputs] if isinstance(read, EngineRead) else [read]
    yield from (source for source in inputs if isinstance(source, FilesRead))


def _whole(read: Read) -> bool:
    """Whether the rows of the file are those that are loaded."""
    return isinstance(read, FilesRead) or (isinstance(read, EngineRead) and read.sql is None)


def _typed(read: FilesRead, sources: Sources) -> FilesRead:
    """The read with the columns that its files have together: alone, each might seem to have others."""
    if read.columns is not None:
        return replace(read, inferred=read.inferred or columnar(read.format))
    with Engine(sources) as engine:
        return replace(read, columns=engine.describe(EngineRead((("source", read),), None)), inferred=True)


def _reread(read: FilesRead, files: Files, step: Ingest | None, sources: Sources) -> None:
    for path in files.find(read.path):
        row, place = 1, _place(read, path, files)
        one = EngineRead((("source", replace(read, path=files.path_of(path))),), None)
        with Engine(sources, place) as engine:
            for batch in engine.read(one)[1]:
                if step is not None:
                    fit(batch, step.columns, step.timezone, first_row=row, place=place)
                row += batch.num_rows


def _place(read: FilesRead, path: File, files: Files) -> Place:
    if columnar(read.format):
        return lambda row: f"row {row} of `{path}`"
    if is_rowwise(read, looked_at(read, files, deep=True)):
        rows = rows_of(replace(read, path=files.path_of(path)), files)
        return lambda row: f"{place_of(rows, path, row)} of `{path}`"
    options = csv_options(read, files)
    return lambda row: f"line {csv_line(path, options, row)} of `{path}`"
