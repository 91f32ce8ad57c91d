"""Rows split into the folders of their partitions: `day=2026-01-31/region=north`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError
from flowc.runtime.arrow import decimal_text
from flowc.runtime.fit import CODE

NULL = "__HIVE_DEFAULT_PARTITION__"
"""What stands for NULL in the name of a folder."""
_PLAIN = " ,-_.@+~()"
_BETWEEN = "\x00"
_LONGEST = 255
"""Bytes of the name of a folder."""


def split(rows: pa.RecordBatch, names: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The rows of each partition without its columns, in the order in which they came, and the folder they go into.

    Raises:
        DataError: an empty text, which would be read as NULL.
    """
    if not names:
        yield "", rows
        return
    where = pc.binary_join_element_wise(*(_spelled(rows.column(name), name) for name in names), _BETWEEN)
    coded = where.dictionary_encode()
    order = pc.sort_indices(pc.cast(coded.indices, pa.int64()))
    rest = rows.drop_columns(list(names)).take(order)
    counts = pc.value_counts(coded.indices.take(order))
    start = 0
    for index, count in zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True):
        yield _folder(coded.dictionary[index].as_py(), names), rest.slice(start, count)
        start += count


def _spelled(array: pa.Array, name: str) -> pa.Array:
    """Values as text, NULL as what stands for it."""
    for marks, reason, help in unnameable(array, name):
        if pc.any(marks).as_py():
            raise DataError(f"column `{name}`: {reason}", code=CODE, help=help)
    return pc.fill_null(_text(array), NULL)


def unnameable(array: pa.Array, name: str) -> Iterator[tuple[pa.Array, str, str]]:
    """Marks on values that cannot name a folder, with the reason and the mend."""
    text = _text(array)
    help = f"give it a value, or NULL, in the SQL; `{NULL}` is read so too"
    yield (
        pc.or_(pc.equal(text, ""), pc.equal(text, NULL)),
        "an empty text in the name of a folder is read as NULL",
        help,
    )
    nul = pc.match_substring(text, _BETWEEN)
    yield nul, "a NUL character cannot be in the name of a folder", "remove it in the SQL"
    # Twelve digits for one character are the most that the name of a folder spells it with.
    doubtful = pc.greater(pc.binary_length(text), (_LONGEST - len(quote(name, safe=_PLAIN)) - 1) // 3)
    if pc.any(doubtful).as_py():
        sizes = pa.array([None if t is None else len(quote(t, safe=_PLAIN)) for t in text.to_pylist()], pa.int64())
        long = pc.greater(sizes, _LONGEST - len(quote(name, safe=_PLAIN)) - 1)
        yield long, f"the name of a folder has {_LONGEST} bytes at most", "shorten it in the SQL"


def _text(array: pa.Array) -> pa.Array:
    return decimal_text(array) if pa.types.is_decimal(array.type) else array.cast(pa.string())


def _folder(values: str, names: Sequence[str]) -> str:
    pairs = zip(names, values.split(_BETWEEN), strict=True)
    return "/".join(f"{quote(name, safe=_PLAIN)}={quote(value, safe=_PLAIN)}" for name, value in pairs)
