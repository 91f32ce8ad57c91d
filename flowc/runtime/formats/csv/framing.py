"""The rows of CSV files: lines, but for quoted values that reach over several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow.compute as pc

from flowc.loadplan import FilesRead
from flowc.runtime.contracts.store import File
from flowc.runtime.formats.csv.header import csv_names
from flowc.runtime.formats.csv.options import CsvOptions, csv_options
from flowc.runtime.formats.csv.quotes import Quoting
from flowc.runtime.formats.framing import EMPTY, Framing, Records, Unframed, records
from flowc.runtime.stores.files import Files, csv_bytes, without_mark
from flowc.runtime.stores.lines import pieces


def framing(read: FilesRead, files: Files) -> Framing:
    """How the CSV files of a source split into rows."""
    return CsvFraming(read, csv_options(read, files))


class CsvFraming(Unframed):
    """The rows of CSV files, without their headers."""

    def __init__(self, read: FilesRead, options: CsvOptions) -> None:
        self._read, self._options, self._quoting = read, options, Quoting(options)

    def header(self, path: File) -> tuple[str, ...]:
        """The names of a file's columns."""
        return csv_names(path, self._options, self._read)

    def records(self, path: File, begin: int, header: tuple[str, ...]) -> Iterator[Records]:
        """The rows of a file from line `begin` on."""
        return csv_records(path, self._options, self._quoting, header, begin)


def csv_records(
    path: File, options: CsvOptions, quoting: Quoting, names: Sequence[str], begin: int = 0
) -> Iterator[Records]:
    """The rows of a CSV file with columns of these names from line `begin` on, without its header.

    Of one column, a blank line is a row without a value.
    """
    stream = without_mark(lambda: csv_bytes(path, options))
    text, blanks = pieces(stream, options.max_line), len(names) == 1
    found = records(text, path, quoting, begin, first=options.skip_rows, blanks=blanks)
    return _without_header(found, begin) if options.header else found


def _without_header(found: Iterator[Records], line: int) -> Iterator[Records]:
    """The first record that is not blank is the header, when it is among them."""
    for block in found if not line else ():
        header = pc.index(pc.match_substring_regex(block.values, EMPTY), False).as_py()
        if header >= 0:
            yield Records(block.values.slice(header + 1), block.lines.slice(header + 1), block.end)
            break
    yield from found
