"""The bytes of files of `.bz2` and `.xz`, which hold members one behind the other.

What the standard library has for this ends such a file without a word at a member that is broken.
"""

from __future__ import annotations

import bz2
import io
import lzma
from collections.abc import Callable
from typing import Any

from flowc.durations import size_text
from flowc.runtime.contracts.store import File

MOST_MEMORY = 256 << 20
"""Bytes that reading `.xz` may take: its header says how many it wants, and `xz -9` wants 65 MiB."""
_PIECE = 8192
"""Bytes that are read at a time: what is left of them behind a member is copied, and members may be tiny."""
_PADDING = 4
"""Zeros stand between members of `.xz` in so many at a time."""


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=MOST_MEMORY)


_MAKERS: dict[str, Callable[[], Any]] = {"bz2": bz2.BZ2Decompressor, "xz": _xz}


class Members(io.RawIOBase):
    """The bytes of all members of a file, decompressed; what is no member fails as it does for other compressions."""

    def __init__(self, path: File, how: str) -> None:
        self._file = path.open("rb")
        self._make = _MAKERS[how]
        self._member: Any = None
        self._left = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer; 0 at the end."""
        found = b""
        while not found and self._within():
            found = self._decompressed(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def _within(self) -> bool:
        """Whether there is a member to read on in; goes to the next one behind the end of one."""
        if self._member is None or self._member.eof:
            self._left = self._next()
            self._member = self._make() if self._left else None
        return self._member is not None

    def _next(self) -> bytes:
        """The first bytes of the next member, behind the zeros that pad `.xz`; none at the end of the file."""
        left, zeros = (self._member.unused_data if self._member else b"") or self._file.read(_PIECE), 0
        while isinstance(self._member, lzma.LZMADecompressor) and left.startswith(b"\0"):
            found = left.lstrip(b"\0")
            zeros += len(left) - len(found)
            left = found or self._file.read(_PIECE)
        if zeros % _PADDING:
            raise lzma.LZMAError("zeros stand behind a part of it, and not in fours")
        return left

    def _decompressed(self, most: int) -> bytes:
        left, self._left = self._left, b""
        if not left and self._member.needs_input and not (left := self._file.read(_PIECE)):
            raise EOFError("Compressed file ended before the end-of-stream marker was reached")
        try:
            found: bytes = self._member.decompress(left, most)
        except lzma.LZMAError as error:
            raise lzma.LZMAError(_words(error)) from None
        return found

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        super().close()


def _words(error: lzma.LZMAError) -> str:
    if "Memory usage limit" not in str(error):
        return str(error)
    most = size_text(MOST_MEMORY)
    return f"to decompress it takes more than {most} of memory; compress it with a smaller dictionary, as `xz -9` does"
