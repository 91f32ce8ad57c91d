"""Aligned tables as plain text: the same on a terminal and in a file."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.render.style import Style, printable, width

_WIDEST_CELL = 60


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], style: Style, *, right: Sequence[int] = ()) -> str:
    """Rows under headers; columns whose index is in `right` are aligned to the right. Long cells are cut."""
    headers = [printable(header) for header in headers]
    cells = [[cell(value) for value in row] for row in rows]
    widths = [max((width(row[i]) for row in [headers, *cells]), default=0) for i in range(len(headers))]
    lines = [style.paint("bold", _line(headers, widths, right))]
    lines.extend(_line(row, widths, right) for row in cells)
    return "\n".join(lines)


def cell(value: object) -> str:
    """A value as a cell: NULL for nothing, thousands apart in whole numbers stay as they are."""
    if value is None:
        return "NULL"
    text = value.hex() if isinstance(value, bytes) else str(value)
    shown = printable(text[: _WIDEST_CELL * 2])
    while width(shown) > _WIDEST_CELL:
        shown = shown[: max(0, len(shown) - (width(shown) - _WIDEST_CELL) // 2 - 2)] + "…"
    return shown


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    padded = []
    for i, text in enumerate(row):
        space = " " * (widths[i] - width(text))
        padded.append(space + text if i in right else text + space)
    return "  ".join(padded).rstrip()
