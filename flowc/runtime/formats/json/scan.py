"""Finds the messages that no batch can hold, one by one: what is cheap for a few messages is still quick for all.

The scan may let a bad message pass (the parse will find it), but refuses none that the parse takes.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from operator import length_hint
from typing import Annotated, Any

import msgspec
import pyarrow as pa

from flowc.catalog import Column
from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.decoder import UNDECODABLE
from flowc.runtime.fit import CODE, shorten
from flowc.runtime.formats.shapes import Fields
from flowc.runtime.stores.files import MARK, MARKED
from flowc.runtime.text.jsonfields import UNSPELLABLE
from flowc.types import INTEGER_RANGES, UNKNOWN, DataType, Kind

_BY_KIND: dict[Kind, Any] = {
    Kind.BOOL: bool, Kind.FLOAT32: float, Kind.FLOAT64: float,
    **dict.fromkeys((Kind.JSON, Kind.DECIMAL), msgspec.Raw), Kind.INT128: int, Kind.UINT64: int,
    **{
        kind: Annotated[int, msgspec.Meta(ge=low, le=high)]
        for kind, (low, high) in INTEGER_RANGES.items() if kind not in (Kind.UINT64, Kind.INT128)
    },
}  # fmt: skip
_FIELD = re.compile(r" - at `\$(?:\.(?P<path>.*))?`$")


def scan(texts: pa.StringArray, columns: tuple[Column, ...]) -> Iterator[BadRow]:
    """The messages that are not objects with values of the columns' types; `index` is the place among the texts."""
    messages = texts.cast(pa.binary()).to_pylist()
    rest = iter(messages)
    decoded = map(_decoder(tuple((column.name, column.type) for column in columns)).decode, rest)
    while length_hint(rest):
        try:
            # Drained without a step of Python for each message; what raised is the one before those that are left.
            deque(decoded, maxlen=0)
        except (msgspec.DecodeError, RecursionError) as error:
            index = len(messages) - length_hint(rest) - 1
            if not isinstance(error, RecursionError):  # Arrow may yet read it: it may be in a field that nobody reads
                yield _bad_message(index, messages[index], error, columns)


@lru_cache(maxsize=256)
def _decoder(fields: Fields) -> Any:
    return msgspec.json.Decoder(_struct(fields))


def _struct(fields: Fields) -> Any:
    spelled = [(name, kind) for name, kind in fields if not UNSPELLABLE.search(name)]  # the parse judges them
    kinds = [(f"f{i}", _optional(kind), None) for i, (_, kind) in enumerate(spelled)]
    return msgspec.defstruct("Row", kinds, rename={f"f{i}": name for i, (name, _) in enumerate(spelled)}, gc=False)


def _optional(kind: DataType) -> Any:
    known = _typed(kind)
    return known if known is msgspec.Raw else known | None


def _typed(kind: DataType) -> Any:
    if kind.kind is Kind.STRUCT:
        return _struct(kind.fields)
    if kind.kind is Kind.ARRAY:
        return list[_optional(kind.element or UNKNOWN)]  # type: ignore[misc]
    return _BY_KIND.get(kind.kind, str)


def _bad_message(index: int, message: bytes, error: Exception, columns: tuple[Column, ...]) -> BadRow:
    """What is wrong with a message: the column and its value where one is to blame, else its beginning."""
    words = str(error)
    at = _FIELD.search(words)
    path = at["path"] if at else None
    column = next((c for c in columns if path and re.match(re.escape(c.name) + r"(?:[.\[]|$)", path)), None)
    if column is None:
        why = MARKED if message.startswith(MARK) else words[: at.start()] if at else words
        return BadRow(index, UNDECODABLE, f"{shown(message)} is not a JSON object that can be read: {_why(why)}")
    inside = f", at `{path}`" if path != column.name else ""
    return BadRow(index, CODE, describe(column, value_text(message, column.name), inside))


def describe(column: Column, value: bytes, inside: str = "") -> str:
    """The words for a value, given as its JSON text, that does not fit its column."""
    return f"column `{column.name}`{inside}: {shown(value)} does not fit `{column.type}`"


def _why(words: str) -> str:
    return words.removeprefix("JSON is malformed: ")[:120]


def shown(text: bytes) -> str:
    """Bytes as a message shows them: shortened, on one line."""
    return shorten(text[:400].decode("utf-8", errors="backslashreplace"))


def value_text(message: bytes, name: str) -> bytes:
    """The JSON text of one field of a message."""
    try:
        return bytes(msgspec.json.decode(message, type=dict[str, msgspec.Raw])[name])
    except (ValueError, KeyError, RecursionError):
        return message
