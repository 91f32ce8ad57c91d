"""The contract of an operator: what a node of a stream's graph does. Its state is part of the commit of its rows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.state import Segment

if TYPE_CHECKING:
    import pyarrow as pa

LATE = "late-row"
"""The code of rows that come too late for what an operator makes of them."""
NO_MESSAGE = -1
"""In place of the index of a message: the row came of none of its epoch."""


@dataclass(frozen=True, slots=True)
class Emitted:
    """What comes out of an operator: rows, and rows that leave by the side with the reason, such as `late` ones.

    These are told by the index of the message that they came of, or `NO_MESSAGE`, and become dead letters.
    """

    rows: pa.RecordBatch | None = None
    late: tuple[BadRow, ...] = ()
    dropped: int = 0
    """How many rows came too late and are counted alone."""


NOTHING = Emitted()


class Decision(Enum):
    """What becomes of state that was written before.

    It is taken as it is, taken over, made anew of messages that are read again, dropped, or the run is refused.
    """

    KEEP = "keep"
    MIGRATE = "migrate"
    REPLAY = "replay"
    RESET = "reset"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, and in words for people why."""

    decision: Decision
    reason: str = ""


def said(fingerprint: str) -> dict[str, Any]:
    """What a fingerprint says that is JSON; nothing for another one."""
    try:
        found = json.loads(fingerprint)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class Operator(Protocol):
    """Used by one thread. Ports are numbered from 0, in the order of the node's inputs.

    What it emits depends on its state, its input and the watermarks, and on nothing else: no clock, no chance, no size
    of batches, no order in which rows of different ports come between two watermarks.
    """

    fingerprint: str
    """Changes when state that was written before means something else now; empty where there is no state."""

    @property
    def watermark(self) -> int | None:
        """A promise: nothing that it emits later is older (microseconds), but for what came in late itself.

        None while nothing is promised.
        """

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        """What becomes of rows. They have the columns of the port's input, and may have hidden ones, which are kept."""

    def on_watermark(self, port: int, at: int) -> Emitted:
        """What comes out because no row before `at` is expected on a port any more."""

    def on_end(self) -> Emitted:
        """What comes out because the input of this run has ended.

        What it closes stays closed in the state, so that another run does not let it out once more; the watermark
        stays where it is.
        """

    def due(self, at: int) -> bool:
        """Whether rows come out at a watermark, or at `END`: an idle stream makes an epoch of time alone for them."""

    def snapshot(self) -> tuple[Segment, ...]:
        """What changed since the last call: at most one segment of each key group."""

    def restore(self, segments: Iterable[Segment]) -> None:
        """Takes the state that was kept. What another fingerprint has written is in the next snapshot again, whole."""

    def verdict(self, written_by: str) -> Verdict:
        """Whether it takes state that an operator of another fingerprint has written."""


@runtime_checkable
class Remade(Protocol):
    """An operator whose state can be made anew of the rows from some time on, without anything before them."""

    def since(self, written_by: str, watermark: int) -> int:
        """Before which event time no row counts any more at a watermark, where another fingerprint has let rows out.

        Both are microseconds since 1970 UTC.
        """

    def remake(self, segments: Iterable[Segment], written_by: str, watermark: int | None) -> None:
        """Begins with nothing, behind what another fingerprint has let out at a watermark."""


@dataclass
class Least:
    """The watermark of an operator's input: the least of those of its ports."""

    ports: int
    _marks: dict[int, int] = field(default_factory=dict, init=False)

    def at(self, port: int, mark: int) -> None:
        """Moves a port on."""
        self._marks[port] = max(mark, self._marks.get(port, mark))

    @property
    def value(self) -> int | None:
        """None while one of the ports has none."""
        return min(self._marks.values()) if len(self._marks) == self.ports > 0 else None


class Stateless:
    """What operators have in common that remember nothing: time passes through them."""

    fingerprint = ""

    def __init__(self, ports: int) -> None:
        self._input = Least(ports)

    @property
    def watermark(self) -> int | None:
        """That of its input."""
        return self._input.value

    def on_watermark(self, port: int, at: int) -> Emitted:
        """Nothing is held."""
        self._input.at(port, at)
        return NOTHING

    def on_end(self) -> Emitted:
        """Nothing is held."""
        return NOTHING

    def due(self, at: int) -> bool:
        """Never: nothing is held."""
        return False

    def snapshot(self) -> tuple[Segment, ...]:
        """No state."""
        return ()

    def restore(self, segments: Iterable[Segment]) -> None:
        """No state."""

    def verdict(self, written_by: str) -> Verdict:
        """What another operator has written is nothing to it."""
        return Verdict(Decision.RESET, "it keeps no state")
