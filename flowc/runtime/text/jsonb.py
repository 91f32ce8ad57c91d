"""JSON as PostgreSQL's `jsonb` keeps it: keys by length and bytes, the last of equal ones, numbers without exponent.

A document is a text, `{"a": 1, "bb": [1, 2.50]}`. Texts that are written so already are told from others for whole
columns at once; only the others are read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flowc.runtime.text.jsonparts import NotJson, not_json, not_text, position

_BARE = r'^(?:true|false|null|-?[1-9][0-9]*(?:\.[0-9]+)?|0(?:\.[0-9]+)?|"[^"\\\x00-\x1f]*")$'
"""Values without parts that are written as `jsonb` writes them."""
_ZEROS = r"\.[0-9]*0(?:[^0-9]|$)"
"""What numbers that end with zeros after their point look like; some texts do too."""
_MOST_DIGITS = 131_072
_CLASHING = (bool, str, type(None))


class Digits(Decimal):
    """A number of a document: its value, and its digits as text."""


def _digits(text: str) -> Digits:
    value = Digits(text)
    if not -16_384 < value.adjusted() < _MOST_DIGITS:
        raise ValueError("a number out of range")
    return value


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


_DECODER = json.JSONDecoder(parse_float=_digits, parse_int=_digits, parse_constant=_no_constant)

_WITHOUT_ZEROS = json.JSONDecoder(parse_float=lambda text: Digits(text.rstrip("0").rstrip(".")), parse_int=Digits)


def read(text: str) -> Any:
    """The value of a document: dicts, lists, texts, booleans, None, and `Digits`. Raises NotJson."""
    try:
        value = _DECODER.decode(text)
        text.encode()
    except (ValueError, RecursionError):
        raise not_json(text) from None
    if "\\u" in text.lower():
        _check_texts(value, text)
    return value


def _check_texts(value: Any, text: str) -> None:
    """Characters that no text of PostgreSQL holds."""
    written = write(value)
    if "\\u0000" in written.replace("\\\\", ""):
        raise not_text(text, "\\u0000")
    if (half := next((letter for letter in written if "\ud800" <= letter <= "\udfff"), None)) is not None:
        raise not_text(text, f"\\u{ord(half):04x}")


_last_read = lru_cache(maxsize=64)(read)
"""For what is mostly one and the same: a pattern, a value to set."""


def write(value: Any) -> str:
    """A value as `jsonb` shows it."""
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode("utf-8", "surrogatepass")), key))
        return "{" + ", ".join([f"{encode_basestring(key)}: {write(value[key])}" for key in keys]) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(write, value)) + "]"
    if isinstance(value, Decimal):
        return f"{value if value else abs(value):f}"
    return "null" if value is None else "true" if value else "false"


def jsonb(texts: pa.StringArray) -> pa.StringArray:
    """Documents in their one form, NULLs kept. Raises NotJson for a text that is none."""
    other = pc.fill_null(pc.invert(pc.match_substring_regex(texts, _BARE)), False)
    if not pc.any(other).as_py():
        return texts
    made = [write(read(text)) for text in texts.filter(other).to_pylist()]
    return pc.replace_with_mask(texts, other, pa.array(made, pa.string()))


def contains(whole: pa.StringArray, parts: pa.StringArray) -> pa.BooleanArray:
    """`@>`: whether documents hold others."""
    return _by_row(lambda a, b: _holds(read(a), _last_read(b), top=True), pa.bool_(), whole, parts)


def key(documents: pa.StringArray) -> pa.StringArray:
    """What equal documents share, of documents in their one form: no number ends with zeros, as `1` and `1.0` may."""
    other = pc.fill_null(pc.match_substring_regex(documents, _ZEROS), False)
    if not pc.any(other).as_py():
        return documents
    made = [write(_WITHOUT_ZEROS.decode(text)) for text in documents.filter(other).to_pylist()]
    return pc.replace_with_mask(documents, other, pa.array(made, pa.string()))


def has_key(documents: pa.StringArray, keys: pa.StringArray) -> pa.BooleanArray:
    """`?`: whether a text is a key of an object, an element of a list, or the document itself."""
    return _by_row(lambda document, key: _has(read(document), key), pa.bool_(), documents, keys)


def has_any(documents: pa.StringArray, keys: pa.ListArray) -> pa.BooleanArray:
    """`?|`; a NULL among the keys asks for nothing."""
    return _by_row(lambda d, names: any(map(_having(read(d)), _given(names))), pa.bool_(), documents, keys)


def has_all(documents: pa.StringArray, keys: pa.ListArray) -> pa.BooleanArray:
    """`?&`; a NULL among the keys asks for nothing."""
    return _by_row(lambda d, names: all(map(_having(read(d)), _given(names))), pa.bool_(), documents, keys)


def with_value(
    documents: pa.StringArray, paths: pa.ListArray, values: pa.StringArray, create: pa.BooleanArray
) -> pa.StringArray:
    """`jsonb_set`: documents with a value at a path. Raises NotJson where a document has no parts."""
    return _by_row(_set, pa.string(), documents, paths, values, create)


def _by_row(function: Callable[..., Any], gives: pa.DataType, *arrays: pa.Array) -> pa.Array:
    rows = zip(*(array.to_pylist() for array in arrays), strict=True)
    return pa.array([None if None in row else function(*row) for row in rows], gives)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, _CLASHING) or isinstance(b, _CLASHING):
        return type(a) is type(b) and bool(a == b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return isinstance(a, Decimal) and isinstance(b, Decimal) and a == b


def _holds(a: Any, b: Any, *, top: bool = False) -> bool:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return all(key in a and _holds(a[key], value) for key, value in b.items())
    if isinstance(a, list) and isinstance(b, list):
        return all(any(_holds(each, wanted) for each in a) for wanted in b)
    if top and isinstance(a, list) and not isinstance(b, Mapping):
        return any(_same(each, b) for each in a)
    return not isinstance(a, Mapping | list) and _same(a, b)


def _has(document: Any, key: str) -> bool:
    if isinstance(document, Mapping):
        return key in document
    return any(each == key for each in document) if isinstance(document, list) else document == key


def _having(document: Any) -> Callable[[str], bool]:
    return lambda key: _has(document, key)


def _given(names: Sequence[str | None]) -> list[str]:
    return [name for name in names if name is not None]


def _set(document: str, path: Sequence[str | None], value: str, create: bool) -> str:
    whole = read(document)
    if not isinstance(whole, dict | list):
        raise NotJson("a value can be set in an object or a list alone")
    if None in path:
        raise NotJson("a path to set a value at has a NULL in it")
    if path:
        _put(whole, [str(step) for step in path], _last_read(value), create=create)
    return write(whole)


def _put(part: Any, path: Sequence[str], value: Any, *, create: bool) -> None:
    step, last = path[0], len(path) == 1
    if isinstance(part, dict):
        if last and (create or step in part):
            part[step] = value
        elif not last and step in part:
            _put(part[step], path[1:], value, create=create)
    elif isinstance(part, list):
        _put_in_list(part, path, value, create=create)


def _put_in_list(part: list[Any], path: Sequence[str], value: Any, *, create: bool) -> None:
    place = position(path[0])
    if place is None:
        raise NotJson(f"`{path[0]}` is no position in a list")
    place = place + len(part) if place < 0 else place
    if 0 <= place < len(part):
        if len(path) == 1:
            part[place] = value
        else:
            _put(part[place], path[1:], value, create=create)
    elif len(path) == 1 and create:
        part.insert(0 if place < 0 else len(part), value)
