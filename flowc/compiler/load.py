"""What every part of a load's plan needs to know, decided once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from flowc.catalog import Column, Table, TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.ir import Apply, Normalize
from flowc.compiler.quote import qualified, table
from flowc.plan import Read

STAGE = "flowc_stage"
"""The rows as they arrived."""
ROWS = "flowc_rows"
"""The rows as they will be written: normalised, converted, deduplicated."""

VALID_FROM, VALID_TO, IS_CURRENT, ROW_HASH = "valid_from", "valid_to", "is_current", "row_hash"
HISTORY = (VALID_FROM, VALID_TO, IS_CURRENT, ROW_HASH)
"""The columns that scd2 keeps by itself."""


_WIDTH = 50
"""Operands of one OR."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One target column that a load fills: from `source`, from `normalize`, or from both."""

    target: Column
    source: Column | None
    normalize: Normalize | None


@dataclass(frozen=True)
class Load:
    """One load of one target. `table` is the target as it is, or as it will be created when `exists` is false."""

    apply: Apply
    dialect: Dialect
    table: Table
    exists: bool
    columns: tuple[Column, ...]
    read: Read
    watermark: str | None
    now: datetime
    same_database: bool

    @cached_property
    def loaded(self) -> tuple[Loaded, ...]:
        """The target's columns that the source or a normaliser fills, in the target's order."""
        own = HISTORY if self.apply.mode == "scd2" else ()
        normalizers = {n.column: n for n in self.apply.normalize}
        found = (
            Loaded(column, find_column(self.columns, column.name), normalizers.get(column.name))
            for column in self.table.columns
            if column.name not in own
        )
        return tuple(f for f in found if f.source is not None or f.normalize is not None)

    @cached_property
    def extras(self) -> tuple[Column, ...]:
        """Source columns that the target lacks: event times, cursors and what normalisers read."""
        used = {f.source.name for f in self.loaded if f.source is not None}
        return tuple(c for c in self.columns if c.name not in used)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the loaded columns."""
        return tuple(f.target.name for f in self.loaded)

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that tell rows (for scd2: histories) apart."""
        return self.apply.keys

    @cached_property
    def compare(self) -> tuple[str, ...]:
        """The columns whose change makes a row different. By default all but keys, event time and the soft delete."""
        apart = {*self.keys, self.apply.soft_delete_column if self.apply.deletes == "soft" else None}
        if self.apply.mode == "scd2":
            apart.add(self.apply.event_time)
        return self.apply.compare or tuple(n for n in self.names if n not in apart)

    @property
    def target(self) -> str:
        """The quoted name of the target."""
        return table(self.table.name)

    @property
    def label(self) -> str:
        """The target's name in messages."""
        return str(self.table.name)

    def temporary(self, name: str) -> TableName:
        """One of the load's own temporary tables."""
        return TableName(self.dialect.temporary_schema, name)

    @property
    def rows(self) -> str:
        """The quoted name of the table of rows to write."""
        return table(self.temporary(ROWS))

    @property
    def stage(self) -> str:
        """The quoted name of the table of rows as they arrived."""
        return table(self.temporary(STAGE))

    def row_column(self, name: str) -> Column | None:
        """A column of the rows to write: the target's, or else one that only the source has."""
        own = next((f.target for f in self.loaded if f.target.name == name), None)
        return own or find_column(self.extras, name)

    def equal(self, names: Iterable[str], left: str, right: str) -> str:
        """The join condition on columns that are never NULL."""
        return " AND ".join(f"{qualified(n, left)} = {qualified(n, right)}" for n in names)

    def comparable(self, name: str, x: str) -> str:
        """A value of a column of the rows in a form that compares by value."""
        column = self.row_column(name)
        template = self.dialect.comparable.get(column.type.kind, "{x}") if column else "{x}"
        return template.format(x=x)

    def differs(self, names: Iterable[str], left: str, right: str) -> str:
        """The condition that rows differ in any of the columns, NULLs compared as values."""
        sides = ((self.comparable(n, qualified(n, left)), self.comparable(n, qualified(n, right))) for n in names)
        return self.any_of(self.dialect.differ.format(a=a, b=b) for a, b in sides)

    @staticmethod
    def any_of(conditions: Iterable[str]) -> str:
        """One of many conditions, as a shallow tree: SQLite bounds the depth of an expression."""
        parts = list(conditions) or ["1 = 0"]
        while len(parts) > _WIDTH:
            parts = ["(" + " OR ".join(parts[i : i + _WIDTH]) + ")" for i in range(0, len(parts), _WIDTH)]
        return " OR ".join(parts)


def find_column(columns: Iterable[Column], name: str) -> Column | None:
    """The column of that name, else the only one that differs from it in case alone."""
    held = tuple(columns)
    exact = next((c for c in held if c.name == name), None)
    near = [c for c in held if c.name.lower() == name.lower()]
    return exact or (near[0] if len(near) == 1 else None)
