"""A digest of rows whose encoding cannot confuse two different rows.

Every value is written as a tag, its length and its text; NULL has a tag of its own. The digest is stored as `row_hash`
and joins rows without keys; whether a row changed is decided by comparing the values themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

from flowc.compiler.loads.load import Load
from flowc.compiler.quote import qualified, text
from flowc.compiler.tables.ddl import cast
from flowc.types import TEXT, Kind

_TAGS = {Kind.TEXT: "s", Kind.BINARY: "x", Kind.BOOL: "b", Kind.JSON: "j", Kind.ARRAY: "a"}
_WIDTH = 30
"""Operands of one concatenation; SQLite's parser has a limit on how deep an expression may be."""


def row_digest(load: Load, names: Iterable[str], alias: str) -> str:
    """The MD5 of the columns, in that order, as SQL."""
    names = tuple(names)
    if names and "encoded_list" in load.dialect.functions:
        written = [_written(load, name, alias) for name in names]
        tags, values = "".join(tag for tag, _ in written), ", ".join(value for _, value in written)
        return load.dialect.function("md5", load.dialect.function("encoded_list", values, text(tags, load.dialect)))
    parts = [_encoded(load, name, alias) for name in names] or [text("", load.dialect)]
    return load.dialect.function("md5", concatenated(parts))


def concatenated(parts: list[str]) -> str:
    """Many texts in a row, as a shallow tree."""
    while len(parts) > 1:
        parts = [_joined(parts[i : i + _WIDTH]) for i in range(0, len(parts), _WIDTH)]
    return parts[0]


def _joined(parts: list[str]) -> str:
    return "(" + " || ".join(parts) + ")" if len(parts) > 1 else parts[0]


def _written(load: Load, name: str, alias: str) -> tuple[str, str]:
    """The tag of a column's type, and its value as text."""
    kind = _kind(load, name)
    plain = cast("{x}", TEXT, load.dialect)
    return _TAGS.get(kind, "v"), load.dialect.compare.encoded.get(kind, plain).format(x=qualified(name, alias))


def _kind(load: Load, name: str) -> Kind:
    column = load.row_column(name)
    return column.type.kind if column is not None else Kind.UNKNOWN


def _encoded(load: Load, name: str, alias: str) -> str:
    whole = load.dialect.compare.encoded_whole.get(_kind(load, name))
    if whole is not None:
        return whole.format(x=qualified(name, alias))
    tag, written = _written(load, name, alias)
    size = cast(load.dialect.function("length", written), TEXT, load.dialect)
    return f"coalesce({text(tag, load.dialect)} || {size} || ':' || {written}, 'n')"
