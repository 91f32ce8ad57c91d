"""Whether a result is what was expected: by value, so that engines may differ in types but not in meaning."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from tests.translation.corpus import Json

TOLERANCE = 1e-9


def same_rows(
    expected: Sequence[Sequence[object]],
    found: Sequence[Sequence[object]],
    *,
    ordered: bool,
    loose: Collection[type] = (),
) -> bool:
    """Whether the rows are the same; as a multiset unless `ordered`. `loose` are types the engine lacks."""
    if len(expected) != len(found):
        return False
    if ordered:
        return all(_same_row(e, f, loose) for e, f in zip(expected, found, strict=True))
    left = list(found)
    for row in expected:
        match = next((i for i, other in enumerate(left) if _same_row(row, other, loose)), None)
        if match is None:
            return False
        del left[match]
    return True


def _same_row(expected: Sequence[object], found: Sequence[object], loose: Collection[type]) -> bool:
    return len(expected) == len(found) and all(same(e, f, loose) for e, f in zip(expected, found, strict=True))


def same(expected: object, found: object, loose: Collection[type] = ()) -> bool:
    """Whether a value is the expected one.

    A midnight counts as its date. Where an engine lacks a type (in `loose`), its natural form counts: 0 and 1 for
    booleans, ISO text for dates and times, JSON text for arrays. A text is never anything but that text.
    """
    if expected is None or found is None:
        return expected is found
    if isinstance(expected, Json):
        return _json(found) == expected.value
    if isinstance(expected, str):
        return isinstance(found, str) and found == expected
    if isinstance(expected, bool):
        return found is expected or (bool in loose and found in (0, 1) and bool(found) is expected)
    if isinstance(expected, date):
        return _same_time(expected, _time(found, loose))
    if isinstance(expected, list):
        found = _json(found) if list in loose and isinstance(found, str) else found
        return isinstance(found, list) and same_rows([expected], [found], ordered=True, loose=loose)
    assert isinstance(expected, Decimal)
    if isinstance(found, bool):
        # In MySQL a condition is a number.
        return expected == int(found)
    if not isinstance(found, int | float | Decimal):
        return False
    return math.isclose(float(expected), float(found), rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _json(found: object) -> object:
    try:
        return json.loads(found) if isinstance(found, str) else found
    except ValueError:
        return found


def _time(found: object, loose: Collection[type]) -> object:
    if date in loose and isinstance(found, str):
        try:
            return datetime.fromisoformat(found)
        except ValueError:
            return found
    return found


def _same_time(expected: date, found: object) -> bool:
    return isinstance(found, date) and _instant(expected) == _instant(found)


def _instant(value: date) -> datetime:
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
