"""What a load has made of its part of a Delta table becomes one commit of the table.

    1 compare    the rows as they were with the rows as they are: what is new, which identities lost or changed a row
    2 watermark  a file for each that has moved; without the commit it means nothing
    3 commit     new rows, rows that go, and the numbers of the watermarks at once, only where the table is still
                 at the version that was attached

Rows that only come are appended. Rows that change are replaced by identity: all rows of an identity that lost or
changed one go, and what has become of them comes. Files without such rows are not touched. A commit that changes
nothing is not made.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa

from flowc.catalog import Column, Table
from flowc.errors import DataError, EngineError, FlowcError
from flowc.loadplan import BEFORE, LIVE, LIVE_WATERMARKS, Attach
from flowc.runtime.arrow import data_type
from flowc.runtime.contracts.violations import CODE, Violation, named_columns, shown
from flowc.runtime.extras import driver
from flowc.runtime.names import listed, literal, qualified, quoted
from flowc.runtime.systems.delta import watermarks as delta_watermarks
from flowc.runtime.systems.delta.bench import Bench
from flowc.runtime.systems.delta.predicates import matching, pruning
from flowc.runtime.systems.delta.tables import described, new_schema, overtaken, speaking
from flowc.types import Kind

_GONE = "flowc_gone"
_OP = "flowc_op"
_LOAD = "flowc.load"
_APART = {
    **dict.fromkeys((Kind.FLOAT32, Kind.FLOAT64), "signbit({0})"),
    **dict.fromkeys((Kind.ARRAY, Kind.STRUCT), "CAST({0} AS VARCHAR)"),
}
"""What differs between values of other bytes that DuckDB holds equal, `-0.0` and `0.0`."""
_READ_AS_NULL = ("", "__HIVE_DEFAULT_PARTITION__")


@dataclass
class Change:
    """The change of one table: `found` is the table as attached, None where there is none yet."""

    bench: Bench
    step: Attach
    folder: Path
    found: Any | None
    version: int
    """That of `found`, which moves on as it commits; -1 where there is none yet."""
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    stamps: list[tuple[str, int]] = field(default_factory=list)
    """Numbers of applications that the commit carries beside those of watermarks."""
    counts: bool = False
    """The commit is due for the sake of its numbers alone: who wrote the last one compares it with the next."""
    notes: dict[str, str] = field(default_factory=dict)
    """What the commit tells of itself."""
    _entry: tuple[int, int] | None = field(init=False)
    """Which file was the last one of the log when the table was attached; None where it is gone."""

    def __post_init__(self) -> None:
        self._entry = self._entry_now()

    def commit(self) -> None:
        """Writes it.

        Raises:
            TransientError: another writer was first.
            DataError: the table refuses rows.
        """
        self._require_partitions()
        moved = self._moved()
        marks = [delta_watermarks.write(self.folder, row, self.found) for row in moved]
        if not (marks or self.gone or self.new or self._created or self._emptied or self.counts):
            return
        if self._entry_now() != self._entry:  # of another table, whose version may be the same
            raise overtaken(self.step.table.name)
        try:
            with speaking(self.step.table.name):
                self._write(marks)
        except FlowcError as error:
            if not self._landed():
                if self.found is not None:
                    tell_broken(error, self.found, self.step.table, self.bench)
                raise
        for name, number in marks:
            delta_watermarks.forget(self.folder, name, number)

    def _require_partitions(self) -> None:
        """Raises DataError for a text in a partition that would be read as NULL."""
        texts = [n for n in self.step.table.partition_by if data_type(self._schema.field(n)).kind is Kind.TEXT]
        lost = ", ".join(map(literal, _READ_AS_NULL))
        for name in texts:
            if self.bench.number(f"SELECT count(*) FROM {self._target} WHERE {quoted(name)} IN ({lost})"):
                message = f"column `{name}`: an empty text in a partition of `{self.step.table.name}` is read as NULL"
                help = f"give it a value, or NULL: `empty_to_null`; `{_READ_AS_NULL[1]}` is read so too"
                raise DataError(message, code="value-does-not-fit", help=help)

    def _entry_now(self) -> tuple[int, int] | None:
        with suppress(FileNotFoundError):
            entry = (self.folder / "_delta_log" / f"{self.version:020}.json").stat()
            return entry.st_ino, entry.st_mtime_ns
        return None

    @property
    def _created(self) -> bool:
        return self.found is None

    @cached_property
    def _emptied(self) -> bool:
        return self.step.replaces and self.bench.number(f"SELECT count(*) FROM {quoted(LIVE)}") > 0

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return self.step.table.column_names

    @cached_property
    def _mark(self) -> str:
        return quoted(self.step.mark)

    @cached_property
    def _op(self) -> str:
        """The name of the column that says what a row of the merge does, which no other column has."""
        taken = {name.lower() for name in self._names}
        return next(name for i in count() if (name := f"{_OP}{i or ''}") not in taken)

    @cached_property
    def _target(self) -> str:
        return qualified(self.step.table.name)

    @cached_property
    def gone(self) -> int:
        """How many identities lost or changed a row; they are in the table `_GONE`."""
        if not self.step.identity or not self.bench.has(BEFORE):
            return 0
        mark = self._mark
        differs = " OR ".join(_differing(column) for column in self.step.table.columns)
        self.bench.execute(
            f"CREATE TABLE {_GONE} AS SELECT DISTINCT {_of('b', self.step.identity)} FROM {BEFORE} AS b "
            f"LEFT JOIN {self._target} AS t ON t.{mark} = b.{mark} WHERE t.{mark} IS NULL OR {differs}"
        )
        return self.bench.number(f"SELECT count(*) FROM {_GONE}")

    @cached_property
    def new(self) -> int:
        """How many rows come that were not there."""
        return self.bench.number(f"SELECT count(*) FROM {self._target} WHERE {self._mark} IS NULL")

    def _moved(self) -> list[dict[str, Any]]:
        if not self.bench.has(self.step.state.name, self.step.state.schema):
            return []
        names = listed(delta_watermarks.COLUMNS)
        sql = f"SELECT {names} FROM {qualified(self.step.state)} EXCEPT SELECT {names} FROM {LIVE_WATERMARKS}"
        return [dict(zip(delta_watermarks.COLUMNS, row, strict=True)) for row in self.bench.values(sql)]

    # The commit

    def _write(self, marks: list[tuple[str, int]]) -> None:
        deltalake = driver("deltalake", "delta")
        numbers = (*marks, *self.stamps)
        transactions = [deltalake.Transaction(name, number) for name, number in numbers]
        # A load that looked at the table must find it unchanged; one that only adds may come after others.
        retries = {} if self.step.blind and self.found is not None else {"max_commit_retries": 0}
        properties = deltalake.CommitProperties(
            custom_metadata={_LOAD: self.token, **self.notes}, app_transactions=transactions or None, **retries
        )
        if self.gone:
            self._replace(properties)
            return
        options: dict[str, Any] = {"commit_properties": properties}
        if self.found is None:
            table = self.step.table
            options |= {"partition_by": list(table.partition_by) or None, "description": table.comment}
        mode = "error" if self.found is None else "overwrite" if self.step.replaces else "append"
        place = str(self.folder) if self.found is None else self.found
        deltalake.write_deltalake(place, self._coming(), mode=mode, **options)

    def _coming(self) -> pa.RecordBatchReader:
        rows = f"SELECT {listed(self._names)} FROM {self._target} WHERE {self._mark} IS NULL"
        return self.bench.stream(rows, self._schema)

    @cached_property
    def _schema(self) -> pa.Schema:
        if self.found is not None:
            return pa.schema(self.found.schema().to_arrow())
        return new_schema(self.step.table, self.bench.schema(f"SELECT {listed(self._names)} FROM {self._target}"))

    def _replace(self, properties: Any) -> None:
        self._require_whole()
        assert self.found is not None
        columns = {quoted(name): f"s.{quoted(name)}" for name in self._names}
        merger = self.found.merge(
            self.bench.stream(" UNION ALL ".join(self._replacements()), self._replacement_schema()),
            f"{self._matching()} AND s.{self._op} = 'd'",
            source_alias="s",
            target_alias="t",
            commit_properties=properties,
        )
        done = merger.when_matched_delete().when_not_matched_insert(columns, predicate=f"s.{self._op} = 'i'").execute()
        if done["num_target_rows_deleted"] != self._leaving:
            message = f"{done['num_target_rows_deleted']} rows of `{self.step.table.name}` went, not {self._leaving}"
            raise EngineError(message, code="query-refused", help="restore the version before, and report this")

    @cached_property
    def _leaving(self) -> int:
        """The rows of `_GONE`, as they were brought in."""
        return self.bench.number(f"SELECT count(*) FROM {BEFORE} AS b WHERE {self._is_gone('b')}")

    def _require_whole(self) -> None:
        """All rows of an identity must have been brought in, or those that were not would be lost."""
        if not self.step.partial:
            return
        held = self.bench.number(f"SELECT count(*) FROM {quoted(LIVE)} AS b WHERE {self._is_gone('b')}")
        if held != self._leaving:
            identity = ", ".join(f"`{name}`" for name in self.step.identity)
            message = f"several rows of `{self.step.table.name}` have the same {identity}"
            raise DataError(message, code="duplicate-keys", help="remove the copies from the table first")

    def _replacements(self) -> Iterator[str]:
        """Rows for the merge: an identity with `d` for each that goes, and what has become of its rows with `i`.

        New rows of other identities come with `i` too.
        """
        nothing = [quoted(n) if n in self.step.identity else f"NULL AS {quoted(n)}" for n in self._names]
        yield f"SELECT 'd' AS {self._op}, {', '.join(nothing)} FROM {_GONE}"
        # By what they were: a change may give a row another identity.
        back = f"SELECT b.{self._mark} FROM {BEFORE} AS b WHERE {self._is_gone('b')}"
        stays = f"t.{self._mark} IS NULL OR t.{self._mark} IN ({back})"
        yield f"SELECT 'i' AS {self._op}, {_of('t', self._names)} FROM {self._target} AS t WHERE {stays}"

    def _replacement_schema(self) -> pa.Schema:
        fields = [field.with_nullable(True) for field in self._schema]
        return pa.schema([pa.field(self._op, pa.string()), *fields])

    def _is_gone(self, alias: str) -> str:
        same = " AND ".join(f"g.{quoted(n)} IS NOT DISTINCT FROM {alias}.{quoted(n)}" for n in self.step.identity)
        return f"EXISTS (SELECT 1 FROM {_GONE} AS g WHERE {same})"

    def _matching(self) -> str:
        return matching(self.bench, _GONE, self.step.identity) + pruning(
            self.bench, f"(SELECT * FROM {BEFORE} AS b WHERE {self._is_gone('b')})", self.step
        )

    def _landed(self) -> bool:
        """Whether the commit is in the log although the library failed afterwards, in its own housekeeping."""
        deltalake = driver("deltalake", "delta")
        with speaking(self.step.table.name):
            if not deltalake.DeltaTable.is_deltatable(str(self.folder)):
                return False
            now = deltalake.DeltaTable(str(self.folder))
            since = now.version() - self.version
            return since > 0 and any(entry.get(_LOAD) == self.token for entry in now.history(since))


def _differing(column: Column) -> str:
    """The condition that a column differs between the rows `b` and `t`: by value, or as it is stored."""
    forms = ("{0}", _APART[column.type.kind]) if column.type.kind in _APART else ("{0}",)
    before, now = f"b.{quoted(column.name)}", f"t.{quoted(column.name)}"
    return " OR ".join(f"{form.format(before)} IS DISTINCT FROM {form.format(now)}" for form in forms)


def _of(alias: str, names: tuple[str, ...]) -> str:
    return ", ".join(f"{alias}.{quoted(name)}" for name in names)


_CONSTRAINT = "delta.constraints."
_Rule = tuple[str, Violation]
"""What is broken, in words, and the rows that break it."""


def tell_broken(error: FlowcError, found: Any, table: Table, bench: Bench) -> None:
    """Puts the rule, the column and the value in the place of the library's words, where a row is found.

    The library shows rows, and neither the rule nor why; they are looked for where the load has made them.
    """
    if error.code != CODE:
        return
    for words, violation in _rules(found, described(found, table.name)):
        with suppress(FlowcError):  # an expression that only other engines read
            if row := _broken(violation, table, bench):
                names = violation.columns or table.column_names
                told = shown(zip(names, row, strict=True))
                error.message = f"`{table.name}` refuses the rows: {words} ({told})"
                error.args = (error.message,)
                return


def _rules(found: Any, live: Table) -> Iterator[_Rule]:
    for column in live.columns:
        if not column.nullable:
            condition = f"s.{quoted(column.name)} IS NULL"
            yield f"`{column.name}` is NOT NULL", Violation((column.name,), condition=condition)
    for key, expression in sorted(found.metadata().configuration.items()):
        if key.startswith(_CONSTRAINT):
            words = f"constraint `{key.removeprefix(_CONSTRAINT)}` is {expression}"
            condition = f"({expression.replace('`', chr(34))}) IS NOT TRUE"
            yield words, Violation(named_columns(expression, live), condition=condition)


def _broken(violation: Violation, table: Table, bench: Bench) -> Sequence[object] | None:
    names = listed(violation.columns or table.column_names)
    rows = bench.values(f"SELECT {names} FROM {qualified(table.name)} AS s WHERE {violation.condition} LIMIT 1")
    return rows[0] if rows else None
