"""Files of one JSON array, read as lines: each of its elements becomes one, a few megabytes at a time.

Where elements end is told by the brackets and quotes alone, so that an element which is no JSON is one bad line.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flowc.runtime.connectors.files import Bytes, opened, unreadable

_BLOCK = 1 << 22
_MOST = 1 << 26
"""So many bytes may one element have."""
_BLANK = b" \t\r\n"
_MARK = b"\xef\xbb\xbf"
_SPACE = 64
_NULL = re.compile(rb"\n(?:\xef\xbb\xbf)?[ \t\r]*null")
_NOTHING = re.compile(rb"(?m)^[ \t\r]*$")
_DEPTH = np.zeros(256, np.int8)
_IS_SIGN = np.zeros(256, np.bool_)
_IS_SIGN[list(b'",[]{}')] = True
_DEPTH[[ord("["), ord("{")]], _DEPTH[[ord("]"), ord("}")]] = 1, -1

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines of JSON, and the number of the line of the file on which each begins, from one."""

    data: bytes
    numbers: Places

    @property
    def texts(self) -> list[bytes]:
        """The lines one by one, without their ends."""
        return self.data.removesuffix(b"\n").split(b"\n")


def json_lines(path: Path) -> Iterator[Lines]:
    """The lines of a file of JSON: its own, or the elements of the array that it is.

    Raises:
        DataError: the array does not end, or something else follows it.
    """
    with opened(path) as stream:
        if is_array(stream):
            yield from _elements(stream, path)
        else:
            yield from _lines(stream)


def numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    """Each line of a file of JSON with its number: for errors, since it is slow."""
    for lines in json_lines(path):
        texts = (text + b"\n" for text in lines.texts)
        yield from zip(lines.numbers.tolist(), texts, strict=True)


def json_stream(path: Path) -> Bytes:
    """The same as a stream of bytes; a file of lines is the stream itself."""
    stream = opened(path)
    return io.BufferedReader(_Elements(stream, path), _BLOCK) if is_array(stream) else stream


def is_array(stream: Bytes) -> bool:
    """Whether the first sign of a stream is the bracket of an array. Nothing but blanks is taken from it."""
    while first := stream.peek(_SPACE)[:_SPACE]:
        blank = len(first) - len(first.removeprefix(_MARK).lstrip(_BLANK))
        if blank < len(first):
            return first[blank:].startswith(b"[")
        if len(first.strip(_BLANK)) or len(first) < _SPACE:
            return False
        stream.read(len(first))
    return False


def demand_no_null(lines: bytes) -> None:
    """Raises ValueError where one of these lines begins with `null`: Arrow dies of it, or makes it a row of NULLs."""
    if _NULL.search(lines):
        raise ValueError("a line is `null`, which is not a JSON object")


class Objects:
    """The bytes of lines of JSON, none of which may begin with `null`."""

    def __init__(self, stream: Bytes) -> None:
        self._stream = stream
        self._last = b"\n"

    @property
    def closed(self) -> bool:
        """Whether the stream is closed."""
        return self._stream.closed

    def peek(self, size: int) -> bytes:
        """Bytes that are to come."""
        return self._stream.peek(size)

    def read(self, size: int) -> bytes:
        """The next bytes. Raises ValueError for `null`."""
        data = self._stream.read(size)
        demand_no_null(self._last + data)
        # Of a line that goes on, no more matters than whether a sign of its own has begun it.
        begun = (self._last + data)[-_SPACE:]
        self._last = begun[begun.rfind(b"\n") :] if b"\n" in begun else b"{"
        return data


def _lines(stream: Bytes) -> Iterator[Lines]:
    line = 1
    while data := stream.read(_BLOCK):
        data += stream.readline()
        count = data.count(b"\n") + (not data.endswith(b"\n"))
        yield Lines(data, np.arange(line, line + count))
        line += count


