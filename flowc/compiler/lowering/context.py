"""What the parts of lowering share: the project, the catalogue, and how a text becomes a tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from flowc.catalog import Column, TableName
from flowc.compiler.checked import CheckedPipeline, CheckedSpec
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front import kinds
from flowc.compiler.lowering.functions import Functions, declared
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.sql.checker import Checker, Statement
from flowc.compiler.sql.inferfrom import Find
from flowc.compiler.sql.literals import sql_literal, typed_literal
from flowc.compiler.sql.relations import Catalogue, Relation
from flowc.compiler.sql.sqltext import SqlTree, parse_query
from flowc.compiler.sql.templates import Absent, Values, render
from flowc.diagnostics import Reporter
from flowc.source import MappedText
from flowc.types import DataType


@dataclass(frozen=True, slots=True)
class Bound:
    """Where a read goes on: the canonical text of a cursor's value, less the lag, and the type of the cursor."""

    value: str
    type: DataType


Watermark = str | int | float | Bound | None


@dataclass
class Lowering:
    """One run of `lower` over a project."""

    checked: CheckedSpec
    reporter: Reporter
    env: Mapping[str, str]
    watermarks: Mapping[str, Watermark] = field(default_factory=dict)
    catalogue: Catalogue = field(default_factory=Catalogue)
    found: Mapping[str, tuple[Column, ...]] = field(default_factory=dict)
    """Columns that were found in sources of the one stream that is lowered, by the name of the source."""
    checker: Checker | None = None
    statements: list[Statement] = field(default_factory=list)
    """What the checker is to be asked about."""

    @cached_property
    def functions(self) -> Functions:
        """The functions of the project."""
        return declared(self.checked.project.functions, self.checked.project.root)

    @cached_property
    def lookup(self) -> Lookup:
        """The names of the project."""
        return Lookup(self.checked.project, self.reporter)

    def rendered(self, text: MappedText, pipeline: CheckedPipeline) -> MappedText | None:
        """A text with its template filled in."""
        return render(text, self._values(pipeline), self.reporter)

    def query(self, text: MappedText, pipeline: CheckedPipeline, dialect: str) -> SqlTree | None:
        """The query that a template renders to."""
        rendered = self.rendered(text, pipeline)
        return None if rendered is None else parse_query(rendered, dialect, self.reporter)

    def finder(self, connection: str, kind: str) -> Find:
        """How names are looked up on one connection."""

        def find(name: TableName) -> Relation | None:
            return self.catalogue.find(connection, kind, name)

        return find

    def _values(self, pipeline: CheckedPipeline) -> Values:
        project, incremental = self.checked.project, pipeline.spec.incremental
        if incremental is None:
            return Values(project.vars, self.env)
        stored = self.watermarks.get(pipeline.spec.name.value)
        start = incremental.start.value if incremental.start else None
        given = start if stored is None else stored
        literal = _literal(given, 0.0 if stored is None else incremental.lag, pipeline)
        column = quoted(incremental.column.value, pipeline.dialect)
        condition = "TRUE" if stored is None and start is None else f"{column} >= {literal}"
        if given is None:
            return Values(project.vars, self.env, Absent(literal), Absent(condition))
        return Values(project.vars, self.env, literal, condition)


def _literal(given: object, lag: float, pipeline: CheckedPipeline) -> str:
    engine = DIALECTS.get(pipeline.engine)
    untyped, escapes = engine is not None and not engine.typed_literals, pipeline.dialect == "mysql"
    if isinstance(given, Bound):
        order = engine.decimal_order if engine is not None else ""
        return typed_literal(given.value, given.type, untyped=untyped, escapes=escapes, order=order)
    start = pipeline.spec.incremental.start if pipeline.spec.incremental else None
    numeric = start is not None and isinstance(start.value, int | float)
    return sql_literal(given, lag, number=numeric or _numeric_cursor(pipeline), terse=untyped, escapes=escapes)


def _numeric_cursor(pipeline: CheckedPipeline) -> bool:
    """Whether the declared target says that the cursor is a number; a stored watermark is text in any case."""
    wanted = pipeline.spec.incremental.column.value if pipeline.spec.incremental else ""
    tables = (target.table for target in pipeline.targets if target.table is not None)
    return any(c.type.value.is_number for table in tables for c in table.columns if c.name.value == wanted)


def quoted(name: str, dialect: str) -> str:
    """A quoted identifier in a sqlglot dialect."""
    mark = (
        "`" if dialect in ("mysql", "bigquery", "spark", "spark2", "hive", "databricks", "doris", "starrocks") else '"'
    )
    return mark + name.replace(mark, mark * 2) + mark


def sqlglot_name(kind: str) -> str:
    """The sqlglot dialect of a kind of connection; what is no database is read and written by DataFusion."""
    return DIALECTS[kind].sqlglot if kind in DIALECTS else kinds.dialect(kind) or "datafusion"
