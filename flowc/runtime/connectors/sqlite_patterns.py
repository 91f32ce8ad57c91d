"""Regular expressions for SQLite, in Python's syntax; NULL for NULL.

Python's engine tries all ways to match, and cannot be stopped: of `(a+)+b` there are more than anybody waits for. So a
pattern that may match in many ways runs in another engine of the same syntax, which is slower and heeds a time.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from flowc.runtime.connectors.sqlite_failures import refused

Value = str | int | float | bytes | None

_SECONDS = 2.0
"""What one text may take of the processor's time."""
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_ENDLESS = re.compile(r"[*+]|,\}")
_OPTIONAL = re.compile(r"(?<!\()\?|\}")
_MOST_OPTIONAL = 8
_BOUNDARY = "(?:(?<=[0-9A-Za-z_])(?![0-9A-Za-z_])|(?<![0-9A-Za-z_])(?=[0-9A-Za-z_]))"
_ANY_CASE = re.compile(r"\(\?ai:(\[(?:[^\]\\]|\\.)*\]|\\.[^)]*|.)\)", re.DOTALL)
"""One character, or one of a class, in any case of ASCII."""
_ONE_DIGIT = re.compile(r"\\([\\0-9])")


def regexp_like(text: Value, pattern: Value) -> Value:
    """Whether a pattern matches somewhere in a text, as 1 or 0."""
    if text is None or pattern is None:
        return None
    return int(_asked(pattern, lambda found, bound: found.search(str(text), **bound)) is not None)


def regexp_extract(text: Value, pattern: Value, group: Value, occurrence: Value) -> Value:
    """A group of the n-th match of a pattern, 0 for all of it; NULL where it does not match so often."""
    if text is None or pattern is None or group is None or occurrence is None:
        return None
    before, which = int(occurrence) - 1, int(group)

    def nth(found: Any, bound: Mapping[str, float]) -> Any:
        return next(islice(found.finditer(str(text), **bound), before, None), None)

    match = _asked(pattern, nth)
    wanted: str | None = None if match is None else match[which]
    return wanted


def regexp_replace(text: Value, pattern: Value, replacement: Value) -> Value:
    r"""A text with every match replaced; `\1` names a group."""
    return _replaced(text, pattern, None if replacement is None else _ONE_DIGIT.sub(_group, str(replacement)), 0)


def regexp_replace_first(text: Value, pattern: Value, replacement: Value) -> Value:
    r"""A text with the first match of a pattern replaced; `\g<1>` names a group."""
    return _replaced(text, pattern, replacement, 1)


def _replaced(text: Value, pattern: Value, replacement: Value, count: int) -> Value:
    if text is None or pattern is None or replacement is None:
        return None
    new, old = str(replacement), str(text)
    return str(_asked(pattern, lambda found, bound: found.sub(new, old, count=count, **bound)))


def _group(match: re.Match[str]) -> str:
    r"""A reference to a group as Python writes it; SQL's has one digit, so that `\12` is group 1 and a 2."""
    return match[0] if match[1] == "\\" else rf"\g<{match[1]}>"


def _asked(pattern: Value, what: Callable[[Any, Mapping[str, float]], Any]) -> Any:
    """What is asked of the compiled pattern, and what it is asked with more.

    Raises Failed for a text that takes too long.
    """
    try:
        return what(*_engine(str(pattern)))
    except TimeoutError:
        words = f"the pattern `{pattern!s}` takes more than {_SECONDS:g} seconds of computing for one text"
        raise refused(f"{words}: let no repeated group hold what repeats itself") from None


@lru_cache(maxsize=256)
def _engine(pattern: str) -> tuple[Any, Mapping[str, float]]:
    endless, optional = len(_ENDLESS.findall(pattern)), len(_OPTIONAL.findall(pattern))
    if endless < 2 and optional <= _MOST_OPTIONAL and _REPEATED_GROUP.search(pattern) is None:
        return re.compile(pattern), {}
    return timed(pattern), {"timeout": _SECONDS}


def timed(pattern: str) -> Any:
    """The pattern for the engine that heeds a time, which has no parts that keep to ASCII."""
    plain = pattern.replace(r"(?a:\b)", _BOUNDARY)
    return importlib.import_module("regex").compile(_ANY_CASE.sub(_either_case, plain))


def _either_case(match: re.Match[str]) -> str:
    return rf"(?:(?=[\x00-\x7f])(?i:{match[1]})|(?![\x00-\x7f]){match[1]})"
