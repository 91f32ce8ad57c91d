"""Plans of streams as a state store keeps them: the same plan is read, and nothing but a plan."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from flowc.catalog import Column
from flowc.runtime.contracts.epoch import Maker
from flowc.runtime.streams.plantext import fingerprint, made_by, maker
from flowc.stream import BatchLimits, StreamPlan
from flowc.types import BIGINT, TEXT
from tests.streams.compiled import plan

QUERIES = {
    "plain": "SELECT id, name, tags FROM source",
    "function": "SELECT twice(id) AS id FROM source",
    "aggregate": "SELECT window_end, product(id) AS p FROM tumble(source, INTERVAL '1 minute') GROUP BY window_end",
    "dedupe": "SELECT id FROM dedupe(source, id, INTERVAL '1 hour')",
    "lookup": "SELECT s.id, n.word FROM source s JOIN names n ON n.id = s.id",
}


def planned(folder: Path, kind: str) -> StreamPlan:
    lookups = {"names": (Column("id", BIGINT), Column("word", TEXT))} if kind == "lookup" else None
    more = "lookups: { names: { connection: wh, table: names } }" if lookups else ""
    return plan(folder, QUERIES[kind], more=more, lookups=lookups)


@pytest.mark.parametrize("kind", QUERIES)
def test_the_plan_that_was_kept_is_read(kind: str, tmp_path: Path) -> None:
    given = planned(tmp_path, kind)
    found = made_by(maker(given))
    assert found == given
    assert fingerprint(found) == fingerprint(given)


def test_plans_that_make_other_rows_are_told_apart_and_no_others(tmp_path: Path) -> None:
    given = planned(tmp_path, "dedupe")
    assert fingerprint(replace(given, batch=BatchLimits(1), start="latest")) == fingerprint(given)
    assert fingerprint(replace(given, on_error="fail")) != fingerprint(given)
    assert fingerprint(replace(given, nodes=given.nodes[:-1])) != fingerprint(given)


@pytest.mark.parametrize("found", [{"$": "system"}, {"$": "TableName", "schema": None, "name": "t"}, "text", [1], {}])
def test_what_is_no_plan_is_not_read(found: object) -> None:
    assert made_by(Maker("", zlib.compress(json.dumps(found).encode()))) is None
    assert made_by(Maker("", b"no plan")) is None
