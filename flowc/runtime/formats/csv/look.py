"""A look at CSV files before the engine reads them: whether it reads their rows as they are, and how many at a time.

The engine holds whole lines and a fixed number of rows, names no file whose bytes are broken, ends lines at carriage
returns alone, and takes what a stray quote swallows for a value. Files in which such things are go the other way, on
which rows are read as streams read them: see `flowc.runtime.formats.csv.rows`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowc.runtime.contracts.store import File
from flowc.runtime.formats.csv.options import CsvOptions
from flowc.runtime.formats.csv.quotes import Quoting
from flowc.runtime.formats.framing import splits
from flowc.runtime.stores.files import ASIDE, Bytes, compression, intact, opened, unreadable, without_mark
from flowc.runtime.stores.lines import BLOCK, TooLong, line_ends, pieces

USUAL = 8192
"""So many rows does the engine hold together."""
_FEWEST = 64
_BYTES = 32 << 20
"""So many bytes should they have at most."""
_STRETCH = 4096
_CR, _LF = 13, 10


@dataclass(frozen=True, slots=True)
class Look:
    """What a file is like.

    `odd`: the engine would not read its rows as they are. `quoted`: there are quotes; `spread`: rows may reach over
    several lines. `rows`: so many of them have no more bytes than are to be held.
    """

    odd: bool = False
    quoted: bool = False
    spread: bool = False
    rows: int = USUAL


def look(path: File, options: CsvOptions, *, deep: bool, blanks: bool = False) -> Look:
    """What a file is like. Without `deep`, nothing is said of its quotes but that there are some.

    With `blanks`, blank lines are rows of it.

    Raises:
        DataError: its bytes are broken, or a quote is a stray one.
    """
    seen = _Seen(options, blanks=blanks)
    if deep and compression(path):  # is decompressed once alone
        with without_mark(lambda: opened(path)) as stream:
            found = _quotes(path, _Watched(stream, seen), options)
    else:
        with opened(path) as stream:
            watched = _Watched(stream, seen)
            for _ in intact(path, iter(lambda: watched.read(BLOCK), b"")):
                if seen.odd:
                    break
        found = Look(quoted=seen.quoted, spread=seen.quoted)
        if seen.quoted and deep and not seen.odd:
            with without_mark(lambda: opened(path)) as stream:
                found = _quotes(path, stream, options)
    rows = min(seen.rows, found.rows)
    return replace(found, odd=found.odd or seen.odd or seen.is_long or rows < _FEWEST, rows=rows)


class _Seen:
    """What was seen of a file block by block."""

    def __init__(self, options: CsvOptions, *, blanks: bool) -> None:
        self._quote, self._most = options.quote.encode(), options.max_line
        self.quoted, self.rows = False, USUAL
        self._open, self._returned = 0, False
        self._blanks, self._last = blanks, b"\n"
        self.odd = False
        """Whether a line is too long, or ends in a carriage return alone, or is a row that is blank."""

    @property
    def is_long(self) -> bool:
        """Whether the last line has too many bytes."""
        return self._open > self._most

    def see(self, block: bytes) -> None:
        """The next block."""
        self.quoted = self.quoted or self._quote in block
        before, first, last = self._open, block.find(b"\n"), block.rfind(b"\n")
        self._open = len(block) - last - 1 + (before if first < 0 else 0)
        if first < 0 or not all(block.find(b"\n", at, at + _STRETCH) >= 0 for at in range(0, last, _STRETCH)):
            self._measure(block, before)
        long = before + (first if first >= 0 else len(block)) > self._most
        self.odd = self.odd or long or self._within(block) > self._most or self._returns(block)
        self.odd = self.odd or (self._blanks and self._is_blank(block))

    def _is_blank(self, block: bytes) -> bool:
        text, self._last = self._last + block, block[-1:] or self._last
        return b"\n\n" in text or b"\n\r" in text

    def _measure(self, block: bytes, before: int) -> None:
        rows, size = block.count(b"\n"), before + len(block)
        self.rows = min(self.rows, max(1, rows) * _BYTES // size) if size >= BLOCK else self.rows

    def _within(self, block: bytes) -> int:
        """The longest line in a block, where that may be too long."""
        ends = line_ends(block) if self._most < len(block) else np.array([], np.int64)
        return int(np.diff(ends).max()) - 1 if len(ends) > 1 else 0

    def _returns(self, block: bytes) -> bool:
        alone = self._returned and not block.startswith(b"\n")
        self._returned = block.endswith(b"\r")
        if not alone and b"\r" in block:
            signs = np.frombuffer(block, np.uint8)
            alone = bool(((signs[:-1] == _CR) & (signs[1:] != _LF)).any())
        return alone


class _Watched:
    """A stream of which all that is read is seen."""

    def __init__(self, stream: Bytes, seen: _Seen) -> None:
        self._stream, self._seen = stream, seen

    def read(self, size: int) -> bytes:
        """The next bytes."""
        block = self._stream.read(size)
        self._seen.see(block)
        return block


def _quotes(path: File, stream: Bytes | _Watched, options: CsvOptions) -> Look:
    rows, spread, line, quoting = USUAL, False, 0, Quoting(options)
    for data, found in splits(intact(path, pieces(stream, options.max_line)), quoting):
        if isinstance(data, TooLong):
            return Look(odd=True)
        if found.strays:
            stray = found.strays[0]
            raise unreadable(path, f"line {line + stray.opens + 1}: a quote opens a value that {stray.why}", ASIDE)
        line += found.lines
        if found.starts is not None and len(found.starts) < found.lines:
            spread = True
            rows = min(rows, len(found.starts) * _BYTES // found.size) if found.size >= BLOCK else rows
    return Look(quoted=True, spread=spread, rows=rows)


def spells(path: File, pattern: str) -> bool:
    """Whether a pattern of some hundred bytes is found in a file."""
    before = b""
    with opened(path) as stream:
        for block in iter(lambda: stream.read(BLOCK), b""):
            if pc.match_substring_regex(pa.array([before + block], pa.large_binary()), pattern)[0].as_py():
                return True
            before = block[-_STRETCH:]
    return False
