"""The marks that passes leave on the nodes of a query: all of flowc's keys in sqlglot's `node.meta`.

A mark stays on its node, and on copies of the node, until the tree is dropped: no mark is read again from the text.
Each entry says who sets the mark, what it means, who reads it, and where it is cleared, if anywhere.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from sqlglot import exp

from flowc.types import DataType, Kind

T = TypeVar("T")


class Mark(Generic[T]):
    """A typed entry of a node's metadata."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key: Final = key

    def get(self, node: exp.Expression) -> T | None:
        """The value on a node; None where it has none."""
        meta = node._meta
        value: T | None = meta.get(self.key) if meta is not None else None
        return value

    def of(self, node: exp.Expression) -> T:
        """The value on a node that is known to have one. Raises KeyError where it has none."""
        value: T = node.meta[self.key]
        return value

    def has(self, node: exp.Expression) -> bool:
        """Whether a node has the mark, be its value None."""
        return node._meta is not None and self.key in node._meta

    def set(self, node: exp.Expression, value: T) -> None:
        """Marks a node."""
        node.meta[self.key] = value

    def clear(self, node: exp.Expression) -> None:
        """Removes the mark, where there is one."""
        if node._meta is not None:
            node._meta.pop(self.key, None)


class Flag(Mark[bool]):
    """A mark without a value."""

    __slots__ = ()

    def put(self, node: exp.Expression) -> None:
        """Marks a node."""
        self.set(node, True)


def copy_marks(source: exp.Expression, target: exp.Expression) -> None:
    """Gives a node the marks and the position of another."""
    target.meta.update(source.meta)


# Positions. sqlglot's tokenizer sets them; nodes that a pass makes have none.

START: Final = Mark[int]("start")
"""The offset of the first character of a node in the text that was parsed."""
END: Final = Mark[int]("end")
"""The offset of the last character of a node: inclusive."""


def position(node: exp.Expression) -> tuple[int, int]:
    """The offsets of the first character of a node and of that after its last. Raises KeyError where it has none."""
    meta = node.meta
    return meta["start"], meta["end"] + 1


# Parsing

DATE_PART: Final = Flag("flowc.date_part")
"""On the cast of what `date_part` reads. `text/clocks` sets and reads it: the name of an output depends on it."""

# Names and types: set while the columns and types of a query are inferred, read by translation and by lowering

OWNERS: Final = Mark[tuple[str, ...]]("flowc.owners")
"""On a column without a table: the relations of FROM that have it, by their names there. `types/scope` sets it.

Cleared where a pass moves a column into another FROM."""
WHOLE_ROW: Final = Mark[tuple[tuple[str, Kind], ...] | None]("flowc.row")
"""On the name of a whole row: its columns, None where they are unknown. `types/scope` sets it; DataFusion's rules read
it, and clear it where the name is an element of a document."""
OUTER: Final = Flag("flowc.outer")
"""On a column of a query around its own. `types/scope` sets it; DataFusion's rules of subqueries read it."""
OPEN: Final = Flag("flowc.open")
"""On a column of a relation whose columns are unknown until it is read. `types/scope` sets it; DataFusion's rules of
time zones read it."""
MERGED_TABLES: Final = Mark[tuple[str, ...] | None]("flowc.merged.tables")
"""On a column that joins merge: the tables whose first value that is not NULL it is, None where they are unknown.
`types/scope` sets it; DataFusion's joins read it."""
MERGE_CONDITION: Final = Mark[exp.Expression | None]("flowc.merged.condition")
"""On a join that merges columns: its condition, None where it is unknown. `types/inferfrom` sets it; DataFusion's joins
read it."""
STAR_COLUMNS: Final = Mark[list[tuple[str, tuple[str, ...] | None]] | None]("flowc.star")
"""On the `*` of joins that merge columns: the names of its columns, each with the tables whose first value that is not
NULL it is. None where the names are unknown or not unique. `types/infer` sets it; DataFusion's joins read it."""
JSON_COLUMNS: Final = Mark[frozenset[int]]("flowc.documents")
"""On a query: the places of its columns that hold JSON, from 1. `types/infer` sets it; DataFusion's rules of equality
read it."""
MERGES_JSON: Final = Flag("flowc.documents.merged")
"""On a join that merges columns of JSON. `types/inferfrom` sets it; DataFusion's rules of equality read it."""
OUTPUT_NAME: Final = Mark[str]("flowc.called")
"""On an item of a subquery's SELECT list without an alias: the name that PostgreSQL gives it. `types/infer` sets it;
DataFusion's joins and names read it."""
COLUMN_COUNT: Final = Mark[int]("flowc.columns")
"""On an item of a SELECT list: how many columns it stands for. `types/infer` sets it; `lowering/inputs` reads it."""
RETURNS: Final = Mark[DataType]("flowc.returns")
"""On a call of a function of the project, or of a window: the type of its value. Lowering and `streams/windowcalls` set
it; `types/exprtypes` reads it."""
ARGUMENTS: Final = Mark[tuple[DataType, ...]]("flowc.arguments")
"""On a call that has `RETURNS`: the types of its arguments. `types/exprtypes` sets it; `lowering/functioncalls` reads
it."""
CHOSEN: Final = Flag("flowc.chosen")
"""On a value that holds decimals whose scale PostgreSQL chooses for each value. `types/exprtypes` sets it; the rules of
numbers read it."""
WIDE: Final = Flag("flowc.wide")
"""On a column that holds sums of integers, which PostgreSQL divides as decimals. `types/exprtypes` sets it; the rules
of numbers read it."""

