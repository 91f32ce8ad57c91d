"""What PostgreSQL refuses of a table that others use, said by `plan` before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from flowc.catalog import INDEX_OF_HEIR, REPLICA_IDENTITY, Column, Index, Table
from flowc.compiler.migrate import alteration as kinds
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.refusals import FOREIGN, alike, from_others, hindered, not_whole, particular, unordered
from flowc.compiler.systems.postgres.require import require_name
from flowc.compiler.tables.made import is_stored, way

_INHERITED = "a table that it is inherited from"
_IDENTITY = "AS IDENTITY"


def refuses(alteration: Alteration, situation: Situation) -> str | None:
    """Why an alteration cannot be made, in words."""
    return _refused(alteration, situation) or _of_type(alteration, situation)


def _refused(alteration: Alteration, situation: Situation) -> str | None:
    match alteration:
        case kinds.AlterType(was, now):
            return _alter_type(was, now, situation)
        case kinds.DropColumn(was):
            own = (words for words in was.bound if not words.startswith(FOREIGN))
            return hindered("drop", was.name, (*own, *from_others(was.bound)))
        case kinds.RenameColumn(was):
            return hindered("rename", was.name, (words for words in was.bound if words == _INHERITED))
        case kinds.DropNotNull(was):
            return _drop_not_null(was, situation)
        case kinds.SetNotNull(was):
            return _set_not_null(was)
        case kinds.AlterGeneration(was, now):
            return _alter_generation(was, now, situation)
        case kinds.DropKey(key):
            identified = None if situation.wanted.primary_key else _identity(situation.live.key_marks, None, situation)
            return hindered("drop the key", ", ".join(key), _pointed_at(key, situation)) or identified
        case kinds.DropIndex(index, successor):
            needed = index.columns if index.unique and not _has_twin(index, situation) else ()
            found = hindered("drop the index", index.name or "", _pointed_at(needed, situation))
            return found or _identity(index.marks, successor, situation)
        case kinds.CreateIndex(index):
            undivided = not_whole(index.columns, situation) if index.unique else None
            return unordered(index, situation, _UNORDERED) or undivided
        case kinds.AddKey(key):
            return not_whole(key, situation)
        case (
            kinds.AddColumn() | kinds.SetDefault() | kinds.DropDefault() | kinds.CommentColumn()
            | kinds.CommentTable() | kinds.RenameIndex() | kinds.AlterPartitions() | kinds.DropLeftovers()
        ):  # fmt: skip
            return None
    assert_never(alteration)


def keeps(live: Table) -> str | None:
    """Why a table cannot be dropped."""
    others = [words for words in live.dependents if not words.startswith("trigger ")]
    others += [words for words in live.beyond if words.startswith("column ")]
    others += ["tables that inherit from it"] if has_heirs(live) else []
    return hindered("drop", str(live.name), others)


def has_heirs(live: Table) -> bool:
    """Whether tables inherit from it, and change with it."""
    return "inheritance" in live.beyond and not any(_INHERITED in column.bound for column in live.columns)


def _of_type(alteration: Alteration, situation: Situation) -> str | None:
    made = [words for words in situation.live.beyond if words.startswith("a type that the table is of")]
    shape = isinstance(alteration, kinds.AddColumn | kinds.DropColumn | kinds.AlterType | kinds.RenameColumn)
    return hindered("change", situation.label, made) if shape else None


def _alter_type(was: Column, now: Column, situation: Situation) -> str | None:
    if (was.default or "").startswith("GENERATED ALWAYS AS ("):
        return "the column is computed from others: change it by hand"
    if _IDENTITY in (was.default or "") and not now.type.is_integer:
        return "the engine numbers it, and only whole numbers can be numbered: change it by hand"
    own = next((words for words in was.beyond if words.startswith(("the domain ", "the type "))), None)
    if own:
        return f"the column has {own}, whose rules another type does not keep: change it by hand"
    return hindered("change the type of", was.name, _of_another_type(was, now, situation))


def _of_another_type(was: Column, now: Column, situation: Situation) -> Iterator[str]:
    """Views, triggers and the like hold a column to its type; what is computed from it may not take another one."""
    yield from (words for words in was.bound if not words.startswith(FOREIGN))
    yield from (words for words in situation.live.beyond if words.startswith("column "))
    if alike(was.type, now.type):
        return
    yield from (words for words in was.bound if words.startswith(FOREIGN))
    known = {situation.live.key_name, *(index.name for index in situation.live.indexes)}
    for words in was.beyond:
        name = words.removeprefix("constraint ").partition(" on ")[0]
        if words.startswith("constraint ") and name not in known and f"{FOREIGN}{name}" not in was.bound:
            yield f"CHECK {name}"
    yield from (words for words in was.beyond if words.startswith(INDEX_OF_HEIR))
    yield from particular(was, now, situation)


def _identity(marks: tuple[str, ...], successor: Index | None, situation: Situation) -> str | None:
    """Why an index cannot go that identifies the rows for replication: none that may do so takes its place."""
    if REPLICA_IDENTITY not in marks or (successor is not None and _identifies(successor, situation)):
        return None
    why = "a unique index over NOT NULL columns has to take its place"
    why = why if situation.live.plain else "partitions have indexes of their own for that"
    return (
        f"replication identifies the rows by it (REPLICA IDENTITY), and {why}: declare one, or set another replica "
        "identity by hand first"
    )


def _identifies(index: Index, situation: Situation) -> bool:
    columns = [situation.wanted.column(name) for name in index.columns]
    key = situation.wanted.primary_key
    required = all(c is not None and (not c.nullable or c.name in key) for c in columns)
    return situation.live.plain and index.unique and index.declarable and required


def _is_replaced(index: Index, situation: Situation) -> bool:
    """Whether another index may identify the rows in the place of this one, which nobody wants any more."""
    wanted = situation.unrenamed.wanted.indexes
    kept = any(other.identity == index.identity for other in wanted)
    return not kept and any(_identifies(other, situation) for other in situation.wanted.indexes)


def _drop_not_null(was: Column, situation: Situation) -> str | None:
    marked = [i for i in situation.live.indexes if REPLICA_IDENTITY in i.marks and was.name in i.columns]
    if any(not _is_replaced(index, situation) for index in marked):
        return f"replication identifies the rows by the index `{marked[0].name}` (REPLICA IDENTITY): keep it NOT NULL"
    numbered = [was.default or ""] if _IDENTITY in (was.default or "") else []
    inherited = [words for words in was.bound if words == _INHERITED]
    return hindered("let NULL be in", was.name, numbered + inherited)


def _set_not_null(was: Column) -> str | None:
    name = require_name(was.name)
    taken = [f"constraint {name}" for words in was.beyond if words.startswith(f"constraint {name} on ")]
    return hindered("require", was.name, taken)


def _alter_generation(was: Column, now: Column, situation: Situation) -> str | None:
    if way(was.default) == way(now.default) == "computed":
        if situation.live.recomputes and is_stored(was.default) == is_stored(now.default):
            return None
        return hindered("compute anew", now.name, _of_its_own(was, situation))
    if was.default is None and now.nullable and now.name not in situation.wanted.primary_key:
        return "the engine numbers no column that may be NULL: declare it NOT NULL"
    if was.default is None and "(" in (now.default or ""):
        return "flowc begins to count behind the numbers that are there: declare it without options"
    if was.default is not None and way(was.default) == "":
        return f"the default {was.default} numbers it: take that away first, and number it when that is applied"
    return None


def _of_its_own(was: Column, situation: Situation) -> Iterator[str]:
    """What a computed column has that goes with it, when another one takes its place."""
    yield from was.bound
    yield from (words for words in was.beyond if not words.startswith(_USED))
    yield from (f"index {index.name}" for index in situation.live.indexes if index.names(was.name))
    yield from ("the primary key",) if was.name in situation.live.primary_key else ()
    yield from ("NOT NULL",) if not was.nullable else ()


_USED = ("column ", "function ", "type ", "the type ", "the domain ", "operator ", "collation ")
"""What a computed column uses, and its type, which it keeps."""


_UNORDERED = ("point", "line", "lseg", "box", "path", "polygon", "circle", "xml", "json")


def _has_twin(index: Index, situation: Situation) -> bool:
    """Whether a foreign key that points at the columns may as well rest on the primary key."""
    return set(index.columns) == set(situation.renamed_live.primary_key)


def _pointed_at(columns: Iterable[str], situation: Situation) -> Iterator[str]:
    """The foreign keys of other tables to these columns, which are named as they will be."""
    for name in columns:
        column = situation.live.column(situation.old_name(name))
        yield from from_others(column.bound) if column is not None else ()
