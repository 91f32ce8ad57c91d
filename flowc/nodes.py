"""The nodes of a stream's graph, planned, and the hidden columns that their rows carry.

Columns whose names begin with `_flowc_` are there only where something needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Literal

from flowc.loadplan import Arithmetic, FunctionPlan
from flowc.types import DataType

StateSize = Literal["none", "bounded", "unbounded"]

ROW = "_flowc_row"
"""The hidden last column of a traced stream's rows: the message that a row came of, NULL where it came of none.

A row that was kept in a buffer came of no message of the epoch that lets it out, and is never blamed on one."""

KIND = "_flowc_kind"
"""The hidden column of what rows do, an int8 of `Change`, behind the columns of the query. Missing: all are inserts.

Changes count in their order, each for its key: a removal takes away the row of its key, whatever that holds, and the
last change of a key is its net effect. Who moves rows between keys removes all of them before it puts the first."""


ABSENT = "_flowc_absent"
"""The hidden column, behind `KIND`, of which values a row does not bring: a text with a digit for each column before
the hidden ones, `1` where the value is absent and NULL stands for it. NULL, or no such column: all values are there.

A value that is absent keeps what the row of that key holds. NULL otherwise means NULL."""


class Change(IntEnum):
    """What a row does to the rows before it."""

    INSERT = 0
    UPDATE_BEFORE = 1
    UPDATE_AFTER = 2
    DELETE = 3


REMOVALS = (Change.UPDATE_BEFORE, Change.DELETE)
"""Rows that take another one away. Nothing is asked of them but their key."""


class Changelog(StrEnum):
    """Which changes come, and what of a row that is replaced or removed."""

    INSERT_ONLY = "insert-only"
    UPSERT = "upsert"
    """By key: what replaces a row comes alone, and of one that goes nothing but the key may be known."""
    PARTIAL = "partial"
    """As `UPSERT`, and what replaces a row may bring a part of its values; see `ABSENT`."""
    RETRACT = "retract"
    """A row that is replaced or goes comes once more, whole, as it was."""


TIME = "_event_ts"
"""The column of a row's event time, hidden where nothing asks for it by its name."""

MAX_STATE = 2 << 30
"""How many bytes of memory what one node remembers may take where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of the rows of a node.

    `mode` says how they change what was written before. `event_time` is the column of their event time, `key` are the
    columns by which the node keeps its state, or by which its rows replace each other.
    """

    mode: Changelog = Changelog.INSERT_ONLY
    event_time: str | None = None
    key: tuple[str, ...] = ()
    state: StateSize = "none"


@dataclass(frozen=True, slots=True)
class SqlPlan:
    """A stateless query. `names` are the relations of the text that its inputs are, in their order.

    With `traced`, `ROW` is a last column of what it reads and gives; with `timed`, `TIME` is a hidden one, too.
    `flowc_now(0)` is the epoch's time.
    """

    id: str
    inputs: tuple[str, ...]
    names: tuple[str, ...]
    text: str
    arithmetic: tuple[Arithmetic, ...] = ()
    """Where the SQL computes, so that nothing wraps around."""
    traced: bool = False
    timed: bool = False
    functions: tuple[FunctionPlan, ...] = ()
    traits: Traits = field(default_factory=Traits)


@dataclass(frozen=True, slots=True)
class DedupePlan:
    """Drops rows whose key was seen within `within` microseconds of event time."""

    id: str
    inputs: tuple[str, ...]
    keys: tuple[str, ...]
    within: int
    fingerprint: str
    max_bytes: int = MAX_STATE
    traits: Traits = field(default_factory=Traits)


WindowKind = Literal["tumbling", "hopping", "cumulating", "session"]


Late = Literal["drop", "dlq", "reopen"]


