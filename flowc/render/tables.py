"""Tables as text: aligned everywhere, and folded by rich where a terminal is too narrow for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from flowc.render.style import Style, harmless, printable, width

if TYPE_CHECKING:
    from rich.table import Table

_GAP = 2
_LONGEST = 500
_NARROWEST = 10
"""Cells that a column of words keeps, or what it needs; where there are fewer, a row is a list of its columns."""
_MOST = 500
"""Rows to fold, at about a millisecond each; a terminal breaks the lines of more by itself."""


def table(
    headers: Sequence[str], rows: Sequence[Sequence[object]], style: Style, *, right: Sequence[int] = (),
    roles: Mapping[int, Mapping[str, str]] = MappingProxyType({}),
) -> str:  # fmt: skip
    """Rows under headers; columns whose index is in `right` are aligned to the right.

    `roles` are the colours of words, by the index of the column in which they mean something.
    """
    texts = _texts([headers, *rows], style)
    widths = [max(map(width, column)) for column in zip(*texts, strict=True)]
    shown = [[style.paint("bold", header) for header in texts[0]], *(_painted(row, roles, style) for row in texts[1:])]
    gaps = _GAP * (len(widths) - 1)
    if not style.terminal or sum(widths) + gaps <= style.columns or not 0 < len(rows) <= _MOST:
        return "\n".join(_line(row, size, widths, right) for row, size in zip(shown, texts, strict=True))
    least = sum(size if i in right else min(size, _NARROWEST) for i, size in enumerate(widths))
    if least + gaps <= style.columns:
        return style.drawn(_grid(shown, right, whole=right))
    names = (0,) if 2 * max(map(width, texts[0])) <= style.columns else ()
    return style.drawn(_grid(_turned(shown), right=(), whole=names))


def text_of(value: object) -> str:
    """A value in words: NULL for nothing, bytes as hexadecimal digits."""
    if value is None:
        return "NULL"
    return value.hex() if isinstance(value, bytes) else str(value)


def cut(text: str, size: str = "") -> str:
    """A text, or the beginning of a long one and how long it is; secrets are masked before."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({size or f'{len(text)} characters'})"


def _texts(rows: Sequence[Sequence[object]], style: Style) -> list[list[str]]:
    """All cells in printable words. Secrets are masked while each is whole, and all at once, which is fast."""
    whole = style.conceal("\0".join(text_of(value).replace("\0", "␀") for row in rows for value in row))
    cells = iter(whole.split("\0"))
    return [[printable(cut(next(cells))) for _ in row] for row in rows]


def _painted(row: list[str], roles: Mapping[int, Mapping[str, str]], style: Style) -> list[str]:
    return [style.paint(roles[i].get(text), text) if i in roles else text for i, text in enumerate(row)]


def _line(row: Sequence[str], texts: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    padded = []
    for i, text in enumerate(row):
        space = " " * (widths[i] - width(texts[i]))
        padded.append(space + text if i in right else text + space)
    return (" " * _GAP).join(padded).rstrip()


def _turned(shown: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """A line for each column of a row, and an empty one between rows."""
    headers, *rows = shown
    return [line for row in rows for line in (("", ""), *zip(headers, row, strict=True))][1:]


def _grid(rows: Sequence[Sequence[str]], right: Sequence[int], whole: Sequence[int]) -> Table:
    """Painted cells, broken into lines but for those of the columns `whole`."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, _GAP, 0, 0))
    for i in range(len(rows[0])):
        grid.add_column(justify="right" if i in right else "left", overflow="fold", no_wrap=i in whole)
    for row in rows:
        grid.add_row(*(Text.from_ansi(harmless(cell)) for cell in row))
    return grid
