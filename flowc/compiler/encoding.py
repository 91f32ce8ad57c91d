"""A digest of rows whose encoding cannot confuse two different rows.

Every value is written as a tag, its length and its text; NULL has a tag of its own. The digest is stored as `row_hash`
and joins rows without keys; whether a row changed is decided by comparing the values themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

from flowc.compiler.ddl import spell
from flowc.compiler.load import Load
from flowc.compiler.quote import qualified, text
from flowc.types import TEXT, Kind

_TAGS = {Kind.TEXT: "s", Kind.BINARY: "x", Kind.BOOL: "b", Kind.JSON: "j", Kind.ARRAY: "a"}
_WIDTH = 30
"""Operands of one concatenation; SQLite's parser has a limit on how deep an expression may be."""


def row_digest(load: Load, names: Iterable[str], alias: str) -> str:
    """The MD5 of the columns, in that order, as SQL."""
    parts = [_encoded(load, name, alias) for name in names] or [text("", load.dialect)]
    while len(parts) > 1:
        parts = [_joined(parts[i : i + _WIDTH]) for i in range(0, len(parts), _WIDTH)]
    return load.dialect.function("md5", parts[0])


def _joined(parts: list[str]) -> str:
    return "(" + " || ".join(parts) + ")" if len(parts) > 1 else parts[0]


def _encoded(load: Load, name: str, alias: str) -> str:
    column = load.row_column(name)
    kind = column.type.kind if column is not None else Kind.UNKNOWN
    plain = "CAST({x} AS " + spell(TEXT, load.dialect) + ")"
    written = load.dialect.encoded.get(kind, plain).format(x=qualified(name, alias))
    tag = _TAGS.get(kind, "v")
    size = f"CAST({load.dialect.function('length', written)} AS {spell(TEXT, load.dialect)})"
    return f"coalesce({text(tag, load.dialect)} || {size} || ':' || {written}, 'n')"
