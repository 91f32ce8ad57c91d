"""The contract between the registry of sources and the room of one system, `flowc/runtime/systems/<kind>/source.py`.

The room has two functions: `open_source`, of the type `OpenSource`, and `reach`, of the type `Reach`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from flowc.runtime.contracts.decoder import Connection, Decoding, no_connection
from flowc.runtime.contracts.queue import Queue
from flowc.runtime.contracts.source import Source
from flowc.stream import BatchLimits, SourcePlan


class Facts(Protocol):
    """What a stream remembers by name; see `flowc.runtime.contracts.state.StateStore`."""

    def facts(self) -> dict[str, str]:
        """What is remembered."""

    def recall(self, names: Iterable[str]) -> dict[str, str]:
        """Those of some names that there are."""

    def remember(self, facts: Mapping[str, str]) -> None:
        """Adds facts. Raises Fenced where others are stored under these names."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a source is opened with: its plan, the options of its connection, and how a run reads it."""

    plan: SourcePlan
    options: Mapping[str, object] = field(repr=False)
    root: Path
    """The folder of the project, where relative paths start."""
    facts: Facts
    columns: tuple[str, ...] = ("_value",)
    """The columns of a message that the run needs, of `flowc.runtime.contracts.source.RAW` and its like."""
    start: str = "earliest"
    once: bool = False
    """Whether the run ends where the source ends."""
    group: str = "flowc"
    """The name by which a broker knows the workers of the stream."""
    batch: BatchLimits = field(default_factory=BatchLimits)
    skips: bool = False
    """Whether what cannot be read is a bad message, and else ends the run."""
    connection: Connection = field(default=no_connection, repr=False)
    """The connections that a decoder may ask for."""


Fetch = Callable[[str, str, str, int], pa.RecordBatch | None]
"""Reads one message again: of a topic, a partition, a position and a size. None where the message is gone.

A column that it does not return is as the dead letter has it; with `_unread`, the message is still unreadable.
"""


@dataclass(frozen=True, slots=True)
class Opened:
    """A source, not connected yet: a log, or a queue."""

    source: Source | Queue
    decoder: Decoding | None = None
    """Where the source decodes its messages itself; else the format of the plan says how."""
    fetch: Fetch | None = None
    """Where dead letters may leave out what can be read again."""


OpenSource = Callable[[Opening], Opened]
"""Makes a source. It connects to nothing yet. Raises UsageError for options that are wrong."""
Reach = Callable[[Mapping[str, object]], str]
"""Looks whether a connection with these options answers, and says in words what is there. Raises FlowcError."""
