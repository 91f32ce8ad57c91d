"""The ways in which a live table can change, before any engine's words: a class for each, and what it happens to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from flowc.catalog import Column, Index, Table
from flowc.compiler.dialect import Dialect


@dataclass(frozen=True, slots=True)
class AddColumn:
    """A column that is new."""

    kind: ClassVar[str] = "add_column"
    now: Column

    @property
    def name(self) -> str:
        """The column's name in the end."""
        return self.now.name


@dataclass(frozen=True, slots=True)
class DropColumn:
    """A column that goes."""

    kind: ClassVar[str] = "drop_column"
    was: Column

    @property
    def name(self) -> str:
        """The column's name, under which it goes."""
        return self.was.name


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """What changes of a column that stays: `was` and `now` have its old and its new name."""

    was: Column
    now: Column

    @property
    def name(self) -> str:
        """The column's name in the end."""
        return self.now.name


@dataclass(frozen=True, slots=True)
class RenameColumn(ColumnChange):
    """It goes by another name."""

    kind: ClassVar[str] = "rename_column"


@dataclass(frozen=True, slots=True)
class AlterType(ColumnChange):
    """Its type."""

    kind: ClassVar[str] = "alter_type"


@dataclass(frozen=True, slots=True)
class SetDefault(ColumnChange):
    """It gets a default, or another one."""

    kind: ClassVar[str] = "set_default"


@dataclass(frozen=True, slots=True)
class DropDefault(ColumnChange):
    """It has none any more."""

    kind: ClassVar[str] = "drop_default"


@dataclass(frozen=True, slots=True)
class SetNotNull(ColumnChange):
    """It may no longer be NULL."""

    kind: ClassVar[str] = "set_not_null"


@dataclass(frozen=True, slots=True)
class DropNotNull(ColumnChange):
    """It may be NULL."""

    kind: ClassVar[str] = "drop_not_null"


@dataclass(frozen=True, slots=True)
class AlterGeneration(ColumnChange):
    """How the engine makes its values, or whether it does."""

    kind: ClassVar[str] = "alter_generation"


@dataclass(frozen=True, slots=True)
class CommentColumn:
    """The comment of a column; `was` is None of one that is new."""

    kind: ClassVar[str] = "comment_column"
    was: Column | None
    now: Column
    comment: str | None

    @property
    def name(self) -> str:
        """The column's name in the end."""
        return self.now.name


@dataclass(frozen=True, slots=True)
class CommentTable:
    """The comment of the table."""

    kind: ClassVar[str] = "comment_table"
    comment: str


@dataclass(frozen=True, slots=True)
class AddKey:
    """A primary key of these columns, by their new names."""

    kind: ClassVar[str] = "add_key"
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DropKey:
    """The primary key of these columns, by their new names."""

    kind: ClassVar[str] = "drop_key"
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CreateIndex:
    """An index that is new; `temporary` is the name under which it is made while another index has its own name."""

    kind: ClassVar[str] = "create_index"
    index: Index
    temporary: str | None = None


@dataclass(frozen=True, slots=True)
class DropIndex:
    """An index that goes; one that is not valid was left unfinished.

    `successor` is the index that takes its place, under the name that it has when this one goes: it is made before.
    """

    kind: ClassVar[str] = "drop_index"
    index: Index
    successor: Index | None = None


@dataclass(frozen=True, slots=True)
class RenameIndex:
    """An index that was made under a temporary name, and its own name."""

    kind: ClassVar[str] = "rename_index"
    index: Index
    name: str


@dataclass(frozen=True, slots=True)
class AlterPartitions:
    """The columns by which the table is divided into files, by their new names."""

    kind: ClassVar[str] = "alter_partitions"
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DropLeftovers:
    """All that an apply that did not end has left."""

    kind: ClassVar[str] = "drop_leftovers"


ColumnAlteration = (
    AddColumn | DropColumn | RenameColumn | AlterType | SetDefault | DropDefault | SetNotNull | DropNotNull
    | AlterGeneration | CommentColumn
)  # fmt: skip
TableAlteration = (
    AddKey | DropKey | CreateIndex | DropIndex | RenameIndex | AlterPartitions | CommentTable | DropLeftovers
)
Alteration = ColumnAlteration | TableAlteration
"""One way in which a table is to change. Its `kind` is the word for it in plans."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What an alteration happens to: the live table, what it becomes, and the engine's dialect.

    `label` is the table's full name; `renamed` maps old names of columns to new ones.
    """

    live: Table
    wanted: Table
    dialect: Dialect
    label: str
    renamed: tuple[tuple[str, str], ...] = ()
    whole: bool = False
    """What is wanted is a live table, which leaves nothing open."""
    kept: Table | None = None
    """The live table as the last apply found it at its end, where the history holds that."""
    zones: tuple[tuple[str, str], ...] = ()
    """Live columns, each with its `change_timezone`."""
    loads: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The loads into the table, each with the time zones that it names."""
    earlier_zones: tuple[tuple[str, str], ...] = ()
    """The `change_timezone` of columns in earlier versions."""
    doubtful: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Wanted columns that are absent, each with live ones that unfinished versions may have renamed from or to it."""

    def new_name(self, column: str) -> str:
        """What a live column is called in the end."""
        return dict(self.renamed).get(column, column)

    def old_name(self, column: str) -> str:
        """What a wanted column is called in the live table."""
        return {new: old for old, new in self.renamed}.get(column, column)

    @property
    def renamed_live(self) -> Table:
        """The live table, its columns under their new names."""
        return self.live.with_names(dict(self.renamed))

    @property
    def unrenamed(self) -> Situation:
        """The same without the renames: the wanted table has the names that the live one has."""
        return replace(self, wanted=self.wanted.with_names({new: old for old, new in self.renamed}), renamed=())
