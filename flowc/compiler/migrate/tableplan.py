"""All that happens to the tables of one database: made, changed, dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from flowc.catalog import Table, TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.migrate.alteration import Alteration, DropIndex, DropLeftovers, Situation
from flowc.compiler.migrate.compare import Comparison, compare
from flowc.compiler.migrate.describe import describe, index_words, written
from flowc.compiler.migrate.engines import ENGINES
from flowc.compiler.migrate.facts import Act, statement
from flowc.compiler.migrate.refusals import made_by_engine
from flowc.compiler.migrate.statements import Engine
from flowc.compiler.quote import table
from flowc.compiler.tables.ddl import create_schema
from flowc.compiler.tables.difference import not_a_table
from flowc.migration import Change, Managed, Risk, Statement, TableChanges, WantedTable


def plan_tables(
    connection: str,
    kind: str,
    wanted: Sequence[WantedTable],
    *,
    live: Mapping[TableName, Table],
    managed: Sequence[Managed],
    others: Sequence[TableChanges] = (),
) -> tuple[TableChanges, ...]:
    """What happens to each wanted table of one connection, and to the managed ones that are wanted no more.

    `live` are those of them that are there, by name; `others` what happens to tables that no spec declares and streams
    write, so that none of them is dropped.
    """
    held = {entry.key: entry for entry in managed}
    known = {entry.key for entry in wanted}
    found = [_one(entry, live.get(entry.table.name), held.get(entry.key)) for entry in wanted]
    names = {entry.table.name for entry in wanted} | {entry.name for entry in others}
    gone = (entry for entry in managed if entry.key not in known and entry.table.name not in names)
    there = ((entry, live.get(entry.table.name)) for entry in gone)
    found += [_dropped(connection, kind, entry, held) for entry, held in there if held and held.form is None]
    return tuple(_with_schemas([*found, *others], DIALECTS[kind]))


def _one(wanted: WantedTable, live: Table | None, last: Managed | None) -> TableChanges:
    made = TableChanges(
        wanted.connection, wanted.kind, wanted.table.name, key=wanted.key, changes=(), live=live, wanted=wanted.table
    )
    dialect, engine = DIALECTS[wanted.kind], ENGINES[wanted.kind]
    if live is None:
        return replace(made, changes=(created(wanted),))
    if live.form is not None:
        raise not_a_table(wanted.label, live.form)
    found = compare(wanted, live, last, dialect)
    return replace(made, changes=_changes(found, engine), unmanaged=found.unmanaged)


def created(wanted: WantedTable) -> Change:
    """The change that makes a table. Raises UsageError for one that the engine cannot have."""
    engine = ENGINES[wanted.kind]
    statements = engine.create(wanted.table, DIALECTS[wanted.kind])
    parts = _parts(wanted.table)
    return Change(
        "create_table", wanted.label, Risk.ADDITIVE, "create table",
        after=", ".join(parts), statements=statements, parts=parts,
    )  # fmt: skip


def _parts(table: Table) -> tuple[str, ...]:
    """A table in words: its columns, key and indexes."""
    key = (f"primary key ({', '.join(table.primary_key)})",) if table.primary_key else ()
    return (*map(written, table.columns), *key, *map(index_words, table.indexes))


def _changes(found: Comparison, engine: Engine) -> tuple[Change, ...]:
    """Each alteration with its statements, or all of them as parts of one rebuild."""
    described = [_described(alteration, found.situation, engine) for alteration in found.alterations]
    if engine.combine is not None:
        return _combined(found, engine, described)
    spelled = [
        _spell(alteration, found.situation, engine, blocked=change.blocked is not None)
        for alteration, change in zip(found.alterations, described, strict=True)
    ]
    if any(statements is None for statements in spelled):
        return _rebuilt(found, engine, described)
    return tuple(
        replace(change, statements=statements or ()) for change, statements in zip(described, spelled, strict=True)
    )


def _described(alteration: Alteration, situation: Situation, engine: Engine) -> Change:
    change = describe(alteration, situation)
    notes = (*change.notes, *engine.tells(alteration, situation))
    blocked = change.blocked or made_by_engine(alteration) or engine.refuses(alteration, situation)
    return replace(change, blocked=blocked, notes=notes)


def _combined(found: Comparison, engine: Engine, described: Sequence[Change]) -> tuple[Change, ...]:
    """One statement for all: it belongs to the only change, or to one of which they are parts."""
    if not described or engine.combine is None:
        return ()
    blocked = any(change.blocked for change in described)
    statements = () if blocked else engine.combine(found.situation, found.alterations)
    if len(described) == 1:
        return (replace(described[0], statements=statements),)
    label = found.situation.label
    parts = tuple(replace(change, part_of=label) for change in described)
    summary = "make the changes above, in one statement"
    return (*parts, Change("alter_table", label, Risk.ADDITIVE, summary, statements=statements))


def _spell(
    alteration: Alteration, situation: Situation, engine: Engine, *, blocked: bool
) -> tuple[Statement, ...] | None:
    """What is refused has no statements: there may be no words for it."""
    if blocked:
        return ()
    statements = engine.statements(alteration, situation)
    unfinished = isinstance(alteration, DropIndex) and not alteration.index.valid
    repairs = unfinished or isinstance(alteration, DropLeftovers)
    return tuple(replace(s, repair=True) for s in statements) if statements and repairs else statements


def _rebuilt(found: Comparison, engine: Engine, described: Sequence[Change]) -> tuple[Change, ...]:
    label = found.situation.label
    assert engine.rebuild is not None, label
    lost = _lost(found, engine)
    blocked = lost or any(change.blocked for change in described)
    statements = () if blocked else engine.rebuild(found.situation, found.alterations)
    parts = tuple(replace(change, part_of=label) for change in described)
    summary = "make the table anew with the changes above: the engine cannot make them in place"
    return (
        *parts,
        Change("rebuild_table", label, Risk.WIDENING, summary, statements=statements, blocked=lost,
               prechecks=() if lost else engine.unchanged(found.situation), notes=_notes("rebuild_table", engine)),
    )  # fmt: skip


def _notes(kind: str, engine: Engine) -> tuple[str, ...]:
    return (engine.notes[kind],) if kind in engine.notes else ()


def _lost(found: Comparison, engine: Engine) -> str | None:
    """Why a table cannot be made anew: it has what flowc's CREATE TABLE does not write, or what could not stay."""
    lost = (*found.situation.live.beyond, *engine.loses(found.situation, found.alterations))
    if not lost:
        return None
    return f"the table would have to be rebuilt, and would lose {', '.join(lost)}: change it by hand"


