"""Lookups of a stream: tables that are read whole, held in memory, and read again in the background.

A batch sees one version of each. A refresh that fails leaves the last good version, and is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

import pyarrow as pa

from flowc.errors import DataError, FlowcError
from flowc.runtime.contracts.database import Database
from flowc.runtime.engine.engine import engine_rows
from flowc.runtime.threads import thread
from flowc.stream import LookupPlan

MAX_BYTES = 1 << 30
"""What one lookup may take in memory."""

Open = Callable[[str], Database]
"""Gives a session of its own on a connection."""


def _nothing(_name: str, _error: FlowcError) -> None:
    return


@dataclass(frozen=True, slots=True)
class Version:
    """The rows of a lookup as they were read at once."""

    number: int
    schema: pa.Schema
    batches: tuple[pa.RecordBatch, ...]

    @property
    def rows(self) -> int:
        """How many."""
        return sum(batch.num_rows for batch in self.batches)

    def is_of(self, other: Version | None) -> bool:
        """Whether it is known to have the rows of another one."""
        return other is not None and self.batches is other.batches

    def same(self, other: Version) -> bool:
        """Whether it has the same rows as another one, in the same order."""
        return bool(self.schema.equals(other.schema) and self._table.equals(other._table))

    @property
    def _table(self) -> pa.Table:
        return pa.Table.from_batches(self.batches, self.schema)


class Versions(Protocol):
    """What a query is joined with."""

    def current(self) -> Mapping[str, Version]:
        """The rows of each lookup that a batch is joined with."""


@dataclass
class Lookups:
    """The lookups of one stream. `failed` is told of every refresh that fails, by a thread of its own."""

    plans: Sequence[LookupPlan]
    database: Open
    failed: Callable[[str, FlowcError], None] = _nothing
    failures: dict[str, int] = field(default_factory=dict, init=False)
    """How many refreshes of each failed."""
    _versions: dict[str, Version] = field(default_factory=dict, init=False)
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)
    _threads: list[threading.Thread] = field(default_factory=list, init=False)

    def open(self) -> None:
        """Reads all of them, and goes on refreshing. Raises FlowcError where one cannot be read."""
        for plan in self.plans:
            with about(plan.name):
                self._versions[plan.name] = self._read(plan, 1)
        for plan in self.plans:
            if plan.refresh is not None:
                refreshing = thread(f"lookup-{plan.name}", self._refresh, plan)
                refreshing.start()
                self._threads.append(refreshing)

    def current(self) -> Mapping[str, Version]:
        """The versions that a batch is joined with."""
        return dict(self._versions)

    def close(self) -> None:
        """Ends the refreshing; a read that is under way is not waited for. May be called twice."""
        self._stopping.set()

    def _refresh(self, plan: LookupPlan) -> None:
        assert plan.refresh is not None
        while not self._stopping.wait(plan.refresh):
            try:
                before = self._versions[plan.name]
                read = self._read(plan, before.number + 1)
                # Of rows that are as they were nothing has to be registered, or kept, anew.
                same = read.same(before)
                self._versions[plan.name] = replace(before, number=read.number) if same else read
            except FlowcError as error:
                self.failures[plan.name] = self.failures.get(plan.name, 0) + 1
                self.failed(plan.name, error)

    def _read(self, plan: LookupPlan, number: int) -> Version:
        database = self.database(plan.connection)
        try:
            database.open()
            read, rows = database.read(plan.query)
            schema, batches = engine_rows(read, rows)
            try:
                return Version(number, schema, tuple(_bounded(plan, batches)))
            finally:
                if isinstance(rows, Generator):  # it must not outlive its session
                    rows.close()
        finally:
            database.close()


@contextmanager
def about(name: str) -> Iterator[None]:
    """Says of what fails meanwhile that it was this lookup that could not be read."""
    try:
        yield
    except FlowcError as error:
        message = error.message if f"`{name}`" in error.message else f"lookup `{name}`: {error.message}"
        raise type(error)(message, code=error.code, help=error.help, details=error.details) from error


def _bounded(plan: LookupPlan, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    size = 0
    for batch in batches:
        size += batch.nbytes
        if size > MAX_BYTES:
            message = f"lookup `{plan.name}` takes more than {MAX_BYTES >> 20} MiB, and is held in memory"
            help = "name only the columns and rows that are needed, with `sql:`"
            raise DataError(message, code="lookup-too-large", help=help)
        yield batch
