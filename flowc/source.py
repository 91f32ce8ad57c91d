"""Source text and the spans that point into it.

A span is a pair of character offsets into a kept file; lines and columns are computed when something is shown.
Text that was derived from a file (a YAML scalar, a rendered template) keeps a map back to it, so that an error at
offset 17 of the SQL can be shown at its place in the YAML.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class SourceFile:
    """One file as it was read. `path` is what a person should see (relative where possible)."""

    path: str
    text: str = field(repr=False)
    hidden: list[tuple[int, int]] = field(default_factory=list, repr=False)
    """Where secrets stand, which are never shown. Grows while the file is being read, and only then."""
    secrets: set[str] = field(default_factory=set, repr=False)
    """What these secrets are, without what YAML writes around them."""

    @cached_property
    def _line_starts(self) -> list[int]:
        starts = [0]
        starts.extend(i + 1 for i, char in enumerate(self.text) if char == "\n")
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both counted from 1."""
        line = bisect_right(self._line_starts, offset) - 1
        return line + 1, offset - self._line_starts[line] + 1

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), without its end, and with secrets masked in their own width."""
        start = self._line_starts[number - 1]
        end = self._line_starts[number] if number < len(self._line_starts) else len(self.text) + 1
        text = self.text[start : end - 1]
        for first, last in self.hidden:
            if first < end and last > start:
                inner, outer = max(first - start, 0), min(last - start, len(text))
                text = text[:inner] + "*" * (outer - inner) + text[outer:]
        return text.rstrip("\r")


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `start` up to `end` (exclusive) of a file."""

    file: SourceFile
    start: int
    end: int

    @property
    def text(self) -> str:
        """The characters themselves."""
        return self.file.text[self.start : self.end]

    @property
    def place(self) -> str:
        """`file:line:column` of its beginning."""
        line, column = self.file.position(self.start)
        return f"{self.file.path}:{line}:{column}"


@dataclass(frozen=True, slots=True)
class Located(Generic[T]):
    """A value and where it was written."""

    value: T
    span: Span


class Segment(NamedTuple):
    """`text[start:end]` of a derived text came from `origin` of a file.

    An exact segment maps character by character; another one maps as a whole to `[origin, origin_end)`, as an
    escape sequence or a template expression does.
    """

    start: int
    end: int
    origin: int
    origin_end: int

    @property
    def exact(self) -> bool:
        """Whether the segment maps character by character."""
        return self.end - self.start == self.origin_end - self.origin

    def back(self, offset: int, *, at_end: bool) -> int:
        """The file offset of `offset`, which lies in this segment."""
        if self.exact:
            return self.origin + offset - self.start
        return self.origin_end if at_end else self.origin


@dataclass(frozen=True)
class MappedText:
    """A text derived from a file, with its map back. Segments are ordered and do not overlap."""

    text: str
    file: SourceFile
    segments: tuple[Segment, ...] = field(repr=False)

    @staticmethod
    def whole(file: SourceFile) -> MappedText:
        """The file's own text."""
        size = len(file.text)
        return MappedText(file.text, file, (Segment(0, size, 0, size),))

    @cached_property
    def _starts(self) -> list[int]:
        return [segment.start for segment in self.segments]

    def _segment(self, offset: int) -> Segment:
        return self.segments[max(0, bisect_right(self._starts, offset) - 1)]

    def span(self, start: int, end: int) -> Span:
        """Where `text[start:end]` was written."""
        if not self.segments:
            return Span(self.file, 0, 0)
        first = self._segment(start)
        origin = first.back(min(start, first.end), at_end=False)
        if end <= start:
            return Span(self.file, origin, origin)
        last = self._segment(end - 1)
        return Span(self.file, origin, max(origin, last.back(min(end, last.end), at_end=True)))

    def derive(self, text: str, segments: Iterable[Segment]) -> MappedText:
        """A text derived from this one: `segments` map it to offsets here; the result maps to the file."""
        mapped: list[Segment] = []
        known: dict[tuple[int, int, int], list[Segment]] = {}  # a template shows few places many times
        for start, end, origin, origin_end in segments:
            place = origin, origin_end, end - start
            parts = known.get(place)
            if parts is None:
                parts = known[place] = [*self._compose(Segment(0, end - start, origin, origin_end))]
            mapped += [Segment(start + first, start + last, here, there) for first, last, here, there in parts]
        return MappedText(text, self.file, tuple(mapped))

    def _compose(self, segment: Segment) -> Iterable[Segment]:
        if not segment.exact:
            span = self.span(segment.origin, segment.origin_end)
            yield Segment(segment.start, segment.end, span.start, span.end)
            return
        offset = segment.origin
        while offset < segment.origin_end:
            own = self._segment(offset)
            stop = min(segment.origin_end, own.end)
            if stop <= offset:
                return
            start = segment.start + offset - segment.origin
            origin = own.back(offset, at_end=False)
            origin_end = own.back(stop, at_end=True)
            yield Segment(start, start + stop - offset, origin, origin_end)
            offset = stop
