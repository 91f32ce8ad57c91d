"""Messages against a second decoder: whole batches agree with it on every message, whatever stands beside it."""

from __future__ import annotations

import base64
import datetime as dt
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.catalog import Column
from flowc.runtime.formats.json.decode import JsonDecoder
from flowc.types import DataType, Kind, parse_type
from tests.extended import examples
from tests.streams import json_model as model

KINDS = (
    "tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger", "ubigint", "real",
    "double", "numeric(5,2)", "numeric(38,10)", "numeric(60,20)", "numeric", "text", "varchar(3)", "boolean", "date",
    "timestamp", "timestamptz", "uuid", "binary", "integer[]", "numeric[]", "text[][]", "timestamptz[]",
    "struct(a integer, b text)", "struct(a numeric, b struct(c timestamp, d boolean[]))", "struct(a integer)[]",
)  # fmt: skip
LITERALS = (
    "null", "true", "false", "0", "-0", "1", "-1", "2.0", "1e2", "1.5", "1.50", "1.505", "0.1", "1e-2", "127", "128",
    "-129", "255", "256", "32768", "65536", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "18446744073709551615", "18446744073709551616", "123456789012345678901234567890",
    "170141183460469231731687303715884105728", "999.99", "1000", "1e39", "1e400", "1e-400", "1e-50", "0e-50",
    "NaN", "Infinity",
    "-Infinity", "01", "+1", "1.", ".5", "-", "0.1e", "tru", "nul", "'x'", "{}", "[]", "[null]", "[1,2]", "[1.5]",
    '["a"]', '[["a",null],null]', '[["a"],1]', '{"a":1}', '{"a":"1"}', '{"a":1,"a":2}', '{"a":1,"z":[{}]}',
    '{"a":1.25,"b":{"c":"2024-01-01T00:00:00","d":[true]}}', '{"b":{"c":"2024-02-30T00:00:00"}}', '[{"a":1},null]',
    '[{"a":2.5}]', '"2"', '"1.5"', '"+1.5"', '".5"', '"1."', '" 1.5"', '""', '"NaN"', '"abc"', '"abcd"', '"日本語"',
    '"a\\u0000b"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\udc00"', '"a\tb"', '"\\x"', '"\\/"', '"AQI="', '"AQI"',
    '"2024-02-29"', '"2023-02-29"', '"2024-1-1"', '"20240101"', '"9999-12-31T23:59:59.999999Z"',
    '"2024-01-01T10:00:00Z"', '"2024-01-01 10:00:00"', '"2024-01-01T10:00"', '"2024-01-01T10:00:00+02:00"',
    '"2024-01-01T10:00:00+0230"', '"2024-01-01T10:00:00-23"', '"2024-01-01T10:00:00+24:00"',
    '"2024-01-01T10:00:00.1234567Z"', '"2024-01-01T10:00:00.1234560000Z"', '"2024-01-01T10:00:00.123456000"',
    '"2024-01-01T10:00:00.5"', '"2024-01-01T24:00:00Z"', '"2024-01-01T10:00:60Z"', '"2024-01-01T10:00:00 Z"',
    '"6F9619FF-8B86-D011-B42D-00C04FC964FF"', '"6F9619FF8B86D011B42D00C04FC964FF"',
)  # fmt: skip
WHOLE = (
    None, b"", b" ", b"\n", b"null", b" null\n", b"NULL", b"1", b'"x"', b"true", b"[]", b'[{"v":1}]', b"{}", b"{",
    b"}", b'{"v":null}{"v":null}', b'{"v":null},{"v":null}', b'{"v":null} null {"v":null}', b'{"v":null} x',
    b'{"v":null', b'{"v":null,}', b"{v:null}", b"{'v':null}", b'{"v":null}//', b'/**/{"v":null}', b'{"v":null}\x00',
    b'\x00{"v":null}', b'\xef\xbb\xbf{"v":null}', b'{"z":"\xff"}', b'{"z":"\xc3\xa9"}', b'\n{ "v"\n:\tnull }\r\n',
    b'{"v":null,"v":null}', b'{"v":null,"\\u0076":null}', b'{"\\u0076":null}', b'{"z":1,"z":2}', b'{"z":{"v":1}}',
    b'{"z":[1,]}', b'{"z":1e400}', b'{"":null}', b'{"v":null}\x0b', b'{"V":1}', b'{"v" null}', b'{"v":}',
    b'{"a":"}', b'{"}', b'{"v":null}\n{"v":null}', b'{"z":"\\u00zz"}', b'{"z":"unended}', b'{"z":true false}',
    b'{"z":-}', b'{"z":0x10}', b'{"z":"a\nb"}',
)  # fmt: skip


