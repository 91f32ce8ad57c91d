"""Lines of CSV files: where a row begins, and what the engine says of one, in the user's words."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator

import pyarrow as pa

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.runtime.arrow import data_type
from flowc.runtime.contracts.store import File
from flowc.runtime.fit import guessed_wrong, shorten
from flowc.runtime.formats.aside import row_shown
from flowc.runtime.formats.csv.look import look
from flowc.runtime.formats.csv.options import CsvOptions
from flowc.runtime.stores.files import ASIDE, csv_bytes, unreadable

_FIELDS = re.compile(r"incorrect number of fields for line (?P<row>\d+), expected (?P<wanted>\d+) got (?P<found>\d+)")
_UTF8 = re.compile(r"invalid UTF-8 data for line (?P<row>\d+) and field (?P<at>\d+)")
_VALUE = re.compile(r"parsing value '(?P<value>.*?)' as type '.*?' for column (?P<at>\d+) at line (?P<row>\d+)", re.S)


def csv_line(path: File, options: CsvOptions, row: int) -> int:
    """The number of the line on which the `row`-th row of a file begins, both from one."""
    return _row(path, options, row)[0]


def _row(path: File, options: CsvOptions, row: int) -> tuple[int, list[str]]:
    """The line on which a row begins, and its values."""
    return next(itertools.islice(_rows(path, options), row - 1 + options.header, None), (0, []))


def _rows(path: File, options: CsvOptions) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file, its header among them, each with the number of the line on which it begins."""
    numbers: list[int] = []

    def texts(lines: Iterator[tuple[int, str]]) -> Iterator[str]:
        for number, line in lines:
            numbers.append(number)
            yield line

    with csv_bytes(path, options) as stream:
        lines = _numbered(io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline=""), options)
        given = {"delimiter": options.delimiter, "quotechar": options.quote, "escapechar": options.escape}
        for values in csv.reader(texts(lines), **given):  # type: ignore[arg-type]
            if values:
                yield numbers[0], values
            numbers.clear()


def _numbered(lines: io.TextIOWrapper, options: CsvOptions) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1 + options.skip_rows):
        if not (options.comment and line.startswith(options.comment)):
            yield number, line


def csv_error(words: str, path: File, schema: pa.Schema, options: CsvOptions, *, guessed: bool) -> DataError:
    """The error for what the engine says of a file: its line, and the column under its own name and type.

    With `guessed`, the types are those that flowc inferred.
    """
    # The engine counts rows, and the header as one: here from one, for values from nought.
    if said := _FIELDS.search(words):
        line, values = _row(path, options, int(said["row"]) - options.header)
        if any("\n" in value for value in values):
            look(path, options, deep=True)  # raises where a stray quote has taken lines along: that is what is wrong
        words = f"line {line} has {said['found']} fields where {said['wanted']} are expected"
        error = unreadable(path, words, ASIDE)
        error.details = (row_shown(options.delimiter.join(values)),)
        return error
    if said := _UTF8.search(words):
        line, name = csv_line(path, options, int(said["row"]) - options.header), schema.names[int(said["at"]) - 1]
        return unreadable(path, f"line {line}: column `{name}`: the text is not UTF-8", ASIDE)
    if said := _VALUE.search(words):
        line, field = csv_line(path, options, int(said["row"]) + 1 - options.header), schema.field(int(said["at"]))
        kind = data_type(field)
        if guessed:
            return guessed_wrong(Column(field.name, kind), said["value"], f"line {line} of `{path}`")
        shown = shorten(said["value"])
        return unreadable(path, f"line {line}: column `{field.name}`: {shown} does not fit its type `{kind}`", ASIDE)
    return unreadable(path, words)
