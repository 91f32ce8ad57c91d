"""The lines of a stream of bytes, some megabytes at a time; one that has too many bytes is counted, and never held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flowc.durations import size_text

BLOCK = 1 << 22
_LF, _CR = 10, 13


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line of more bytes than one may have, or a row or element that is like one."""

    size: int
    most: int

    @property
    def why(self) -> str:
        """What is wrong with it, for people."""
        return f"it has {self.size} bytes, and `max_line` is {size_text(self.most)}"


def pieces(stream: Any, most: int) -> Iterator[bytes | TooLong]:
    """Whole lines, some megabytes at a time, and in their place among them those of more than `most` bytes.

    The end of a line is no part of it, nor is the carriage return before it; the last line of all need not have one. No
    more than `most` bytes and two blocks are held at a time.
    """
    # The line that the blocks end with; none of its bytes are kept where they are too many.
    begun, size, returned = list[bytes](), 0, False
    while block := stream.read(BLOCK):
        first = block.find(b"\n")
        if first < 0:
            size, returned = size + len(block), block.endswith(b"\r")
            begun = [*begun, block] if size <= most + 1 else []
            continue
        line = size + first - (block[first - 1 : first] == b"\r" if first else returned)
        if line > most:
            yield TooLong(line, most)
            begun, block = [], block[first + 1 :]
        cut = block.rfind(b"\n") + 1
        whole, rest = b"".join((*begun, block[:cut])), block[cut:]
        begun, size, returned = ([rest] if rest else []), len(rest), rest.endswith(b"\r")
        yield from among(whole, most)
    if size - returned > most:
        yield TooLong(size - returned, most)
    elif size:
        yield b"".join(begun)


def among(lines: bytes, most: int) -> Iterator[bytes | TooLong]:
    """Whole lines, of which some may be too long where so few bytes are too many."""
    if not lines:
        return
    ends = line_ends(lines) if len(lines) > most + 1 else np.array([], np.int64)
    begins = np.append(0, ends[:-1] + 1)[: len(ends)]
    # Before a first line end there is nothing: the last byte of all, which stands there, is a line feed.
    sizes = ends - begins - (np.frombuffer(lines, np.uint8)[ends - 1] == _CR)
    at = 0
    for long in np.flatnonzero(sizes > most).tolist():
        begin = int(begins[long])
        if begin > at:
            yield lines[at:begin]
        yield TooLong(int(sizes[long]), most)
        at = int(ends[long]) + 1
    if at < len(lines):
        yield lines[at:]


def apart(lines: bytes, count: int) -> Iterator[bytes]:
    """Whole lines, so many at a time."""
    ends = line_ends(lines)[count - 1 :: count].tolist() if len(lines) > count else []
    start = 0
    for end in ends:
        yield lines[start : end + 1]
        start = end + 1
    if start < len(lines):
        yield lines[start:]


def line_ends(data: bytes) -> npt.NDArray[np.int64]:
    """The places of all line feeds."""
    return np.flatnonzero(np.frombuffer(data, np.uint8) == _LF)


def lines_of(data: bytes) -> pa.BinaryArray:
    """The lines of bytes, without their ends."""
    return pc.split_pattern(pa.array([data.removesuffix(b"\n")], pa.binary()), "\n").values
