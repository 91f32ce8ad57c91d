"""Which row broke a constraint, and by what: engines tell the column or the value, seldom both.

A connector says what the constraint is about (`Violation`). The row is looked for in a copy of the rows that were to be
written, in a transaction that is taken back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import pyarrow as pa

from flowc.catalog import Table, TableName
from flowc.errors import FlowcError
from flowc.loadplan import REFUSED, Ingest, LoadPlan
from flowc.runtime.contracts.database import Database
from flowc.runtime.fit import shorten
from flowc.runtime.names import listed, qualified, quoted

Handed = tuple[Ingest, pa.RecordBatch]
"""Rows that were handed to a database, and the step that did it."""
CODE = "constraint-violated"
CODES = (CODE, "value-refused")
"""The codes of what a constraint, or a type that the database made itself, does not let in."""


@dataclass(frozen=True, slots=True)
class Violation:
    """What a constraint is about: its columns, and what is true of a row that breaks it."""

    columns: tuple[str, ...]
    unique: bool = False
    """Another row has the same values, among those that were to be written or in the table."""
    null: bool = False
    condition: str = ""
    """SQL that holds of rows, under the alias `s`, that break it."""
    values: tuple[tuple[str, object], ...] = ()
    """Columns with the values that the engine told."""


@runtime_checkable
class Explaining(Database, Protocol):
    """A database whose constraints can be looked up."""

    keeps_transaction: bool
    """Whether a statement that fails leaves its transaction, and the tables made in it, as they were."""

    def violated(self, table: TableName, words: str) -> tuple[Violation, ...]:
        """What may have been broken, by what the engine says; nothing where that tells column and value already."""


def named_columns(expression: str, table: Table | None) -> tuple[str, ...]:
    """The columns of a table that the text of a check names."""
    names = () if table is None else table.column_names
    return tuple(n for n in names if re.search(rf"(?<!\w){re.escape(n)}(?!\w)", expression, re.IGNORECASE))


def without_parent(columns: Sequence[str], parent: str, referenced: Sequence[str]) -> Violation:
    """A foreign key to a table, whose quoted name is `parent`."""
    same = " AND ".join(f"p.{quoted(r)} = s.{quoted(c)}" for c, r in zip(columns, referenced, strict=True))
    given = " AND ".join(f"s.{quoted(c)} IS NOT NULL" for c in columns)
    return Violation(tuple(columns), condition=f"{given} AND NOT EXISTS (SELECT 1 FROM {parent} AS p WHERE {same})")


def shown(values: Iterable[tuple[str, object]]) -> str:
    """Columns with their values, for the end of a message."""
    return ", ".join(f"`{name}` is {'NULL' if value is None else shorten(value)}" for name, value in values)


def told(error: FlowcError, words: str) -> None:
    """Adds what was found to a message."""
    error.message = f"{error.message} ({words})"
    error.args = (error.message,)


def look(error: FlowcError, plan: LoadPlan, database: Explaining) -> None:
    """Adds column and value to an error, in the transaction that failed. What cannot be found changes nothing."""
    with suppress(FlowcError):
        found = database.violated(plan.table, error.message)
        if found and not _known(error, found):
            _look(error, found, plan, database, None)


def look_again(error: FlowcError, plan: LoadPlan, database: Explaining, repeat: Callable[[], Handed | None]) -> None:
    """The same after that transaction has been undone; `repeat` makes things in another one as they were.

    It gives the rows that were handed over last, which are searched where the plan has no query of its rows. A table
    that the load itself has made is only there again when that was repeated.
    """
    with suppress(FlowcError):
        found = database.violated(plan.table, error.message)
        gone = error.code == CODE and database.table(plan.table) is None
        if not gone and (not found or _known(error, found)):
            return
        try:
            database.begin()
            handed = repeat()
            found = database.violated(plan.table, error.message) if gone else found
            if found and not (gone and _known(error, found)):
                _look(error, found, plan, database, handed)
        finally:
            database.rollback()


def _known(error: FlowcError, found: Sequence[Violation]) -> bool:
    """Whether the engine's words were enough, if one knows the columns."""
    null = tuple((c, None) for c in found[0].columns) if found[0].null else ()
    if null or found[0].values:
        told(error, shown(null or found[0].values))
        return True
    searched = any(v.condition or v.unique for v in found)
    if not searched:
        name_columns(error, found)
    return not searched


def _look(
    error: FlowcError, found: Sequence[Violation], plan: LoadPlan, database: Explaining, handed: Handed | None
) -> None:
    row = None
    with suppress(FlowcError):
        _gather(plan, database, handed)
        row = next((rows[0] for sql in _questions(found, plan) if (rows := database.query(sql).to_pylist())), None)
    if row is not None:
        told(error, shown(row.items()))
    else:
        name_columns(error, found)


def _questions(found: Sequence[Violation], plan: LoadPlan) -> Iterator[str]:
    """Queries that find a row, the surest first."""
    known = [v for v in found if v.columns and set(v.columns) <= set(plan.columns)]
    for violation in known:
        if violation.condition:
            yield _query(violation, violation.condition)
        if violation.unique:
            names = listed(violation.columns)
            repeated = f"SELECT {names} FROM {quoted(REFUSED)} GROUP BY {names} HAVING count(*) > 1"
            yield _query(violation, f"({names}) IN ({repeated})")
    for violation in known:
        if violation.unique and plan.mode != "truncate":
            yield _query(violation, _held(violation, plan))


def _query(violation: Violation, condition: str) -> str:
    return f"SELECT {listed(violation.columns)} FROM {quoted(REFUSED)} AS s WHERE {condition} LIMIT 1"


def _held(violation: Violation, plan: LoadPlan) -> str:
    """The target has the values already, in a row other than the one that a merge would write them to."""
    same = " AND ".join(f"t.{quoted(c)} = s.{quoted(c)}" for c in violation.columns)
    if plan.mode == "merge":
        same += f" AND NOT ({' AND '.join(f't.{quoted(k)} = s.{quoted(k)}' for k in plan.keys)})"
    return f"EXISTS (SELECT 1 FROM {qualified(plan.table)} AS t WHERE {same})"


def name_columns(error: FlowcError, found: Sequence[Violation]) -> None:
    """Names the columns alone, where the row is not known."""
    columns = [", ".join(f"`{c}`" for c in violation.columns) for violation in found if violation.columns]
    if columns:
        told(error, f"of {' or '.join(columns)}")


def _gather(plan: LoadPlan, database: Explaining, handed: Handed | None) -> None:
    """Fills `REFUSED`: by the plan's query of its rows, or with those that were handed over."""
    names, table = listed(plan.columns), quoted(REFUSED)
    database.execute(f"CREATE TEMPORARY TABLE {table} AS SELECT {names} FROM {qualified(plan.table)} WHERE 1 = 0")
    if plan.rows:
        database.execute(f"INSERT INTO {table} ({names}) {plan.rows}")
    elif handed is not None:
        database.ingest(TableName(None, REFUSED), handed[0].columns, iter([handed[1]]), temporary=True)
