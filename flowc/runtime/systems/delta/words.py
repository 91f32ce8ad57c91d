"""What the library of Delta says of a table, in words for its users: without colours, traces and types of Rust."""

from __future__ import annotations

import re
from collections.abc import Callable

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_TRACE = re.compile(r"\s+0: \S.*", re.DOTALL)
_PREFIX = re.compile(r"^(?:(?:Kernel|Generic delta kernel|Delta transaction failed|Generic) error: )+")
_DEBUG = re.compile(r"[:,]?\s*\b\w+ \{.*", re.DOTALL)
"""A value of Rust, as its programmers see it, to the end."""
_MISSING: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(r"found gap: .*?\bversion: (\d+),.* -> .*?\bversion: (\d+),", re.DOTALL),
        lambda found: f"files of its log are missing between version {found[1]} and version {found[2]}",
    ),
    (
        re.compile(r"No table metadata or protocol found|No files in log segment"),
        lambda _: "the first files of its log are missing",
    ),
    (re.compile(r"Object at location (.*?) not found"), lambda found: f"its file `{found[1]}` is missing"),
)  # fmt: skip

_FULL = re.compile(r"No space left on device|Disk quota exceeded|File too large")


def is_full(error: Exception) -> bool:
    """Whether the disk holds no more."""
    return _FULL.search(str(error)) is not None


def missing_words(error: Exception) -> str | None:
    """Which files of a table are missing; None where the error is of something else."""
    text = _COLOUR.sub("", str(error))
    return next((words(found) for pattern, words in _MISSING if (found := pattern.search(text))), None)


def plain_words(error: Exception) -> str:
    """What the library says, on one line."""
    text = _DEBUG.sub("", _TRACE.sub("", _PREFIX.sub("", _COLOUR.sub("", str(error)))))
    return " ".join(text.replace("↳", "").split())
