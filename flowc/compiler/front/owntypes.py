"""Types of a database by their own names: what flowc has no word for, and says to the engine as it is written."""

from __future__ import annotations

import re

from flowc.types import one_spaced

_KNOWN = frozenset(
    [
        "inet",
        "cidr",
        "macaddr",
        "macaddr8",
        "point",
        "line",
        "lseg",
        "box",
        "path",
        "polygon",
        "circle",
        "int4range",
        "int8range",
        "numrange",
        "tsrange",
        "tstzrange",
        "daterange",
        "int4multirange",
        "int8multirange",
        "nummultirange",
        "tsmultirange",
        "tstzmultirange",
        "datemultirange",
        "money",
        "xml",
        "tsvector",
        "tsquery",
        "varbit",
        "pg_lsn",
        "oid",
        "regclass",
        "regtype",
        "regproc",
        "jsonpath",
        "timetz",
        "enum",
        "set",
        "year",
        "inet4",
        "inet6",
        "geometry",
        "linestring",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
        "map",
        "union",
        "bignum",
        "varint",
        "uhugeint",
    ]
)
_PHRASES = ("bit varying", "time with time zone")
_QUALIFIED = re.compile(r'(?:[A-Za-z_][\w$]*|"(?:[^"]|"")+")\.(?:[A-Za-z_][\w$]*|"(?:[^"]|"")+")')
_QUOTED = re.compile(r'"(?:[^"]|"")+"')
_BITS = re.compile(r"bit\s*\(\s*[0-9]+\s*\)", re.IGNORECASE)


_PADDED = re.compile(r"(?:char|character|nchar)\s*(?:\([^()]*\)\s*)?(?:\[[0-9]*\])*", re.IGNORECASE)


def is_padded(text: str) -> bool:
    """Whether the text names a type of texts with a fixed length, or an array of it."""
    return _PADDED.fullmatch(one_spaced(text)) is not None


def own_name(text: str) -> str | None:
    """The name, where it is one that flowc has no word for and takes to be the database's; else None.

    One that was made in the database is known by its schema (`crm.status`), any other one by double quotes.
    """
    spelled = one_spaced(text)
    bare = re.sub(r"(\[[0-9]*\])+$", "", spelled)
    head = re.split(r"[(\[]", bare, maxsplit=1)[0].strip()
    word = head.lower()
    # What stands in quotes may hold parentheses: `"varying character(9)"` of SQLite is one name.
    named = any(shape.fullmatch(text) for shape in (_QUALIFIED, _QUOTED) for text in (head, bare))
    marked = named or _BITS.fullmatch(bare)
    fields = word == "struct" and '"' in bare
    listed = word in _KNOWN or word in _PHRASES or fields or word.endswith(" zerofill")
    return spelled if marked or listed or bare.lower().endswith(" zerofill") else None
