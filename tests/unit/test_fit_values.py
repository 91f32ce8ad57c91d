"""Fitting: what a column holds exactly passes, everything else is an error that names the value."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal as D

import pyarrow as pa
import pytest

from flowc.catalog import Column
from flowc.errors import DataError, EngineError
from flowc.runtime.arrow import arrow_schema, arrow_type
from flowc.runtime.fit import fit, shown_value
from flowc.types import parse_type

I64, F64 = pa.int64(), pa.float64()
NAN, INF = float("nan"), float("inf")
UTC = dt.UTC
BAD_TEXT = pa.Array.from_buffers(
    pa.string(), 1, [None, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe")]
)


def batch(array, kind=None):
    metadata = {b"flowc.type": kind.encode()} if kind else None
    return pa.RecordBatch.from_arrays([array], schema=pa.schema([pa.field("s", array.type, metadata=metadata)]))


def fitted(array, target, *, source=None, timezone=None, nullable=True):
    column = Column("v", parse_type(target), nullable)
    return fit(batch(array, source), [column], timezone)


MEANS = pa.decimal128(38, 20)
FITS = [
    (pa.array([1.0, -0.0, None, 2.0**53], F64), "bigint", [1, 0, None, 2**53]),
    (pa.array([-128, 127], I64), "tinyint", [-128, 127]),
    (pa.array([2**63 - 1], pa.uint64()), "bigint", [2**63 - 1]),
    (pa.array([2**60, 0], I64), "double", [2.0**60, 0.0]),
    (pa.array([2**24], I64), "real", [2.0**24]),
    (pa.array([0.5, NAN, INF], F64), "real", None),
    (pa.array([2**64 - 1], pa.uint64()), "numeric(20,0)", [D(2**64 - 1)]),
    (pa.array([2**64 - 1], pa.uint64()), "hugeint", [D(2**64 - 1)]),
    (pa.array([7, None], I64), "numeric(3,2)", [D("7.00"), None]),
    (pa.array([0.1, 1e20], F64), "numeric(30,3)", [D("0.100"), D("100000000000000000000.000")]),
    (pa.array([D("1.50"), D("-2.00")]), "numeric(2,1)", [D("1.5"), D("-2.0")]),
    (pa.array([D("5.00")]), "integer", [5]),
    (pa.array([D("0.10"), D("12.25")]), "double", [0.1, 12.25]),
    (pa.array([D("2.66666666666666666667"), D(0), None], MEANS), "double", [2.6666666666666665, 0.0, None]),
    (pa.array([D("0.33333333333333333333")], MEANS), "real", [0.3333333432674408]),
    (pa.array([D("0.00000001")]), "numeric", ["0.00000001"]),
    (pa.array([0, 1, None], I64), "boolean", [False, True, None]),
    (pa.array(["abc", "日本語", None]), "varchar(3)", ["abc", "日本語", None]),
    (pa.array(["2024-02-29"]), "date", [dt.date(2024, 2, 29)]),
    (pa.array([dt.datetime(2024, 2, 29)]), "date", [dt.date(2024, 2, 29)]),
    (pa.array([dt.date(2024, 2, 29)]), "timestamp", [dt.datetime(2024, 2, 29)]),
    (pa.array(["2024-02-29 10:00:00.5"]), "timestamp", [dt.datetime(2024, 2, 29, 10, 0, 0, 500000)]),
    (pa.array(["10:00:00.000001"]), "time", [dt.time(10, 0, 0, 1)]),
    (pa.array(["2024-01-01T10:00:00+02:00"]), "timestamptz", [dt.datetime(2024, 1, 1, 8, tzinfo=UTC)]),
    (pa.array([1_000], pa.timestamp("ns")), "timestamp", [dt.datetime(1970, 1, 1, 0, 0, 0, 1)]),
    (pa.array([1_500_000], pa.timestamp("us")), "timestamp(1)", [dt.datetime(1970, 1, 1, 0, 0, 1, 500000)]),
    (pa.array(["6F9619FF-8B86-D011-B42D-00C04FC964FF"]), "uuid", ["6f9619ff-8b86-d011-b42d-00c04fc964ff"]),
    (pa.array(['{"a": [1]}']), "json", ['{"a": [1]}']),
    (pa.array([[1.0, None], None, []], pa.list_(F64)), "integer[]", [[1, None], None, []]),
    (pa.nulls(2), "numeric(5,2)", [None, None]),
    (pa.array(["a", "a"]).dictionary_encode(), "text", ["a", "a"]),
    (pa.array([{"x": 1}]), "json", ['{"x":1}']),
]  # fmt: skip


@pytest.mark.parametrize(("array", "target", "values"), FITS, ids=lambda v: str(v)[:40] if isinstance(v, str) else None)
def test_what_a_column_holds_exactly_passes(array, target, values):
    made = fitted(array, target)
    assert made.schema == arrow_schema([Column("v", parse_type(target))])
    if values is not None:
        assert made.column(0).to_pylist() == values


MISFITS = [
    (pa.array([1.0, 1.5], F64), "bigint", 2, "1.5"),
    (pa.array([2.0**63], F64), "bigint", 1, "9.2"),
    (pa.array([NAN], F64), "integer", 1, "nan"),
    (pa.array([0, 128], I64), "tinyint", 2, "128"),
    (pa.array([1, 2**63], pa.uint64()), "bigint", 2, str(2**63)),
    (pa.array([2**53 + 1], I64), "double", 1, str(2**53 + 1)),
    (pa.array([2**24 + 1], I64), "real", 1, str(2**24 + 1)),
    (pa.array([0.1], F64), "real", 1, "0.1"),
    (pa.array([1000], I64), "numeric(5,2)", 1, "1000"),
    (pa.array([1.255], F64), "numeric(10,2)", 1, "1.255"),
    (pa.array([INF], F64), "numeric(10,2)", 1, "inf"),
    (pa.array([NAN], F64), "numeric", 1, "nan"),
    (pa.array([D("1.25")]), "numeric(10,1)", 1, "1.25"),
    (pa.array([D("1.25")]), "integer", 1, "1.25"),
    (pa.array([D("12345678901234567.89")]), "double", 1, "12345678901234567.89"),
    (pa.array([D(1), D("12345678901234567.89")], MEANS), "double", 2, "12345678901234567.89"),
    (pa.array([D("0.12345678901234567")]), "double", 1, "0.12345678901234567"),
    (pa.array([0, 2], I64), "boolean", 2, "2"),
    (pa.array([True]), "integer", 1, "True"),
    (pa.array(["1"]), "integer", 1, "1"),
    (pa.array(["true"]), "boolean", 1, "true"),
    (pa.array([1], I64), "text", 1, "1"),
    (pa.array(["ab", None, "abcd"]), "varchar(3)", 3, "abcd"),
    (pa.array(["2024-02-30"]), "date", 1, "2024-02-30"),
    (pa.array(["1.2.2024"]), "date", 1, "1.2.2024"),
    (pa.array([dt.datetime(2024, 1, 1, 1)]), "date", 1, "2024-01-01 01"),
    (pa.array(["2024-01-01 10:00:00Z"]), "timestamp", 1, "10:00:00Z"),
    (pa.array([dt.datetime(2024, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC")), "timestamp", 1, "2024"),
    (pa.array([dt.datetime(2024, 1, 1)]), "timestamptz", 1, "2024"),
    (pa.array(["2024-01-01 10:00:00"]), "timestamptz", 1, "10:00:00"),
    (pa.array([1_000, 1_001], pa.timestamp("ns")), "timestamp", 2, "1970"),
    (pa.array([1_500], pa.timestamp("us")), "timestamp(3)", 1, "1970"),
    (pa.array(["25:00:00"]), "time", 1, "25:00:00"),
    (pa.array(["6f9619ff"]), "uuid", 1, "6f9619ff"),
    (pa.array(["[1]", "[1", None]), "json", 2, "[1"),
    (pa.array(["[NaN]"]), "json", 1, "[NaN]"),
    (pa.array([[1.5]], pa.list_(F64)), "integer[]", 1, "1.5"),
    (pa.array([b"x"]), "text", 1, "x"),
    (BAD_TEXT, "text", 1, ""),
    (pa.array([D(2**127)], pa.decimal256(50, 0)), "hugeint", 1, str(2**127)),
    (pa.array([D(-(2**127)), D(-(2**127) - 1)], pa.decimal256(50, 0)), "hugeint", 2, str(-(2**127) - 1)),
]  # fmt: skip


@pytest.mark.parametrize(("array", "target", "row", "shown"), MISFITS)
def test_what_does_not_fit_is_named(array, target, row, shown):
    with pytest.raises(DataError) as caught:
        fitted(array, target)
    error = caught.value
    assert error.code == "value-does-not-fit"
    assert "`v`" in error.message
    assert f"`{parse_type(target)}`" in error.message
    assert f"row {row}" in error.message
    assert shown in error.message
    assert error.help


def test_rows_are_counted_over_the_whole_load():
    with pytest.raises(DataError, match="in row 1002"):
        fit(batch(pa.array([1.0, 1.5])), [Column("v", parse_type("bigint"))], first_row=1001)


def test_null_where_none_is_taken():
    with pytest.raises(DataError, match="takes no NULL, but row 2 has one"):
        fitted(pa.array([1, None], I64), "bigint", nullable=False)


def test_naive_times_become_zoned_only_in_a_named_zone():
    summer = pa.array([dt.datetime(2024, 7, 1, 12)])
    made = fitted(summer, "timestamptz", timezone="Europe/Berlin")
    assert made.column(0).to_pylist() == [dt.datetime(2024, 7, 1, 10, tzinfo=UTC)]


@pytest.mark.parametrize("moment", ["2024-03-31 02:30:00", "2024-10-27 02:30:00"])
def test_a_local_time_that_is_missing_or_double_is_an_error(moment):
    with pytest.raises(DataError, match="in row 2"):
        fitted(pa.array(["2024-01-01 00:00:00", moment]), "timestamptz", timezone="Europe/Berlin")


def test_unconstrained_decimals_are_judged_by_value():
    text = pa.array(["1.50", "12345678901234567890123456789012345678901.5", "nan"])
    assert fitted(text, "numeric", source="numeric").column(0).to_pylist() == text.to_pylist()
    assert fitted(text[:1], "numeric(3,1)", source="numeric").column(0).to_pylist() == [D("1.5")]
    with pytest.raises(DataError, match="in row 2"):
        fitted(text, "numeric(10,2)", source="numeric")
    with pytest.raises(DataError, match="`nan`"):
        fitted(text[2:], "numeric(10,2)", source="numeric")


def test_sliced_lists_keep_their_elements():
    lists = pa.array([[2**40], [2, 3], None, [4]], pa.list_(I64)).slice(1)
    assert fitted(lists, "smallint[]").column(0).to_pylist() == [[2, 3], None, [4]]


def test_long_and_odd_values_are_shown_short():
    with pytest.raises(DataError) as caught:
        fitted(pa.array(["x\n" + "y" * 500]), "varchar(3)")
    assert len(caught.value.message) < 200
    assert "\n" not in caught.value.message


def test_the_number_of_columns_must_agree():
    with pytest.raises(EngineError, match="1 columns were read where 2 are loaded"):
        fit(batch(pa.array([1])), [Column("a", parse_type("bigint")), Column("b", parse_type("bigint"))])


def test_intervals_end_at_microseconds():
    interval = pa.month_day_nano_interval()
    assert fitted(pa.array([(1, 2, 3000), None], interval), "interval").num_rows == 2
    with pytest.raises(DataError, match="in row 2"):
        fitted(pa.array([(1, 2, 3000), (0, 0, 1)], interval), "interval")


def test_arrow_types_of_wide_decimals():
    assert arrow_type(parse_type("numeric(38,2)")) == pa.decimal128(38, 2)
    assert arrow_type(parse_type("numeric(60,2)")) == pa.decimal256(60, 2)
    assert arrow_type(parse_type("numeric(100,2)")) == pa.string()


@pytest.mark.parametrize(
    ("kind", "raw", "shown"),
    [
        (pa.timestamp("us"), 2**63 - 1, "infinity"),
        (pa.timestamp("us", "UTC"), -(2**63) + 1, "-infinity"),
        (pa.date32(), 2**31 - 1, "infinity"),
        (pa.date32(), -(2**31) + 1, "-infinity"),
        (pa.time64("us"), 86_400_000_000, "24:00:00"),
    ],
)
def test_times_that_arrow_takes_for_others_are_shown_as_what_they_are(kind, raw, shown):
    whole = pa.int32() if kind == pa.date32() else pa.int64()
    assert shown_value(pa.array([None, raw], whole).view(kind), 1) == shown
    assert shown_value(pa.array([None, raw], whole).view(kind), 0) is None
