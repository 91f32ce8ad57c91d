"""Small and capital letters as PostgreSQL makes them: each letter becomes one other, whatever stands around it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_SHARP_S = "ß"
"""Has a capital letter in Arrow, and none in PostgreSQL."""


def lower(texts: pa.Array) -> pa.Array:
    """Texts in small letters."""
    return pc.utf8_lower(texts)


def upper(texts: pa.Array) -> pa.Array:
    """Texts in capital letters."""
    if not pc.any(pc.match_substring(texts, _SHARP_S)).as_py():
        return pc.utf8_upper(texts)
    parts = pc.split_pattern(texts, _SHARP_S)
    capital = pa.ListArray.from_arrays(parts.offsets, pc.utf8_upper(parts.values), mask=parts.is_null())
    return pc.binary_join(capital, _SHARP_S)
