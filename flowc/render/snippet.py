"""The marked piece of source under a diagnostic: line numbers, the lines, an underline and its label."""

from __future__ import annotations

from dataclasses import dataclass

from flowc.diagnostics import Severity
from flowc.render.style import Style, printable, width
from flowc.source import Span

_TAB = 4
_WIDEST = 140
_BEFORE = 40
_MOST_LINES = 6


@dataclass(frozen=True, slots=True)
class _Region:
    """A span by lines and zero-based columns, blank ends cut off."""

    first: int
    start: int
    last: int
    end: int


def snippet(span: Span, label: str | None, severity: Severity, style: Style) -> list[str]:
    """The lines that show `span`, framed; several lines get a bar at their left."""
    region = _region(span)
    gutter = " " * len(str(region.last))
    bar = style.paint("frame", f"{gutter} |")
    shown = _single if region.first == region.last else _several
    return [bar, *shown(span, region, label, severity, style), bar]


def gutter_width(span: Span) -> int:
    """The width of the line numbers beside `span`."""
    return len(str(_region(span).last))


def _region(span: Span) -> _Region:
    text = span.file.text[span.start : span.end]
    end = max(span.start + len(text.rstrip()), span.start)
    first, start = span.file.position(span.start)
    last, stop = span.file.position(max(end - 1, span.start))
    return _Region(first, start - 1, last, stop if end > span.start else stop - 1)


def _single(span: Span, region: _Region, label: str | None, severity: Severity, style: Style) -> list[str]:
    line = span.file.line(region.first)
    cut = _cut(line, region.start)
    text = _flat(line[cut : cut + _WIDEST])
    lead = width(_flat(line[cut : region.start]))
    marked = width(_flat(line[max(region.start, cut) : min(region.end, cut + _WIDEST)]))
    head, tail = "…" if cut else "", "…" if len(line) > cut + _WIDEST else ""
    number = str(region.first)
    under = " " * (lead + len(head)) + style.severity(severity, _underline(marked, label))
    return [
        style.paint("frame", f"{number} |") + f" {head}{text}{tail}".rstrip(),
        style.paint("frame", f"{' ' * len(number)} |") + f" {under}",
    ]


def _underline(marked: int, label: str | None) -> str:
    return "^" * max(1, marked) + (f" {printable(label)}" if label else "")


def _cut(line: str, start: int) -> int:
    """Where a very long line begins to be shown, so that the marked piece is in sight."""
    return 0 if len(line) <= _WIDEST or start < _WIDEST - _BEFORE else start - _BEFORE


def _several(span: Span, region: _Region, label: str | None, severity: Severity, style: Style) -> list[str]:
    numbers = range(region.first, region.last + 1)
    digits = len(str(region.last))
    shown: list[str] = []
    for number in numbers:
        hidden = len(numbers) > _MOST_LINES and _MOST_LINES // 2 <= number - region.first < len(numbers) - 2
        if hidden:
            if number - region.first == _MOST_LINES // 2:
                shown.append(style.paint("frame", "." * max(3, digits)))
            continue
        edge = style.severity(severity, "/" if number == region.first else "|")
        text = _flat(span.file.line(number)[:_WIDEST])
        shown.append((style.paint("frame", f"{number:>{digits}} |") + f" {edge} {text}").rstrip())
    lead = width(_flat(span.file.line(region.last)[: min(region.end, _WIDEST)]))
    under = style.severity(severity, "|" + "_" * max(1, lead) + _underline(1, label))
    return [*shown, style.paint("frame", f"{' ' * digits} |") + f" {under}"]


def _flat(text: str) -> str:
    return printable(text.replace("\t", " " * _TAB))
