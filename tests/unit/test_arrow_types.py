"""Types of columns and Arrow types: there and back, and odd Arrow forms made plain."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal as D

import pyarrow as pa
import pytest

from flowc.catalog import Column
from flowc.runtime.arrow import arrow_field, arrow_type, data_type, decimal_text, plain
from flowc.runtime.text.hexadecimal import hex_text, uuid_bytes, uuid_text
from flowc.types import DataType, Kind, parse_type

SPELLINGS = (
    "boolean tinyint smallint integer bigint hugeint utinyint usmallint uinteger ubigint real double numeric "
    "numeric(10,2) numeric(39,0) numeric(60,2) numeric(100,2) text varchar(5) binary date time time(3) timestamp "
    "timestamp(3) timestamp(9) timestamptz timestamptz(3) interval uuid json integer[] numeric[] uuid[] text[][]"
)


@pytest.mark.parametrize("spelled", SPELLINGS.split())
def test_a_field_tells_the_exact_type(spelled):
    kind = parse_type(spelled)
    assert data_type(arrow_field(Column("v", kind))) == kind


def test_a_struct_travels_as_json_and_keeps_its_type():
    kind = parse_type("struct(a integer, b text[])")
    field = arrow_field(Column("v", kind))
    assert (field.type, data_type(field)) == (pa.string(), kind)


@pytest.mark.parametrize(
    ("arrow", "kind"),
    [
        (pa.timestamp("s"), DataType(Kind.TIMESTAMP)),
        (pa.timestamp("ns", "Europe/Berlin"), DataType(Kind.TIMESTAMPTZ, precision=9)),
        (pa.decimal128(5, -2), DataType(Kind.DECIMAL, precision=7, scale=0)),
        (pa.dictionary(pa.int8(), pa.string()), DataType(Kind.TEXT)),
        (pa.null(), DataType(Kind.UNKNOWN)),
        (pa.uuid(), DataType(Kind.UUID)),
        (pa.large_string(), DataType(Kind.TEXT)),
        (pa.map_(pa.string(), pa.int64()), DataType(Kind.JSON)),
    ],
)
def test_arrow_types_have_a_kind(arrow, kind):
    assert data_type(arrow) == kind


def test_odd_forms_become_plain():
    days = pa.array([[dt.date(2024, 1, 1)], None], pa.large_list(pa.date32()))
    assert plain(days).to_pylist() == days.to_pylist()
    assert plain(pa.array(["a", None, "a"]).dictionary_encode()).to_pylist() == ["a", None, "a"]
    assert plain(pa.array([{"d": D("1.50"), "n": None}, None])).to_pylist() == ['{"d":1.50,"n":null}', None]
    assert plain(pa.array([[{"x": 1}], []])).to_pylist() == [['{"x":1}'], []]
    assert plain(pa.array(["x"], pa.string_view())).type == pa.string()


def test_uuids_as_text_and_bytes():
    values = [uuid.uuid4(), None, uuid.UUID(int=0)]
    raw = pa.array([v and v.bytes for v in values], pa.binary(16))
    text = uuid_text(raw)
    assert text.to_pylist() == [v and str(v) for v in values]
    assert uuid_bytes(text).equals(raw)
    assert uuid_bytes(text.slice(1)).equals(raw.slice(1))
    assert uuid_text(raw.slice(2)).to_pylist() == [str(values[2])]
    assert uuid_text(raw.cast(pa.binary())).equals(text)
    assert uuid_bytes(text.slice(3)).equals(raw.slice(3))
    assert uuid_text(raw.slice(3)).equals(text.slice(3))
    with pytest.raises(ValueError, match="uuid"):
        uuid_bytes(pa.array([str(values[2]), str(values[2])[1:]]))


def test_bytes_as_digits():
    values = pa.array([b"\x00\xff", None, b"", b"abc"], pa.binary())
    assert hex_text(values, "\\x").to_pylist() == ["\\x00ff", None, "\\x", "\\x616263"]
    assert hex_text(values.slice(2)).to_pylist() == ["", "616263"]
    assert hex_text(values.slice(4)).to_pylist() == [] == hex_text(pa.array([], pa.binary())).to_pylist()


def test_decimals_have_no_exponent():
    values = pa.array([D("0.00000001"), D("-12.5"), None], pa.decimal128(20, 8))
    assert decimal_text(values).to_pylist() == ["0.00000001", "-12.50000000", None]


def test_types_without_an_arrow_type_of_their_own_are_text():
    assert {arrow_type(parse_type(s)) for s in ("numeric", "uuid", "json", "numeric(100,2)")} == {pa.string()}


def test_what_json_has_not_is_null():
    rows = pa.array([{"x": float("nan")}, {"x": float("inf")}])
    assert plain(rows).to_pylist() == ['{"x":null}', '{"x":null}']
    assert plain(pa.array([{"x": 'a "NaN"'}])).to_pylist() == ['{"x":"a \\"NaN\\""}']


@pytest.mark.parametrize(
    "spelled",
    [
        'struct("a b" bigint)',
        'struct("a, b" timestamptz, c numeric(5,2))',
        'struct("a ""b" struct("(" text)[], İ text)',
        "struct(a double, b struct(c text))",
    ],
)
def test_names_of_fields_survive_their_spelling(spelled):
    kind = parse_type(spelled)
    assert parse_type(str(kind)) == kind
    assert data_type(arrow_field(Column("x", DataType(Kind.ARRAY, element=kind)))).element == kind
