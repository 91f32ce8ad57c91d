"""What a dead letter tells beyond its columns: headers of flowc's own, behind those that the message came with.

A time that no column holds is kept so, as the broker's number; and of a message that was too large, how large it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

TIME = "flowc_event_ms"
"""The broker's time in milliseconds since 1970, where `event_time` cannot hold it."""
LEFT_OUT = "flowc_left_out"
"""How many bytes were left out, 0 where that is not known: the letter tells where they are."""
JUDGED = "flowc_judged"
"""Of a stream with nodes that keep state: which of them had seen the message when it failed."""
NOT_SEEN, SEEN, SEEN_BY_SOME = range(3)
"""None of them, all of them, and some of several."""
BY = "flowc_judged_by"
"""Of the same stream, which nodes these were: another one, which is new since, has seen nothing of the message."""
NOTES = (TIME, LEFT_OUT, JUDGED, BY)
Header = dict[str, Any]
"""`key`, and `value` as hexadecimal digits or None; a note is marked, for a message may have headers of its name."""


def judges(names: Iterable[str]) -> int:
    """A number that tells nodes by their names from others."""
    return crc32("\n".join(names).encode())


def noted(headers: str | None, notes: Mapping[str, int]) -> str | None:
    """The headers of a letter, as its column keeps them, with these notes beside those that it has."""
    own, before = parted(headers)
    return written([*own, *(note(name, number) for name, number in {**before, **notes}.items())])


def note(name: str, number: int) -> Header:
    """A note among headers."""
    return {"key": name, "value": str(number).encode().hex(), "note": True}


def unjudged() -> Mapping[str, str]:
    """The texts in headers that say that nodes had seen a message, each with the text that says that none had.

    They have no quotes or backslashes of SQL. No header of a message has such a text, for JSON escapes quotes.
    """
    never = json.dumps(note(JUDGED, NOT_SEEN))
    return {json.dumps(note(JUDGED, seen)): never for seen in (SEEN, SEEN_BY_SOME)}


def written(headers: list[Header]) -> str | None:
    """Headers as the column of a letter keeps them."""
    return json.dumps(headers) if headers else None


def parted(headers: str | None) -> tuple[list[Header], dict[str, int]]:
    """The headers that a message came with, and the notes of its letter."""
    own: list[Header] = []
    notes: dict[str, int] = {}
    for each in json.loads(headers or "[]"):
        if each.get("note"):
            notes[each["key"]] = int(bytes.fromhex(each["value"]))
        else:
            own.append(each)
    return own, notes
