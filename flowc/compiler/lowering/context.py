"""What the parts of lowering share: the project, the catalogue, and how a text becomes a tree."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from flowc.catalog import Column, Table, TableName
from flowc.compiler.checked import CheckedPipeline, CheckedSpec
from flowc.compiler.dialects import DIALECTS, RUNNER, dialect_of
from flowc.compiler.front import kinds
from flowc.compiler.lowering.functions import Functions, declared
from flowc.compiler.lowering.tablekeys import TableKeys, as_source, home_of
from flowc.compiler.names.environment import readable_variables, why_kept
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.quote import quoted, quoted_table
from flowc.compiler.sql.checks.checker import Checker, Statement
from flowc.compiler.sql.relations import Catalogue, Relation
from flowc.compiler.sql.text.allowance import Allowance
from flowc.compiler.sql.text.sandbox import Work
from flowc.compiler.sql.text.sqltext import Parse, SqlTree, parse_query
from flowc.compiler.sql.text.templates import Absent, NoSuchTable, Values, render
from flowc.compiler.sql.types.inferfrom import Find
from flowc.compiler.sql.types.literals import sql_literal, typed_literal
from flowc.compiler.sql.types.tablerefs import edited
from flowc.diagnostics import Reporter, did_you_mean
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
    """Columns that were found in sources of the one pipeline or stream that is lowered, by the name of the source."""
    checker: Checker | None = None
    statements: list[Statement] = field(default_factory=list)
    """What the checker is to be asked about."""
    allowance: Allowance = field(default_factory=Allowance)
    """How much may be written in the place of all of the project's SQL."""
    work: Work = field(default_factory=Work)
    """What the templates of the project may still do."""
    histories: dict[str, Table] = field(default_factory=dict)
    """Declared tables, by their keys, whose history has the type that a query gives the event time."""
    _keys: dict[str, TableKeys] = field(default_factory=dict)

    @cached_property
    def functions(self) -> Functions:
        """The functions of the project."""
        return declared(self.checked.project.functions, self.checked.project.root)

    @cached_property
    def lookup(self) -> Lookup:
        """The names of the project."""
        return Lookup(self.checked.project, self.reporter)

    @cached_property
    def readable(self) -> Mapping[str, str | None]:
        """What SQL may read of the environment: what the project lists, and no connection uses."""
        return {name: self.env.get(name) for name in readable_variables(self.checked.project)}

    def rendered(
        self, text: MappedText, pipeline: CheckedPipeline, place: str | None, dialect: str
    ) -> MappedText | None:
        """A text with its template filled in; `place` is the connection that runs it, `dialect` the one it is in."""
        return render(text, self._values(pipeline, dialect, self._ref(place, dialect)), self.reporter)

    def plain(self, text: MappedText, place: str | None, dialect: str) -> MappedText | None:
        """A text of a stream with its template filled in: as `rendered`."""
        return render(text, self._plain_values(self._ref(place, dialect)), self.reporter)

    def query(self, text: MappedText, pipeline: CheckedPipeline, place: str | None, dialect: str) -> SqlTree | None:
        """The query that a template renders to."""
        rendered = self.rendered(text, pipeline, place, dialect)
        writes = [target.table.key.value for target in pipeline.targets if target.table is not None]
        return None if rendered is None else self.parsed(rendered, place, dialect, writes=writes)

    def parsed(
        self,
        text: MappedText,
        place: str | None,
        dialect: str,
        parse: Parse = parse_query,
        writes: Collection[str] = (),
    ) -> SqlTree | None:
        """The tree of a text that a connection runs, keys in it read as the tables that they stand for.

        `writes` are the keys of the tables that its rows go to.
        """
        found = parse(text, dialect, self.reporter)
        keys = self.table_keys(place)
        if found is None or keys is None:
            return found
        edits = tuple(keys.edits(found, writes, self.reporter))
        moved = [(start - found.start, end - found.start, new) for start, end, new in edits]
        return parse(edited(text, moved), dialect, self.reporter) if moved else found

    def table_keys(self, place: str | None) -> TableKeys | None:
        """The keys of the tables in a connection; None where SQL runs in none."""
        connection = self.checked.project.connections.get(place) if place is not None else None
        if connection is not None and place not in self._keys:
            self._keys[connection.name.value] = TableKeys.of(connection, self.checked)
        return self._keys[connection.name.value] if connection is not None else None

    def finder(self, connection: str, kind: str) -> Find:
        """How names are looked up on one connection."""

        def find(name: TableName) -> Relation | None:
            return self.catalogue.find(connection, kind, name)

        return find

    def _ref(self, place: str | None, dialect: str) -> Callable[[str], str]:
        """How SQL that a connection runs names the tables of the project; flowc's own engine runs it without one."""
        tables = self.checked.project.tables

        def ref(key: str) -> str:
            table = tables.get(key)
            if table is None:
                helps = did_you_mean(key, tables) or ("declare it under `tables`",)
                raise NoSuchTable(key, f"there is no table `{key}`", helps)
            home = home_of(table, self.checked.project)
            if home != place:
                here = f"this SQL runs in `{place}`" if place else "this SQL runs in no database"
                raise NoSuchTable(key, f"table `{key}` is in connection `{home}`, and {here}", as_source(key, home))
            return quoted_table(table.table_name, dialect)

        return ref

    def _plain_values(self, ref: Callable[[str], str]) -> Values:
        project = self.checked.project
        kept, listed = partial(why_kept, project=project), [name.value for name in project.env]
        return Values(project.vars, self.readable, ref, work=self.work, kept=kept, listed=listed)

    def _values(self, pipeline: CheckedPipeline, dialect: str, ref: Callable[[str], str]) -> Values:
        values, incremental = self._plain_values(ref), pipeline.spec.incremental
        if incremental is None:
            return values
        stored = self.watermarks.get(pipeline.spec.name.value)
        start = incremental.start.value if incremental.start else None
        given = start if stored is None else stored
        literal = _literal(given, 0.0 if stored is None else incremental.lag, pipeline, dialect)
        column = quoted(incremental.column.value, dialect)
        condition = "TRUE" if stored is None and start is None else f"{column} >= {literal}"
        if given is None:
            return replace(values, watermark=Absent(literal), incremental=Absent(condition))
        return replace(values, watermark=literal, incremental=condition)


