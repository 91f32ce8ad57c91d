"""Text files in other encodings, as the bytes of UTF-8 that everything behind reads."""

from __future__ import annotations

import codecs
import io
from typing import Any

_PIECE = 1 << 20
_MARK = "\udcff"
"""Stands for bytes that are no text: as UTF-8 it becomes a byte that no text has, so that its row is found bad."""


def _marked(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return _MARK, error.end


codecs.register_error("flowc-mark", _marked)


def is_utf8(encoding: str | None) -> bool:
    """Whether bytes in that encoding are UTF-8 as they are. Raises LookupError for an encoding that is none."""
    return encoding is None or codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")


class Recoded(io.RawIOBase):
    """A stream of bytes in some encoding as UTF-8."""

    def __init__(self, stream: Any, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("flowc-mark")
        self._left = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer; 0 at the end."""
        while not self._left and not self._ended:
            piece = self._stream.read(_PIECE)
            self._ended = not piece
            text = self._decoder.decode(piece, final=self._ended)
            self._left = memoryview(text.encode("utf-8", "surrogateescape"))
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count

    def close(self) -> None:
        """Closes the stream behind it too."""
        self._stream.close()
        super().close()
