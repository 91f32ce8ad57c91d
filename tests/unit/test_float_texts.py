"""Texts of files that are to be floats: a number beyond all floats is no infinity, and no zero."""

from __future__ import annotations

import pyarrow as pa
import pytest

from flowc.runtime.convert import Misfit, parse
from flowc.types import DataType, Kind

FLOATS = (DataType(Kind.FLOAT32), DataType(Kind.FLOAT64))


@pytest.mark.parametrize("kind", FLOATS, ids=str)
@pytest.mark.parametrize("text", ["1e999", "-1e309", "1.7976931348623159e308", "1e-400", "-0.01e-4000"])
def test_a_number_beyond_all_floats_is_refused(kind: DataType, text: str):
    with pytest.raises(Misfit):
        parse(pa.array(["1.5", None, text]), kind)


@pytest.mark.parametrize("kind", FLOATS, ids=str)
def test_zeros_and_infinities_that_are_written_are_read(kind: DataType):
    texts = ["0", "-0.0", "0e9", "0.000E5", "inf", "-inf", "Infinity", "nan", None, "1e10"]
    assert [str(value) for value in parse(pa.array(texts), kind).to_pylist()] == [
        "0.0", "-0.0", "0.0", "0.0", "inf", "-inf", "inf", "nan", "None", "10000000000.0",
    ]  # fmt: skip
