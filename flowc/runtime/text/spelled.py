"""Numbers as files spell them: whether a double keeps one, and which type keeps a whole column of them.

A double keeps a number when the shortest decimal that stands for the double is that number.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from flowc.types import BIGINT, DataType, Kind

NUMBER = r"^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
DOUBLE = DataType(Kind.FLOAT64)
_WHOLE = r"^-?\d+$"
_PARTS = r"^[+-]?(?P<whole>\d*)\.?(?P<broken>\d*)(?:[eE](?P<power>[+-]?\d+))?$"
_WORD = r"(?i)^[+-]?(nan|inf|infinity)$"
_SURE = 15
"""So many digits, without an exponent, every double keeps."""
_LAST_WHOLE, _LAST_INTEGER = 2.0**53, 2.0**64
_DIGITS = 38
_SHIFT = 76
"""So many digits and places has Arrow: beyond, it wraps around or reads memory that is not its own, without a look."""
_FAR = "999999"
"""Stands for every exponent of more digits than its own."""


def kept_by_double(texts: pa.Array) -> pa.Array:
    """Whether a double keeps the numbers that texts spell; NULL for NULL.

    Raises:
        ArrowInvalid: a text is no number.
    """
    sure = pc.and_(pc.less_equal(pc.binary_length(texts), _SURE), pc.invert(_has_exponent(texts)))
    doubles = texts.cast(pa.float64())
    if pc.all(sure).as_py() is not False:
        return sure
    doubtful = pc.invert(sure)
    return pc.replace_with_mask(
        sure, pc.fill_null(doubtful, False), _kept(texts.filter(doubtful), doubles.filter(doubtful))
    )


def _has_exponent(texts: pa.Array) -> pa.Array:
    # Twice as fast as a pattern.
    return pc.or_(pc.match_substring(texts, "e"), pc.match_substring(texts, "E"))


def _kept(texts: pa.Array, doubles: pa.Array) -> pa.Array:
    size = pc.abs(doubles)
    # Where a double has a whole number that its shortest decimal is not, both have to be the number.
    great = pc.and_(pc.greater(size, _LAST_WHOLE), pc.less(size, _LAST_INTEGER))
    whole = pc.if_else(great, size, 0.0).cast(pa.uint64()).cast(pa.string())
    same = _same(_parts(texts), _parts(doubles.cast(pa.string())))
    same = pc.and_(same, pc.or_(pc.invert(great), _same(_parts(texts), _parts(whole))))
    return pc.or_(pc.fill_null(same, False), pc.match_substring_regex(texts, _WORD))


def _parts(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The digits of numbers, without zeros at either end, and the power of ten of the last of them."""
    digits, last = _written(texts)
    short = pc.utf8_rtrim(digits, "0")
    cut = pc.subtract(pc.binary_length(digits), pc.binary_length(short))
    return pc.utf8_ltrim(short, "0"), pc.if_else(pc.equal(short, ""), 0, pc.add(last, cut))


def _written(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """All the digits of numbers, and the power of ten of the last of them."""
    found = pc.extract_regex(texts, _PARTS)
    whole, broken, power = (pc.struct_field(found, name) for name in ("whole", "broken", "power"))
    far = pc.utf8_ltrim(power, "+-0")
    size = pc.if_else(pc.equal(far, ""), "0", pc.if_else(pc.greater(pc.binary_length(far), len(_FAR)), _FAR, far))
    given = pc.if_else(pc.starts_with(power, "-"), pc.binary_join_element_wise("-", size, ""), size).cast(pa.int64())
    return pc.binary_join_element_wise(whole, broken, ""), pc.subtract(given, pc.binary_length(broken))


def same_number(texts: pa.Array, others: pa.Array) -> pa.Array:
    """Whether two texts spell the same number; NULL where the first is NULL, false where one spells none."""
    return pc.if_else(texts.is_null(), None, pc.fill_null(_same(_parts(texts), _parts(others)), False))


def _same(one: tuple[pa.Array, pa.Array], other: tuple[pa.Array, pa.Array]) -> pa.Array:
    return pc.and_(pc.equal(one[0], other[0]), pc.equal(one[1], other[1]))


def number_type(texts: pa.Array) -> DataType | None:
    """The type that keeps all the numbers that texts spell: bigint, double, or a decimal of 38 digits; None for none.

    All of the texts match `NUMBER`.
    """
    if pc.all(pc.match_substring_regex(texts, _WHOLE)).as_py():
        return BIGINT if _are_bigint(texts) else _decimal(texts)
    return DOUBLE if pc.all(kept_by_double(texts)).as_py() else _decimal(texts)


def _are_bigint(texts: pa.Array) -> bool:
    try:
        texts.cast(pa.int64())
    except pa.ArrowInvalid:
        return False
    return True


def _decimal(texts: pa.Array) -> DataType | None:
    digits, last = _parts(texts)
    if last.null_count:
        return None
    scale = max(0, -pc.min(last).as_py())
    whole = max(0, pc.max(pc.add(pc.binary_length(digits), last)).as_py())
    return DataType(Kind.DECIMAL, precision=_DIGITS, scale=scale) if whole + scale <= _DIGITS else None


def to_decimal(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """The numbers that texts spell as decimals of Arrow's type `kind`, exactly.

    Every decimal of a text is made here. Arrow's own cast shifts to the scale before it looks at the size: it wraps
    around where that is too great, and the process ends where it shifts too far.

    Raises:
        ArrowInvalid: a text is no number, or has more digits than the type.
    """
    if _is_short(texts, kind):
        return texts.cast(kind)
    if not pc.all(has_room(texts, kind)).as_py():
        raise pa.ArrowInvalid("a number has more digits than its type")
    return texts.cast(pa.decimal256(_SHIFT, kind.scale)).cast(kind)


def has_room(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Whether a decimal type can be made of the numbers that texts spell; true for NULL.

    It has as many digits before and behind the point, and Arrow can read and shift those that are written.
    """
    if _is_short(texts, kind):
        return pa.repeat(True, len(texts))
    (digits, last), (written, end) = _parts(texts), _written(texts)
    whole = pc.less_equal(pc.add(pc.binary_length(digits), last), kind.precision - kind.scale)
    room = pc.or_(pc.equal(digits, ""), pc.and_(whole, pc.greater_equal(last, -kind.scale)))
    near = pc.greater_equal(end, -(kind.scale + _SHIFT))
    read = pc.less_equal(pc.binary_length(pc.utf8_ltrim(written, "0")), _SHIFT)
    return pc.fill_null(pc.and_(room, pc.and_(near, read)), True)


def _is_short(texts: pa.Array, kind: pa.DataType) -> bool:
    """Whether numbers are written so shortly that every one has room."""
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    return longest <= kind.precision - kind.scale and not pc.any(_has_exponent(texts)).as_py()
