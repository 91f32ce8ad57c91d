"""Loads with checks of severity `quarantine` against the model: it loads the good rows, and each bad one is kept once.

A key whose row is bad counts as there for `deletes`.
"""

from __future__ import annotations

import json
from collections import Counter as Counts
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowc.compiler.ir import Apply, Expectation, Incremental
from flowc.compiler.loads.load import Reread
from flowc.compiler.quote import table
from flowc.loadplan import Counter
from tests.model import histories as h
from tests.model.engines import DATABASES, HERE, Engine
from tests.model.loads import load, outcome, refused, state, stored, target
from tests.model.model import History, Merge, Refused, Row, Table, append, key_of, merge, scd2
from tests.model.test_model_merge import shown
from tests.model.test_model_scd2 import expected

ALL = (True, 0, 1.0)
"""Any number of rows may fail."""
CHECKS = (
    Expectation("known", "not_null", ("b",), None, *ALL, quarantine=True),
    Expectation("warned", "sql", (), "\"note\" = 'n'", False, 0, None),
    Expectation("it's odd", "sql", (), '"a" <> \'1\' OR "b" = 0', *ALL, quarantine=True),
)
WAYS = (HERE, "postgres", "csv", HERE)
BATCHES = st.lists(st.tuples(st.sampled_from(WAYS), h.rows(most=5, odd=20)), min_size=1, max_size=3)
pytestmark = [
    pytest.mark.parametrize("engine", DATABASES, indirect=True, scope="module"),
    pytest.mark.turns("engine", 2),
]
"""A lake keeps no rows beside its tables."""
DELETES = st.sampled_from(["ignore", "hard", "soft"])


def failed(row: Row) -> str | None:
    """The first check that a row fails; NULL is not true."""
    if row["b"] is None:
        return "known"
    return None if row["a"] not in (None, "1") or row["b"] == 0 else "it's odd"


def applied(engine: Engine, mode: str, **options: Any) -> Apply:
    return h.apply_for(engine.kind, mode, expect=CHECKS, failed_rows=engine.bad_rows, **options)


class Kept:
    """What the table of bad rows is to hold."""

    def __init__(self, apply: Apply) -> None:
        self._all = apply.mode == "truncate" or apply.deletes != "ignore"
        self._rows: list[tuple[str, str]] = []

    def take(self, batch: Sequence[Row]) -> None:
        """A load that reads all that there is replaces what was kept; another one adds copies that are not there."""
        if self._all:
            self._rows = []
        self._rows += self._new(batch)

    def new(self, batch: Sequence[Row]) -> int:
        """How many rows are bad and not kept yet."""
        return len(self._new(batch))

    def _new(self, batch: Sequence[Row]) -> list[tuple[str, str]]:
        held = Counts(text for _, text in self._rows)
        bad = [(check, as_json(row)) for row in batch if (check := failed(row)) is not None]
        new = Counts(text for _, text in bad) - held
        checks = {text: check for check, text in bad}
        return [(checks[text], text) for text in new.elements()]

    def check(self, engine: Engine) -> None:
        found = engine.query(f"SELECT * FROM {table(engine.bad_rows)}")
        fixed = {(r["pipeline"], r["file"], r["line"], r["error_code"]) for r in found}
        assert fixed <= {("p", None, None, "expectation-failed")}
        errors = [(row["error"], as_json(json.loads(row["row_text"]), dated=True)) for row in found]
        told = [(f"`c.tgt`: the quality check `{check}` does not hold", text) for check, text in self._rows]
        assert sorted(errors) == sorted(told)


def as_json(row: Row, *, dated: bool = False) -> str:
    return json.dumps(row if dated else {**row, "at": h.written(row["at"])})


