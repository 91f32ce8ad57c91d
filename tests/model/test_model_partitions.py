"""Histories in partitioned Delta tables, whose commits look only into partitions that lose rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model import histories as h
from tests.model.engines import Engine, open_engine
from tests.model.model import History, Table
from tests.model.test_model_scd2 import _both, applied, runs


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, postgres_module: str, mysql_module: str) -> Iterator[Engine]:
    opened = open_engine("delta", tmp_path_factory.mktemp("lake"), {"postgres": postgres_module, "mysql": mysql_module})
    yield opened
    opened.close()


@settings(h.BUDGET, max_examples=max(4, h.EXAMPLES // 2))
@given(
    batches=runs(h.agreeing(), most=3),
    parts=st.sampled_from([("K 2",), ("note", "b")]),
    deletes=st.sampled_from(["ignore", "hard", "soft", "close"]),
    ttl=st.none() | st.integers(1, 6),
)
def test_histories_in_partitions(lake: Engine, batches: list, parts: tuple, deletes: str, ttl: int | None) -> None:
    how = History(h.KEYS, h.COMPARE, "at", ttl=ttl, deletes=deletes, allow_empty=True)
    apply = applied(lake, how)
    apply = replace(apply, target=replace(apply.target, partition_by=parts))
    lake.reset()
    table: Table = {}
    now = 0
    for pause, way, batch in batches:
        now += pause
        _both(lake, apply, how, table, batch, now, way)
