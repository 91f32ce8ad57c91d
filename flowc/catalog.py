"""What both halves say about tables: connectors fill these from live systems, the compiler from specs."""

from __future__ import annotations

from dataclasses import dataclass

from flowc.types import DataType


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table in one connection; `schema` None is the connection's own default."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @staticmethod
    def parse(text: str) -> TableName:
        """Splits `schema.table`; a name without a dot has no schema."""
        schema, dot, name = text.rpartition(".")
        return TableName(schema if dot else None, name)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table or of a query's output. `default` is SQL text in the engine's own words."""

    name: str
    type: DataType
    nullable: bool = True
    default: str | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """An index by its columns in order; `name` None lets flowc name it."""

    columns: tuple[str, ...]
    unique: bool = False
    name: str | None = None
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is or as it should be. `plain` is known of a live table that is no view and has no partitions."""

    name: TableName
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()
    comment: str | None = None
    plain: bool = False

    def column(self, name: str) -> Column | None:
        """The column of that exact name."""
        return next((c for c in self.columns if c.name == name), None)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(c.name for c in self.columns)