def columns_of(kind: str, *, nullable: bool = True):
    return (Column("v", parse_type(kind), nullable),), {"v": (parse_type(kind), nullable)}


def seen(batch: pa.RecordBatch, columns):
    """Rows as the model has them: unbounded numbers and wide integers are text or decimals in Arrow."""
    return [{c.name: same(row[c.name], c.type) for c in columns} for row in batch.to_pylist()]


def same(value, kind: DataType):
    if value is None:
        return None
    if kind.kind is Kind.ARRAY:
        return [same(item, kind.element) for item in value]
    if kind.kind is Kind.STRUCT:
        return {name: same(value[name], field) for name, field in kind.fields}
    if kind.kind is Kind.INT128:
        return int(value)
    return Decimal(value) if kind.kind is Kind.DECIMAL else value


def agrees(messages, columns, wanted):
    """Checks a batch against the model, and that every message is accounted for once."""
    outcomes = [model.decode(message, wanted) for message in messages]
    decoder, values = JsonDecoder(columns), pa.array(messages, pa.binary())
    decoded = decoder.decode(values)
    again = decoder.decode(values)
    assert (again.batch, again.rows, again.skipped) == (decoded.batch, decoded.rows, decoded.skipped)
    assert [row.index for row in again.bad] == [row.index for row in decoded.bad]
    places = {what: [i for i, found in enumerate(outcomes) if found == what] for what in (model.BAD, model.SKIPPED)}
    got = [row.index for row in decoded.bad]
    assert {i: messages[i] for i in got} == {i: messages[i] for i in places[model.BAD]}
    assert decoded.skipped.to_pylist() == places[model.SKIPPED]
    assert decoded.rows.to_pylist() == [i for i, found in enumerate(outcomes) if isinstance(found, dict)]
    assert seen(decoded.batch, columns) == [found for found in outcomes if isinstance(found, dict)]
    decoded.batch.validate(full=True)
    assert all(len(row.message) < 300 for row in decoded.bad)


@pytest.mark.parametrize("kind", KINDS)
def test_odd_values_of_every_type(kind):
    columns, wanted = columns_of(kind)
    strict = kind.startswith(("hugeint", "numeric[", "struct(a numeric")) or kind == "numeric"
    literals = [text for text in LITERALS if not (strict and "e400" in text)]
    agrees([f'{{"v":{text}}}'.encode() for text in literals], columns, wanted)


@pytest.mark.parametrize("kind", ["bigint", "numeric", "struct(a integer)"])
def test_odd_messages(kind):
    columns, wanted = columns_of(kind)
    agrees([b'{"v":null}', *WHOLE, b'{"v":null}'], columns, wanted)


@pytest.mark.parametrize("kind", ["bigint", "text"])
def test_a_number_that_no_double_holds_spoils_only_what_reads_it(kind):
    columns, wanted = columns_of(kind)
    agrees(
        [b'{"z":1e400}', b'{"v":1e400}', b'{"v":"a","z":[{"y":-1e400}]}', b'{"z":1e400,"z":2,"v":null}'],
        columns,
        wanted,
    )


@pytest.mark.parametrize("kind", ["bigint", "numeric"])
def test_odd_messages_where_null_is_refused(kind):
    agrees([b'{"v":1}', *WHOLE], *columns_of(kind, nullable=False))


@pytest.mark.parametrize("message", WHOLE)
def test_a_message_is_judged_alone_as_among_others(message):
    columns, wanted = columns_of("bigint")
    agrees([message], columns, wanted)


def test_messages_that_together_would_be_as_many_rows():
    columns, wanted = columns_of("bigint")
    agrees([b'{"v":1}{"v":2}', b'{"v":"', b'"}', b'{"v":3}'], columns, wanted)
    agrees([b'{"v":1}{"v":2}', b"", b'{"v":3}'], columns, wanted)
    agrees([b'{"z":"}', b'{"}', b'{"v":1}{"v":2}'], columns, wanted)


@pytest.mark.parametrize("bad", [0, 1, 7, 300])
def test_large_batches_with_line_breaks_in_messages(bad):
    columns, wanted = columns_of("bigint")
    filler = "x" * 1000
    messages = [f'{{\n"v": {i},\n"z": "{filler}"\n}}\n'.encode() for i in range(3000)]
    for i in range(bad):
        messages[i * 9 + 5] = LITERALS[i % len(LITERALS)].encode()
    agrees(messages, columns, wanted)


INTEGERS = {kind: model.INTEGER_RANGES[Kind(kind)] for kind in KINDS if kind in {k.value for k in model.INTEGER_RANGES}}
TIMES = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))


