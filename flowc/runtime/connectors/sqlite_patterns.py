"""Regular expressions for SQLite, in Python's syntax; NULL for NULL."""

from __future__ import annotations

import re
from itertools import islice

Value = str | int | float | bytes | None


def regexp_like(text: Value, pattern: Value) -> Value:
    """Whether a pattern matches somewhere in a text, as 1 or 0."""
    return None if text is None or pattern is None else int(re.search(str(pattern), str(text)) is not None)


def regexp_extract(text: Value, pattern: Value, group: Value, occurrence: Value) -> Value:
    """A group of the n-th match of a pattern, 0 for all of it; NULL where it does not match so often."""
    if text is None or pattern is None or group is None or occurrence is None:
        return None
    matches = re.finditer(str(pattern), str(text))
    found = next(islice(matches, int(occurrence) - 1, None), None)
    return None if found is None else found[int(group)]


def regexp_replace_first(text: Value, pattern: Value, replacement: Value) -> Value:
    r"""A text with the first match of a pattern replaced; `\g<1>` names a group."""
    if text is None or pattern is None or replacement is None:
        return None
    return re.sub(str(pattern), str(replacement), str(text), count=1)
