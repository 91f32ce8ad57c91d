"""What the compiler asks of engines that are at hand: do they take a query as its author wrote it?

The compiler has no driver: it is handed a `Checker`, and without one it asks nothing. A checker answers for the
dialects that it has an engine for, and says nothing where it cannot know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from flowc.catalog import Column, TableName
from flowc.loadplan import FunctionPlan
from flowc.source import MappedText


@dataclass(frozen=True, slots=True)
class NamedTable:
    """A table by the name that a query has for it; `columns` None where they are not known.

    `typed` tells that their types are those declared, so that the engine has the same.
    """

    name: TableName
    columns: tuple[Column, ...] | None
    typed: bool = True


@dataclass(frozen=True, slots=True)
class Statement:
    """A query, templates filled in, in the words of its author.

    `dialect` is what it is written in, `engine` the kind of what runs it, `place` the connection whose tables it reads
    (empty for flowc's own engine). The author's part of the text begins at `start`. `runs` is what flowc's own engine
    gets of it; None for other engines.
    """

    dialect: str
    engine: str
    place: str
    text: MappedText
    tables: tuple[NamedTable, ...]
    functions: tuple[FunctionPlan, ...] = ()
    constants: tuple[tuple[str, int], ...] = ()
    """Literals that have to be of a type, each as an expression and with its offset."""
    start: int = 0
    runs: str | None = None

    @property
    def native(self) -> bool:
        """Whether the engine reads the author's own words."""
        return self.dialect == self.engine

    @property
    def named(self) -> bool:
        """Whether all columns are known of the tables that it names."""
        return all(table.columns is not None for table in self.tables)

    @property
    def typed(self) -> bool:
        """Whether their types are known, too."""
        return self.named and all(table.typed for table in self.tables)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an engine does not take a statement.

    `offset` counts characters of the statement's text and is None where the engine does not tell a place; `length` as
    well. `function` is a refusal for a function that the engine does not have, whose `name` it is.
    """

    kind: Literal["syntax", "function", "binding", "depth"]
    message: str
    offset: int | None = None
    length: int | None = None
    helps: tuple[str, ...] = ()
    name: str = ""


class Checker(Protocol):
    """Asks engines."""

    def __call__(self, statements: Sequence[Statement]) -> Iterable[tuple[Statement, Refusal]]:
        """The statements that an engine does not take, each with the first reason."""
