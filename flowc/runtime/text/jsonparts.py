"""Parts of JSON documents, whole columns at a time: what PostgreSQL's `->`, `->>` and `#>` give of its `json`.

Values stay as they are written: digits, order of keys and spaces. A step into a document is a text: `k` and a key,
`i` and a position (from the end where it is negative), or `e` and what is a key of an object and a position in a list.
`j` is a position in `jsonb`, where what has no parts is its own first and last element.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from flowc.runtime.text.jsonfields import UNSPELLABLE

_BEGINS = r'^[ \t\n\r]*(?:[\[{"\-0-9]|true|false|null)'
_POSITION = re.compile(r"[ \t\n\r\v\f]*[+-]?[0-9]+")
_MAX_POSITION = 2**31 - 1
_NONE = msgspec.Raw(b"")
_SHOWN = 60


class NotJson(ValueError):
    """A text that is no JSON; its beginning is in the message."""


def json_part(documents: pa.StringArray, steps: pa.StringArray) -> pa.StringArray:
    """The parts as JSON texts, NULL where there is none. Raises NotJson for a text that is no JSON."""
    found = [_parts(documents, step, mask) for step, mask in _by_step(steps)]
    return found[0] if len(found) == 1 else pc.coalesce(*found) if found else documents


def json_part_text(documents: pa.StringArray, steps: pa.StringArray) -> pa.StringArray:
    """As `json_part`, with texts as they are and NULL for null; the step `.` is the document itself."""
    parts = json_part(documents, steps)
    parts = pc.if_else(pc.equal(parts, "null"), None, parts)
    quoted = pc.fill_null(pc.starts_with(parts, '"'), False)
    if not pc.any(quoted).as_py():
        return parts
    texts = pc.if_else(quoted, pc.utf8_slice_codeunits(parts, 1, -1), parts)
    escaped = pc.and_(quoted, pc.fill_null(pc.match_substring(parts, "\\"), False))
    if not pc.any(escaped).as_py():
        return texts
    decoded = _each(msgspec.json.Decoder(str).decode, parts.filter(escaped))
    return pc.replace_with_mask(texts, escaped, pa.array(decoded, pa.string()))


def json_valid(documents: pa.StringArray) -> pa.StringArray:
    """The documents as they are. Raises NotJson for a text that is none."""
    _each(msgspec.json.Decoder(msgspec.Raw).decode, documents.drop_null())
    return documents


def json_kind(documents: pa.StringArray) -> pa.StringArray:
    """`json_typeof`: what documents are, by their first character."""
    first = pc.utf8_slice_codeunits(pc.ascii_ltrim(documents, " \t\n\r"), 0, 1)
    kinds = pc.index_in(first, pa.array(list(_KINDS)))
    return pc.if_else(documents.is_valid(), pc.coalesce(pa.array(list(_KINDS.values())).take(kinds), "number"), None)


def json_length(documents: pa.StringArray) -> pa.Int32Array:
    """The number of elements of lists. Raises NotJson for anything else."""
    return pc.list_value_length(json_elements(documents)).cast(pa.int32())


def json_elements(documents: pa.StringArray) -> pa.ListArray:
    """The elements of lists as JSON texts. Raises NotJson for anything else."""
    return _listed(documents, "[", "a list", _elements)


def json_element_texts(documents: pa.StringArray) -> pa.ListArray:
    """As `json_elements`, with texts as they are and NULL for null."""
    found = json_elements(documents)
    texts = json_part_text(found.values, pa.repeat(pa.scalar("."), len(found.values)))
    return pa.ListArray.from_arrays(found.offsets, texts, mask=found.is_null() if found.null_count else None)


def json_keys(documents: pa.StringArray) -> pa.ListArray:
    """The keys of objects, in their order, each once. Raises NotJson for anything else."""
    return _listed(documents, "{", "an object", _keys)


def _listed(
    documents: pa.StringArray, opening: str, wanted: str, parts: Callable[[bytes], list[bytes]]
) -> pa.ListArray:
    begins = pc.starts_with(pc.ascii_ltrim(documents, " \t\n\r"), opening)
    if pc.any(pc.invert(begins)).as_py():
        raise _other_than(wanted, documents.filter(pc.invert(begins)).slice(0, 1))
    found = iter(_each(parts, documents.drop_null()))
    rows = [next(found) if known else None for known in documents.is_valid().to_pylist()]
    lists = pa.array(rows, pa.list_(pa.binary()))
    return lists.cast(pa.list_(pa.string()))


def _other_than(wanted: str, document: pa.StringArray) -> NotJson:
    """What is said of a document that is JSON of another kind than is asked for, or no JSON at all."""
    try:
        kind = json_kind(json_valid(document))[0].as_py()
    except NotJson as error:
        return error
    return NotJson(f"`{_shown(document[0].as_py())}` is JSON, but {_NAMES[kind]} and not {wanted}")


_DECODE_LIST = msgspec.json.Decoder(list[msgspec.Raw]).decode
_DECODE_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_KINDS = {"{": "object", "[": "array", '"': "string", "t": "boolean", "f": "boolean", "n": "null"}
_NAMES = {"object": "an object", "array": "a list", "string": "a text", "number": "a number", "boolean": "a boolean",
          "null": "null"}  # fmt: skip


def _elements(text: bytes) -> list[bytes]:
    return list(map(bytes, _DECODE_LIST(text)))


def _keys(text: bytes) -> list[bytes]:
    return [key.encode() for key in _DECODE_OBJECT(text)]


def _by_step(steps: pa.StringArray) -> list[tuple[str, pa.BooleanArray | None]]:
    """Each step that is taken, and where; nowhere else than in all of a column, usually."""
    distinct = pc.unique(steps).to_pylist()
    if len(distinct) == 1 and distinct[0] is not None:
        return [(distinct[0], None)]
    return [(step, pc.fill_null(pc.equal(steps, step), False)) for step in distinct if step is not None]


def _parts(documents: pa.StringArray, step: str, where: pa.BooleanArray | None) -> pa.StringArray:
    asked = documents if where is None else pc.if_else(where, documents, None)
    if not pc.all(pc.fill_null(pc.match_substring_regex(asked, _BEGINS), True)).as_py():
        wrong = asked.filter(pc.invert(pc.match_substring_regex(asked, _BEGINS)))
        raise not_json(wrong[0].as_py())
    trimmed = pc.ascii_ltrim(asked, " \t\n\r")
    if step == ".":
        return pc.ascii_rtrim(trimmed, " \t\n\r")
    kind, name = step[0], step[1:]
    made = pa.nulls(len(documents), pa.string())
    if kind in "ke":
        made = _filled(made, trimmed, "{", _key(name))
    if kind in "ije" and (place := position(name)) is not None:
        made = _filled(made, trimmed, "[", _position(place))
        if step in ("j0", "j-1"):
            bare = pc.invert(pc.match_substring_regex(trimmed, r"^[\[{]"))
            made = pc.if_else(bare, pc.ascii_rtrim(trimmed, " \t\n\r"), made)
    return made


def position(step: str) -> int | None:
    """The place in a list that a step of a path names, as PostgreSQL reads it; None where it names none."""
    place = int(step) if _POSITION.fullmatch(step) else None
    return place if place is not None and abs(place) <= _MAX_POSITION else None


def _filled(
    made: pa.StringArray, documents: pa.StringArray, opening: str, part: Callable[[bytes], Any]
) -> pa.StringArray:
    """`made`, with what `part` gives of the documents that begin with `opening`."""
    mask = pc.fill_null(pc.starts_with(documents, opening), False)
    if not pc.any(mask).as_py():
        return made
    found = pa.array(list(map(bytes, _each(part, documents.filter(mask)))), pa.binary()).cast(pa.string())
    return pc.replace_with_mask(made, mask, pc.if_else(pc.equal(found, ""), None, found))


def _each(part: Callable[[bytes], Any], documents: pa.StringArray) -> list[Any]:
    texts = documents.cast(pa.binary()).to_pylist()
    try:
        return list(map(part, texts))
    except (msgspec.DecodeError, RecursionError):
        raise not_json(next(text for text in texts if _fails(part, text)).decode()) from None


def _fails(part: Callable[[bytes], Any], text: bytes) -> bool:
    try:
        part(text)
    except (msgspec.DecodeError, RecursionError):
        return True
    return False


def not_json(text: str) -> NotJson:
    """What is said of a text that is no JSON."""
    return NotJson(f"`{_shown(text)}` is no JSON that can be read")


def not_text(text: str, what: str) -> NotJson:
    """What is said of a document with a character that no text holds, which `what` names."""
    return NotJson(f"`{_shown(text)}` holds `{what}`, a character that no text can hold")


def _shown(text: str) -> str:
    shown = " ".join(text[: _SHOWN + 1].split())
    return shown if len(text) <= _SHOWN else shown[:_SHOWN] + "…"


@lru_cache(maxsize=1024)
def _key(name: str) -> Callable[[bytes], Any]:
    if UNSPELLABLE.search(name):
        return lambda text: msgspec.json.decode(text, type=dict[str, msgspec.Raw]).get(name, _NONE)
    kind = msgspec.defstruct("Document", [("part", msgspec.Raw, _NONE)], rename={"part": name}, gc=False)
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(kind).decode
    return lambda text: decode(text).part


def _position(place: int) -> Callable[[bytes], Any]:
    decode = msgspec.json.Decoder(list[msgspec.Raw]).decode

    def part(text: bytes) -> Any:
        found = decode(text)
        return found[place] if -len(found) <= place < len(found) else _NONE

    return part