def decimals(precision: int, scale: int):
    return st.integers(-(10**precision) + 1, 10**precision - 1).map(lambda n: Decimal(n).scaleb(-scale))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = {
    **{kind: st.integers(*limits) for kind, limits in INTEGERS.items()},
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "real": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "numeric(5,2)": decimals(5, 2), "numeric(38,10)": decimals(28, 10), "numeric": decimals(90, 40),
    "text": TEXTS, "boolean": st.booleans(), "date": st.dates(), "timestamp": TIMES,
    "timestamptz": TIMES.map(lambda t: t.replace(tzinfo=dt.UTC)), "uuid": st.uuids().map(str),
    "binary": st.binary(max_size=9), "integer[]": st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=3),
    "struct(a integer, b text)": st.fixed_dictionaries({"a": st.none() | st.integers(0, 9), "b": TEXTS}),
}  # fmt: skip


def written(value, kind: str) -> str:
    """A value as a message spells it."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        return json.dumps(base64.b64encode(value).decode())
    return json.dumps(value.isoformat()) if isinstance(value, dt.date) else json.dumps(value)


@st.composite
def batches(draw):
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    rows = draw(st.lists(st.tuples(*(st.none() | VALUES[kind] for kind in kinds)), max_size=12))
    messages = [
        ("{" + ",".join(f'"c{i}":{written(v, kinds[i])}' for i, v in enumerate(row)) + "}").encode() for row in rows
    ]
    garbage = draw(st.lists(st.tuples(st.integers(0, len(messages)), GARBAGE), max_size=4))
    return kinds, rows, messages, garbage


GARBAGE = st.sampled_from(
    [b"", b"[]", b"1", b"{", b'{"c0":[{"":[[]]}]}', b"{}{}", b'{"c0":tru}', b"\xff{}", b'{"a":1]']
)


@settings(max_examples=examples(100), deadline=None)
@given(batches())
def test_rows_come_back_and_exactly_the_garbage_is_reported(made):
    kinds, rows, messages, garbage = made
    marked = [(message, row) for message, row in zip(messages, rows, strict=True)]
    for place, message in garbage:
        marked.insert(place, (message, None))
    columns = tuple(Column(f"c{i}", parse_type(kind)) for i, kind in enumerate(kinds))
    decoded = JsonDecoder(columns).decode(pa.array([message for message, _ in marked], pa.binary()))
    assert [row.index for row in decoded.bad] == [i for i, (_, row) in enumerate(marked) if row is None]
    assert decoded.rows.to_pylist() == [i for i, (_, row) in enumerate(marked) if row is not None]
    assert [tuple(row.values()) for row in seen(decoded.batch, columns)] == rows


MUTATIONS = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(list(b'{}[]",:0123.-eEnulltrueN \\u\n\xff\x00'))), max_size=4
)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(LITERALS), MUTATIONS), min_size=1, max_size=6), st.sampled_from(KINDS))
def test_broken_messages_agree_with_the_model(made, kind):
    messages = []
    for literal, mutations in made:
        message = bytearray(f'{{"a":1,"v":{literal}}}'.encode())
        for place, byte in mutations:
            message[place % len(message)] = byte
        messages.append(bytes(message))
    columns, wanted = columns_of(kind)
    if not any(b"N" in m or b"Inf" in m or b"e400" in m for m in messages):
        agrees(messages, columns, wanted)


TWICE = {
    "a": ("bigint", "1", "2"), "same": ("bigint", "1", "1"), "null": ("bigint", "null", "2"),
    "text": ("text", '"a"', '"b"'), "decimal": ("decimal(9,2)", "1.5", "null"), "json": ("json", "{}", "[]"),
    "struct": ("struct(x bigint)", "{}", "{}"),
}  # fmt: skip


@pytest.mark.parametrize("name", TWICE)
def test_a_field_that_stands_twice_is_named(name: str) -> None:
    kind, first, second = TWICE[name]
    columns = (Column(name, parse_type(kind)), Column("o", parse_type("struct(x bigint)")))
    escaped = f'"\\u{ord(name[0]):04x}{name[1:]}"'
    messages = [f'{{"{name}":{first},"{name}":{second}}}', f'{{"{name}":{first},{escaped}:{second}}}']
    within = '{"o":{"x":1,"x":1}}'
    found = JsonDecoder(columns).decode(pa.array([text.encode() for text in (*messages, within, '{"z":1,"z":2}')]))
    assert [row.message.partition("read: ")[2] for row in found.bad] == [
        *[f"the field `{name}` stands in it twice"] * 2, "the field `o.x` stands in it twice",
    ]  # fmt: skip
    assert found.batch.num_rows == 1
