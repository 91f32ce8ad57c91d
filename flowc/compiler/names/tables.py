"""Declared tables: their connections, the columns that their keys and indexes name, names that collide."""

from __future__ import annotations

from collections.abc import Iterable

from flowc.compiler.dialects import dialect_of
from flowc.compiler.front.kinds import LOAD_TARGET, can, is_database
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.spec import Name, TableSpec
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.names.tablenames import check_length
from flowc.compiler.names.timing import check_timezone
from flowc.diagnostics import Note, Reporter
from flowc.types import Kind


def check_tables(project: ProjectSpec, lookup: Lookup) -> None:
    """Checks every declared table."""
    for table in project.tables.values():
        _check_connection(table, lookup)
        _check_columns(table, lookup)
        _check_types(table, lookup)
        _check_renames(table, lookup.reporter)
        _check_zones(table, lookup.reporter)
        _check_indexes(table, lookup)
        _check_case(table, lookup)
        _check_lengths(table, lookup)
    _check_places(project.tables.values(), lookup)
    _warn_case([table.key for table in project.tables.values()], lookup.reporter)
    _warn_case([pipeline.name for pipeline in project.pipelines.values()], lookup.reporter)
    _warn_case([stream.name for stream in project.streams.values()], lookup.reporter)


def _check_connection(table: TableSpec, lookup: Lookup) -> None:
    connection = lookup.connection(table.connection)
    if connection is not None and not can(connection.kind.value, LOAD_TARGET):
        kind = connection.kind.value
        message = f"table `{table.key.value}` cannot be in `{connection.name.value}`, a connection of kind `{kind}`"
        lookup.reporter.error("unsupported-target", message, table.connection.span)


def _check_types(table: TableSpec, lookup: Lookup) -> None:
    """Types by their own names, in a place that has none but flowc's."""
    connection = lookup.project.connections.get(table.connection.value)
    own = [column for column in table.columns if column.own is not None]
    if connection is None or is_database(connection.kind.value) or not own:
        return
    for column in own:
        message = f"`{column.own}` is not a type of a table in a connection of kind `{connection.kind.value}`"
        lookup.reporter.error("unknown-type", message, column.type.span, helps=("for instance `text`",))


def _check_indexes(table: TableSpec, lookup: Lookup) -> None:
    connection = lookup.project.connections.get(table.connection.value)
    if connection is not None and table.indexes and not is_database(connection.kind.value):
        message = (
            f"table `{table.key.value}` is in a connection of kind `{connection.kind.value}`, which has no indexes"
        )
        helps = ("remove `indexes`; `partition_by` says how its files are laid out",)
        lookup.reporter.error("conflicting-options", message, table.indexes[0].columns[0].span, helps=helps)


def _check_columns(table: TableSpec, lookup: Lookup) -> None:
    columns = tuple(column.name.value for column in table.columns)
    lists: list[tuple[str, tuple[Name, ...]]] = [
        ("primary key", table.primary_key), ("natural key", table.natural_key), ("partition", table.partition_by),
        *(("index column", index.columns) for index in table.indexes),
    ]  # fmt: skip
    for role, names in lists:
        for name in names:
            lookup.column(name, table, columns, role)
        check_repeated(names, lookup.reporter)


def check_repeated(names: Iterable[Name], reporter: Reporter) -> None:
    """Reports a column that a list names twice."""
    seen: dict[str, Name] = {}
    for name in names:
        first = seen.setdefault(name.value, name)
        if first is not name:
            note = Note("it is first named here", first.span)
            message = f"column `{name.value}` is named twice in one list"
            reporter.error("duplicate-column", message, name.span, notes=(note,), helps=("remove one",))


def _check_zones(table: TableSpec, reporter: Reporter) -> None:
    """Reports a `change_timezone` that is no time zone, or whose column holds no times."""
    for column in table.columns:
        zone = column.change_timezone
        if zone is None:
            continue
        check_timezone(zone, reporter)
        if column.type.value.kind not in (Kind.TIMESTAMP, Kind.DATE, Kind.TIMESTAMPTZ):
            message = f"column `{column.name.value}` is of type {column.type.value}, which has no time zone"
            helps = ("remove `change_timezone`: it is for `timestamp`, `date` and `timestamptz`",)
            reporter.error("conflicting-options", message, zone.span, helps=helps)


def _check_renames(table: TableSpec, reporter: Reporter) -> None:
    """A column cannot have the values of one that stays, nor of one that another column takes."""
    taken = {column.name.value: column.name for column in table.columns}
    for column in table.columns:
        old = column.renamed_from
        if old is None or old.value == column.name.value:
            continue
        if (other := taken.get(old.value)) is not None:
            notes = (Note(f"`{old.value}` is taken here", other.span),)
            helps = ("remove `renamed_from` once it is applied; apply renames that follow each other one by one",)
            message = f"`{column.name.value}` cannot be renamed from `{old.value}`, which is taken"
            reporter.error("conflicting-options", message, old.span, notes=notes, helps=helps)
        taken[old.value] = old


def _check_case(table: TableSpec, lookup: Lookup) -> None:
    """Columns whose names differ only in case: one column for some databases, a trap in all."""
    connection = lookup.project.connections.get(table.connection.value)
    seen: dict[str, Name] = {}
    for column in table.columns:
        first = seen.setdefault(column.name.value.casefold(), column.name)
        if first is column.name:
            continue
        note = Note("the other one is here", first.span)
        message = f"columns `{first.value}` and `{column.name.value}` differ only in case"
        caseless = connection is not None and dialect_of(connection.kind.value).names.columns_any_case
        report = lookup.reporter.error if caseless else lookup.reporter.warning
        report("case-clash", message, column.name.span, notes=(note,), helps=("rename one of them",))


def _check_lengths(table: TableSpec, lookup: Lookup) -> None:
    """Names that the engine would cut, so that two could become one."""
    connection = lookup.project.connections.get(table.connection.value)
    kind = connection.kind.value if connection is not None else ""
    check_length(table.table_name.name, table.span, kind, lookup.reporter)
    for column in table.columns:
        check_length(column.name.value, column.name.span, kind, lookup.reporter)
    for index in table.indexes:
        if index.name is not None:
            check_length(index.name.value, index.name.span, kind, lookup.reporter)


def _check_places(tables: Iterable[TableSpec], lookup: Lookup) -> None:
    seen: dict[tuple[str, str], TableSpec] = {}
    reporter = lookup.reporter
    for table in tables:
        connection = lookup.project.connections.get(table.connection.value)
        folds = connection is not None and dialect_of(connection.kind.value).names.tables_any_case
        name = str(table.table_name)
        place = (table.connection.value, name.casefold() if folds else name)
        first = seen.setdefault(place, table)
        if first is not table:
            note = Note(f"`{first.key.value}` is declared here", first.span)
            message = f"tables `{first.key.value}` and `{table.key.value}` are both `{name}` in `{place[0]}`"
            helps = ("give one of them another `name` or `schema`",)
            reporter.error("duplicate-table", message, table.span, notes=(note,), helps=helps)


def _warn_case(names: Iterable[Name], reporter: Reporter) -> None:
    seen: dict[str, Name] = {}
    for name in names:
        first = seen.setdefault(name.value.casefold(), name)
        if first is not name:
            note = Note("the other one is here", first.span)
            message = f"the names `{first.value}` and `{name.value}` differ only in case"
            reporter.warning("case-clash", message, name.span, notes=(note,), helps=("rename one of them",))
