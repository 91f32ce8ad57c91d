"""What every part of a load's plan needs to know, decided once."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import chain, count
from typing import Any, TypeVar

from flowc.catalog import Column, Native, Table, TableName, counts
from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import dialect_of
from flowc.compiler.ir import Apply, Normalize
from flowc.compiler.loads.apart import apart
from flowc.compiler.loads.identity import Recorded
from flowc.compiler.quote import ident, qualified, table, text
from flowc.compiler.tables.ddl import ROW, cast
from flowc.loadplan import LIVE, BadRows, Read
from flowc.nodes import Changelog
from flowc.types import Kind

Made = TypeVar("Made")

STAGE = "flowc_stage"
"""The rows as they arrived."""
ROWS = "flowc_rows"
"""The rows as they will be written: normalised, converted, deduplicated."""
SIFTED = "flowc_sifted"
"""All rows, normalised and converted, where those that fail a check are set aside before the others are chosen."""
HELD_BACK = "flowc_held_back"
"""The keys of rows that were set aside, where what is not there is deleted."""
FAILED = "flowc_failed"
"""The column of the sifted rows that holds which check a row fails first, by its number; NULL for a good one.

It is below zero until the row is counted. 0 is for one that fails and that an earlier load has kept, where the load
reads it again in reading on.
"""

VALID_FROM, VALID_TO, IS_CURRENT, ROW_HASH = "valid_from", "valid_to", "is_current", "row_hash"
HISTORY = (VALID_FROM, VALID_TO, IS_CURRENT, ROW_HASH)
"""The columns that scd2 keeps by itself."""


_TEXTUAL = (Kind.TEXT, Kind.ARRAY, Kind.UNKNOWN)
"""Kinds whose values of native types compare as texts."""
_WIDTH = 50
"""Operands of one OR."""


def is_numbered(column: Column, table: Table, kind: str) -> bool:
    """Whether the database gives a row its value of the column: a counter, or the number of the row."""
    row_id = (
        dialect_of(kind).tables.row_number_key
        and table.primary_key == (column.name,)
        and column.type.kind is Kind.INT32
    )
    return counts(column.default) or row_id


def lacks_numbers(apply: Apply, columns: Iterable[Column], table: Table) -> bool:
    """Whether rows are only added, and come without a key that the database gives them: they have none until then."""
    given = {column.name.lower() for column in columns}
    keys = [find_column(table.columns, key) for key in apply.keys if key.lower() not in given]
    numbered = (key is not None and is_numbered(key, table, apply.target.kind) for key in keys)
    return apply.mode in ("append", "truncate") and bool(keys) and all(numbered)


@dataclass(frozen=True, slots=True)
class Loaded:
    """One target column that a load fills: from `source`, from `normalize`, or from both."""

    target: Column
    source: Column | None
    normalize: Normalize | None


@dataclass(frozen=True, slots=True)
class Reread:
    """Rows that one run reads whatever the watermark is: cursors from `since` up to `until`, None for no bound.

    `whole` stands for everything there is, from the load's `start` on; the watermark is what was read then.
    """

    since: str | None = None
    until: str | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing bounds it."""
        return self.since is None and self.until is None


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
    kept: str
    """How the target is called in flowc's own tables."""
    beside: bool = False
    """What is read lies, in part at least, in the target's database."""
    gone: tuple[str, ...] = ()
    """Statements that remove what is stored of loads into a table that is gone."""
    cursor: str | None = None
    """The column in which the cursor comes once more, as the source has it; None where one that is loaded keeps it."""
    rehearsal: bool = False
    """Nothing is to be left behind."""
    last_wins: bool = False
    """Of rows with one key the last one counts (streams)."""
    reread: Reread | None = None
    shown: int = 0
    """How many rows a rehearsal shows of each kind."""
    recorded: Recorded | None = None
    """Which run the load is of, and what the target holds of others; None where nothing of it is recorded."""
    changes: Changelog = Changelog.INSERT_ONLY
    """The rows say what they do, in the column `flowc.nodes.KIND`."""
    _known: dict[object, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, make: Callable[[Load], Made]) -> Made:
        """What is made of the load, which is made once."""
        if make not in self._known:
            self._known[make] = make(self)
        made: Made = self._known[make]
        return made

    @cached_property
    def loaded(self) -> tuple[Loaded, ...]:
        """The target's columns that the source or a normaliser fills, in the target's order.

        A source column that has the very name of one column fills no other whose name differs in case alone.
        """
        own = HISTORY if self.apply.mode == "scd2" else ()
        normalizers, given = {n.column: n for n in self.apply.normalize}, finder(self.columns)
        filled = finder(self.table.columns)

        def source(target: Column) -> Column | None:
            column = given(target.name)
            return column if column is not None and filled(column.name) == target else None

        found = (Loaded(c, source(c), normalizers.get(c.name)) for c in self.table.columns if c.name not in own)
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

    @cached_property
    def sifts(self) -> bool:
        """Whether rows that fail a check are set aside."""
        return any(wanted.quarantine for wanted in self.apply.expect)

    @cached_property
    def failed_name(self) -> str:
        """The name of the column that says which check a row fails."""
        return free_name(FAILED, {c.name.lower() for c in (*self.table.columns, *self.columns)})

    @property
    def failed(self) -> str:
        """The same, quoted."""
        return ident(self.failed_name)

    @cached_property
    def _row_ids(self) -> tuple[str, ...]:
        """The engine's names of its row identity that no column of the load's tables hides."""
        taken = {name.lower() for name in (*self.names, *(c.name for c in self.extras))}
        return tuple(name for name in self.dialect.writes.row_ids if name not in taken)

    @cached_property
    def row_column_name(self) -> str:
        """The name of the row identity as a column, which no other column has."""
        return free_name(ROW, {c.name.lower() for c in (*self.table.columns, *self.columns)})

    @property
    def row_id(self) -> str:
        """The row identity in the load's tables, as SQL."""
        own = self.row_column_name
        return self._row_ids[0] if self._row_ids else own if own == ROW else ident(own)

    @property
    def row_id_hidden(self) -> bool:
        """Whether columns hide the engine's row identity under each of its names."""
        return bool(self.dialect.writes.row_ids) and not self._row_ids

    @property
    def reads_on(self) -> bool:
        """Whether it reads from the watermark of an earlier load on."""
        return self.watermark is not None and self.reread is None

    @property
    def reads_part(self) -> bool:
        """Whether it reads no more than a part of what there is, which may be few rows."""
        return self.reads_on or (self.reread is not None and not self.reread.whole)

    @property
    def bad(self) -> BadRows | None:
        """What becomes of rows of files that cannot be read."""
        return self.apply.quarantine.rules if self.apply.quarantine is not None else None

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The columns that tell rows (for scd2: histories) apart."""
        return () if lacks_numbers(self.apply, self.columns, self.table) else self.apply.keys

    @cached_property
    def event_time(self) -> str | None:
        """The column of the rows that holds the event time: the target's may be spelled in another way."""
        wanted = self.apply.event_time
        own = (f.target.name for f in self.loaded if f.source is not None and f.source.name == wanted)
        return next(own, wanted)

    @cached_property
    def compare(self) -> tuple[str, ...]:
        """The columns whose change makes a row different. By default all but keys, event time and the soft delete."""
        apart = {*self.keys, self.apply.soft_delete_column if self.apply.deletes == "soft" else None}
        if self.apply.mode == "scd2":
            apart.add(self.event_time)
        return self.apply.compare or tuple(n for n in self.names if n not in apart)

    @property
    def target(self) -> str:
        """The quoted name of the target."""
        return table(self.table.name)

    @property
    def held(self) -> str:
        """The quoted name under which the rows can be read that the target held when the load began."""
        return ident(LIVE) if self.dialect.attached else self.target

    @property
    def label(self) -> str:
        """The target's name in messages."""
        return str(self.table.name)

    def temporary(self, name: str) -> TableName:
        """One of the load's own temporary tables."""
        return TableName(self.dialect.temporary.schema, name)

    def again(self, name: str, number: int) -> str:
        """The quoted name of one of them for one more place in a statement, where it may be read in one place alone."""
        return table(self.temporary(name if self.dialect.temporary.reopens else f"{name}_{number}"))

    def aliases(self, *wanted: str) -> tuple[str, ...]:
        """Aliases for tables in a statement with subqueries, other than the names of all columns.

        In a subquery, DuckDB takes `t.x` for the field `x` of a column `t`, if there is one, before the table `t`.
        """
        taken = {c.name.lower() for c in (*self.table.columns, *self.columns)}
        return tuple(free_name(w, taken) for w in wanted)

    @property
    def rows(self) -> str:
        """The quoted name of the table of rows to write."""
        return table(self.temporary(ROWS))

    @property
    def stage(self) -> str:
        """The quoted name of the table of rows as they arrived."""
        return table(self.temporary(STAGE))

    @property
    def sifted(self) -> str:
        """The quoted name of the table of all rows, where some of them are set aside."""
        return table(self.temporary(SIFTED))

    @property
    def complete(self) -> str:
        """The quoted name of the first table that holds all rows as they will be written."""
        return self.sifted if self.sifts else self.rows

    def row_column(self, name: str) -> Column | None:
        """A column of the rows to write: the target's, or else one that only the source has."""
        return self._targets.get(name) or find_column(self.extras, name)

    @cached_property
    def _targets(self) -> dict[str, Column]:
        return {f.target.name: f.target for f in self.loaded}

    def equal(self, names: Iterable[str], left: str, right: str) -> str:
        """The join condition on columns that are never NULL.

        Bare columns, so that indexes serve it; keys have the target's own types and collations in the load's tables, so
        that the target decides what is one key.
        """
        return " AND ".join(f"{qualified(n, left)} = {qualified(n, right)}" for n in names)

    @cached_property
    def folding(self) -> tuple[str, ...]:
        """The key columns that may hold values of different bytes equal."""
        return tuple(k for k in self.keys if (c := self.row_column(k)) is not None and c.native is not None)

    def key(self, name: str, x: str) -> str:
        """A value of a key so that it compares as in the target's column."""
        column = self.row_column(name)
        collation = column.native.collation if column is not None and column.native is not None else None
        if collation is None:
            return x
        return self.dialect.compare.collated.format(x=x, collation=collation, charset=collation.partition("_")[0])

    def comparable(self, name: str, x: str) -> str:
        """A value of a column of the rows in a form that compares by value."""
        column = self.row_column(name)
        if column is None:
            return x
        kind, compare = column.type.kind, self.dialect.compare
        if column.native is not None and kind in _TEXTUAL:
            return compare.text_by_value.format(x=x)
        own = compare.native.get(kind) if column.native is not None else None
        return (own or compare.comparable.get(kind, "{x}")).format(x=x)

    def changed(self, name: str, stored: str, sent: str) -> str:
        """The condition that a column's native type made another value of what was sent."""
        column, compare = self.row_column(name), self.dialect.compare
        assert column is not None  # the rows have it
        forms = [compare.stored_told.get(column.type.kind), self._as_stored(column)]
        pairs = ((form.format(x=stored), form.format(x=sent)) for form in forms if form is not None)
        return " AND ".join(compare.differ.format(a=a, b=b) for a, b in pairs)

    def _as_stored(self, column: Column) -> str:
        """A value `{x}` of a column of a native type in the form in which it is compared with what was sent."""
        native, kind, compare = column.native or Native(), column.type.kind, self.dialect.compare
        if native.alike is not None:
            return native.alike
        if (own := compare.stored_alike.get(kind)) is not None:
            spelled = text(native.spelled or "", self.dialect).replace("{", "{{").replace("}", "}}")
            return own.replace("{type}", spelled)
        x = cast("{x}", column.type, self.dialect) if kind is Kind.ARRAY or column.type.is_integer else "{x}"
        return compare.text_by_value.format(x=x) if kind in _TEXTUAL else x

    def differs(self, names: Iterable[str], left: str, right: str) -> str:
        """The condition that rows differ in any of the columns, NULLs compared as values."""
        return self.any_of(d for n in names for d in self.differing(n, qualified(n, left), qualified(n, right)))

    def differing(self, name: str, a: str, b: str) -> Iterator[str]:
        """The conditions of which one holds where two values of a column differ: by value, or as they are stored."""
        differ, column = self.dialect.compare.differ, self.row_column(name)
        yield differ.format(a=self.comparable(name, a), b=self.comparable(name, b))
        if column is not None and (form := apart(column.type, self.dialect)):
            yield differ.format(a=form.format(x=a), b=form.format(x=b))

    @staticmethod
    def any_of(conditions: Iterable[str]) -> str:
        """One of many conditions, as a shallow tree: SQLite bounds the depth of an expression."""
        parts = list(conditions) or ["1 = 0"]
        while len(parts) > _WIDTH:
            parts = ["(" + " OR ".join(parts[i : i + _WIDTH]) + ")" for i in range(0, len(parts), _WIDTH)]
        return " OR ".join(parts)


def free_name(alias: str, taken: Container[str]) -> str:
    """The name itself where it is not taken, else the first of it with a number that is not."""
    return next(a for a in chain([alias], (f"{alias}{i}" for i in count(1))) if a not in taken)


def find_column(columns: Iterable[Column], name: str) -> Column | None:
    """The column of that name, else the only one that differs from it in case alone."""
    return finder(columns)(name)


def finder(columns: Iterable[Column]) -> Callable[[str], Column | None]:
    """`find_column` for many names: to look through thousands of columns for each of as many takes seconds."""
    held = tuple(columns)
    exact = {column.name: column for column in reversed(held)}

    def found(name: str) -> Column | None:
        if name in exact:
            return exact[name]
        near = [column for column in held if column.name.lower() == name.lower()]
        return near[0] if len(near) == 1 else None

    return found
