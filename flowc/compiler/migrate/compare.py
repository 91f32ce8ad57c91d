"""How a live table differs from the wanted one, as alterations in the order in which they can be made.

What neither the specs nor the history know is somebody else's: it is told and left alone. What the history knows and
the specs no longer name goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowc.catalog import Column, Index, Table, counts
from flowc.compiler.dialect import Dialect
from flowc.compiler.migrate import alteration as kinds
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.describe import index_words
from flowc.compiler.migrate.indexes import index_alterations, is_applied, is_left, key_index
from flowc.compiler.migrate.unfinished import doubtful, refuse_displaced, with_live_columns, with_live_names
from flowc.compiler.tables.ddl import keyed_table
from flowc.compiler.tables.difference import known_default, same_column
from flowc.compiler.tables.made import expression, is_stored, made_form, way
from flowc.compiler.tables.spelling import respelled, words
from flowc.migration import Managed, WantedTable

SHADOW = "__flowc"
"""Ends the name of a column that a change of type fills before it takes the old one's place."""

_ORDER = (
    kinds.DropLeftovers, kinds.DropIndex, kinds.DropKey, kinds.AlterType, kinds.RenameColumn, kinds.DropDefault,
    kinds.AddColumn, kinds.SetDefault, kinds.SetNotNull, kinds.AlterGeneration, kinds.DropNotNull, kinds.AddKey,
    kinds.CreateIndex, kinds.RenameIndex, kinds.DropColumn, kinds.AlterPartitions, kinds.CommentColumn,
    kinds.CommentTable,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is to change in a table, and what is not flowc's to change."""

    situation: Situation
    alterations: tuple[Alteration, ...]
    unmanaged: tuple[str, ...]


def compare(wanted: WantedTable, live: Table, last: Managed | None, dialect: Dialect) -> Comparison:
    """The alterations that make `live` what is wanted. `last` is the table as it was last applied."""
    names = (*wanted.table.column_names, *(name for pair in (*wanted.renamed, *wanted.unfinished) for name in pair))
    live = respelled(live, names, dialect)
    applied = last.table if last else None
    wanted, doubts = with_live_names(wanted, live, applied), doubtful(wanted, live, applied)
    if not doubts:
        refuse_displaced(wanted, live, applied)
    last = with_live_columns(last, live, wanted.unfinished) if last else None
    managed = last.table if last else None
    managed = respelled(managed, (*live.column_names, *wanted.table.column_names), dialect) if managed else None
    renamed = tuple((old, new) for new, old in wanted.renamed if live.column(old) and not live.column(new))
    made = wanted.table if wanted.whole else keyed_table(wanted.table, dialect)
    old = {new: name for name, new in renamed}
    zones = tuple((old.get(name, name), zone) for name, zone in wanted.zones)
    kept = last.live if last else None
    situation = Situation(
        live, made, dialect, label=wanted.label, renamed=renamed, whole=wanted.whole, kept=kept, zones=zones,
        loads=wanted.loads, earlier_zones=wanted.earlier_zones, doubtful=doubts,
    )  # fmt: skip
    # Tables that no engine keeps have no keys and no indexes: those are the spec's.
    key = () if dialect.attached else tuple(_key(situation, managed))
    dropped = any(isinstance(alteration, kinds.DropKey) for alteration in key)
    lost = tuple(_dropped(situation, managed))
    found: list[Alteration] = [kinds.DropLeftovers()] if live.leftovers else []
    found += [*_columns(situation, managed, dropped=dropped), *lost, *key]
    gone = [alteration.name for alteration in lost]
    found += _partitions(situation) if dialect.attached else index_alterations(situation, managed, gone)
    found += _table_comment(situation)
    found.sort(key=lambda alteration: _place(alteration, live))
    going = tuple(alteration.index for alteration in found if isinstance(alteration, kinds.DropIndex))
    return Comparison(situation, tuple(found), tuple(_unmanaged(situation, managed, going)))


def _place(alteration: Alteration, live: Table) -> tuple[int, int]:
    """The position of an alteration. An index with a successor goes once that is made, and NULL comes in after that."""
    if isinstance(alteration, kinds.DropIndex) and alteration.successor is not None:
        return _ORDER.index(kinds.CreateIndex), 1
    if isinstance(alteration, kinds.DropNotNull) and _is_in_key(alteration.was.name, live):
        return _ORDER.index(kinds.CreateIndex), 2
    return _ORDER.index(type(alteration)), 0


def _is_in_key(column: str, live: Table) -> bool:
    """Whether the engine keeps a column NOT NULL for the primary key, or for the replica identity."""
    return column in live.primary_key or any(index.marks and column in index.columns for index in live.indexes)


def _columns(situation: Situation, managed: Table | None, *, dropped: bool) -> Iterator[Alteration]:
    """What changes in each wanted column; `dropped` tells that the live primary key goes."""
    for now in situation.wanted.columns:
        was = situation.live.column(situation.old_name(now.name))
        if was is None:
            yield kinds.AddColumn(now)
            if now.comment and situation.dialect.tables.comments and not situation.dialect.tables.inline_comments:
                yield kinds.CommentColumn(None, now, now.comment)
        else:
            applied = managed.column(was.name) if managed else None
            yield from _column(was, now, applied, situation, dropped=dropped)
            if not situation.dialect.attached:
                yield from _default(was, now, applied, situation)


def _column(
    was: Column, now: Column, applied: Column | None, situation: Situation, *, dropped: bool
) -> Iterator[Alteration]:
    dialect = situation.dialect
    if was.name != now.name:
        yield kinds.RenameColumn(was, now)
    if not _same_type(was, now, applied, situation):
        yield kinds.AlterType(was, now)
    yield from _nullability(was, now, situation, dropped=dropped)
    if _keeps_comments(dialect) and now.comment is not None and now.comment != was.comment:
        yield kinds.CommentColumn(was, now, now.comment)


def _same_type(was: Column, now: Column, applied: Column | None, situation: Situation) -> bool:
    """A word of flowc's stands for a database's own type, but where the type's own name was applied before it."""
    if situation.whole:
        return was.type == now.type and was.own == now.own
    if now.own is None and was.own is not None and applied is not None and applied.own is not None:
        return False
    return (now.own is None and now.type == was.type) or same_column(now, was, situation.dialect)


def _nullability(was: Column, now: Column, situation: Situation, *, dropped: bool) -> Iterator[Alteration]:
    wanted = situation.wanted.primary_key
    kept = was.name in situation.live.primary_key and (not wanted or situation.renamed_live.primary_key == wanted)
    if now.name in wanted or (kept and not dropped) or was.nullable == now.nullable:
        return
    yield kinds.DropNotNull(was, now) if now.nullable else kinds.SetNotNull(was, now)


def _default(was: Column, now: Column, applied: Column | None, situation: Situation) -> Iterator[Alteration]:
    """What becomes of a default, or of what makes the values. `applied` is the column as it was last declared."""
    if was.default == now.default or _is_left(was, now, applied, situation):
        return
    if way(was.default) or way(now.default):
        yield from _generation(was, now, applied, situation)
        return
    before, after = (known_default(column.default, now, situation.dialect) for column in (was, now))
    if after is None:
        if before is not None:
            yield kinds.DropDefault(was, now)
    elif not _is_default(before, after, applied, was=was, now=now, situation=situation):
        yield kinds.SetDefault(was, now)


def _is_left(was: Column, now: Column, applied: Column | None, situation: Situation) -> bool:
    """Whether the engine makes the values and the specs never said so: that is left alone."""
    said = situation.whole or now.default is not None or (applied is not None and counts(applied.default))
    return counts(was.default) and not said


def _is_default(
    before: str | None, after: str, applied: Column | None, *, was: Column, now: Column, situation: Situation
) -> bool:
    """Whether a default is there. An engine rewrites an expression when it stores it: as it was applied it tells more.

    `before` and `after` are the forms of the live default and of the declared one.
    """
    plain = before is None or any(form.startswith("literal ") for form in (before, after))
    if plain or applied is None or applied.default is None:
        return before == after
    same = words(applied.default, situation.dialect) == words(now.default or "", situation.dialect)
    return same and _untouched(was, situation)


def _untouched(was: Column, situation: Situation) -> bool:
    """Whether nobody has changed what makes a live column's values since the last apply, as far as the history knows.

    What an apply that did not end has renamed may stand in it under the new names.
    """
    kept = situation.kept.column(was.name) if situation.kept else None
    if kept is None:
        return True
    said = words(was.default or "", situation.dialect)
    return said in [words(kept.default or "", situation.dialect, held) for held in ({}, dict(situation.renamed))]


def _generation(was: Column, now: Column, applied: Column | None, situation: Situation) -> Iterator[Alteration]:
    ways = {way(was.default), way(now.default)}
    if len(ways) > 1 or not _is_made(was, now, applied, situation):
        yield kinds.AlterGeneration(was, now)


def _is_made(was: Column, now: Column, applied: Column | None, situation: Situation) -> bool:
    """Whether values are made as declared. Engines tell expressions in their own words: what was applied counts."""
    dialect = situation.dialect
    names: tuple[dict[str, str], ...] = ({}, dict(situation.renamed))
    if applied is None or situation.whole or {way(c.default) for c in (applied, now)} != {"computed"}:
        return made_form(now.default, dialect, {}) in [made_form(was.default, dialect, held) for held in names]
    said = words(expression(now.default), dialect)
    same = said in [words(expression(applied.default), dialect, held) for held in names] and _untouched(was, situation)
    return same and is_stored(was.default) == is_stored(now.default)


def _dropped(situation: Situation, managed: Table | None) -> Iterator[kinds.DropColumn]:
    for was in _extra(situation):
        if managed is not None and managed.column(was.name) is not None:
            yield kinds.DropColumn(was)


def _extra(situation: Situation) -> Iterator[Column]:
    """The live columns that the specs do not name."""
    left = {entry.name for entry in situation.live.leftovers if entry.kind == "column"}
    for column in situation.live.columns:
        known = situation.wanted.column(situation.new_name(column.name)) is not None
        if not known and column.name not in left:
            yield column


def _key(situation: Situation, managed: Table | None) -> Iterator[Alteration]:
    held, wanted = situation.renamed_live.primary_key, situation.wanted.primary_key
    if held == wanted or (not wanted and not (managed and managed.primary_key)):
        return
    if held:
        yield kinds.DropKey(held)
    if wanted:
        yield kinds.AddKey(wanted)


def _partitions(situation: Situation) -> Iterator[Alteration]:
    wanted = situation.wanted.partition_by
    if wanted != tuple(map(situation.new_name, situation.live.partition_by)):
        yield kinds.AlterPartitions(wanted)


def _keeps_comments(dialect: Dialect) -> bool:
    return dialect.tables.comments or dialect.attached


def _table_comment(situation: Situation) -> Iterator[Alteration]:
    comment = situation.wanted.comment
    if _keeps_comments(situation.dialect) and comment is not None and comment != situation.live.comment:
        yield kinds.CommentTable(comment)


def _unmanaged(situation: Situation, managed: Table | None, going: Sequence[Index]) -> Iterator[str]:
    for column in _extra(situation):
        if managed is None or managed.column(column.name) is None:
            filled = column.nullable or column.default is not None
            yield f"column `{column.name}` ({column.kind})" + ("" if filled else ", NOT NULL without a default")
    known, gone = {i.identity for i in situation.wanted.indexes}, {i.name for i in going}
    for index in situation.renamed_live.indexes:
        own = index.name == key_index(situation.live.name) or is_left(index, situation)
        apart = index.identity not in known and index.name not in gone
        if apart and not own and not is_applied(index, situation, managed):
            yield index_words(index, named=True)
