"""Values as the text of PostgreSQL: what no expression in the corpus has, and what there is no text for."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

from flowc.errors import DataError, EngineError
from flowc.runtime.text.intervals import interval, mean, of_parts, span
from flowc.runtime.text.jsonb import jsonb, key, with_value
from flowc.runtime.text.jsonparts import NotJson
from flowc.runtime.text.postgres import joined, output, outputs, to_text


def test_slices_and_nulls_keep_their_places():
    lists = pa.array([["x"], ["a b", None, ""], None, []]).slice(1)
    assert output(lists).to_pylist() == ['{"a b",NULL,""}', None, "{}"]
    assert outputs(lists).to_pylist() == [["a b", None, ""], None, []]
    spans = pa.array([pa.MonthDayNano([1, 0, 0]), None, pa.MonthDayNano([13, -1, 7_200_000_000_000])]).slice(1)
    assert output(spans).to_pylist() == [None, "1 year 1 mon -1 days +02:00:00"]


def test_intervals_of_slices_and_what_none_holds():
    spans = pa.array([0, None, -90_000_000_000, 2**62], pa.duration("us")).slice(1)
    assert output(interval(spans.slice(0, 2))).to_pylist() == [None, "-1 days -01:00:00"]
    assert span(interval(spans.slice(0, 2))).to_pylist() == [None, -90_000_000_000]
    numbers = [pa.array([part, None], pa.int64()) for part in (2**31, 0, 0)]
    with pytest.raises(DataError, match="an interval is too large"):
        of_parts(*numbers)
    halves = (pa.array([3, None], pa.int64()), pa.array([-3, None], pa.int64()), pa.array([3, None], pa.int64()))
    assert output(mean(*halves, pa.array([2, 0], pa.int64()))).to_pylist() == ["1 mon 14 days -11:59:59.999998", None]


def test_a_cast_and_concat_write_booleans_each_in_their_way():
    values = pa.array([True, None, False])
    assert (to_text(values).to_pylist(), output(values).to_pylist()) == (["true", None, "false"], ["t", None, "f"])


def test_what_has_no_such_text_is_refused():
    with pytest.raises(EngineError, match="a list beside a text"):
        joined(pa.array([["a"]]))
    with pytest.raises(EngineError, match="a value of the type struct"):
        to_text(pa.array([{"a": 1}]))
    with pytest.raises(EngineError, match="before the year 1"):
        to_text(pa.array([-62_135_596_800_000_001], pa.timestamp("us")))
    assert to_text(pa.array([datetime.datetime(1, 1, 1)])).to_pylist() == ["0001-01-01 00:00:00"]


def test_documents_that_jsonb_does_not_take_are_errors():
    for text in ("nul", '{"a":1', "[1,]", "NaN", '"\\u0000"', '"\\ud800"', "1e999999999", "[" * 100_000):
        with pytest.raises(NotJson):
            jsonb(pa.array([None, text]))
    with pytest.raises(NotJson, match="in an object or a list alone"):
        with_value(pa.array(["1"]), pa.array([["a"]]), pa.array(["2"]), pa.array([True]))


@pytest.mark.parametrize("step", ["1_0", "1 ", "x", "", "99999999999", "\u0661"])
def test_only_what_postgresql_takes_for_one_is_a_position(step: str):
    with pytest.raises(NotJson, match="is no position in a list"):
        with_value(pa.array(["[1]"]), pa.array([[step]]), pa.array(["2"]), pa.array([True]))


def test_equal_documents_share_their_key_and_others_keep_theirs():
    documents = ["1", "1.0", '{"a": "1.0", "b": [1.50]}', '{"a": "1.00", "b": [1.5]}', '"x.0"', "-10.00", None]
    assert key(pa.array(documents)).to_pylist() == [
        "1", "1", '{"a": "1.0", "b": [1.5]}', '{"a": "1.00", "b": [1.5]}', '"x.0"', "-10", None,
    ]  # fmt: skip


def test_jsonb_sorts_keys_by_their_bytes():
    assert jsonb(pa.array(['{"é":1,"zz":2,"a":3,"bbb":{"y":1,"x":-0}}'])).to_pylist() == [
        '{"a": 3, "zz": 2, "é": 1, "bbb": {"x": 0, "y": 1}}'
    ]
