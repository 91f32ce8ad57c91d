"""Files of pairs: a record is a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flowc.loadplan import FilesRead
from flowc.runtime.contracts.store import File
from flowc.runtime.formats.framing import Framing, Records, Unframed, records
from flowc.runtime.stores.files import Files, opened, without_mark
from flowc.runtime.stores.lines import pieces

_MOST = 1 << 20


def framing(read: FilesRead, files: Files) -> Framing:
    """How files of pairs split into records."""
    return KeyValueFraming()


@dataclass
class KeyValueFraming(Unframed):
    """The lines of files."""

    def records(self, path: File, begin: int, header: tuple[str, ...]) -> Iterator[Records]:
        """The lines of a file from line `begin` on."""
        with without_mark(lambda: opened(path)) as stream:
            yield from records(pieces(stream, _MOST), path, None, begin)
