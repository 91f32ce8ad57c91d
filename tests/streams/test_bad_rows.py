"""Rows set aside: those whose values fit go on unchanged, the others are named one by one."""

from __future__ import annotations

import datetime as dt
import json
import random
from decimal import Decimal as D

import pyarrow as pa
import pytest

from flowc.catalog import Column
from flowc.errors import DataError, EngineError, UsageError
from flowc.runtime.badrows import fit_rows
from flowc.runtime.fit import fit
from flowc.runtime.formats.json.decode import JsonDecoder
from flowc.runtime.formats.json.discover import discover
from flowc.runtime.formats.raw.decode import RawDecoder
from flowc.types import parse_type

NAN, INF = float("nan"), float("inf")
U64 = 2**64 - 1
CASES = [
    (pa.array([0, U64, 2**63 - 1, 2**63, None], pa.uint64()), "bigint"),
    (pa.array([0, U64, None], pa.uint64()), "numeric(20,0)"),
    (pa.array([-129, -128, 127, 128, 300], pa.int64()), "tinyint"),
    (pa.array([-1, 0, U64 // 2], pa.int64()), "ubigint"),
    (pa.array([1.0, 1.5, NAN, INF, -(2.0**63), 2.0**63, 2.0**53], pa.float64()), "bigint"),
    (pa.array([2**53, 2**53 + 1, None], pa.int64()), "double"),
    (pa.array([0.1, 0.125, NAN, 1e9], pa.float64()), "numeric(5,2)"),
    (pa.array([D("1.50"), D("1.55"), D("99.90"), None]), "numeric(2,1)"),
    (pa.array([D("1.00"), D("1.50"), D("300.00")]), "utinyint"),
    (pa.array([0.5, 0.1, NAN], pa.float64()), "real"),
    (pa.array([0, 1, 2, None], pa.int64()), "boolean"),
    (pa.array(["abc", "abcd", "日本語", None]), "varchar(3)"),
    (pa.array(["2024-02-29", "2023-02-29", "x", None]), "date"),
    (pa.array(["2024-01-01T10:00:00Z", "2024-01-01T10:00:00", "", None]), "timestamptz"),
    (pa.array(["6F9619FF-8B86-D011-B42D-00C04FC964FF", "6F9619FF"]), "uuid"),
    (pa.array(['{"a":1}', "{", "NaN"]), "json"),
    (pa.array([[1, None], [300], None, []], pa.list_(pa.int64())), "utinyint[]"),
    (pa.array([dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, 1), None]), "date"),
    (pa.array([True, None]), "integer"),
]


def one_by_one(batch, column):
    """What `fit` says of each row alone: the rows it takes, as values, and the indices of the others."""
    good, bad = {}, []
    for i in range(batch.num_rows):
        try:
            good[i] = fit(batch.slice(i, 1), [column])
        except DataError:
            bad.append(i)
    return good, bad


@pytest.mark.covering
@pytest.mark.parametrize(("array", "kind"), CASES, ids=[f"{a.type}-{k}" for a, k in CASES])
@pytest.mark.parametrize("nullable", [True, False])
def test_rows_are_judged_as_by_fit_alone(array, kind, nullable):
    chance = random.Random(3)
    batch = pa.RecordBatch.from_arrays([array.take(pa.array(chance.choices(range(len(array)), k=60)))], ["s"])
    column = Column("v", parse_type(kind), nullable)
    good, bad = one_by_one(batch, column)
    fitted = fit_rows(batch, [column])
    assert [row.index for row in fitted.bad] == bad
    assert fitted.rows.to_pylist() == list(good)
    # As text, for NaN is not equal to itself.
    assert str(fitted.batch.column(0).to_pylist()) == str([part.column(0)[0].as_py() for part in good.values()])
    assert all("`v`" in row.message and len(row.message) < 300 for row in fitted.bad)


def test_a_bad_row_says_what_is_wrong():
    batch = pa.record_batch({"a": pa.array([1, None, 3], pa.int64()), "b": ["x", "y" * 500, "z" * 500]})
    columns = [Column("a", parse_type("tinyint"), nullable=False), Column("b", parse_type("varchar(3)"))]
    fitted = fit_rows(batch, columns)
    assert fitted.batch.to_pylist() == [{"a": 1, "b": "x"}]
    assert [(row.index, row.code) for row in fitted.bad] == [(1, "missing-value"), (2, "value-does-not-fit")]
    assert fitted.bad[0].message == "column `a` takes no NULL, and the row has no value for it"
    assert fitted.bad[1].message == f"column `b`: `{'z' * 59}…` (text) does not fit `varchar(3)`"


def test_other_numbers_of_columns_fail_the_batch():
    with pytest.raises(EngineError):
        fit_rows(pa.record_batch({"a": [1], "b": [2]}), [Column("a", parse_type("bigint"))])


def test_many_bad_rows_in_a_large_batch():
    values = ["x" * (i % 7) for i in range(5000)]
    fitted = fit_rows(pa.record_batch({"a": values}), [Column("a", parse_type("varchar(5)"))])
    assert [row.index for row in fitted.bad] == list(range(6, 5000, 7))


def test_raw_messages():
    values = pa.array([b"a", None, b"\xff", b"", "é".encode()], pa.large_binary())
    taken = RawDecoder().decode(values)
    assert taken.batch.column("value").to_pylist() == [b"a", b"\xff", b"", "é".encode()]
    assert (taken.rows.to_pylist(), taken.bad, taken.skipped.to_pylist()) == ([0, 2, 3, 4], (), [1])
    text = RawDecoder(text=True).decode(values)
    assert text.batch.column("value").to_pylist() == ["a", "", "é"]
    assert [(row.index, row.code) for row in text.bad] == [(2, "undecodable-message")]
    assert (text.rows.to_pylist(), text.skipped.to_pylist()) == ([0, 3, 4], [1])


def test_a_slice_of_messages():
    values = pa.array([b'{"a":9}', b"x", None, b'{"a":1}', b'{"a":2}'], pa.binary()).slice(1)
    decoded = JsonDecoder((Column("a", parse_type("bigint")),)).decode(values)
    assert (decoded.batch.to_pydict(), decoded.rows.to_pylist()) == ({"a": [1, 2]}, [2, 3])
    assert ([row.index for row in decoded.bad], decoded.skipped.to_pylist()) == ([0], [1])


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\tb", "a\x00b", "é", "a.b", "$[0]", " "])
def test_columns_of_any_name_hold_bad_values(name):
    columns = (Column(name, parse_type("bigint")), Column("n", parse_type("bigint")))
    messages = [json.dumps({name: value, "n": 1}).encode() for value in (1, "x", 3)] + [b"{", b'{"n": "x"}']
    decoded = JsonDecoder(columns).decode(pa.array(messages, pa.binary()))
    assert decoded.batch.to_pylist() == [{name: 1, "n": 1}, {name: 3, "n": 1}]
    assert [row.index for row in decoded.bad] == [1, 3, 4]
    assert f"column `{name}`: " in decoded.bad[0].message


def test_json_columns_are_the_very_text():
    texts = ['{"b": 1.10, "a": [1e5]}', "1.000", '"\\u00e9"', "null", "[ ]"]
    columns = (Column("j", parse_type("json")), Column("l", parse_type("json[]")))
    messages = [f'{{"j": {text}, "l": [{text}]}}'.encode() for text in texts]
    rows = JsonDecoder(columns).decode(pa.array(messages, pa.binary())).batch.to_pylist()
    kept = [None if text == "null" else text for text in texts]
    assert rows == [{"j": text, "l": [text]} for text in kept]


@pytest.mark.parametrize("message", [b'{"j":1,"j":2}', b'{"j":1,"\\u006a":2}', b'{"j":NaN}', b'{"j":[1,]}', b'{"j":1'])
def test_json_columns_are_strict(message):
    decoded = JsonDecoder((Column("j", parse_type("json")),)).decode(pa.array([b'{"j":{"j":1}}', message], pa.binary()))
    assert [row.index for row in decoded.bad] == [1]
    assert decoded.batch.to_pylist() == [{"j": '{"j":1}'}]


@pytest.mark.parametrize("depth", [600, 5_000, 200_000])
def test_deep_nesting_breaks_nothing(depth):
    """In a field that nobody reads it is nobody's; in a json column it is a bad row where it is too deep."""
    deep = b"[" * depth + b"]" * depth
    values = pa.array([b'{"a":1,"z":' + deep + b"}", b"x", b'{"a":2}'], pa.binary())
    decoded = JsonDecoder((Column("a", parse_type("bigint")),)).decode(values)
    assert ([row.index for row in decoded.bad], decoded.batch.to_pydict()) == ([1], {"a": [1, 2]})
    decoded = JsonDecoder((Column("z", parse_type("json")),)).decode(values)
    assert 2 in decoded.rows.to_pylist()
    assert [row.index for row in decoded.bad] in ([0, 1], [1])


def test_types_that_no_message_holds_are_refused():
    for columns in ((), (Column("i", parse_type("interval")),)):
        with pytest.raises(UsageError):
            JsonDecoder(columns)


def test_discovery():
    messages = [
        b'{"id":1,"x":1,"t":"2024-01-01T00:00:00Z","o":{"a":1},"m":1,"n":null,"l":[1],"big":1,"e":[],"f":{}}',
        b"garbage", None, b"[1]", b"null",
        b'{"id":2,"x":1.5,"o":{"a":null,"b":[{"c":true}]},"m":"a","l":[null,2.5],"big":9223372036854775808,"late":false}',
    ]  # fmt: skip
    found = discover(pa.array(messages, pa.binary()))
    assert {column.name: str(column.type) for column in found} == {
        "id": "bigint", "x": "double", "t": "text", "o": "struct(a bigint, b struct(c boolean)[])", "m": "json",
        "n": "json", "l": "double[]", "big": "numeric", "e": "json", "f": "json", "late": "boolean",
    }  # fmt: skip
    assert all(column.nullable for column in found)
    decoded = JsonDecoder(found).decode(pa.array(messages, pa.binary()))
    assert ([row.index for row in decoded.bad], decoded.rows.to_pylist()) == ([1, 3, 4], [0, 5])
    assert discover(pa.array([b"x", None], pa.binary())) == ()
