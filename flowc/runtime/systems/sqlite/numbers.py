"""Numbers on SQLite as what they are: doubles to their last digit, and the order of decimals that are kept as texts.

SQLite itself writes 15 digits of a double, reads some texts as the double beside the right one, and compares texts by
their characters, so that '9' comes after '10'.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

Value = str | int | float | bytes | None


def double(text: Value) -> Value:
    """The double that is nearest to a number's text; NULL for what is none."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def number_text(value: Value) -> Value:
    """A number as text without losing a digit of it, zero without a sign; everything else as it is."""
    if isinstance(value, float):
        return repr(value + 0.0)
    return str(value) if isinstance(value, int) else value


def decimal_text(value: Value) -> Value:
    """A decimal as the shortest text of its value, so that 1.0 and 1.00 are one; what is no number as it is."""
    number = _number(str(value)) if isinstance(value, str | int | float) else None
    if number is None:
        return value
    whole = format(number, "f")
    shortest = whole.rstrip("0").rstrip(".") if "." in whole else whole
    return "0" if shortest == "-0" else shortest


def encoded_float(value: Value) -> str:
    """A float for a digest: a tag, the length of its text and the text, zero without a sign; `n` for NULL."""
    return _encoded(repr(value + 0.0) if isinstance(value, int | float) else value)


def encoded_decimal(value: Value) -> str:
    """A decimal for a digest, with the digits that are stored: 1.0 and 1.00 differ."""
    return _encoded(number_text(value))


def _encoded(text: Value) -> str:
    return "n" if text is None else f"v{len(str(text))}:{text!s}"


def decimal_order(one: str, other: str) -> int:
    """A collation: numbers by their value, all other texts after them by their characters."""
    if one == other:
        return 0
    left, right = _number(one), _number(other)
    if left is not None and right is not None:
        return (left > right) - (left < right)
    if left is None and right is None:
        return (one > other) - (one < other)
    return 1 if left is None else -1


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
