"""Decimals as text."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def decimal_text(array: pa.Array) -> pa.Array:
    """Decimals as plain digits, never with an exponent."""
    text = array.cast(pa.string())
    exponent = pc.match_substring(text, "E")
    if not pc.any(exponent).as_py():
        return text
    digits = [f"{value:f}" for value in array.filter(exponent).to_pylist() if value is not None]
    return pc.replace_with_mask(text, exponent, pa.array(digits, pa.string()))
