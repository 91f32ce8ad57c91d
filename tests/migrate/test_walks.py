"""Short random walks over versions (long: `python -m benchmarks.applies.walks`): no column is lost or mixed up."""

from __future__ import annotations

import random

import pytest

from benchmarks.applies.walk import Walk
from tests.stores import Store

pytestmark = pytest.mark.turns("store", 2)


def test_applies_that_are_cut_off_lose_no_column(store: Store):
    walk = Walk(store, f"{store.kind} short")
    walk.run(5)
    assert walk.faults == []
    assert walk.counts["applied"]


def test_a_wrong_column_is_a_fault(store: Store):
    walk = Walk(store, f"{store.kind} wrong")
    walk.run(0)
    walk._insert()
    first, second, *_ = walk.finished[-1].declared.names
    walk.finished[-1].held.update({first: walk.finished[-1].held[second]})
    walk.chance = random.Random(1)
    walk._step(None)
    assert "must hold" in walk.faults[0]