def _literal(given: object, lag: float, pipeline: CheckedPipeline, dialect: str) -> str:
    engine = DIALECTS.get(pipeline.engine)
    untyped, escapes = engine is not None and not engine.literals.typed, dialect_of(dialect).literals.doubled_backslash
    if isinstance(given, Bound):
        order = engine.compare.decimal_order if engine is not None else ""
        return typed_literal(given.value, given.type, untyped=untyped, escapes=escapes, order=order)
    start = pipeline.spec.incremental.start if pipeline.spec.incremental else None
    numeric = start is not None and isinstance(start.value, int | float)
    return sql_literal(given, lag, number=numeric or _numeric_cursor(pipeline), terse=untyped, escapes=escapes)


def _numeric_cursor(pipeline: CheckedPipeline) -> bool:
    """Whether the declared target says that the cursor is a number; a stored watermark is text in any case."""
    wanted = pipeline.spec.incremental.column.value if pipeline.spec.incremental else ""
    tables = (target.table for target in pipeline.targets if target.table is not None)
    return any(c.type.value.is_number for table in tables for c in table.columns if c.name.value == wanted)


def sqlglot_name(kind: str) -> str:
    """The sqlglot dialect of a kind of connection; what is no database is read and written by DataFusion."""
    return DIALECTS[kind].sqlglot if kind in DIALECTS else kinds.dialect(kind) or RUNNER
