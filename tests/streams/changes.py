"""Histories of changes, what a table holds after each of their epochs, and plans of streams that make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from flowc.catalog import Column, Table, TableName
from flowc.compiler.ir import Apply, Output, Source, Stream, Target, TopicOutput
from flowc.compiler.streamplan.plan import plan_stream
from flowc.nodes import ABSENT, KIND, Change, Changelog
from flowc.runtime.arrow import arrow_schema
from flowc.runtime.contracts.epoch import Epoch, Intent, Range
from flowc.source import SourceFile, Span
from flowc.stream import StreamPlan
from flowc.types import BIGINT, TEXT, TIMESTAMPTZ, DataType, Kind

SPAN = Span(SourceFile("s.yaml", ""), 0, 0)
KEYS = ("id", "part")
COLUMNS = (
    Column("id", BIGINT), Column("part", DataType(Kind.TEXT, length=9)), Column("name", TEXT),
    Column("n", DataType(Kind.FLOAT64)), Column("seen", TIMESTAMPTZ),
)  # fmt: skip
NAMES = tuple(column.name for column in COLUMNS)
Row = dict[str, Any]
Key = tuple[int, str]
Fold = Callable[[str], str]


@dataclass(frozen=True)
class Did:
    """One change: what it does, the key, and the values that it comes with."""

    change: Change
    key: Key
    values: tuple[Any, ...]
    absent: frozenset[str] = frozenset()
    """The columns that it does not bring."""

    @property
    def row(self) -> Row:
        """As it comes."""
        row = dict(zip(NAMES, (*self.key, *self.values), strict=True))
        return {name: None if name in self.absent else value for name, value in row.items()}

    @property
    def marks(self) -> str | None:
        """Its column `ABSENT`."""
        return "".join("01"[name in self.absent] for name in NAMES) if self.absent else None


def model(held: dict[Key, Row], epoch: Sequence[Did], fold: Fold = str) -> None:
    """Plays changes on what a table holds, one after the other. `fold` says which keys are one to the table."""
    for did in epoch:
        key = (did.key[0], fold(did.key[1]))
        if did.change in (Change.INSERT, Change.UPDATE_AFTER):
            held[key] = {**did.row, **{name: held[key][name] for name in did.absent if key in held}}
        else:
            held.pop(key, None)


_SEEN = datetime(2026, 5, 6, 7, 8, 9, 1, UTC)
_VALUES = st.tuples(
    st.sampled_from([None, "", "a", "é'\\"]), st.sampled_from([None, 0.0, -1.5]), st.sampled_from([None, _SEEN])
)
_NOTHING = (None, None, None)


_ABSENT = st.frozensets(st.sampled_from(NAMES[2:]))


def _changes(parts: Sequence[str], *, whole: bool, partial: bool) -> st.SearchStrategy[list[Did]]:
    """One change, or the two of an update; of what is removed, only the key, or all that was there, or was not."""
    keys = st.tuples(st.integers(0, 2), st.sampled_from(parts))
    absent = _ABSENT if partial else st.just(frozenset[str]())
    gone = _VALUES if whole else st.just(_NOTHING)
    alone = st.one_of(
        st.builds(Did, st.sampled_from([Change.INSERT, Change.UPDATE_AFTER]), keys, _VALUES, absent),
        st.builds(Did, st.just(Change.DELETE), keys, gone),
    ).map(lambda did: [did])
    pair = st.builds(
        lambda old, was, new, now: [Did(Change.UPDATE_BEFORE, old, was), Did(Change.UPDATE_AFTER, new, now)],
        keys, gone, keys, _VALUES,
    )  # fmt: skip
    return st.one_of(alone, alone, pair)


def histories(
    parts: Sequence[str] = ("a", "b"), *, whole: bool = False, partial: bool = False
) -> st.SearchStrategy[list[list[Did]]]:
    """Epochs of changes; the two of an update may fall into different ones."""
    changes = st.lists(_changes(parts, whole=whole, partial=partial), max_size=14).map(
        lambda groups: [c for g in groups for c in g]
    )
    return st.builds(_split, changes, st.lists(st.integers(0, 28), max_size=4))


def _split(changes: list[Did], cuts: list[int]) -> list[list[Did]]:
    places = [0, *sorted(min(cut, len(changes)) for cut in cuts), len(changes)]
    return [changes[a:b] for a, b in pairwise(places)]


def batch(changes: Sequence[Did]) -> pa.RecordBatch:
    """An epoch's rows; without the hidden column where all of them are inserts."""
    rows = pa.RecordBatch.from_pylist([did.row for did in changes], schema=arrow_schema(COLUMNS))
    if any(did.change is not Change.INSERT or did.absent for did in changes):
        rows = rows.append_column(KIND, pa.array([int(did.change) for did in changes], pa.int8()))
    if any(did.absent for did in changes):
        rows = rows.append_column(ABSENT, pa.array([did.marks for did in changes], pa.string()))
    return rows


def epoch(number: int, rows: pa.RecordBatch) -> Epoch:
    """The epoch of that number, of ten messages."""
    start = (number - 1) * 10
    return Epoch(Intent(number, 0, (Range.numbered("source", 0, start, start + 10),)), rows, 10)


def table_apply(kind: str, name: str, **more: Any) -> Apply:
    """A merge by `KEYS` into a table."""
    node = Source("s.source", "source", "bus", "kafka", path="events", columns=COLUMNS)
    given: dict[str, Any] = {
        "pipeline": "s", "input": node, "target": Target(kind, kind, TableName(None, name), None), "mode": "merge",
        "keys": KEYS, "compare": None, "event_time": None, "ttl": None, "deletes": "ignore",
        "soft_delete_column": None, "allow_empty": False, "dedupe": None, "incremental": None, "normalize": (),
        "derived": (), "before": (), "after": (), "expect": (), "timezone": None, "span": SPAN,
    }  # fmt: skip
    return Apply(**{**given, **more})


def topic(name: str, key: tuple[str, ...] = KEYS) -> TopicOutput:
    """A topic of another cluster than the one that is read."""
    return TopicOutput("out", name, "json", key, SPAN)


def plan(
    *targets: Apply | Output,
    changes: Changelog = Changelog.UPSERT,
    columns: tuple[Column, ...] = COLUMNS,
    live: Table | None = None,
    key: tuple[str, ...] = KEYS,
    **more: Any,
) -> StreamPlan:
    """The plan of a stream without SQL that writes changes, as an operator makes them."""
    node = Source("s.source", "source", "bus", "kafka", path="events", columns=columns)
    applies = tuple(target for target in targets if isinstance(target, Apply))
    others = tuple(target for target in targets if not isinstance(target, Apply))
    stream = Stream("s", (node,), node, applies, (), SPAN, outputs=others, **more)
    made = plan_stream(stream, lambda _: live, changes=changes, key=key)
    return replace(made, sources=tuple(replace(source, beside=("_event_ts", "_partition")) for source in made.sources))
