"""Numbers of JSON that Arrow would change without a word: it rounds to doubles, to zero too, and decimals wrap around.

So the bytes are looked at before they are read. Few files hold numbers that may be changed; of those that do, the
texts of the fields concerned are read as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowc.runtime.arrow import data_type
from flowc.runtime.convert import Misfit
from flowc.runtime.text.jsonstrings import Texts
from flowc.runtime.text.spelled import has_room, kept_by_double, number_type
from flowc.types import DataType, Kind

_DOUBLES = r"[:\[,\s]-?([0-9][0-9.]{15,}|[0-9.]+[eE][+-]?[0-9]{3})"
"""A number of more than 15 digits, or of a great exponent; a double keeps all others."""
_DECIMALS = r"""[:\[,\s"][+-]?([0-9.]{16,}|[0-9.]+[eE][+-]?[0-9]{2})|\\u00"""
"""The same for decimals, which may stand in a text, too; one with escapes may spell any number."""
_ROWS: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NULL = msgspec.Raw(b"null")
_SMALL = {Kind.FLOAT64: r"[eE]-[0-9]{3}|[.]0{200}", Kind.FLOAT32: r"[eE]-[0-9]{2}|[.]0{30}"}
"""A number that may be smaller than every float."""
Fields = dict[str, pa.DataType]
"""Fields of numbers, with the type of these numbers."""


def double_fields(schema: pa.Schema) -> Fields:
    """The fields that hold doubles, or lists of them."""
    return _fields(schema, pa.types.is_floating)


def decimal_fields(schema: pa.Schema) -> Fields:
    """The fields that hold decimals, or lists of them."""
    return _fields(schema, pa.types.is_decimal)


def _fields(schema: pa.Schema, wanted: Callable[[pa.DataType], bool]) -> Fields:
    kinds = {field.name: _innermost(field.type) for field in schema}
    return {name: kind for name, kind in kinds.items() if wanted(kind)}


def _innermost(kind: pa.DataType) -> pa.DataType:
    return _innermost(kind.value_type) if pa.types.is_list(kind) else kind


def exact_types(lines: bytes, names: tuple[str, ...]) -> dict[str, DataType | None]:
    """For each field the type that keeps its numbers as whole lines spell them; None where none does."""
    # As a struct, each field that is not asked for would be compared with all names.
    rows = _ROWS.decode_lines(lines) if names else []
    texts = (pa.array([bytes(row.get(name, _NULL)) for row in rows], pa.binary()).cast(pa.string()) for name in names)
    return {name: number_type(_words(column)) for name, column in zip(names, texts, strict=True)}


def demand_kept(lines: bytes, fields: Fields) -> None:
    """Raises Misfit when the type of one of these fields changes a number in whole lines."""
    decimals = any(pa.types.is_decimal(kind) for kind in fields.values())
    passed = pa.array([lines], pa.large_binary())
    if not pc.match_substring_regex(passed, _DECIMALS if decimals else _DOUBLES)[0].as_py():
        return
    for numbers, kind in zip(_numbers(lines, tuple(fields)), fields.values(), strict=True):
        kept = _has_room(numbers, kind) if pa.types.is_decimal(kind) else kept_by_double(numbers)
        if pc.all(kept).as_py() is False:
            raise Misfit


def small_numbers(kind: DataType) -> str:
    """A pattern of texts in which a number may be smaller than every float of a type, or of its parts."""
    return _SMALL[Kind.FLOAT32 if Kind.FLOAT32 in _kinds(kind) else Kind.FLOAT64]


def _kinds(kind: DataType) -> set[Kind]:
    parts = [field for _, field in kind.fields] + ([kind.element] if kind.element is not None else [])
    return {kind.kind}.union(*map(_kinds, parts))


def demand_none_vanish(lines: bytes, found: pa.RecordBatch | pa.Table) -> None:
    """Raises Misfit where a number of whole lines became zero, in one of the fields of floats that were read."""
    for name in double_fields(found.schema):
        kind = data_type(found.schema.field(name))
        if _holds_zero(found.column(name)) and _vanished(lines, name, kind):
            raise Misfit


def _holds_zero(array: pa.Array | pa.ChunkedArray) -> bool:
    if isinstance(array, pa.ChunkedArray):
        return any(map(_holds_zero, array.chunks))
    if pa.types.is_list(array.type):
        return _holds_zero(array.flatten())
    if pa.types.is_struct(array.type):
        return any(map(_holds_zero, array.flatten()))
    return pa.types.is_floating(array.type) and pc.any(pc.equal(array, 0)).as_py() is True


def vanishing(messages: pa.StringArray, name: str, array: pa.Array, kind: DataType) -> list[int]:
    """The messages in whose field, read as `array`, a number became zero: no float is as small."""
    if not _holds_zero(array):
        return []
    if pa.types.is_floating(array.type):
        zero = pc.equal(array, 0).fill_null(False)
        doubtful = pc.match_substring_regex(messages.filter(zero), small_numbers(kind))
        found = pc.indices_nonzero(zero).filter(doubtful).to_pylist()
    else:
        found = pc.indices_nonzero(pc.match_substring_regex(messages, small_numbers(kind))).to_pylist()
    return [at for at in found if _vanished(messages[at].as_py().encode() + b"\n", name, kind)]


def _vanished(lines: bytes, name: str, kind: DataType) -> bool:
    if not pc.match_substring_regex(pa.array([lines], pa.large_binary()), small_numbers(kind))[0].as_py():
        return False
    texts = Texts(pa.schema([]), (name,), frozenset(), exact=False).read(lines).column(0)
    doubtful = texts.filter(pc.match_substring_regex(texts, small_numbers(kind)))
    return any(_is_lost(json.loads(text, parse_float=_Spelled), kind) for text in doubtful.to_pylist())


class _Spelled(str):
    """A number as it is spelled."""


def _is_lost(value: object, kind: DataType) -> bool:
    """Whether a float in a value is zero, and is not spelled so."""
    if isinstance(value, list) and kind.element is not None:
        return any(_is_lost(part, kind.element) for part in value)
    if isinstance(value, dict):
        return any(_is_lost(value.get(name), field) for name, field in kind.fields)
    if not (kind.is_float and isinstance(value, _Spelled)) or not value.lower().partition("e")[0].strip("-0."):
        return False
    number = float(value)
    return (np.float32(number) if kind.kind is Kind.FLOAT32 else number) == 0


def doubtful_decimals(texts: pa.StringArray) -> bool:
    """Whether a decimal in one of these documents may be one that Arrow cannot make."""
    return bool(pc.any(pc.match_substring_regex(texts, _DECIMALS)).as_py())


def spelling(line: bytes, name: str) -> str | None:
    """A field of one line, as it is spelled."""
    found: str | None = Texts(pa.schema([]), (name,), frozenset(), exact=False).read(line).column(0)[0].as_py()
    return found


def _has_room(numbers: pa.Array, kind: pa.DataType) -> pa.Array:
    return pc.and_(has_room(numbers, kind), pc.invert(pc.match_substring(numbers, "\\")))


def _numbers(lines: bytes, names: tuple[str, ...]) -> list[pa.Array]:
    """The numbers of each field as they are spelled, those of lists one after another."""
    columns = Texts(pa.schema([]), names, frozenset(), exact=False).read(lines).columns
    return list(map(_words, columns))


def _words(texts: pa.Array) -> pa.Array:
    """The numbers in texts, which are one, or a list of them."""
    words = pc.split_pattern_regex(texts, r'[\[\],\s"]+').flatten()
    return words.filter(pc.and_(pc.not_equal(words, ""), pc.not_equal(words, "null")))
