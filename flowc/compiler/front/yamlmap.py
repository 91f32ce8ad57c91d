"""Where each character of a YAML scalar's value was written, for every style of scalar.

Block scalars are aligned line by line, the other styles piece by piece; between the pieces stands *glue*, the spaces
and newlines that folding leaves of a line break. Escapes and glue map as a whole, everything else character by
character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flowc.compiler.front.yamltree import Scalar
from flowc.source import MappedText, Segment

_BREAK = r"(?:\r\n|[\n\r\x85\u2028\u2029])"
_LINE = re.compile(rf"(?P<content>[^\n\r\x85\u2028\u2029]*)(?:{_BREAK}|$)")
_BREAKS = re.compile(_BREAK)
_FOLD = rf"[ \t]*{_BREAK}(?:[ \t]*{_BREAK})*[ \t]*"
_TOKENS = {
    None: re.compile(rf"(?P<fold>{_FOLD})|(?P<text>.)", re.DOTALL),
    "'": re.compile(rf"(?P<fold>{_FOLD})|(?P<escape>'')|(?P<text>.)", re.DOTALL),
    '"': re.compile(
        rf"(?P<fold>{_FOLD})|(?P<joined>\\{_BREAK}(?:[ \t]*{_BREAK})*[ \t]*)"
        r"|(?P<escape>\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.))|(?P<text>.)",
        re.DOTALL,
    ),
}
_RUNS = {
    None: re.compile(r"[^ \t\n\r\x85\u2028\u2029]+"),
    "'": re.compile(r"[^ \t\n\r\x85\u2028\u2029']+"),
    '"': re.compile(r"[^ \t\n\r\x85\u2028\u2029\\]+"),
}


@dataclass(frozen=True, slots=True)
class _Piece:
    """Characters `start` to `end` of the file give `size` characters of the value."""

    start: int
    end: int
    size: int


def mapped(scalar: Scalar) -> MappedText:
    """The scalar's text with its map back to the file."""
    if _copied(scalar):
        start = scalar.span.start + bool(scalar.style)
        return MappedText(
            scalar.text, scalar.span.file, (Segment(0, len(scalar.text), start, start + len(scalar.text)),)
        )
    pieces = _block(scalar) if scalar.style in ("|", ">") else _flow(scalar)
    segments = tuple(_segments(pieces)) if scalar.text else (Segment(0, 0, scalar.span.start, scalar.span.start),)
    if not _agrees(scalar, segments):
        segments = (Segment(0, len(scalar.text), scalar.span.start, scalar.span.end),)
    return MappedText(scalar.text, scalar.span.file, segments)


def _copied(scalar: Scalar) -> bool:
    """Whether the value stands in the file as it is, so that no alignment is needed."""
    quotes = 2 if scalar.style in ("'", '"') else 0
    return scalar.style not in ("|", ">") and scalar.span.end - scalar.span.start == len(scalar.text) + quotes


def _segments(pieces: Iterable[_Piece]) -> Iterator[Segment]:
    """Joins neighbouring exact pieces, so that long scalars have few segments."""
    offset, last = 0, None
    for piece in pieces:
        if not piece.size:
            continue
        new = Segment(offset, offset + piece.size, piece.start, piece.end)
        offset += piece.size
        if last and last.exact and new.exact and last.origin_end == new.origin:
            last = Segment(last.start, new.end, last.origin, new.origin_end)
            continue
        if last:
            yield last
        last = new
    if last:
        yield last


def _agrees(scalar: Scalar, segments: tuple[Segment, ...]) -> bool:
    """Whether the segments cover the value, and the exact ones hold what the file holds (but for folded breaks)."""
    if (segments[-1].end if segments else 0) != len(scalar.text):
        return False
    source = scalar.span.file.text
    for segment in (s for s in segments if s.exact):
        copied = source[segment.origin : segment.origin_end]
        if "".join(copied.split()) != "".join(scalar.text[segment.start : segment.end].split()):
            return False
    return True


def _flow(scalar: Scalar) -> Iterator[_Piece]:
    """Pieces of a plain or quoted scalar."""
    quotes = 1 if scalar.style else 0
    source = scalar.span.file.text
    at, end = scalar.span.start + quotes, scalar.span.end - quotes
    token, run = _TOKENS[scalar.style], _RUNS[scalar.style]
    while at < end:
        match = run.match(source, at, end) or token.match(source, at, end)
        if match is None:
            return
        yield _flow_piece(match)
        at = match.end()


def _flow_piece(match: re.Match[str]) -> _Piece:
    kind, start, end = match.lastgroup, match.start(), match.end()
    if kind == "escape":
        return _Piece(start, end, 1)
    if kind in ("fold", "joined"):
        breaks = len(_BREAKS.findall(match[0]))
        return _Piece(start, end, breaks - 1 if kind == "joined" else max(1, breaks - 1))
    return _Piece(start, end, end - start)


def _block(scalar: Scalar) -> Iterator[_Piece]:
    """Pieces of a `|` or `>` scalar: the content of each line, and the glue between."""
    value, at, glue_start = scalar.text, 0, None
    for start, content in _block_lines(scalar):
        if not content:
            glue_start = start if glue_start is None else glue_start
            continue
        glue = _glue(value, at, content)
        if glue:
            yield _Piece(start if glue_start is None else glue_start, start, glue)
        yield _Piece(start, start + len(content), len(content))
        at += glue + len(content)
        glue_start = start + len(content)
    if at < len(value):
        end = scalar.span.end
        yield _Piece(end if glue_start is None else min(glue_start, end), end, len(value) - at)


def _glue(value: str, at: int, content: str) -> int:
    """How many characters of the value stand between the last content and this one."""
    size = 0
    while value[at + size : at + size + 1] == "\n":
        size += 1
    if not size and at and value.startswith(" " + content, at):
        size = 1
    return size


def _block_lines(scalar: Scalar) -> Iterator[tuple[int, str]]:
    """Offset and content (without the indentation) of each line of a block scalar."""
    source, end = scalar.span.file.text, scalar.span.end
    header = _LINE.match(source, scalar.span.start)
    lines: list[tuple[int, str]] = []
    at = header.end() if header else end
    while at < end and (line := _LINE.match(source, at)):
        lines.append((at, line["content"]))
        at = max(line.end(), at + 1)
    blank = not any(content.strip(" ") for _, content in lines)
    indent = _indent(scalar.text, lines)
    for start, content in lines:
        yield (start, "") if blank or len(content) <= indent else (start + indent, content[indent:])


def _indent(value: str, lines: list[tuple[int, str]]) -> int:
    """The indentation: what the first line that is not blank has more in the file than in the value."""
    first = next((content for _, content in lines if content.strip(" ")), "")
    kept = next((line for line in value.split("\n") if line.strip(" ")), "")
    return (len(first) - len(first.lstrip(" "))) - (len(kept) - len(kept.lstrip(" ")))
