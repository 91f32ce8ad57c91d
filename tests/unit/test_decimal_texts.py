"""Decimals of texts: exact or refused, whatever exponent or number of digits they are written with."""

from __future__ import annotations

import random
from decimal import Context, Decimal

import pyarrow as pa
import pytest

from flowc.runtime.text.spelled import to_decimal

_WIDE = Context(prec=5000)
_EXPONENTS = ("2147483647", "2147483648", "999999999", "99999999999", "0000000002")


def spelled(chance: random.Random) -> str:
    def digits(count: int) -> str:
        return "".join(chance.choice("0000123456789") for _ in range(count))

    whole, broken = chance.choice([0, 1, 5, 37, 38, 39, 76, 77, 100]), chance.choice([0, 0, 1, 38, 76, 77, 78, 400])
    text = chance.choice(["", "-", "+"]) + digits(whole or 1) + (f".{digits(broken)}" if broken else "")
    power = chance.choice([str(chance.randint(0, 120)), str(chance.randint(0, 2000)), *_EXPONENTS])
    return text + (chance.choice("eE") + chance.choice(["", "+", "-"]) + power if chance.random() < 0.6 else "")


def fits(text: str, precision: int, scale: int) -> bool:
    """Whether the decimal holds the number, by Python's own arithmetic."""
    _, digits, power = Decimal(text, _WIDE).as_tuple()
    whole = "".join(map(str, digits)).lstrip("0")
    short = whole.rstrip("0")
    assert isinstance(power, int)
    last = power + len(whole) - len(short)
    return not short or (last >= -scale and len(short) + last <= precision - scale)


@pytest.mark.parametrize("seed", range(4))
def test_a_decimal_of_a_text_is_that_number_or_none(seed):
    chance = random.Random(seed)
    for _ in range(500):
        text, precision = spelled(chance), chance.choice([1, 5, 18, 38, 39, 76])
        scale = chance.choice([0, min(2, precision), precision])
        kind = pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
        try:
            (made,) = to_decimal(pa.array([text]), kind).to_pylist()
        except pa.ArrowInvalid:
            mantissa, _, power = text.lower().partition("e")
            usual = len(mantissa) <= 70 and abs(int(power or 0)) <= 70
            assert not (usual and fits(text, precision, scale)), (text, kind)
        else:
            assert fits(text, precision, scale), (text, kind)
            assert made == Decimal(text, _WIDE), (text, kind)