# Streams: a stream's query while it is cut into nodes

CALL: Final = Mark[str]("flowc.call")
"""On a table: the id of the dedupe, join, window or running aggregate whose rows it stands for. `streams/*` and
`lowering/windowcut` set it; lowering reads it."""
WINDOW: Final = Mark[str]("flowc.window")
"""On the subquery in the place of a window's table function: the id of the call. `streams/windowcalls` sets it;
`lowering/windowcut` cuts the query there, and `CALL` takes its place."""
RUNNING: Final = Mark[str]("flowc.running")
"""On a SELECT: the id of the running aggregate that it is. `streams/runningcalls` sets it and finds the SELECT by
it."""
GROUPED: Final = Flag("flowc.grouped")
"""On a column of groups in a query behind an aggregation. `lowering/windowcut` sets it; what has none is of single rows
and is reported."""

# Rewriting: only while a query is translated to an engine

GENERATED: Final = Flag("flowc.generated")
"""On a call or a division that a rule wrote in the engine's SQL. `rewrite/core` sets it; no rule changes such a node
again, and `checks/hazards` does not judge it."""
SETTLED: Final = Flag("flowc.settled")
"""On a node that no rule looks at again: it is part of a template in MySQL's SQL, or was refused already.
`rewrite/core`, `rewrite/rewrite` and MySQL's rules set it and read it."""
CHECKED: Final = Flag("flowc.checked")
"""On a value that is checked as it is computed. `rewrite/failures` sets it, and counts how deeply such values nest."""
WIDENED: Final = Flag("flowc.widened")
"""On a value that may be a decimal with more places than PostgreSQL's. DataFusion's `places` sets it; the rules of
numbers and texts read it."""
IN_ROWS: Final = Flag("flowc.rows")
"""On a number that is a value of a row or an array. DataFusion's `places` sets it, and `kinds` reads it."""
MEMBER: Final = Flag("flowc.member")
"""On an IN that DataFusion's `members` has rewritten already, so that it is not rewritten within its own template."""
CHAIN: Final = Mark[str]("flowc.chain")
"""On a step of a chain of integer arithmetic: its place in the chain. DataFusion's `integers` sets and reads it."""
HAS_DISTINCT: Final = Mark[bool]("flowc.distinct")
"""On a SELECT: whether one of its aggregates is of DISTINCT values. DataFusion's rules set it once and read it for each
sum."""
APART: Final = Flag("flowc.apart")
"""On a column of a derived table that DataFusion's `correlated` has put in the place of an outer column's rows."""