def _elements(stream: Bytes, path: Path) -> Iterator[Lines]:
    line, kept = 1, _opened(stream)
    while True:
        more = stream.read(_BLOCK)
        data = kept + more
        if len(data) > _MOST + _BLOCK:
            raise unreadable(
                path, f"the element on line {line} has more than 64 MiB; is a bracket or quote not closed?"
            )
        if not data:
            break
        cuts = _cuts(data)
        size = cuts.end if cuts.end is not None else int(cuts.commas[-1]) + 1 if len(cuts.commas) else 0
        if size:
            yield from _made(data[:size], cuts, line)
        if cuts.end is not None:
            _check_end(data[cuts.end + 1 :], stream, path)
            return
        line, kept = line + data.count(b"\n", 0, size), data[size:]
        if not more:
            break
    raise unreadable(
        path, f"the array does not end: the element on line {line} is not closed, or its bracket is missing"
    )


def _opened(stream: Bytes) -> bytes:
    """The first bytes of the array, behind its bracket, with the line ends before it."""
    data = stream.read(_SPACE).removeprefix(_MARK)
    at = data.index(b"[")
    return data[:at] + b" " + data[at + 1 :]


@dataclass(frozen=True, slots=True)
class _Cuts:
    """The commas between elements, the bracket that ends the array, and the first sign behind each place.

    `bare`: an element may have no sign of its own, so that it is a plain value, or nothing.
    """

    commas: Places
    end: int | None
    begins: Places
    bare: bool


def _cuts(data: bytes) -> _Cuts:
    # Of an escape, both signs are of no meaning here.
    text = np.frombuffer(data.replace(b"\\\\", b"__").replace(b'\\"', b"__"), np.uint8)
    places = np.flatnonzero(_IS_SIGN[text])
    signs = text[places]
    within = np.cumsum(signs == ord('"'), dtype=np.int32) & 1
    steps = _DEPTH[signs]
    steps[within == 1] = 0
    depth = np.cumsum(steps, dtype=np.int32)
    ends = np.flatnonzero(depth < 0)[:1]
    cuts = np.flatnonzero((signs == ord(",")) & (depth == 0) & (within == 0))
    cuts = cuts[cuts < ends[0]] if len(ends) else cuts
    borders = np.concatenate(([-1], cuts, ends))
    begins = places[np.minimum(borders + 1, len(places) - 1)] if len(places) else borders[:0]
    end = int(places[ends[0]]) if len(ends) else None
    return _Cuts(places[cuts], end, begins, bool((np.diff(borders) == 1).any()))


def _made(data: bytes, cuts: _Cuts, line: int) -> Iterator[Lines]:
    """The elements as lines: within one, a line end means nothing but a blank."""
    last = cuts.end is not None
    if last and not len(cuts.commas) and not data.strip(_BLANK):
        return
    made = np.frombuffer(data.replace(b"\n", b" "), np.uint8).copy()
    made[cuts.commas] = ord("\n")
    text = made.tobytes() if last else made.tobytes()[:-1]
    begins = cuts.begins[: len(cuts.commas) + last]
    numbers = line + np.searchsorted(np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")), begins)
    # Nothing between two commas is no element; as a line of its own it would be passed over.
    yield Lines((_NOTHING.sub(b",", text) if cuts.bare else text) + b"\n", numbers)


def _check_end(left: bytes, stream: Bytes, path: Path) -> None:
    while left or (left := stream.read(_BLOCK)):
        if left.strip(_BLANK):
            raise unreadable(path, "something follows the array that it begins with")
        left = b""


class _Elements(io.RawIOBase):
    """The elements of an array as a stream of lines."""

    def __init__(self, stream: Bytes, path: Path) -> None:
        self._stream = stream
        self._lines = _elements(stream, path)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer; 0 at the end."""
        while not self._left:
            found = next(self._lines, None)
            if found is None:
                return 0
            self._left = memoryview(found.data)
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count

    def close(self) -> None:
        """Closes the stream behind it too."""
        self._stream.close()
        super().close()
