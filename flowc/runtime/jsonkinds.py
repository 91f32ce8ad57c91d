"""Lines of JSON that are as they should be one by one, and disagree about the kind of a field."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from flowc.errors import DataError
from flowc.runtime.connectors.files import unreadable

Line = tuple[Path, int, bytes]
"""The file of a line, its number there, and the line."""

_CHANGED = re.compile(r"Column\((?P<path>/.*)\) changed from (?P<was>\w+) to (?P<now>\w+)", re.S)
_KINDS = {
    "string": "a text", "number": "a number", "boolean": "true or false", "array": "a list", "object": "an object",
}  # fmt: skip
_KEYS: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])


def at_odds(lines: Sequence[Line], infer: Callable[[bytes], object]) -> DataError | None:
    """The error for the first line whose field has another kind than in those before it; None where there is none.

    `infer` finds the types of whole lines, and raises Arrow's ValueError where they disagree.
    """

    def words(count: int) -> str:
        try:
            infer(b"".join(line + b"\n" for _, _, line in lines[:count]))
        except ValueError as error:
            return str(error)
        return ""

    counts = range(1, len(lines) + 1)
    count = bisect_left(counts, True, key=lambda count: bool(words(count))) + 1
    found = _CHANGED.search(words(count))
    if found is None:
        return None
    path, number, line = lines[count - 1]
    name = _field(line, found["path"])
    was, now = _KINDS.get(found["was"], found["was"]), _KINDS.get(found["now"], found["now"])
    error = unreadable(path, f"line {number}: its field `{name}` holds {now}, where lines before it hold {was}")
    error.help = f"declare the columns, this one as what takes any shape: columns: {{ {name}: json, … }}"
    return error


def _field(line: bytes, path: str) -> str:
    """The field of a line that a path of Arrow's leads through; a name may hold slashes itself."""
    names = [name for name in _KEYS.decode(line) if f"{path}/".startswith(f"/{name}/")]
    return max(names, key=len, default=path.removeprefix("/"))
