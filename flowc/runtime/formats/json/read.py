"""JSON objects to Arrow arrays, a whole batch in one native parse.

Objects are parsed one to a line. As each begins with `{` and ends with `}`, no document can reach over a line's end,
and as many rows as lines means one document in each. What Arrow would not read exactly is cut out as text, by msgspec,
and read from there.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as arrow_json

from flowc.runtime.arrow import relist
from flowc.runtime.formats.json.numbers import doubtful_decimals
from flowc.runtime.formats.json.odd import NOT_FINITE, demand_no_constant, demand_once
from flowc.runtime.formats.shapes import Fields, holds_decimal, is_cut, is_decimal, raw_type
from flowc.runtime.text.jsonfields import Cutter
from flowc.runtime.text.jsonstrings import TOO_BIG
from flowc.runtime.text.spelled import to_decimal
from flowc.types import UNKNOWN, DataType, Kind

BLANKS = " \t\r\n"
_BLOCK = 1 << 20


def read_objects(texts: pa.StringArray, fields: Fields) -> list[pa.Array]:
    """One array for each field, of the type of `raw_type`. The texts are JSON objects without blanks around them.

    Raises ValueError (Arrow's and msgspec's among them) when one text is not one object with fields of these types.
    """
    slow = any(holds_decimal(kind) for _, kind in fields) and doubtful_decimals(texts)
    cut = tuple((name, kind) for name, kind in fields if is_cut(kind) or (slow and holds_decimal(kind)))
    native = tuple(field for field in fields if field not in cut)
    made = dict(zip((name for name, _ in native), _parse(texts, native), strict=True)) if native or not cut else {}
    made.update(zip((name for name, _ in cut), _cut(texts, cut), strict=True) if cut else ())
    return [made[name] for name, _ in fields]


def demand_objects(texts: pa.StringArray) -> None:
    """Raises ValueError unless every text begins and ends as an object does."""
    if any(pc.all(found).as_py() is False for found in (pc.starts_with(texts, "{"), pc.ends_with(texts, "}"))):
        raise ValueError("it is not a JSON object")


def _parse(texts: pa.StringArray, fields: Fields) -> list[pa.Array]:
    if not len(texts):
        return [pa.array([], raw_type(kind)) for _, kind in fields]
    demand_objects(texts)
    schema = pa.schema([pa.field(name, raw_type(kind)) for name, kind in fields])
    options = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    try:
        table = _table(texts, options)
    except pa.ArrowInvalid as error:
        if TOO_BIG not in str(error):
            raise
        # Arrow looks even into what it leaves out, and stops at a number too great for a double there.
        table = _table(_alone(texts, tuple(name for name, _ in fields)), options)
    # Arrow reads these words, also in a field that nobody reads. To look at all texts at once is several times faster
    # than to look at each, and for one letter many times more.
    held = _data(texts).to_pybytes()
    for word in (word for word in NOT_FINITE if word[:1] in held and word in held):
        for text in texts.filter(pc.match_substring(texts, word)).to_pylist():
            demand_no_constant(text.encode())
    if table.num_rows != len(texts):
        raise ValueError("it holds more than one JSON document")
    return [table.column(name).combine_chunks() for name, _ in fields]


def _alone(texts: pa.StringArray, names: tuple[str, ...]) -> pa.StringArray:
    """The objects with some of their fields alone. Raises ValueError for one that has such a field twice."""
    messages = texts.cast(pa.binary())
    for name in names:
        demand_once(messages, name)
    encode, decode = msgspec.json.Encoder().encode, _cutter(names).one
    return pa.array([encode(decode(message)) for message in messages.to_pylist()], pa.binary()).cast(pa.string())


def _table(texts: pa.StringArray, options: arrow_json.ParseOptions) -> pa.Table:
    """Parsed in blocks by several threads; where that fails for line breaks inside of texts, as one block."""
    lines, longest = _lines(texts)
    whole = lines.size < 2 * _BLOCK or longest > _BLOCK
    try:
        read = arrow_json.ReadOptions(not whole, lines.size + 1 if whole else _BLOCK)
        return arrow_json.read_json(pa.BufferReader(lines), read, options)
    except pa.ArrowInvalid:
        if whole or lines.to_pybytes().count(b"\n") == len(texts):
            raise
    read = arrow_json.ReadOptions(use_threads=False, block_size=lines.size + 1)
    return arrow_json.read_json(pa.BufferReader(lines), read, options)


def _lines(texts: pa.StringArray) -> tuple[pa.Buffer, int]:
    """The texts, a line each, and the length of the longest."""
    lines = pc.binary_join_element_wise(texts, "", "\n")
    return _data(lines), pc.max(pc.binary_length(lines)).as_py()


def _data(texts: pa.StringArray) -> pa.Buffer:
    start, stop = texts.offset, texts.offset + len(texts)
    ends = pa.Array.from_buffers(pa.int32(), stop + 1, [None, texts.buffers()[1]])
    first, last = ends[start].as_py(), ends[stop].as_py()
    return texts.buffers()[2].slice(first, last - first)


def _cut(texts: pa.StringArray, fields: Fields) -> list[pa.Array]:
    demand_objects(texts)
    made = cut_texts(texts, fields)
    for name, _ in fields:
        demand_once(texts.cast(pa.binary()), name)
    return [read_texts(part, kind) for part, (_, kind) in zip(made, fields, strict=True)]


def cut_texts(texts: pa.StringArray, fields: Fields) -> list[pa.StringArray]:
    """The JSON text of each field of the objects; of an absent one, `null`.

    Raises ValueError for a text that is not one object.
    """
    cutter = _cutter(tuple(name for name, _ in fields))
    rows = list(map(cutter.one, texts.cast(pa.binary()).to_pylist()))
    return [pa.array(cutter.texts(rows, i), pa.binary()).cast(pa.string()) for i in range(len(fields))]


@lru_cache(maxsize=256)
def _cutter(names: tuple[str, ...]) -> Cutter:
    return Cutter(names)


def read_texts(texts: pa.StringArray, kind: DataType) -> pa.Array:
    """The values that JSON texts hold, as `raw_type` has them; `null` is NULL.

    Raises ValueError for a text of another type.
    """
    null = pc.equal(texts, "null")
    if kind.kind is Kind.STRUCT:
        return _structs(texts, null, kind)
    if kind.kind is Kind.ARRAY:
        return _lists(texts, kind.element or UNKNOWN)
    values = pc.if_else(null, None, texts)
    if kind.kind is Kind.JSON:
        return values
    digits = _digits(values, _INTEGER if kind.kind is Kind.INT128 else _NUMBER)
    return to_decimal(digits, raw_type(kind)) if is_decimal(kind) else digits


_INTEGER = r"^-?(0|[1-9]\d*)$"
_NUMBER = r'^(-?\d[^"]*|"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")$'


def _digits(values: pa.StringArray, form: str) -> pa.Array:
    """Numbers as text, those in quotes without them."""
    if not pc.all(pc.match_substring_regex(values, form)).as_py() and values.null_count < len(values):
        raise ValueError("it is not a number of that type")
    return pc.ascii_trim(values, '"')


def _structs(texts: pa.StringArray, null: pa.Array, kind: DataType) -> pa.Array:
    objects = pc.if_else(null, "{}", texts)
    if not kind.fields:
        cut_texts(objects, ())
    arrays = read_objects(objects, kind.fields) if kind.fields else []
    return pa.StructArray.from_arrays(arrays, fields=list(raw_type(kind)), mask=null) if arrays else _empty(null)


def _empty(null: pa.Array) -> pa.Array:
    return pa.array([None if absent else {} for absent in null.to_pylist()], pa.struct([]))


_ITEMS = msgspec.json.Decoder(list[msgspec.Raw] | None)


def _lists(texts: pa.StringArray, element: DataType) -> pa.Array:
    items = map(_ITEMS.decode, texts.cast(pa.binary()).to_pylist())
    lists = pa.array([None if held is None else list(map(bytes, held)) for held in items], pa.list_(pa.binary()))
    return relist(lists, read_texts(lists.values.cast(pa.string()), element))
