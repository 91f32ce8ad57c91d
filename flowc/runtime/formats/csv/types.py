"""The types of CSV columns that no source declares, from texts of the first rows.

A number is read as a type that keeps every digit of it. The files of a read have one type for each column, to which the
values of all of them are put together; where they differ in kind, the file is named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.runtime.contracts.store import File
from flowc.runtime.stores.files import unreadable
from flowc.runtime.text.spelled import NUMBER, number_type
from flowc.types import BOOLEAN, TEXT, UNKNOWN, DataType, Kind

_ZONE = r"\s?([zZ]|[+-]\d\d(:?\d\d)?)"
_NANOSECONDS = r"\.\d{7,9}"
_DAY = r"^\d{4}-\d\d-\d\d$"


def _moment(texts: pa.Array) -> DataType:
    if pc.all(pc.match_substring_regex(texts, _DAY)).as_py():
        return DataType(Kind.DATE)
    zoned = pc.any(pc.match_substring_regex(texts, rf":.*{_ZONE}$")).as_py()
    fine = pc.any(pc.match_substring_regex(texts, _NANOSECONDS)).as_py()
    return DataType(Kind.TIMESTAMPTZ if zoned else Kind.TIMESTAMP, precision=9 if fine else None)


_SHAPES: dict[str, Callable[[pa.Array], DataType]] = {
    r"(?i)^(true|false)$": lambda _: BOOLEAN,
    NUMBER: lambda texts: number_type(texts) or TEXT,
    rf"^\d{{4}}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d{{1,9}})?({_ZONE})?)?$": _moment,
}
_ANY = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of one file, as texts."""

    path: File
    rows: pa.Table


def inferred(samples: Sequence[Sample], *, whole: bool) -> tuple[Column, ...]:
    """The columns of files in the order of their names' first appearance; `whole` says that the samples are all rows.

    A column without values is text, for values may come; where none can come, its type is UNKNOWN.

    Raises:
        DataError: the values of a column are of different kinds in different files.
    """
    having = dict[str, list[Sample]]()
    for sample in samples:
        for name in sample.rows.column_names:
            having.setdefault(name, []).append(sample)
    return tuple(Column(name, _type(name, own, UNKNOWN if whole else TEXT)) for name, own in having.items())


def _type(name: str, samples: Sequence[Sample], empty: DataType) -> DataType:
    kept: list[pa.Array] = []
    shape: str | None = None
    for sample in samples:
        texts = sample.rows.column(name).combine_chunks().drop_null()
        if not len(texts):
            continue
        own = _shape(texts)
        if shape is not None and own != shape:
            raise _unlike(sample.path, name, _made(own, texts), _made(shape, pa.concat_arrays(kept)))
        shape, kept = own, [*kept, texts]
    return empty if shape is None else _made(shape, pa.concat_arrays(kept))


def _shape(texts: pa.Array) -> str:
    return next((shape for shape in _SHAPES if pc.all(pc.match_substring_regex(texts, shape)).as_py()), _ANY)


def _made(shape: str, texts: pa.Array) -> DataType:
    return TEXT if shape == _ANY else _SHAPES[shape](texts)


def _unlike(path: File, name: str, own: DataType, others: DataType) -> DataError:
    error = unreadable(path, f"its column `{name}` is `{own}`, and `{others}` in the files before it")
    return DataError(error.message, code=error.code, help=f"say its type: columns: {{ {name}: text, … }}")
