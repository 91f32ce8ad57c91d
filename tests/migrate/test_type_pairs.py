"""Every change of a type to every other, on real rows: what no precheck finds arrives, and a widening finds nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flowc.catalog import Column, Table, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.migrate.tableplan import plan_tables
from flowc.compiler.tables.ddl import create_table, reported, spellable, stored
from flowc.compiler.tables.difference import same_type
from flowc.migration import Change, Managed, Risk, TableChanges, WantedTable
from flowc.runtime.arrow import arrow_type
from flowc.runtime.contracts.database import Database
from flowc.runtime.systems import open_database
from flowc.service.changes.prechecks import judged
from flowc.types import BIGINT, DataType, Kind
from tests.migrate.typepairs import TYPES, edges, same
from tests.stores import KINDS, address

NAME = TableName(None, "t")
_GONE = 1000
"""From this id on, rows were deleted; an engine may still have them in its file."""


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    dsn = address(request, request.param)
    options = {"url": dsn} if dsn else {"path": str(tmp_path / f"store.{request.param}")}
    with closing(open_database(request.param, options)) as found:
        yield found


def test_no_value_is_lost_by_a_change_of_type_that_no_precheck_refuses(database: Database):
    dialect = DIALECTS[database.kind]
    types = [kind for kind in TYPES if spellable([Column("a", kind)], dialect) and stored(kind, dialect) == kind]
    done = [Trial(database, old, types).run() for old in types]
    assert [line for trial in done for line in trial] == []


@dataclass
class Trial:
    """A table of one type, with a column for each type that its values are to become."""

    database: Database
    old: DataType
    types: Sequence[DataType]

    def run(self) -> list[str]:
        """What went wrong, a line for each pair of types."""
        live = self.made()
        new = self.possible(live)
        changes = judged(planned(self.database, live, new), self.database)
        for change in found(changes):
            self.emptied(change, new[change.column or ""])
        held = self.values()
        before = {name: held[name] for change in found(changes) if (name := change.column or "")}
        wrong = [f"{c.object}: {c.summary}: widening, with a precheck" for c in found(changes) if _asks(c)]
        apply(self.database, changes)
        after = self.values()
        for name, values in before.items():
            pairs = zip(values, after[name], strict=True)
            lost = [pair for pair in pairs if not same(*pair, self.old, reported(new[name], self.dialect))]
            wrong += [f"{self.old} to {new[name]}: {lost}"] if lost else []
        self.database.execute("DROP TABLE t")
        return wrong

    @property
    def dialect(self) -> Any:
        return DIALECTS[self.database.kind]

    def made(self) -> Table:
        """The table with the values at the edges of the type in every column, as the engine tells it."""
        columns = (Column("id", BIGINT, False), *(Column(f"c{n}", self.old) for n, _ in enumerate(self.types)))
        for statement in create_table(Table(NAME, columns, ("id",)), self.dialect):
            self.database.execute(statement)
        live = self.database.table(NAME)
        assert live is not None
        kind = arrow_type(live.columns[1].type)
        values = [None, *edges(self.old, self.database.kind)]
        texts = [str(v) if v is not None and pa.types.is_string(kind) else v for v in values]
        self.database.begin()
        for first in (0, _GONE):
            ids = pa.array(range(first, first + len(values)), pa.int64())
            rows = [ids, *[pa.array(texts, kind)] * len(self.types)]
            batch = pa.RecordBatch.from_arrays(rows, names=list(live.column_names))
            self.database.ingest(NAME, live.columns, iter([batch]), temporary=False)
        self.database.commit()
        self.database.execute(f"DELETE FROM t WHERE id >= {_GONE}")
        return live

    def possible(self, live: Table) -> dict[str, DataType]:
        """The columns that change, and into what."""
        new = {f"c{n}": kind for n, kind in enumerate(self.types)}
        new = {name: kind for name, kind in new.items() if not same_type(kind, live.columns[1].type, self.dialect)}
        refused = {c.column for c in found(planned(self.database, live, new)) if c.blocked}
        return {name: kind for name, kind in new.items() if name not in refused}

    def emptied(self, change: Change, new: DataType) -> None:
        """Takes away those of the column's values that the change's prechecks find."""
        name = change.column
        if self.old.kind is Kind.TEXT and new.kind is Kind.JSON and self.database.kind == "postgres":
            self.empty(name, f"NOT ({name} IN ('5', 'true') OR {name} LIKE '{{%}}')")
            return  # its check fails as a whole, and names one value
        for check in change.prechecks:
            assert check.error is None, f"{change.summary}: {check.error}"
            _, _, misfit = check.sql.partition(" WHERE ")
            self.empty(name, misfit)

    def empty(self, name: str | None, where: str) -> None:
        ids = self.database.query(f"SELECT id FROM t WHERE {where}").column(0).to_pylist()
        if ids:
            self.database.execute(f"UPDATE t SET {name} = NULL WHERE id IN ({', '.join(map(str, ids))})")

    def values(self) -> dict[str, list[Any]]:
        return self.database.query("SELECT * FROM t ORDER BY id").to_pydict()


def _asks(change: Change) -> bool:
    return change.risk is Risk.WIDENING and bool(change.prechecks)


def planned(database: Database, live: Table, new: dict[str, DataType]) -> tuple[TableChanges, ...]:
    """The plan that gives those columns those types."""
    columns = tuple(Column(c.name, new.get(c.name, c.type), c.nullable) for c in live.columns)
    wanted = WantedTable("w", database.kind, "t", Table(NAME, columns, ("id",)), zones=tuple((n, "UTC") for n in new))
    return plan_tables("w", database.kind, [wanted], live={NAME: live}, managed=[Managed("t", live)])


def found(tables: tuple[TableChanges, ...]) -> list[Change]:
    return [change for table in tables for change in table.changes if change.kind == "alter_type"]


def apply(database: Database, tables: tuple[TableChanges, ...]) -> None:
    statements = [s for table in tables for change in table.changes for s in change.statements]
    together = all(statement.transactional for statement in statements)
    if together:
        database.begin()
    for statement in statements:
        database.execute(statement.sql)
    if together:
        database.commit()
