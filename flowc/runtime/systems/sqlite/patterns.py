"""Regular expressions for SQLite, in Python's syntax; NULL for NULL.

Python's engine tries all ways to match, and cannot be stopped: of `(a+)+b` there are more than anybody waits for, and
of `a+b` in a long text. So a pattern that may match a text in many ways runs in another engine of the same
syntax, which is slower and heeds a time.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from flowc.runtime.systems.sqlite.failures import refused

Value = str | int | float | bytes | None

_SECONDS = 2.0
"""What one text may take of the processor's time."""
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_REPEATED_LAST = re.compile(r"[*+]\)*\Z")
_MANY = re.compile(r"[*+]|,[0-9]*\}")
"""What may take as many characters as there are."""
_EITHER = re.compile(r"(?<!\()\?|[}|]")
_MOST_WAYS = 10_000_000
"""To match, from all places of a text, that Python's engine is let try; it takes less than a second."""
_BOUNDARY = "(?:(?<=[0-9A-Za-z_])(?![0-9A-Za-z_])|(?<![0-9A-Za-z_])(?=[0-9A-Za-z_]))"
_ANY_CASE = re.compile(r"\(\?ai:(\[(?:[^\]\\]|\\.)*\]|\\.[^)]*|.)\)", re.DOTALL)
"""One character, or one of a class, in any case of ASCII."""
_ONE_DIGIT = re.compile(r"\\([\\0-9])")


def regexp_like(text: Value, pattern: Value) -> Value:
    """Whether a pattern matches somewhere in a text, as 1 or 0."""
    if text is None or pattern is None:
        return None
    return int(_asked(pattern, lambda found, bound: found.search(str(text), **bound), text) is not None)


def regexp_extract(text: Value, pattern: Value, group: Value, occurrence: Value) -> Value:
    """A group of the n-th match of a pattern, 0 for all of it; NULL where it does not match so often."""
    if text is None or pattern is None or group is None or occurrence is None:
        return None
    before, which = int(occurrence) - 1, int(group)

    def nth(found: Any, bound: Mapping[str, float]) -> Any:
        return next(islice(found.finditer(str(text), **bound), before, None), None)

    match = _asked(pattern, nth, text)
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
    return str(_asked(pattern, lambda found, bound: found.sub(new, old, count=count, **bound), text))


def _group(match: re.Match[str]) -> str:
    r"""A reference to a group as Python writes it; SQL's has one digit, so that `\12` is group 1 and a 2."""
    return match[0] if match[1] == "\\" else rf"\g<{match[1]}>"


def _asked(pattern: Value, what: Callable[[Any, Mapping[str, float]], Any], text: Value) -> Any:
    """What is asked of the compiled pattern about a text, and what it is asked with more.

    Raises Failed for a text that takes too long.
    """
    try:
        return what(*_engine(str(pattern), len(str(text)) > _longest(str(pattern))))
    except TimeoutError:
        words = f"the pattern `{pattern!s}` takes more than {_SECONDS:g} seconds of computing for one text"
        raise refused(f"{words}: let no repeated group hold what repeats itself, and cut long texts first") from None


@lru_cache(maxsize=256)
def _longest(pattern: str) -> int:
    """How long a text may be for Python's engine: it tries at most every choice at every place, from every place on."""
    many, either = len(_MANY.findall(pattern)), len(_EITHER.findall(pattern))
    if _REPEATED_GROUP.search(pattern) is not None:
        return -1
    if not either and many < 2 and (not many or _REPEATED_LAST.search(pattern)):
        return sys.maxsize  # nothing fails once what repeats has matched
    return int((_MOST_WAYS / 2**either) ** (1 / (many + 1)))


@lru_cache(maxsize=256)
def _engine(pattern: str, is_timed: bool) -> tuple[Any, Mapping[str, float]]:
    return (timed(pattern), {"timeout": _SECONDS}) if is_timed else (re.compile(pattern), {})


def timed(pattern: str) -> Any:
    """The pattern for the engine that heeds a time, which has no parts that keep to ASCII."""
    plain = pattern.replace(r"(?a:\b)", _BOUNDARY)
    return importlib.import_module("regex").compile(_ANY_CASE.sub(_either_case, plain))


def _either_case(match: re.Match[str]) -> str:
    return rf"(?:(?=[\x00-\x7f])(?i:{match[1]})|(?![\x00-\x7f]){match[1]})"
