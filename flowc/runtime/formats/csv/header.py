"""Headers of CSV files: the names of their columns, from a first row that has its limits."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from flowc.durations import size_text
from flowc.loadplan import FilesRead
from flowc.runtime.contracts.store import File
from flowc.runtime.formats.csv.options import CsvOptions
from flowc.runtime.names import nameless
from flowc.runtime.stores.files import BROKEN, LARGEST, RETURN, Bytes, csv_bytes, too_many, unreadable
from flowc.runtime.stores.lines import TooLong, pieces

csv.field_size_limit(LARGEST)  # the module's own is 128 KiB, and no limit of CSV
_OPEN = "unexpected end of data"
"""What the module says of a quote that is not closed."""
_SEPARATOR = re.compile("[\u0085\u2028\u2029]")


def header(path: File, options: CsvOptions) -> tuple[str, ...]:
    """The names of a CSV file's columns, from its first line that is not blank; empty for a file without one.

    Raises:
        DataError: a name stands twice, or holds the end of a line as others write it; there are too many; or the bytes
            cannot be read as lines of CSV.
    """
    try:
        with csv_bytes(path, options) as stream:
            first = _first_row(stream, options)
    except (csv.Error, *BROKEN) as error:
        raise unreadable(path, str(error)) from error
    if len(first) > options.max_columns:
        raise too_many(path, f"its first row has {len(first)} columns", options.max_columns)
    if not options.header:
        return tuple(f"column_{i + 1}" for i in range(len(first)))
    if found := next(filter(None, map(_SEPARATOR.search, first)), None):
        words = f"its header holds U+{ord(found[0]):04X}, a line separator, and lines end in line feeds"
        raise unreadable(path, words)
    if wrong := nameless(first):
        raise unreadable(path, wrong)
    if len(set(first)) < len(first):
        twice = next(name for name, count in Counter(first).items() if count > 1)
        raise unreadable(path, f"its header names `{twice}` twice")
    return first


def _first_row(stream: Bytes, options: CsvOptions) -> tuple[str, ...]:
    lines = _Lines(options)
    rows = csv.reader(
        lines.of(stream), delimiter=options.delimiter, quotechar=options.quote,
        escapechar=options.escape, strict=True,
    )  # fmt: skip
    try:
        first = tuple(next(filter(None, rows), ()))
    except csv.Error as error:
        if str(error) != _OPEN:
            raise
        raise csv.Error(f"line {lines.first}: a quote opens a value that never ends") from error
    if lines.last.endswith("\r"):
        raise csv.Error("its first line ends in a carriage return alone, and lines end in line feeds")
    return first


def given_names(path: File, options: CsvOptions, read: FilesRead) -> tuple[str, ...]:
    """The columns of a CSV file: those of its header, or the declared ones where it has none."""
    names, own = header(path, options), tuple(column.name for column in read.columns or ())
    return own if not options.header and len(names) <= len(own) else names


def csv_names(path: File, options: CsvOptions, read: FilesRead) -> tuple[str, ...]:
    """The columns of a CSV file. Declared ones must all be there; of inferred ones a file may lack some."""
    names, own = given_names(path, options, read), tuple(column.name for column in read.columns or ())
    there = set(names)
    missing = next((name for name in own if names and name not in there), None)
    if missing is not None and not read.inferred:
        raise unreadable(path, f"it has no column `{missing}`, only " + ", ".join(f"`{n}`" for n in names))
    return names


@dataclass
class _Lines:
    """The lines that a record may reach over: a quoted name may hold line ends, not for ever.

    Kept are the number of the `first` one that is not blank, and the `last` one.
    """

    options: CsvOptions
    first: int = 0
    last: str = ""

    def of(self, stream: Bytes) -> Iterator[str]:
        """Those of a file, without comments."""
        options = self.options
        left, mark, number = options.max_line, "utf-8-sig", options.skip_rows
        for piece in pieces(stream, options.max_line):
            if isinstance(piece, TooLong):
                raise csv.Error(f"of its first row, {piece.why}")
            for line in io.StringIO(piece.decode(mark, "replace"), newline=""):
                number += 1
                if len(line.rstrip("\r\n")) > left:
                    most = size_text(options.max_line)
                    raise csv.Error(f"its first row has more than {most}, its `max_line`; is a quote not closed?")
                self.last, left = line, left - len(line)
                if not (options.comment and line.startswith(options.comment)):
                    self.first = self.first or (number if line.strip("\r\n") else 0)
                    yield line
                elif line.endswith("\r"):
                    raise csv.Error(f"a comment before its first row {RETURN}")
            mark = "utf-8"
