"""Delta Lake: a folder of tables. A load works beside its table, and its commit is one commit of the table.

Delta has no engine that runs statements in a transaction. So a transaction here is a private DuckDB (`delta_bench`)
into which the plan brings the rows it can touch; `commit` writes the difference (`delta_commit`) together with the
watermark (`delta_watermarks`). It fails when the table is no longer at the version that was attached. Rolling back is
to forget the private database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from flowc.catalog import Column, Resolved, Table, TableName
from flowc.errors import EngineError
from flowc.loadplan import LIVE, LIVE_WATERMARKS, Attach, Stamp
from flowc.migration import TableCommit
from flowc.runtime.arrow import arrow_schema
from flowc.runtime.extras import driver
from flowc.runtime.fit import fit
from flowc.runtime.names import qualified, quoted
from flowc.runtime.stores.lock import FileLock
from flowc.runtime.systems.delta import watermarks as delta_watermarks
from flowc.runtime.systems.delta.alter import alter
from flowc.runtime.systems.delta.bench import Bench
from flowc.runtime.systems.delta.commit import Change
from flowc.runtime.systems.delta.live import show_live
from flowc.runtime.systems.delta.tables import Lake, dataset, described, overtaken, require_writable, speaking
from flowc.types import DataType, Kind

_NEWEST = 100
"""Commits among which the note of a load is looked for."""


class Delta:
    """One session of a folder of Delta tables."""

    kind = "delta"

    def __init__(self, options: Mapping[str, object]) -> None:
        self._lake = Lake(options)
        self._bench: Bench | None = None
        self._change: Change | None = None
        self._locks: list[FileLock] = []
        self._viewed: dict[TableName, Any | None] = {}
        self._told: dict[TableName, Any | None] = {}

    @property
    def folder(self) -> Path:
        """Where the tables lie."""
        return self._lake.folder

    @property
    def control_file(self) -> Path:
        return self._lake.own / "flowc.sqlite"

    def forbid_writes(self) -> None:
        """Nothing to do: statements run in a private database, and a commit alone changes a table."""

    def open(self) -> None:
        driver("deltalake", "delta")

    def close(self) -> None:
        self._end()

    def begin(self) -> None:
        self._end()

    def commit(self) -> None:
        try:
            if self._change is not None:
                self._change.commit()
        finally:
            self._end()

    def rollback(self) -> None:
        self._end()

    def lock(self, table: TableName) -> None:
        lock = FileLock(self._lake.own.parent, f"flowc:{table}")
        try:
            lock.take()
        except OSError as error:
            message = f"`{self._lake.folder}` cannot be written: {error.strerror}"
            raise EngineError(message, code="connection-failed", help="check the folder and its permissions") from error
        self._locks.append(lock)

    def attach(self, step: Attach) -> None:
        name = step.table.name
        found = self._lake.open(name)
        if step.exists != (found is not None):
            raise overtaken(name)
        with speaking(name):
            self._lake.require_own(name, found)
        if found is None:
            self._work().show(LIVE, pa.Table.from_batches([], arrow_schema(step.table.columns)))
        else:
            require_writable(found, name)
            _require_unaltered(described(found, name), step.table)
            with speaking(name):
                show_live(self._work(), found, self._lake.path(name))
        self._work().show(LIVE_WATERMARKS, delta_watermarks.committed(self._lake.path(name), found))
        version = -1 if found is None else found.version()
        self._change = Change(self._work(), step, self._lake.path(name), found, version)

    def attached(self) -> Table | None:
        """The table as it was attached; None where there was none."""
        assert self._change is not None
        found = self._change.found
        return None if found is None else described(found, self._change.step.table.name)

    def view(self, table: TableName) -> None:
        self._forget()
        found = self._viewed[table] = self._lake.open(table)
        if found is None:
            return
        with speaking(table):
            self._lake.require_own(table, found)
            show_live(self._work(), found, self._lake.path(table))
        if table.schema:
            self._work().execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(table.schema)}")
        self._work().execute(f"CREATE VIEW {qualified(table)} AS SELECT * FROM {quoted(LIVE)}")

    def alter(self, commit: TableCommit) -> None:
        name = commit.table.name
        if name not in self._viewed:
            self.view(name)
        alter(commit, self._lake, self._work(), self._viewed[name])

    def watermarks(self, table: TableName) -> pa.Table:
        found = self._told[table] = self._lake.open(table)
        return delta_watermarks.committed(self._lake.path(table), found)

    def set_watermarks(
        self, table: TableName, rows: Sequence[Mapping[str, Any]], gone: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        folder, found = self._lake.path(table), self._told[table]
        stamps = {delta_watermarks.application(row): delta_watermarks.TAKEN for row in gone}
        for row in rows:
            stamps |= dict([delta_watermarks.write(folder, row, found)])
        self._stamp(table, found, stamps)
        for name, number in stamps.items():
            delta_watermarks.forget(folder, name, number)

    def stamp(self, table: TableName, application: str) -> int | None:
        """The number that an application has last committed with a table, 0 for none; None without the table."""
        found = self._lake.open(table)
        if found is None:
            return None
        with speaking(table):
            return int(found.transaction_version(application) or 0)

    def stamped(self, application: str, number: int) -> int:
        """Makes a commit of the attached table carry an application's number; gives the one it had when attached.

        The table gets the commit also where no row of it changes.
        """
        assert self._change is not None
        self._change.counts = True
        self._change.stamps.append((application, number))
        return self.committed(application)

    def committed(self, application: str) -> int:
        """The number of an application that the attached table had when it was attached, 0 for none."""
        assert self._change is not None
        found = self._change.found
        return 0 if found is None else int(found.transaction_version(application) or 0)

    def record(self, stamp: Stamp, note: str) -> bool:
        assert self._change is not None
        held = self.committed(stamp.application)
        self._change.stamps.append((stamp.application, stamp.number))
        self._change.notes[_note(stamp)] = note
        return held == stamp.before

    def note(self, table: TableName, stamp: Stamp) -> str | None:
        found = self._lake.open(table)
        if found is None:
            return None
        with speaking(table):
            return next((entry[name] for entry in found.history(_NEWEST) if (name := _note(stamp)) in entry), None)

    def stamps(self, table: TableName, prefix: str) -> dict[Stamp, str]:
        """The stamps of applications of that prefix, each with its note, as far as the log goes back."""
        found = self._lake.open(table)
        if found is None:
            return {}
        with speaking(table):
            notes = [each for entry in found.history() for each in entry.items() if each[0].startswith(prefix)]
            held: dict[Stamp, str] = {}
            for name, note in reversed(notes):
                application, _, number = name.rpartition(":")
                if (found.transaction_version(application) or 0) == int(number) != 0:
                    held[Stamp(application, int(number), 0)] = str(note)
        return held

    def restamp(self, table: TableName, moves: Mapping[Stamp, tuple[str, str]]) -> None:
        """Commits stamps under the names of other applications, each with a note; none under the former names.

        Raises TransientError where another writer was first.
        """
        now = {replace(stamp, application=name): note for stamp, (name, note) in moves.items()}
        numbers = {stamp.application: 0 for stamp in moves} | {stamp.application: stamp.number for stamp in now}
        self._stamp(table, self._lake.open(table), numbers, {_note(stamp): note for stamp, note in now.items()})

    def claim(self, table: TableName, stamps: Mapping[str, int]) -> None:
        """Commits numbers of applications alone.

        Raises TransientError where another writer was first.
        """
        self._stamp(table, self._lake.open(table), stamps)

    def _stamp(
        self, table: TableName, found: Any | None, stamps: Mapping[str, int], notes: Mapping[str, str] | None = None
    ) -> None:
        deltalake = driver("deltalake", "delta")
        if found is not None:
            given = [deltalake.Transaction(application, number) for application, number in stamps.items()]
            properties = deltalake.CommitProperties(
                app_transactions=given, max_commit_retries=0, custom_metadata=dict(notes or {})
            )
            with speaking(table):
                found.create_write_transaction([], "append", found.schema(), commit_properties=properties)

    def dataset(self, table: TableName) -> Any:
        found = self._lake.open(table)
        if found is None:
            message = f"there is no Delta table `{table}` in `{self._lake.folder}`"
            raise EngineError(message, code="query-refused", help="check `table` and the connection's `uri`")
        with speaking(table):
            self._lake.require_own(table, found)
            return dataset(found)

    def execute(self, sql: str) -> int:
        return self._work().execute(sql)

    def query(self, sql: str) -> pa.Table:
        return self._work().query(sql)

    def read(self, sql: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        return self._work().read(sql)

    def ingest(
        self, table: TableName, columns: Sequence[Column], batches: Iterator[pa.RecordBatch], *, temporary: bool
    ) -> int:
        kept = [replace(column, type=_kept(column.type)) for column in columns]
        return self._work().ingest(table, kept, _refitted(batches, columns, kept), temporary=temporary)

    def table(self, name: TableName) -> Table | None:
        found = self._lake.open(name)
        return None if found is None else described(found, name)

    def tables(self, names: Sequence[TableName]) -> dict[TableName, Table]:
        return {name: found for name in names if (found := self.table(name)) is not None}

    def resolved(self, name: TableName) -> Resolved:
        return Resolved(name, name)  # a table is a folder, and that has one name

    def names(self) -> tuple[TableName, ...]:
        return self._lake.names()

    def describe(self, sql: str) -> tuple[Column, ...]:
        return self._work().describe(sql)

    def explain(self, sql: str) -> str:
        return self._work().explain(sql)

    def _work(self) -> Bench:
        if self._bench is None:
            self._bench = Bench()
            self._bench.open()
        return self._bench

    def _end(self) -> None:
        """Forgets the private database, and lets others go on."""
        self._forget()
        while self._locks:
            self._locks.pop().release()

    def _forget(self) -> None:
        bench, self._bench, self._change = self._bench, None, None
        self._viewed.clear()
        if bench is not None:
            bench.close()


def _note(stamp: Stamp) -> str:
    return f"{stamp.application}:{stamp.number}"


def _require_unaltered(live: Table, planned: Table) -> None:
    """Raises TransientError for a table that was altered after the load was planned."""
    now = [(column.name, column.nullable) for column in live.columns]
    if now != [(column.name, column.nullable) for column in planned.columns]:
        raise overtaken(planned.name)


def _kept(kind: DataType) -> DataType:
    """Delta keeps microseconds."""
    finer = kind.kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ) and (kind.precision or 0) > 6
    return replace(kind, precision=None) if finer else kind


def _refitted(
    batches: Iterator[pa.RecordBatch], columns: Sequence[Column], kept: Sequence[Column]
) -> Iterator[pa.RecordBatch]:
    if list(columns) == list(kept):
        yield from batches
        return
    row = 1
    for batch in batches:
        yield fit(batch, kept, first_row=row)
        row += batch.num_rows


SESSION = Delta
