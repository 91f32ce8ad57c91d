"""The kinds of fields in lines of JSON, and lines that are as they should be one by one, and disagree about one."""

from __future__ import annotations

import io
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import msgspec
import pyarrow as pa
import pyarrow.json as arrow_json

from flowc.errors import DataError
from flowc.runtime.contracts.store import File
from flowc.runtime.formats.json.odd import demand_no_constants
from flowc.runtime.formats.pieces import CELLS
from flowc.runtime.names import nameless
from flowc.runtime.stores.files import unreadable
from flowc.runtime.stores.lines import apart

Line = tuple[File, str, bytes]
"""The file of a line, where it is there in words, and the line."""

_CHANGED = re.compile(r"Column\((?P<path>/.*)\) changed from (?P<was>\w+) to (?P<now>\w+)", re.S)
_KINDS = {
    "string": "a text", "number": "a number", "boolean": "true or false", "array": "a list", "object": "an object",
}  # fmt: skip
_LINES = msgspec.json.Encoder()
_EMPTY = msgspec.Raw(b"{}")
_WITHIN = re.compile(r"Column\(/.*/.*\) changed from", re.S)
"""What Arrow says of fields within fields that disagree about their kind."""
_EXAMPLES = {pa.null(): None, pa.bool_(): True, pa.int64(): 1, pa.float64(): 1.5}
_DEEPEST = 150
"""Levels of lists and objects in each other of which types are made: these take several calls for each."""
_NULL = re.compile(rb"\n[ \t\r]*null")
_KEYS: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])


def schema_of(lines: bytes) -> pa.Schema:
    """The types of the fields in whole lines. Raises ValueError where they disagree, or are no objects of JSON."""
    if _NULL.search(b"\n" + lines):
        raise ValueError("a line is `null`, which is not a JSON object")  # Arrow dies of it
    demand_no_constants(lines)
    found = _types(lines)
    if wrong := nameless(found.names):
        raise ValueError(wrong)
    if _is_deep(found):
        raise ValueError(f"it is nested in more than {_DEEPEST} levels, and no column is declared that takes them")
    return found


def _is_deep(found: pa.Schema) -> bool:
    kinds = found.types
    for _ in range(_DEEPEST + 1):
        kinds = [kind.field(place).type for kind in kinds for place in range(kind.num_fields)]
    return bool(kinds)


def _types(lines: bytes) -> pa.Schema:
    try:
        return _arrow_schema(lines)
    except pa.ArrowInvalid as error:
        bare = _emptied(lines) if _WITHIN.search(str(error)) else b""
        if not bare:
            raise
    return _arrow_schema(bare)


def _emptied(lines: bytes) -> bytes:
    """The lines with nothing in the objects that fields hold: such a field is JSON, whatever is in them.

    Nothing where one of them cannot be read.
    """
    try:
        rows = [_KEYS.decode(line) for line in lines.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        return b""
    return _LINES.encode_lines(
        {name: _EMPTY if bytes(value).startswith(b"{") else value for name, value in row.items()} for row in rows
    )


def _arrow_schema(lines: bytes) -> pa.Schema:
    schemas = list(map(_schema_together, _few(lines)))
    examples = ({field.name: _example(field.type) for field in schema} for schema in schemas)
    return schemas[0] if len(schemas) == 1 else _schema_together(_LINES.encode_lines(examples))


def _few(lines: bytes) -> Iterator[bytes]:
    """Whole lines, so few at once that the NULLs are few with which Arrow fills in what only some of them have."""
    count = lines.count(b"\n")
    if count < 2 or count * lines.count(b":") <= CELLS:
        yield lines
        return
    for half in apart(lines, (count + 1) // 2):
        yield from _few(half)


def _schema_together(lines: bytes) -> pa.Schema:
    options = arrow_json.ReadOptions(block_size=len(lines) + 1)
    return arrow_json.read_json(io.BytesIO(lines), options).schema


def _example(kind: pa.DataType) -> object:
    """A value of which Arrow makes the type."""
    if pa.types.is_list(kind):
        return [_example(kind.value_type)]
    if pa.types.is_struct(kind):
        return {field.name: _example(field.type) for field in kind.fields}
    return "2000-01-01" if pa.types.is_timestamp(kind) else _EXAMPLES.get(kind, "")


def at_odds(lines: Sequence[Line]) -> DataError | None:
    """The error for the first line whose field has another kind than in those before it; None where there is none."""

    def words(count: int) -> str:
        try:
            schema_of(b"".join(line + b"\n" for _, _, line in lines[:count]))
        except ValueError as error:
            return str(error)
        return ""

    counts = range(1, len(lines) + 1)
    count = bisect_left(counts, True, key=lambda count: bool(words(count))) + 1
    found = _CHANGED.search(words(count))
    if found is None:
        return None
    path, place, line = lines[count - 1]
    name = _field(line, found["path"])
    was, now = _KINDS.get(found["was"], found["was"]), _KINDS.get(found["now"], found["now"])
    error = unreadable(path, f"{place}: its field `{name}` holds {now}, where lines before it hold {was}")
    error.help = f"declare the columns, this one as what takes any shape: columns: {{ {name}: json, … }}"
    return error


def _field(line: bytes, path: str) -> str:
    """The field of a line that a path of Arrow's leads through; a name may hold slashes itself."""
    names = [name for name in _KEYS.decode(line) if f"{path}/".startswith(f"/{name}/")]
    return max(names, key=len, default=path.removeprefix("/"))
