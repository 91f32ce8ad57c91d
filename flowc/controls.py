"""Characters that act on whoever shows them, and pictures in their place."""

from __future__ import annotations

import re

_CONTROLS = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "␡"}
# C1 controls start escape sequences too; bidirectional marks reorder what a reader sees.
_CONTROLS |= dict.fromkeys((*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "�")
UNSAFE = re.compile("[" + "".join(re.escape(chr(code)) for code in _CONTROLS) + "]")


def printable(text: str) -> str:
    """`text` on one line, control characters shown as pictures so that they cannot act on the terminal."""
    return text.translate(_CONTROLS) if UNSAFE.search(text) else text
