"""One way in which a live table is to change, before any engine's words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flowc.catalog import Column, Index, Table
from flowc.compiler.dialect import Dialect


@dataclass(frozen=True, slots=True)
class Alteration:
    """What changes: `was` and `now` are the column before and after, under its old and new name.

    `index` is the index of `create_index` and `drop_index`, `key` the primary key of `add_key`, or the
    columns of `alter_partitions`.
    """

    kind: str
    was: Column | None = None
    now: Column | None = None
    index: Index | None = None
    key: tuple[str, ...] = ()
    comment: str | None = None

    @property
    def column(self) -> Column:
        """The column it is about, as it will be where it stays."""
        found = self.now or self.was
        assert found is not None, self.kind
        return found


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
