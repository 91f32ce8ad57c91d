"""Bytes as hexadecimal text and back, for whole arrays at once: one call over their buffer, no loop over values."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_UUID = pa.binary(16)
_ZERO = "00000000-0000-0000-0000-000000000000"
_GROUPS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))


def hex_text(array: pa.Array, prefix: str = "") -> pa.Array:
    """Bytes of any length as lower-case digits after a prefix; NULLs kept."""
    count = len(array)
    offsets = pa.Array.from_buffers(pa.int32(), count + 1, [None, array.buffers()[1]], offset=array.offset)
    start, stop = offsets[0].as_py(), offsets[count].as_py()
    digits = memoryview(array.buffers()[2] or b"")[start:stop].hex().encode()
    places = pc.multiply_checked(pc.subtract(offsets, start), 2).cast(pa.int32())
    text = pa.StringArray.from_buffers(count, places.buffers()[1], pa.py_buffer(digits))
    joined = pc.binary_join_element_wise(prefix, text, "") if prefix else text
    return pc.if_else(array.is_valid(), joined, None) if array.null_count else joined


def uuid_text(array: pa.Array) -> pa.Array:
    """16-byte values as lower-case text with hyphens."""
    fixed = array if array.type == _UUID else array.cast(_UUID)
    start = 16 * fixed.offset
    digits = memoryview(fixed.buffers()[1] or b"")[start : start + 16 * len(fixed)].hex().encode()
    whole = pa.Array.from_buffers(pa.binary(32), len(fixed), [None, pa.py_buffer(digits)]).cast(pa.binary())
    parts = [pc.binary_slice(whole, *group) for group in _GROUPS]
    text = pc.binary_join_element_wise(*parts, b"-").cast(pa.string())
    return pc.if_else(array.is_valid(), text, None) if array.null_count else text


def uuid_bytes(array: pa.Array) -> pa.Array:
    """Canonical uuid text as 16-byte values.

    Raises ValueError for a text that is none.
    """
    text = pc.fill_null(array, _ZERO) if array.null_count else array
    count = len(text)
    if count == 0:
        return pa.array([], _UUID)
    if not pc.all(pc.equal(pc.binary_length(text), len(_ZERO))).as_py():
        raise ValueError("not a uuid")
    start = pa.Array.from_buffers(pa.int32(), 1, [None, text.buffers()[1]], offset=text.offset)[0].as_py()
    together = bytes(memoryview(text.buffers()[2])[start : start + len(_ZERO) * count])
    raw = bytes.fromhex(together.translate(None, b"-").decode("ascii"))
    if len(raw) != 16 * count:
        raise ValueError("not a uuid")
    values = pa.Array.from_buffers(_UUID, count, [None, pa.py_buffer(raw)])
    return pc.if_else(array.is_valid(), values, None) if array.null_count else values
