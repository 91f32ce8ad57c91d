"""What one SELECT can name, with the types that PostgreSQL gives them, and what the judges share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from flowc.catalog import TableName
from flowc.compiler.sql import marks
from flowc.compiler.sql.binding.resolve import Type
from flowc.compiler.sql.relations import Relation
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.diagnostics import Reporter
from flowc.source import Span

_CLOSING = re.compile(r"\s*(\(\s*)?\)")

Fields = list[tuple[str, Type]]


@dataclass(eq=False)
class Source:
    """One relation of a FROM. `open`: it may have columns that are not known. `key`: its primary key, None unknown."""

    fields: Fields
    open: bool = False
    key: tuple[str, ...] | None = ()

    def get(self, name: str) -> tuple[bool, Type]:
        """Whether it has a column, and its type."""
        return next(((True, kind) for known, kind in self.fields if known == name), (False, None))


@dataclass(eq=False)
class Frame:
    """The FROM of one SELECT, with those around it."""

    parent: Frame | None = None
    sources: dict[str, Source] = field(default_factory=dict)
    merged: set[str] = field(default_factory=set)
    aliases: dict[str, exp.Expression] = field(default_factory=dict)
    typed: dict[str, Type] = field(default_factory=dict)
    """The output's columns by name, once they are known."""
    named: bool = False
    """Its clauses may use the output's names."""

    def outwards(self) -> Iterator[Frame]:
        """This one and those around it."""
        frame: Frame | None = self
        while frame is not None:
            yield frame
            frame = frame.parent


@dataclass(frozen=True, slots=True)
class Owned:
    """Where a column comes from."""

    frame: Frame
    source: Source
    name: str


@dataclass
class Judge:
    """What all parts of one judgement share."""

    parsed: SqlTree
    find: Callable[[TableName], Relation | None]
    reporter: Reporter
    owners: dict[int, Owned] = field(default_factory=dict)
    """Where the columns of the tree come from, by node."""
    kinds: dict[int, str] = field(default_factory=dict)
    """The kinds of the functions that are called, by node."""

    def place(self, node: exp.Expression) -> Span:
        """Where an expression is written; a call with its closing parenthesis."""
        places = [marks.position(n) for n in node.walk() if marks.START.has(n)]
        if not places or not isinstance(node, exp.Anonymous):
            return self.parsed.span(node)
        start, end = min(s for s, _ in places), max(e for _, e in places)
        closing = _CLOSING.match(self.parsed.text.text, end)
        return self.parsed.text.span(start, closing.end() if closing is not None else end)

    def refuse(self, message: str, node: exp.Expression, helps: Sequence[str] = ()) -> None:
        """Reports what the database would refuse."""
        self.reporter.error("query-refused", message, self.place(node), helps=list(helps))
