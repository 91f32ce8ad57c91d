"""Floats that are computed to something that they do not hold: what `flowc_float_power` and the like mean.

The engine gives an infinity or zero there, and PostgreSQL an error. What an infinity gives is no error.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError

_HELP = "leave such rows out, or compute it of numerics: `CAST(x AS numeric)`"


def power(bases: pa.Array, exponents: pa.Array) -> pa.Array:
    """Powers of floats of 64 bits. Raises DataError for those that are too large or too small."""
    with np.errstate(all="ignore"):
        made = pc.power(bases, exponents)
    _demand("power", made, lambda value, base, _: value == 0 and base != 0, bases, exponents)
    return made


def real(values: pa.Array) -> pa.Array:
    """Floats of 32 bits of those of 64. Raises DataError for what is too large or too small for one."""
    made = values.cast(pa.float32(), safe=False)
    _demand("real", made, lambda value, given: value == 0 and given != 0, values)
    return made


def finite(values: pa.Array) -> pa.Array:
    """Floats of 64 bits as they are. Raises DataError for infinities and NaN."""
    if pc.all(pc.is_finite(values)).as_py() is False:
        help = "leave such rows out, or begin the frame with UNBOUNDED PRECEDING"
        message = "an infinity or NaN in a moving sum or mean of floats, which would stay in it"
        raise DataError(message, code="arithmetic-overflow", help=help)
    return values


def _demand(name: str, made: pa.Array, vanished: Callable[..., bool], *given: pa.Array) -> None:
    """Raises DataError where finite numbers give what a float does not hold."""
    doubtful = pc.or_(pc.equal(made, 0.0), pc.invert(pc.is_finite(made)))
    if not pc.any(doubtful).as_py():
        return
    for row in pc.indices_nonzero(doubtful.fill_null(False)).to_pylist():
        values = [array[row].as_py() for array in given]
        value = made[row].as_py()
        if np.all(np.isfinite(values)) and (not np.isfinite(value) or vanished(value, *values)):
            size = "small" if value == 0 else "large"
            shown = ", ".join(map(str, values))
            message = f"{name}({shown}) is too {size} for a float"
            raise DataError(message, code="arithmetic-overflow", help=_HELP)