@dataclass(frozen=True, slots=True)
class AggregatePlan:
    """One aggregate of a window: what comes out as column `name`, of `type`.

    `function` is the SQL name of an aggregate. `argument` is a column of the node's input, None for `count(*)`; with
    `where`, which is a boolean one, only rows count where that is true. `level` is that of a percentile, from 0 to 1.
    One of the project is `declared`, and `more` are the columns of its further arguments. `value` and `condition` are
    what `argument` and `where` are made of, by which what is kept is found again; without them, their names are.
    """

    name: str
    function: str
    type: DataType
    argument: str | None = None
    distinct: bool = False
    where: str | None = None
    level: float | None = None
    more: tuple[str, ...] = ()
    declared: FunctionPlan | None = None
    value: str = ""
    condition: str = ""


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """Groups the rows of its input by windows of event time and by `keys`, and aggregates them.

    Times are in microseconds. `size` is the length of a window, or the longest duration of a session; `step` is how
    far its next window begins (hopping), how much longer that is (cumulating), or the gap of a session; else `size`.
    Windows are aligned to the epoch in `timezone`, shifted by `offset`. What comes out are the columns `window_start`
    and `window_end`, of a session `session_id`, then the keys and the aggregates, with the hidden ones behind.

    With `emit`, the rows of windows that changed come out each time that the watermark has passed a multiple of it.
    """

    id: str
    inputs: tuple[str, ...]
    kind: WindowKind
    size: int
    step: int
    keys: tuple[str, ...]
    aggregates: tuple[AggregatePlan, ...]
    fingerprint: str
    offset: int = 0
    timezone: str | None = None
    late: Late = "drop"
    allowed_lateness: int = 0
    max_groups: int | None = None
    max_bytes: int = MAX_STATE
    traits: Traits = field(default_factory=Traits)
    emit: int | None = None

    @property
    def functions(self) -> tuple[FunctionPlan, ...]:
        """The functions of the project that are aggregates of it, each once."""
        return _declared(self.aggregates)

    @property
    def replaces(self) -> bool:
        """Whether rows come out once more, in the place of those before, and say so in `KIND`."""
        return self.late == "reopen" or self.emit is not None

    @property
    def delay(self) -> int:
        """How far behind that of the input its watermark is: so old may a row be that comes out, or goes."""
        allowed = self.allowed_lateness if self.late == "reopen" else 0
        if self.kind != "session":
            return allowed
        return 1 + (self.step + allowed if self.late == "reopen" else 0)


@dataclass(frozen=True, slots=True)
class JoinPlan:
    """Joins the rows of two inputs whose keys are equal and whose event times are near.

    A pair is one where the time of the right row less that of the left one is from `least` to `most` microseconds,
    both included. `keys` are pairs of columns, left and right. `columns` are those that come out: an input (0 left, 1
    right), its column, and the name that it gets. `TIME` of a pair is the later of its two times, of a row without a
    partner its own.

    With `late="reopen"` a row may come `allowed_lateness` behind the watermark. Where its partner is out without one,
    the pair comes in the place of that row: whoever writes it finds it by the columns of the side that is outer.
    """

    id: str
    inputs: tuple[str, str]
    kind: Literal["inner", "left", "right", "full"]
    keys: tuple[tuple[str, str], ...]
    least: int
    most: int
    columns: tuple[tuple[int, str, str], ...]
    fingerprint: str
    late: Late = "drop"
    allowed_lateness: int = 0
    max_bytes: int = MAX_STATE
    traits: Traits = field(default_factory=Traits)

    @property
    def outer(self) -> tuple[bool, bool]:
        """Of which inputs, left and right, rows without a partner come out."""
        return self.kind in ("left", "full"), self.kind in ("right", "full")

    @property
    def delay(self) -> int:
        """How far behind that of the input its watermark is: so old may a row be that never found a partner."""
        left, right = self.outer
        return max(self.allowed, self.most if left else 0, -self.least if right else 0)

    @property
    def allowed(self) -> int:
        """How far behind the watermark a row may be that is not late."""
        return self.allowed_lateness if self.late == "reopen" else 0

    @property
    def replaces(self) -> bool:
        """Whether pairs come in the place of rows that came out without a partner."""
        return self.late == "reopen" and any(self.outer)


@dataclass(frozen=True, slots=True)
class RunningPlan:
    """Groups the rows of its input by `keys`, and aggregates all of them so far.

    The row of a group comes out whenever something came for it, and takes the place of the one before. A group is
    over `ttl` microseconds after its last change; None for never. What comes out are the keys and the aggregates, with
    the hidden ones behind.
    """

    id: str
    inputs: tuple[str, ...]
    keys: tuple[str, ...]
    aggregates: tuple[AggregatePlan, ...]
    fingerprint: str
    ttl: int | None = None
    max_bytes: int = MAX_STATE
    traits: Traits = field(default_factory=Traits)

    @property
    def functions(self) -> tuple[FunctionPlan, ...]:
        """The functions of the project that are aggregates of it, each once."""
        return _declared(self.aggregates)


def _declared(aggregates: Sequence[AggregatePlan]) -> tuple[FunctionPlan, ...]:
    return tuple(dict.fromkeys(each.declared for each in aggregates if each.declared is not None))


NodePlan = SqlPlan | DedupePlan | WindowPlan | JoinPlan | RunningPlan


def outputs(node: str, inputs: Sequence[str]) -> tuple[str, ...]:
    """The names of what `dedupe` gives: its own, or one for each of several inputs, whose rows stay apart."""
    return (node,) if len(inputs) == 1 else tuple(f"{node}.{each}" for each in inputs)
