"""Numbers of JSON Lines that Arrow would change without a word: it rounds to doubles, and decimals wrap around.

So the bytes are looked at before they are read. Few files hold numbers that may be changed; of those that do, the
texts of the fields concerned are read as well.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from flowc.runtime.convert import Misfit
from flowc.runtime.jsontexts import Texts
from flowc.runtime.spelled import has_room, kept_by_double, number_type
from flowc.types import DataType

_DOUBLES = r"[:\[,\s]-?([0-9][0-9.]{15,}|[0-9.]+[eE][+-]?[0-9]{3})"
"""A number of more than 15 digits, or of a great exponent; a double keeps all others."""
_DECIMALS = r"""[:\[,\s"][+-]?([0-9.]{16,}|[0-9.]+[eE][+-]?[0-9]{2})|\\u00"""
"""The same for decimals, which may stand in a text, too; one with escapes may spell any number."""
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


def exact_type(lines: bytes, name: str) -> DataType | None:
    """The type that keeps the numbers of a field as whole lines spell them; None where none does."""
    return number_type(_numbers(lines, (name,))[0])


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
    words = [pc.split_pattern_regex(column, r'[\[\],\s"]+').flatten() for column in columns]
    return [array.filter(pc.and_(pc.not_equal(array, ""), pc.not_equal(array, "null"))) for array in words]
