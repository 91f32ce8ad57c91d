"""Files of JSON as lines: their own, or the elements of the array that they are, a few megabytes at a time.

Where elements end is told by the brackets and quotes alone, so that an element which is no JSON is one bad line. Each
byte is looked at once, and of an element that is too long none is held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from flowc.loadplan import FilesRead
from flowc.runtime.contracts.store import File
from flowc.runtime.formats.framing import Framing, Records, Unframed, records
from flowc.runtime.formats.json.options import json_options
from flowc.runtime.stores import lines
from flowc.runtime.stores.files import Bytes, Files, demand_utf8, opened, unreadable, without_mark
from flowc.runtime.stores.lines import TooLong, among, apart, line_ends, pieces

_BLANK = b" \t\r\n"
_SPACE = 64
_NOTHING = re.compile(rb"(?m)^[ \t\r]*$")
_DEPTH = np.zeros(256, np.int8)
_IS_SIGN = np.zeros(256, np.bool_)
_IS_SIGN[list(b'",[]{}')] = True
_DEPTH[[ord("["), ord("{")]], _DEPTH[[ord("]"), ord("}")]] = 1, -1

Places = npt.NDArray[np.int64]


def framing(read: FilesRead, files: Files) -> Framing:
    """How the JSON files of a source split into objects."""
    return JsonFraming(json_options(read, files).max_line)


@dataclass
class JsonFraming(Unframed):
    """The lines of JSON files, or the elements of the arrays that they are, of `most` bytes at most."""

    most: int

    def records(self, path: File, begin: int, header: tuple[str, ...]) -> Iterator[Records]:
        """The objects of a file from line, or element, `begin` on."""
        return records(json_pieces(path, self.most), path, None, begin)


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines of JSON, and the number of the line of the file on which each begins, from one.

    Where one is too `long`, it stands alone, and none of its bytes are there. Those of an array are its elements, of
    which so many stand `before` them.
    """

    data: bytes
    numbers: Places
    long: TooLong | None = None
    before: int | None = None

    def nth(self, index: int) -> int | None:
        """The number of one of them in the array, from one; None where they are lines of their own."""
        return None if self.before is None else self.before + 1 + index

    @property
    def elements(self) -> Places | None:
        """The numbers of all of them."""
        return None if self.before is None else np.arange(len(self.numbers)) + (self.before + 1)

    @property
    def texts(self) -> list[bytes]:
        """The lines one by one, without their ends."""
        return self.data.removesuffix(b"\n").split(b"\n")

    def apart(self, count: int) -> Iterator[Lines]:
        """All of them, so many at a time."""
        if len(self.numbers) <= count:
            yield self
            return
        for start, data in zip(range(0, len(self.numbers), count), apart(self.data, count), strict=True):
            before = None if self.before is None else self.before + start
            yield Lines(data, self.numbers[start : start + count], before=before)

    def first(self, count: int) -> Lines:
        """The first of them; of one that is too long, nothing is left."""
        if self.long is not None or count < len(self.numbers):
            texts = [] if self.long else self.texts[:count]
            return Lines(b"".join(text + b"\n" for text in texts), self.numbers[: len(texts)], before=self.before)
        return self


def json_lines(path: File, most: int) -> Iterator[Lines]:
    """The lines of a file of JSON: its own, or the elements of the array that it is; each has `most` bytes at most.

    Raises:
        DataError: the array does not end, or something else follows it.
    """
    with without_mark(lambda: opened(path)) as stream:
        demand_utf8(path, stream, "write it as UTF-8, as JSON is")
        yield from _found(stream, path, most, _blank_lines(stream))


def json_pieces(path: File, most: int) -> Iterator[bytes | TooLong]:
    """The same lines one after the other as `pieces` has them, which tells of each which one of its file it is.

    So blank lines that a file of lines begins with are there; of an array, elements are counted.
    """
    with without_mark(lambda: opened(path)) as stream:
        demand_utf8(path, stream, "write it as UTF-8, as JSON is")
        blank = _blank_lines(stream)
        for at in range(0, 0 if _is_array(stream) else blank, lines.BLOCK):
            yield b"\n" * min(blank - at, lines.BLOCK)
        yield from (found.long or found.data for found in _found(stream, path, most, blank))


def _found(stream: Bytes, path: File, most: int, blank: int) -> Iterator[Lines]:
    elements = _Elements(stream, path, most, 1 + blank).lines()
    return elements if _is_array(stream) else _lines(stream, most, 1 + blank)


def _is_array(stream: Bytes) -> bool:
    return stream.peek(1)[:1] == b"["


def _blank_lines(stream: Bytes) -> int:
    """Takes the blanks that a stream begins with; how many lines end in them."""
    count = 0
    while first := stream.peek(_SPACE)[:_SPACE]:
        blank = first[: len(first) - len(first.lstrip(_BLANK))]
        count += stream.read(len(blank)).count(b"\n")
        if len(blank) < len(first):
            break
    return count


def _lines(stream: Bytes, most: int, line: int) -> Iterator[Lines]:
    for piece in pieces(stream, most):
        if isinstance(piece, TooLong):
            yield Lines(b"", np.array([line]), piece)
            line += 1
            continue
        count = piece.count(b"\n") + (not piece.endswith(b"\n"))
        yield Lines(piece, np.arange(line, line + count))
        line += count


@dataclass(frozen=True, slots=True)
class _Cuts:
    """The commas between elements, the bracket that ends the array, and the first sign behind each comma.

    `bare`: an element may have no sign of its own, so that it is a plain value, or nothing. `depth` and `within` say
    how deep the end of the bytes is in brackets, and whether it is in a text.
    """

    commas: Places
    end: int | None
    begins: Places
    bare: bool
    depth: int
    within: int


