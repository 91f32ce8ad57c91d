"""One package for each format, with the same modules in each; `flowc.formats` says which formats there are.

`options` says how it is read. `framing` has `framing(read, files)`, how its files split into records; `decode` has
`decoding(context)`, how messages become rows; `encode` has `encoding(columns, write, compression)`, how files hold
rows, and `messages(rows, columns)`, the bytes of a message for each row; `discover` has `discover(values)`, the columns
of messages; `rows` has `rows(read, files)`, the rows of text files in a load.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pyarrow as pa

from flowc.catalog import Column
from flowc.formats import FORMATS
from flowc.loadplan import FilesRead
from flowc.runtime.contracts.decoder import DecoderContext, Decoding
from flowc.runtime.formats.framing import Framing
from flowc.runtime.formats.pieces import Rows
from flowc.runtime.stores.files import Files


def decoding_of(kind: str, context: DecoderContext) -> Decoding:
    """How messages of a format become rows.

    Raises:
        UsageError: an option or columns that the format cannot have.
    """
    return cast(Decoding, FORMATS[kind].module("decode").decoding(context))


def encoded(kind: str, rows: pa.RecordBatch, columns: Sequence[Column]) -> pa.BinaryArray:
    """The bytes of a message of a format for each row. `rows` are fitted to the columns.

    Raises:
        DataError: a value that the format cannot hold.
    """
    return FORMATS[kind].module("encode").messages(rows, columns)


def framing_of(read: FilesRead, files: Files) -> Framing:
    """How the files of a source split into records.

    Raises:
        UsageError: an option that the format has not.
    """
    return cast(Framing, FORMATS[read.format].module("framing").framing(read, files))


def rows_of(read: FilesRead, files: Files) -> Rows:
    """The rows of a load's text files, whose types are inferred where it declares none.

    Raises:
        EngineError: there is no file.
        UsageError: an option that the format has not.
    """
    return cast(Rows, FORMATS[read.format].module("rows").rows(read, files))


def discovered(kind: str, values: pa.Array) -> tuple[Column, ...]:
    """The columns that the first messages of a format have; none where the format does not tell.

    Raises:
        DataError: no columns can be made of them.
    """
    if not FORMATS[kind].discovers:
        return ()
    return cast(tuple[Column, ...], FORMATS[kind].module("discover").discover(values))
