"""Decimals as text."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

_EXPONENT = r"^\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]{1,3}\s*$"
"""A number with an exponent, and none so far from a decimal's range that its digits would fill the memory."""


def decimal_text(array: pa.Array) -> pa.Array:
    """Decimals as plain digits, never with an exponent."""
    text = array.cast(pa.string())
    exponent = pc.match_substring(text, "E")
    if not pc.any(exponent).as_py():
        return text
    digits = [f"{value:f}" for value in array.filter(exponent).to_pylist() if value is not None]
    return pc.replace_with_mask(text, exponent, pa.array(digits, pa.string()))


def plain_digits(texts: pa.StringArray) -> pa.StringArray:
    """Texts of numbers, those with an exponent as plain digits; what is none stays as it is."""
    exponent = pc.fill_null(pc.match_substring_regex(texts, _EXPONENT), False)
    if not pc.any(exponent).as_py():
        return texts
    digits = [f"{Decimal(text):f}" for text in texts.filter(exponent).to_pylist()]
    return pc.replace_with_mask(texts, exponent, pa.array(digits, pa.string()))
