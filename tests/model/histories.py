"""Random histories for the model tests: small domains, so that keys, times and contents meet often."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from flowc.catalog import Column, Table, TableName
from flowc.compiler.ir import Apply, Source, Target
from flowc.source import SourceFile, Span
from flowc.types import BIGINT, TEXT, TIMESTAMPTZ

EXAMPLES = int(os.environ.get("FLOWC_MODEL_EXAMPLES", "3"))
"""Histories per engine and test, of which the first is the simplest; a campaign sets thousands."""
CAMPAIGN = "FLOWC_MODEL_EXAMPLES" in os.environ

BUDGET = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not CAMPAIGN,
    suppress_health_check=list(HealthCheck),
)

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = (
    Column("k1", BIGINT),
    Column("K 2", TEXT),
    Column("a", TEXT),
    Column("b", BIGINT),
    Column("note", TEXT),
    Column("at", TIMESTAMPTZ),
)
NAMES = tuple(c.name for c in COLUMNS)
KEYS = ("k1", "K 2")
COMPARE = ("a", "b")
_SPAN = Span(SourceFile("model.yaml", ""), 0, 0)


def moment(tick: int) -> datetime:
    """The model counts in days, the engines in instants."""
    return EPOCH + timedelta(days=tick)


def written(tick: int | None) -> str | None:
    """An instant as all engines here show it."""
    return None if tick is None else shown(moment(tick))


def shown(instant: datetime) -> str:
    """An instant with a zone as text."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") + "+00:00"


def latest(column: str, kind: str) -> str:
    """The order that puts the latest first and NULL last, as MySQL orders by itself."""
    return f"{column} DESC" if kind == "mysql" else f"{column} DESC NULLS LAST"


def apply_for(kind: str, mode: str, **options: object) -> Apply:
    """A load into table `tgt`, from wherever `loads` lets its rows come."""
    fixed = {
        "pipeline": "p",
        "input": Source("s", "source", "c", kind, table=TableName(None, "src")),
        "target": Target("c", kind, TableName(None, "tgt"), None),
        "mode": mode,
        "keys": KEYS,
        "compare": COMPARE,
        "event_time": None,
        "ttl": None,
        "deletes": "ignore",
        "soft_delete_column": None,
        "allow_empty": False,
        "dedupe": None,
        "incremental": None,
        "normalize": (),
        "derived": (),
        "before": (),
        "after": (),
        "expect": (),
        "timezone": None,
        "span": _SPAN,
    }
    return Apply(**(fixed | options))  # type: ignore[arg-type]


TARGET = TableName(None, "tgt")
SOURCE = Table(TableName(None, "src"), COLUMNS)


@st.composite
def rows(
    draw: st.DrawFn, *, most: int = 6, ticks: tuple[int, int] = (0, 9), odd: int = 30, spelled: bool = False
) -> list[dict]:
    """One batch; one in `odd` rows has a NULL where none may be. `spelled` texts differ in case and blanks alone."""
    broken = draw(st.integers(1, odd)) == 1
    null = st.none() if broken else st.nothing()
    row = _in_order(
        {
            "k1": st.sampled_from([1, 2]) | null,
            "K 2": st.sampled_from(["x", "X", "x "] if spelled else ["x", "y'\""]),
            "a": st.sampled_from([None, "a", "A", "a ", "\u00e1"] if spelled else [None, "", "1", "a"]),
            "b": st.sampled_from([None, 0, 1]),
            "note": st.sampled_from(["n", "m"]),
            "at": st.integers(*ticks) | null,
        }
    )
    return draw(st.lists(row, max_size=most))


def _in_order(parts: dict[str, st.SearchStrategy]) -> st.SearchStrategy[dict]:
    """Dicts in the order of the columns, which `dedupe` falls back on."""
    return st.tuples(*parts.values()).map(lambda values: dict(zip(parts, values, strict=True)))


@st.composite
def agreeing(draw: st.DrawFn, **options: Any) -> list[dict]:
    """A batch in which rows of one key and instant are copies, as a load without `dedupe` needs."""
    found: dict[tuple, dict] = {}
    batch = draw(rows(**options))
    return [found.setdefault((r["k1"], r["K 2"], r["at"]), r) for r in batch]