def run(
    engine: Engine,
    apply: Apply,
    batches: list,
    model: Callable[[list[Row], set[tuple], int], Any],
    full: int | None = None,
) -> None:
    """Loads batches as the model does, which is given the good rows, the keys of bad ones, and the time.

    The load of the number `full` reads all that there is again.
    """
    engine.reset()
    kept = Kept(apply)
    for number, (way, batch) in enumerate(batches):
        reread = Reread() if number == full else None
        mark = stored(engine)
        reads_on = mark is not None and reread is None
        now = number * 3  # the target is spelled alike in all of them, and so is what is kept
        good = [row for row in batch if failed(row) is None]
        there = {key_of(row, h.KEYS) for row in batch if failed(row) is not None}
        counts = outcome(refusing(model, apply, reads_on=reads_on), batch, good, there, now)
        if isinstance(counts, str):
            refused(engine, apply, batch, now, way=way, code=counts, reread=reread)
            continue
        bad = kept.new(batch) if reads_on else len(batch) - len(good)
        found = load(engine, apply, batch, now, way=way, reread=reread)
        assert found == {**counts, Counter.READ: len(batch), Counter.BAD: bad}
        read = [h.written(row["at"]) for row in batch if row["at"] is not None]
        if apply.incremental is not None:
            assert stored(engine) == max(read if not reads_on else [*read, mark], default=mark)
        kept.take(batch)
        kept.check(engine)
        if apply.mode != "append" and number == len(batches) - 1:
            before = state(engine)
            load(engine, apply, batch, now, way=way)
            assert state(engine) == before


def refusing(model: Callable, apply: Apply, *, reads_on: bool) -> Callable:
    def judged(batch: list[Row], good: list[Row], there: set[tuple], now: int) -> Any:
        if batch and not good and not reads_on:
            raise Refused("too-many-bad-rows")
        if apply.deletes != "ignore" and any(None in key for key in there):
            raise Refused("null-key")
        return model(good, there, now)

    return judged


@h.BUDGET
@given(batches=BATCHES, deletes=DELETES, order=st.sampled_from([None, "at", "at"]))
def test_merge(engine: Engine, batches: list, deletes: str, order: str | None) -> None:
    """With `dedupe`, a bad row does not win."""
    how = Merge(h.KEYS, h.COMPARE, deletes, order=order)
    apply = applied(
        engine, "merge", deletes=deletes, soft_delete_column="deleted_at" if deletes == "soft" else None,
        dedupe=h.latest('"at"', engine.kind) if order else None,
    )  # fmt: skip
    rows: dict[tuple, Row] = {}

    def model(good: list[Row], there: set[tuple], now: int) -> Any:
        return merge(rows, good, how, now, there)  # type: ignore[arg-type]

    run(engine, apply, batches, model)
    assert not rows or target(engine) == shown(list(rows.values()))


@h.BUDGET
@given(
    batches=BATCHES, deletes=DELETES | st.just("close"), time=st.sampled_from(["at", None]), ttl=st.none() | st.just(2)
)
def test_scd2(engine: Engine, batches: list, deletes: str, time: str | None, ttl: int | None) -> None:
    how = History(h.KEYS, h.COMPARE, time, ttl=ttl, deletes=deletes, allow_empty=True)
    apply = applied(
        engine, "scd2", event_time=time, ttl=ttl and ttl * 86400.0, deletes=deletes, allow_empty=True,
        soft_delete_column="deleted_at" if deletes == "soft" else None,
    )  # fmt: skip
    histories: Table = {}

    def model(good: list[Row], there: set[tuple], now: int) -> Any:
        return scd2(histories, good, how, now, there)

    run(engine, apply, batches, model)
    assert not histories or target(engine) == expected(histories, soft=deletes == "soft")


@h.BUDGET
@given(batches=BATCHES)
def test_truncate(engine: Engine, batches: list) -> None:
    held: list[Row] = []

    def model(good: list[Row], there: set[tuple], now: int) -> Any:
        del there, now
        gone, held[:] = len(held), good
        return {**dict.fromkeys(Counter, 0), Counter.INSERTED: len(good), Counter.DELETED: gone}

    run(engine, applied(engine, "truncate", keys=(), compare=None, allow_empty=True), batches, model)
    assert not held or target(engine) == shown(held)


@h.BUDGET
@given(batches=BATCHES, full=st.sampled_from([None, 1, 2]))
def test_append_reads_on(engine: Engine, batches: list, full: int | None) -> None:
    """What is read again at the watermark, which bad rows move too, is kept once; a whole reread judges all again."""
    apply = applied(
        engine, "append", keys=(), compare=None, incremental=Incremental("at", None, 99 * 86400.0, False)
    )  # fmt: skip
    held: list[Row] = []

    def model(good: list[Row], there: set[tuple], now: int) -> Any:
        del there, now
        return append(held, good, (), "at")

    run(engine, apply, batches, model, full)
    assert not held or target(engine) == shown(held)
