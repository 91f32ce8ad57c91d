"""The tables that a test gives rows to, made in its embedded databases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pyarrow as pa

from flowc.catalog import Column, Table, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.streamspec import RowsSpec, TestSpec
from flowc.compiler.ir import Apply, Source, Sql, Target
from flowc.compiler.loads.load import ROW_HASH
from flowc.compiler.loads.shape import target_table
from flowc.compiler.tables.ddl import create_schema, create_table
from flowc.formats import FORMATS
from flowc.service.access.sessions import Sessions
from flowc.service.testing.csv import csv_rows
from flowc.service.testing.defaults import make_ready
from flowc.service.testing.embedded import ENGINE, GIVEN, Project
from flowc.service.testing.rows import Misplaced, arrow_rows, check_names, inferred
from flowc.types import UNKNOWN

UNTESTABLE = "not-testable"
_DIALECT = DIALECTS[ENGINE]


@dataclass
class Seed:
    """Gives the rows of one test to what reads them. `used` are the names that were given somewhere."""

    test: TestSpec
    project: Project
    sessions: Sessions

    def __post_init__(self) -> None:
        self.used: set[str] = set()

    @property
    def given(self) -> list[str]:
        """The names that rows are given to."""
        return list(self.test.given)

    def source(self, source: Source) -> Source:
        """A source of the engine, with the rows that are given to it: a table of an embedded database."""
        if source.name not in self.given and source.table is not None and source.table.name in self.given:
            self.table(source.connection, source.table, source.columns)
            return source
        name = TableName(None, source.name)
        key, columns = self._named(source.name, source.columns), self._columns(source)
        if source.format and FORMATS[source.format].headed and columns is not None:
            self._lines(source, Table(name, self._known(key, columns)), key)
        else:
            self._make(GIVEN, name, columns, key, whole=source.path is not None)
        return replace(source, connection=GIVEN, kind=ENGINE, table=name, sql=None, path=None, options={})

    def reads(self, node: Sql) -> None:
        """The tables that a query reads in its database."""
        for read in node.reads:
            self.table(node.inputs[0].connection, read, None)

    def table(self, connection: str, name: TableName, columns: tuple[Column, ...] | None) -> None:
        """One table that is read by its name, with the rows that are given to it, or none where it is declared."""
        declared = self._declared(connection, name)
        key = next((k for k in (declared[0] if declared else "", str(name), name.name) if k in self.given), None)
        columns = declared[1].columns if declared is not None else columns
        if self.sessions.target(connection).table(name) is None:
            self._make(connection, name, columns, key or self._named(str(name), columns))

    def lookup(self, name: str, columns: tuple[Column, ...] | None) -> tuple[Column, ...]:
        """A lookup's rows, as a table of its name among the given ones; gives its columns."""
        key = self._named(name, columns)
        columns = self._known(key, columns)
        self._fill(GIVEN, Table(TableName(None, name), columns), key)
        return columns

    def ready(self, target: Target) -> None:
        """Makes ready for the table of a load. Raises Misplaced where the engine of tests cannot make it."""
        wrong = make_ready(self.sessions.target(target.connection), target.table, ENGINE) if target.table else None
        if wrong is not None:
            message = f"`{target.name}` cannot be made in DuckDB, which tests run on: {wrong}"
            help = "run it on its own database"
            raise Misplaced(message, self.test.subject.span, code=UNTESTABLE, help=help)

    def target(self, apply: Apply, columns: tuple[Column, ...] | None, *, read: bool = False) -> None:
        """The rows that the target holds before, where some are given; of an undeclared one in `columns`, if known.

        One that its own SQL reads is there even without rows.
        """
        key, target = self.before(apply.target), apply.target
        made = _made(apply, columns)
        if key is None and (made is None or not read):
            return
        key = key or str(target.name)
        if made is None:
            made = Table(target.name, self._known(key, None), target.primary_key)
        batch = _hashed(self._rows(key), made.columns) if apply.mode == "scd2" else None
        self._fill(target.connection, made, key, batch)

    def before(self, target: Target) -> str | None:
        """The name under which rows of a target are given; None where it holds none before."""
        declared = self._declared(target.connection, target.name)
        names = (declared[0] if declared else "", str(target.name), target.name.name)
        return next((name for name in names if name in self.given), None)

    def check_used(self, listed: Iterable[str], targets: Iterable[Target]) -> None:
        """Raises Misplaced for rows that nothing reads and no target holds."""
        listed, targets = list(listed), list(targets)
        holding = {self.before(target) for target in targets}
        for key, rows in self.test.given.items():
            if key not in self.used | holding:
                message = f"test `{self.test.name.value}` gives rows to `{key}`, which is not read"
                names = ", ".join(
                    f"`{name}`" for name in dict.fromkeys([*listed, *(str(target.name) for target in targets)])
                )
                raise Misplaced(message, rows.name.span, code="unknown-table", help=f"rows can be given to {names}")

    def _declared(self, connection: str, name: TableName) -> tuple[str, Table] | None:
        """A table that the project declares, or that one of its pipelines makes, and the name that rows may have."""
        for key, spec in self.project.checked.project.tables.items():
            if spec.connection.value == connection and spec.table_name == name:
                return key, self.project.ir.tables[key]
        applies = (apply for pipeline in self.project.ir.pipelines for apply in pipeline.applies)
        written = (each for each in applies if (each.target.connection, each.target.name) == (connection, name))
        made = next(filter(None, (_made(each, each.input.columns) for each in written)), None)
        return (str(name), made) if made is not None else None

    def _columns(self, source: Source) -> tuple[Column, ...] | None:
        declared = self._declared(source.connection, source.table) if source.table is not None else None
        return source.columns or (declared[1].columns if declared else None)

    def _named(self, name: str, columns: tuple[Column, ...] | None) -> str:
        """The name, when rows are given to it, or its columns are declared so that it can be empty."""
        if name in self.given or columns is not None:
            return name
        message = f"test `{self.test.name.value}` gives no rows to `{name}`, which is read"
        help = f"add `{name}:` under `given`, or declare its columns: it is then empty"
        raise Misplaced(message, self.test.given_span, code=UNTESTABLE, help=help)

    def _make(
        self, connection: str, name: TableName, columns: tuple[Column, ...] | None, key: str, *, whole: bool = False
    ) -> None:
        self._check_nulls(key, columns or (), whole=whole)
        self._fill(connection, Table(name, self._known(key, columns)), key)

    def _lines(self, source: Source, table: Table, key: str) -> None:
        """A table of rows that are read as lines of CSV, with what stands for NULL there."""
        rows, connections = self._rows(key), self.project.checked.project.connections
        check_names(rows, table.columns)
        self._check_nulls(key, source.columns or (), whole=True)
        self._fill(GIVEN, table, key, csv_rows(rows, source, table.columns, connections))

    def _known(self, key: str, columns: tuple[Column, ...] | None) -> tuple[Column, ...]:
        """Declared columns, made to take what a test leaves out, or those of the rows."""
        declared = tuple(replace(column, nullable=True, default=None) for column in columns or ())
        columns = declared or inferred(self._rows(key))
        if not columns:
            message = f"the columns of `{key}` are not known: it is not declared, and no row is given"
            raise Misplaced(message, self._rows(key).name.span, code=UNTESTABLE, help="give it a row")
        return columns

    def _check_nulls(self, key: str, columns: Iterable[Column], *, whole: bool) -> None:
        """Raises Misplaced for NULL where a column has none; with `whole`, rows have all such columns."""
        needed = [column.name for column in columns if not column.nullable]
        for row in self._rows(key).rows:
            for name in needed:
                if row.values.get(name) is None and (whole or name in row.values):
                    message = f"column `{name}` of `{key}` is `not null`, and this row has no value there"
                    raise Misplaced(message, row.spans.get(name, row.span), code="missing-value")

    def _rows(self, key: str) -> RowsSpec:
        """The rows that are given to a name, or none."""
        return self.test.given.get(key) or RowsSpec(self.test.name, (), self.test.span)

    def _fill(self, connection: str, table: Table, key: str, batch: pa.RecordBatch | None = None) -> None:
        self.used.add(key)
        batch = batch if batch is not None else arrow_rows(self._rows(key), table.columns)
        database = self.sessions.target(connection)
        database.begin()
        if table.name.schema is not None:
            database.execute(create_schema(table.name.schema, _DIALECT))
        for statement in create_table(table, _DIALECT):
            database.execute(statement)
        if batch.num_rows:
            database.ingest(table.name, table.columns, iter([batch]), temporary=False)
        database.commit()


def _hashed(given: RowsSpec, columns: tuple[Column, ...]) -> pa.RecordBatch:
    """Rows of a history, with an empty digest where they leave it out: no test knows it, and no load reads it."""
    batch = arrow_rows(given, [replace(each, nullable=True) if each.name == ROW_HASH else each for each in columns])
    place = batch.schema.get_field_index(ROW_HASH)
    if place < 0:
        return batch
    return batch.set_column(place, batch.schema.field(place), batch.column(place).fill_null(""))


def _made(apply: Apply, columns: tuple[Column, ...] | None) -> Table | None:
    """The table that a load makes of rows with such columns; None where it cannot be told."""
    if apply.target.table is None and (columns is None or any(column.type == UNKNOWN for column in columns)):
        return None
    return target_table(apply, columns or (), _DIALECT)
