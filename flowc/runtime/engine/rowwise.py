"""Files whose bad rows are found one by one: read once, batch by batch, and put aside before the engine has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from flowc.formats import FORMATS
from flowc.loadplan import FilesRead
from flowc.runtime.contracts.store import File
from flowc.runtime.formats.aside import Aside, place
from flowc.runtime.formats.csv.header import given_names
from flowc.runtime.formats.csv.look import Look, look
from flowc.runtime.formats.csv.options import CsvOptions, csv_options
from flowc.runtime.formats.pieces import Rows
from flowc.runtime.stores.files import Files
from flowc.runtime.stores.local import has_url

_WIDE = 500

Looks = Mapping[File, Look]
"""What CSV files are like; nothing, where they are not read by the engine anyway."""


def looked_at(read: FilesRead, files: Files, *, deep: bool) -> Looks:
    """What the CSV files of a read are like, as far as the engine may read them.

    Raises:
        DataError: the bytes of one are broken.
    """
    if not FORMATS[read.format].headed or read.skips or not (options := csv_options(read, files)).as_it_is:
        return {}
    return {path: _look(path, options, read, deep=deep) for path in files.find(read.path)}


def _look(path: File, options: CsvOptions, read: FilesRead, *, deep: bool) -> Look:
    count = len(given_names(path, options, read))
    # The engine's work grows with the square of the columns, and it passes over blank lines.
    if count > _WIDE or not (isinstance(path, Path) and has_url(path)):
        return Look(odd=True)
    return look(path, options, deep=deep, blanks=count == 1)


def is_rowwise(read: FilesRead, looks: Looks) -> bool:
    """Whether text files are read so: what the engine does not read or misreads, and what skips bad rows."""
    form = FORMATS[read.format]
    return form.text and not (form.engine and looks and not any(file.odd for file in looks.values()))


def good_rows(rows: Rows, files: Files, aside: Aside | None) -> Iterator[pa.RecordBatch]:
    """The rows that can be read; the others are set aside, or fail the load where there is no `aside`."""
    for path in rows.paths:
        name = files.name_of(path)
        if aside is not None:
            aside.begin(name)
        for piece in rows.pieces(path):
            if piece.bad and aside is None:
                raise piece.bad[0].error(path)
            if aside is not None:
                aside.good += piece.batch.num_rows
                if piece.bad:
                    aside.add(name, piece.bad)
            yield piece.batch


def place_of(rows: Rows, path: File, row: int) -> str:
    """The line on which the `row`-th row of a file that can be read begins, both from one, in words."""
    for piece in rows.pieces(path):
        if row <= piece.batch.num_rows:
            return place(int(piece.lines[row - 1]), None if piece.elements is None else int(piece.elements[row - 1]))
        row -= piece.batch.num_rows
    return place(0, None)
