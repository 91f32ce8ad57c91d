"""One package for each format, with the same modules in each; `flowc.formats` says which formats there are.

`options` says how it is read. `framing` has `framing(read, files)`, how its files split into records; `decode` has
`decoding(context)`, how messages become rows; `encode` has `encoding(columns, write, compression)`, how files hold
rows; `discover` has `discover(values)`, the columns of messages.
"""

from __future__ import annotations

from typing import cast

from flowc.formats import FORMATS
from flowc.loadplan import FilesRead
from flowc.runtime.contracts.decoder import DecoderContext, Decoding
from flowc.runtime.formats.framing import Framing
from flowc.runtime.stores.files import Files


def decoding_of(kind: str, context: DecoderContext) -> Decoding:
    """How messages of a format become rows.

    Raises:
        UsageError: an option or columns that the format cannot have.
    """
    return cast(Decoding, FORMATS[kind].module("decode").decoding(context))


def framing_of(read: FilesRead, files: Files) -> Framing:
    """How the files of a source split into records.

    Raises:
        UsageError: an option that the format has not.
    """
    return cast(Framing, FORMATS[read.format].module("framing").framing(read, files))