def _dropped(connection: str, kind: str, entry: Managed, live: Table) -> TableChanges:
    engine = ENGINES[kind]
    blocked = engine.keeps(live)
    change = Change(
        "drop_table",
        f"{connection}.{live.name}",
        Risk.DESTRUCTIVE,
        "drop the table, which the specs no longer declare",
        before=", ".join(_parts(live)),
        parts=_parts(live),
        statements=() if blocked else engine.drop(live, DIALECTS[kind]),
        blocked=blocked,
        rows=f"SELECT count(*) FROM {table(live.name)}",
        notes=_notes("drop_table", engine),
    )
    return TableChanges(connection, kind, live.name, key=entry.key, changes=(change,), live=live, wanted=None)


def _with_schemas(found: Sequence[TableChanges], dialect: Dialect) -> Iterator[TableChanges]:
    """A schema is made by the first table that is created in it."""
    made: set[str] = set()
    for changes in found:
        schema = changes.name.schema
        creates = any(change.kind == "create_table" and change.statements for change in changes.changes[:1])
        if creates and schema and schema not in made and dialect.names.schemas and not dialect.attached:
            made.add(schema)
            first = changes.changes[0]
            make = statement(Act.MAKE_SCHEMA, create_schema(schema, dialect), f"make the schema {schema}", dialect)
            changes = replace(
                changes, changes=(replace(first, statements=(make, *first.statements)), *changes.changes[1:])
            )
        yield changes
