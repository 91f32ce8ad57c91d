"""What `schedule list` says of a schedule."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flowc.service.runs.due import dues
from tests.runs.test_decisions import NOON, scheduled, standing

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("retry", "state"),
    [(MINUTE, "waits: tried again at 2026-"), (timedelta(0), "due"), (-MINUTE, "due"), (None, "due")],
)
def test_one_that_waits_for_its_retry_says_when_that_is(retry, state):
    at = standing(settled=NOON - timedelta(hours=1))
    again = NOON + retry if retry is not None else None
    at = type(at)(**{name: getattr(at, name) for name in at.__slots__} | {"due_at": NOON - MINUTE, "retry_at": again})
    (found,) = dues([scheduled(expression=at.expression)], {"p": at}, (), NOON)
    assert found.state.startswith(state)
