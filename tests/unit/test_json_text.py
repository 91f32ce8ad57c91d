"""Any Arrow value as JSON text, against a model that goes value by value."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.runtime.text.json import json_text

NAN, INF = float("nan"), float("inf")
ZONED = dt.datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=dt.UTC)


def _model(value: Any) -> Any:
    """What `json.loads` gives of a value; decimals and floats as the text of their digits."""
    if isinstance(value, float):
        return ("float", value) if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return ("digits", f"{value:f}")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None).isoformat() + ("Z" if value.tzinfo else "")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _model(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_model(each) for each in value]
    return value


def _loaded(text: str, model: Any) -> Any:
    """The text's value in the form of its model."""
    loaded = json.loads(text, parse_float=lambda digits: ("digits", digits), parse_int=lambda digits: int(digits))
    return _as(loaded, model)


def _as(loaded: Any, model: Any) -> Any:
    if isinstance(model, tuple):
        digits = loaded[1] if isinstance(loaded, tuple) else str(loaded)
        return ("float", float(digits)) if model[0] == "float" else ("digits", digits)
    if isinstance(model, dict) and isinstance(loaded, dict):
        return {key: _as(value, model.get(key)) for key, value in loaded.items()}
    if isinstance(model, list) and isinstance(loaded, list):
        return [_as(value, each) for value, each in zip(loaded, model, strict=True)]
    return loaded


_TIMES = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2100, 1, 1))
_LEAVES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.bool_(), st.booleans()),
    (pa.float64(), st.floats()),
    (pa.string(), st.text()),
    (pa.binary(), st.binary()),
    (pa.decimal128(20, 4), st.decimals(-(10**10), 10**10, places=4)),
    (pa.date32(), st.dates()),
    (pa.time64("us"), st.times().map(lambda time: time.replace(fold=0))),
    (pa.timestamp("s"), _TIMES.map(lambda time: time.replace(microsecond=0))),
    (pa.timestamp("s", "UTC"), _TIMES.map(lambda time: time.replace(microsecond=0, tzinfo=dt.UTC))),
]


def _nullable(pair: tuple[pa.DataType, st.SearchStrategy[Any]]) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    return pair[0], st.none() | pair[1]


def _nested(depth: int) -> st.SearchStrategy[tuple[pa.DataType, st.SearchStrategy[Any]]]:
    leaf = st.sampled_from(_LEAVES).map(_nullable)
    if depth == 0:
        return leaf
    inner = _nested(depth - 1)
    names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=4)
    lists = inner.map(lambda pair: (pa.list_(pair[0]), st.none() | st.lists(pair[1], max_size=3)))
    structs = st.dictionaries(names, inner, min_size=1, max_size=3).map(
        lambda fields: (
            pa.struct([(name, kind) for name, (kind, _) in fields.items()]),
            st.none() | st.fixed_dictionaries({name: values for name, (_, values) in fields.items()}),
        )
    )
    return st.one_of(leaf, lists, structs)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_text_is_what_a_model_of_single_values_says(data: st.DataObject) -> None:
    kind, values = data.draw(_nested(2))
    rows = data.draw(st.lists(values, max_size=6))
    start = data.draw(st.integers(0, len(rows)))
    array = pa.array(rows, kind).slice(start)
    for text, row in zip(json_text(array).to_pylist(), rows[start:], strict=True):
        model = None if row is None else _model(row)
        if text is None:
            assert row is None
        else:
            assert _isoformat(_loaded(text, model)) == _isoformat(model)


def _isoformat(value: Any) -> Any:
    """Times of day and others alike, whether their fraction is written with all zeros or none."""
    return json.loads(json.dumps(value).replace('.000000"', '"'))


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (pa.array([Decimal("1.50")]), "1.50"),
        (pa.array([Decimal("0.00000001")], pa.decimal128(20, 8)), "0.00000001"),
        (pa.array([NAN, INF, -0.5]), "null"),
        (pa.array([[NAN, INF, 1e300]]), "[null,null,1e+300]"),
        (pa.array([ZONED], pa.timestamp("us", "UTC")), '"2024-05-06T07:08:09.123000Z"'),
        (pa.array([ZONED], pa.timestamp("us", "Europe/Berlin")), '"2024-05-06T07:08:09.123000Z"'),
        (pa.array([dt.datetime(2024, 5, 6)], pa.timestamp("us")), '"2024-05-06T00:00:00"'),
        (pa.array([dt.date(2024, 5, 6)]), '"2024-05-06"'),
        (pa.array([dt.time(1, 2, 3)], pa.time64("us")), '"01:02:03"'),
        (pa.array([b"\x00\xff"]), '"00ff"'),
        (pa.array(['a"\\\n\x01é']), '"a\\"\\\\\\n\\u0001é"'),
        (pa.array([[("a", 1), ("b", None)]], pa.map_(pa.string(), pa.int64())), '{"a":1,"b":null}'),
        (pa.array([[(1, "x")]], pa.map_(pa.int32(), pa.string())), '{"1":"x"}'),
        (pa.array([{"a": [{"b": None}], "c": {}}]), '{"a":[{"b":null}],"c":{}}'),
        (pa.array(["x", "x"]).dictionary_encode(), '"x"'),
        (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
    ],
)
def test_each_kind(array: pa.Array, text: str) -> None:
    assert json_text(array)[0].as_py() == text


def test_a_null_stays_one_and_an_interval_is_text() -> None:
    assert json_text(pa.array([None, {"a": None}])).to_pylist() == [None, '{"a":null}']
    assert json_text(pa.array([], pa.list_(pa.int64()))).to_pylist() == []
    assert json_text(pa.array([(1, 2, 0), None], pa.month_day_nano_interval())).to_pylist() == [
        '"1 month 2 days"',
        None,
    ]
