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
_NARROWEST = 16
"""Cells that each column keeps, or what it needs: with fewer, a row is shown as a list of its columns."""
_MOST = 1000
"""Rows to fold, for it takes a while; a terminal breaks the lines of more by itself."""
_PLAIN: Mapping[str, str] = {}


def table(
    headers: Sequence[str], rows: Sequence[Sequence[object]], style: Style, *, right: Sequence[int] = (),
    roles: Mapping[int, Mapping[str, str]] = MappingProxyType({}),
) -> str:  # fmt: skip
    """Rows under headers; columns whose index is in `right` are aligned to the right.

    `roles` are the colours of words, by the index of the column in which they mean something.
    """
    texts = _texts([headers, *rows], style)
    widths = [max(map(width, column)) for column in zip(*texts, strict=True)]
    shown = [[style.paint("bold", header) for header in texts[0]]]
    shown += [[style.paint(roles.get(i, _PLAIN).get(text), text) for i, text in enumerate(row)] for row in texts[1:]]
    gaps = _GAP * (len(widths) - 1)
    if not style.terminal or sum(widths) + gaps <= style.columns or len(rows) > _MOST:
        spaces = ([" " * (most - width(text)) for most, text in zip(widths, row, strict=True)] for row in texts)
        return "\n".join(_line(row, beside, right) for row, beside in zip(shown, spaces, strict=True))
    fits = sum(min(each, _NARROWEST) for each in widths) + gaps <= style.columns
    return style.drawn(_grid(shown, right) if fits else _grid(_turned(shown), ()))


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


def _line(row: Sequence[str], spaces: Sequence[str], right: Sequence[int]) -> str:
    padded = (spaces[i] + text if i in right else text + spaces[i] for i, text in enumerate(row))
    return (" " * _GAP).join(padded).rstrip()


def _turned(shown: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """A line for each column of a row, and an empty one between rows."""
    headers, *rows = shown
    return [line for row in rows for line in (("", ""), *zip(headers, row, strict=True))][1:]


def _grid(rows: Sequence[Sequence[str]], right: Sequence[int]) -> Table:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, _GAP, 0, 0))
    for i in range(len(rows[0])):
        grid.add_column(justify="right" if i in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text.from_ansi(harmless(cell)) for cell in row))
    return grid
