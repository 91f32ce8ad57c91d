"""Characters that act on whoever shows them, and pictures in their place."""

from __future__ import annotations

import json
import re

_CONTROLS = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "␡"}
# C1 controls start escape sequences too, some separators end lines, and bidirectional marks reorder what a reader sees.
_CONTROLS |= dict.fromkeys((*range(0x80, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A)), "�")
UNSAFE = re.compile("[" + "".join(re.escape(chr(code)) for code in _CONTROLS) + "]")
_HALF = re.compile("[\ud800-\udfff]")
_RAW = re.compile(rf"(?!\n){UNSAFE.pattern}|{_HALF.pattern}")
"""What JSON may hold as it is, and no text for people or programs should."""


def printable(text: str) -> str:
    """`text` on one line, control characters shown as pictures so that they cannot act on the terminal."""
    return text.translate(_CONTROLS) if UNSAFE.search(text) else text


def legible(text: str) -> str:
    """`text` on its lines, with pictures of control characters and without halves of surrogate pairs."""
    return "\n".join(map(printable, _HALF.sub("�", text).split("\n")))


def shortened(text: str, most: int) -> str:
    """`text` with at most so many characters: what is too long loses its middle."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[len(text) - (most - 1) // 2 :]}"


def json_text(value: object, *, indent: int | None = 2) -> str:
    """JSON whose texts are readable, and hold nothing that acts: such characters are escapes, and mean the same."""
    written = json.dumps(value, indent=indent, ensure_ascii=False)
    return _RAW.sub(lambda match: f"\\u{ord(match[0]):04x}", written)