def _cuts(data: bytes, depth: int, within: int) -> _Cuts:
    # Of an escape, both signs are of no meaning here.
    text = np.frombuffer(data.replace(b"\\\\", b"__").replace(b'\\"', b"__"), np.uint8)
    places = np.flatnonzero(_IS_SIGN[text])
    signs = text[places]
    inside = (np.cumsum(signs == ord('"'), dtype=np.int32) + within) & 1
    steps = _DEPTH[signs]
    steps[inside == 1] = 0
    depths = np.cumsum(steps, dtype=np.int32) + depth
    ends = np.flatnonzero(depths < 0)[:1]
    cuts = np.flatnonzero((signs == ord(",")) & (depths == 0) & (inside == 0))
    cuts = cuts[cuts < ends[0]] if len(ends) else cuts
    begins = places[np.minimum(cuts + 1, len(places) - 1)]
    bare = bool((np.diff(np.concatenate((cuts, ends))) == 1).any())
    end = int(places[ends[0]]) if len(ends) else None
    last = (int(depths[-1]), int(inside[-1])) if len(signs) else (depth, within)
    return _Cuts(places[cuts], end, begins, bare, *last)


class _Elements:
    """The elements of an array as lines: within one, a line end is a tab, a blank that no text may hold either."""

    def __init__(self, stream: Bytes, path: File, most: int, line: int) -> None:
        self._stream, self._path, self._most = stream, path, most
        self._depth = self._within = 0
        self._kept, self._size = list[bytes](), 0
        """What there is of the element that has not ended, none of it where that is too long; and its bytes."""
        self._line, self._begin = line, None
        """The line that was come to, and that on which the element begins."""
        self._some = False
        self._count = 0
        """How many elements have ended."""

    _begin: int | None

    def lines(self) -> Iterator[Lines]:
        """All of them."""
        block = self._opened()
        while block:
            cuts = _cuts(block, self._depth, self._within)
            self._depth, self._within = cuts.depth, cuts.within
            if len(cuts.commas) or cuts.end is not None:
                for found in self._ended(block, cuts):
                    yield replace(found, before=self._count)
                    self._count += len(found.numbers)
            else:
                self._keep(block)
            if cuts.end is not None:
                self._check_end(block[cuts.end + 1 :])
                return
            block = self._block()
        raise unreadable(
            self._path,
            f"the array does not end: element {self._count + 1}, on line {self._begin or self._line}, is not closed, "
            "or its bracket is missing",
        )

    def _opened(self) -> bytes:
        """The first bytes of the array, a blank in place of its bracket."""
        return self._unescaped(b" " + self._stream.read(_SPACE)[1:])

    def _block(self) -> bytes:
        return self._unescaped(self._stream.read(lines.BLOCK))

    def _unescaped(self, block: bytes) -> bytes:
        """With what follows, where its last sign is the first of an escape."""
        while (len(block) - len(block.rstrip(b"\\"))) % 2 and (more := self._stream.read(lines.BLOCK)):
            block += more
        return block

    def _keep(self, block: bytes) -> None:
        """Begins an element, or goes on with it."""
        if self._begin is None and (text := block.lstrip(_BLANK)):
            self._begin = self._line + block[: len(block) - len(text)].count(b"\n")
        self._line += block.count(b"\n")
        self._size += len(block)
        self._kept = [*self._kept, block] if self._size <= self._most else []

    def _ended(self, block: bytes, cuts: _Cuts) -> Iterator[Lines]:
        """The elements that end in a block; what is behind the last of them is kept."""
        line, before = self._line, self._size
        borders = cuts.commas if cuts.end is None else np.append(cuts.commas, cuts.end)
        first, last = int(borders[0]), int(borders[-1])
        self._keep(block[:first])
        begins = cuts.begins[: len(borders) - 1]
        numbers = line + np.searchsorted(line_ends(block), begins)
        numbers = np.concatenate(([self._begin or self._line], numbers))
        nothing = self._begin is None
        if self._size > self._most:
            yield Lines(b"", numbers[:1], TooLong(self._size, self._most))
            text, commas, numbers = block[first + 1 : last], borders[1:-1] - (first + 1), numbers[1:]
        else:
            text, commas = b"".join(self._kept) + block[first:last], borders[:-1] + before
        if len(numbers) and (len(borders) > 1 or cuts.end is None or self._some or not nothing):
            yield from self._made(text, commas, numbers, bare=cuts.bare or nothing)
        self._some = True
        self._kept, self._size, self._begin = [], 0, None
        self._line = line + block.count(b"\n", 0, last)
        self._keep(block[last + 1 :])

    def _made(self, text: bytes, commas: Places, numbers: Places, *, bare: bool) -> Iterator[Lines]:
        signs = np.frombuffer(text.replace(b"\n", b"\t"), np.uint8).copy()
        signs[commas] = ord("\n")
        data = signs.tobytes().rstrip(b" \t\r")
        # Nothing between two commas is no element; as a line of its own it would be passed over.
        data = (_NOTHING.sub(b",", data) if bare else data) + b"\n"
        at = 0
        for piece in among(data, self._most):
            if isinstance(piece, TooLong):
                yield Lines(b"", numbers[at : at + 1], piece)
                at += 1
            else:
                count = piece.count(b"\n")
                yield Lines(piece, numbers[at : at + count])
                at += count

    def _check_end(self, left: bytes) -> None:
        while left or (left := self._stream.read(lines.BLOCK)):
            if left.strip(_BLANK):
                raise unreadable(self._path, "something follows the array that it begins with")
            left = b""
