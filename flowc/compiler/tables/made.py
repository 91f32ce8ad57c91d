"""Columns whose values the engine makes itself: which of two such definitions do the same."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flowc.compiler.dialect import Dialect
from flowc.compiler.tables.difference import default_form

_COMPUTED = re.compile(r"GENERATED\s+ALWAYS\s+AS\s*\((?P<made>.*)\)\s*(?P<stored>STORED|VIRTUAL|)", re.I | re.DOTALL)
_NUMBERED = re.compile(r"GENERATED\s+(?P<when>ALWAYS|BY\s+DEFAULT)\s+AS\s+IDENTITY\b|AUTO_INCREMENT", re.I)


def way(default: str | None) -> str:
    """How the engine makes the values: `computed` from other columns or `numbered`; empty where it makes none."""
    if _COMPUTED.fullmatch((default or "").strip()):
        return "computed"
    return "numbered" if _NUMBERED.match((default or "").strip()) else ""


def is_stored(default: str | None) -> bool:
    """Whether a computed column is kept in the table, and not computed whenever it is read."""
    found = _COMPUTED.fullmatch((default or "").strip())
    return found is not None and found["stored"].upper() == "STORED"


def expression(default: str | None) -> str:
    """What a computed column is computed by."""
    found = _COMPUTED.fullmatch((default or "").strip())
    return found["made"] if found else ""


def made_form(default: str | None, dialect: Dialect, renamed: Mapping[str, str]) -> str:
    """What two definitions that do the same have in common. `renamed` are old names of columns and new ones.

    The options of a counter (where it begins) do not count: they are of a sequence, and not of the column.
    """
    text = (default or "").strip()
    if found := _COMPUTED.fullmatch(text):
        return f"{default_form(found['made'], dialect, renamed)} {'stored' if is_stored(text) else ''}"
    counter = _NUMBERED.match(text)
    return " ".join(counter[0].upper().split()) if counter else ""
