"""What MySQL and MariaDB refuse of a table that others use, said by `plan`, for every statement of DDL commits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from flowc.catalog import Column, Index, Table
from flowc.compiler.migrate import alteration as kinds
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.refusals import DIVIDES, FOREIGN, alike, from_others, hindered, not_whole, particular
from flowc.compiler.tables.made import is_stored, way
from flowc.types import TEMPORAL, DataType

_VERSIONED = "system versioning"
_FREE = (kinds.CreateIndex, kinds.DropIndex, kinds.CommentTable)
"""What the engine does to a table whose old rows it keeps."""
_COUNTER = "AUTO_INCREMENT"
_READERS = "column ", "CHECK "
"""How the words begin of what computes with a column."""
_SETS_NULL = "which sets it NULL"


def held(alteration: Alteration, situation: Situation) -> str | None:
    """Why an alteration cannot be made, in words."""
    if _VERSIONED in situation.live.beyond and not isinstance(alteration, _FREE):
        return hindered("change", situation.label, (_VERSIONED,))
    return _refused(alteration, situation)


def _refused(alteration: Alteration, situation: Situation) -> str | None:
    match alteration:
        case kinds.AlterType(was, now):
            return _alter_type(was, now, situation)
        case kinds.DropColumn(was):
            return hindered("drop", was.name, was.bound)
        case kinds.RenameColumn(was):
            return hindered("rename", was.name, (words for words in was.bound if words == DIVIDES))
        case kinds.SetNotNull(was):
            return hindered("require", was.name, (words for words in was.bound if _SETS_NULL in words))
        case kinds.AlterGeneration(was, now):
            return _alter_generation(was, now, situation)
        case kinds.DropKey(key):
            return hindered("drop the key", ", ".join(key), _needing(Index(key, unique=True), situation))
        case kinds.DropIndex(index):
            return hindered("drop the index", index.name or "", _needing(index, situation))
        case kinds.CreateIndex(index):
            return not_whole(index.columns, situation) if index.unique else None
        case kinds.AddKey(key):
            return not_whole(key, situation)
        case (
            kinds.AddColumn() | kinds.SetDefault() | kinds.DropDefault() | kinds.DropNotNull() | kinds.CommentColumn()
            | kinds.CommentTable() | kinds.RenameIndex() | kinds.AlterPartitions() | kinds.DropLeftovers()
        ):  # fmt: skip
            return None
    assert_never(alteration)


def keeps(live: Table) -> str | None:
    """Why a table cannot be dropped."""
    return hindered("drop", str(live.name), (words for words in live.dependents if words.startswith(FOREIGN)))


def _alter_type(was: Column, now: Column, situation: Situation) -> str | None:
    found = [words for words in was.bound if words.startswith(FOREIGN) or words == DIVIDES]
    found += particular(was, now, situation)
    others = [] if _reads_alike(was.type, now.type) else [w for w in was.bound if w.startswith(_READERS)]
    if others and not found:
        words = f"{', '.join(others)} would take the values of `{was.name}` for something else"
        return f"{words}: drop it first and make it again afterwards"
    return hindered("change the type of", was.name, found)


def _reads_alike(old: DataType, new: DataType) -> bool:
    """Whether expressions get the same of a value in both types: 5 and 5.00 are different texts."""
    if old.is_integer and new.is_integer:
        return True
    same_digits = old.places == new.places if old.kind in TEMPORAL else (old.scale or 0) == (new.scale or 0)
    return alike(old, new) and old.kind is new.kind and same_digits


def _alter_generation(was: Column, now: Column, situation: Situation) -> str | None:
    if way(was.default) == "computed":
        if now.default is None and not is_stored(was.default):
            return f"`{now.name}` is stored nowhere: add a column of another name, fill it from this one, and drop it"
        if now.default is not None and is_stored(was.default) != is_stored(now.default):
            return f"the engine does not change whether `{now.name}` is stored: add a column of another name"
        return hindered("compute anew", now.name, was.bound)
    if was.default is not None and way(was.default) == "":
        return f"the default {was.default} fills it: take that away first, and number it when that is applied"
    wanted = situation.wanted
    keys = (wanted.primary_key[:1], *(i.columns[:1] for i in wanted.indexes))
    if now.default is not None and (now.name,) not in keys:
        return f"the engine numbers only a column that a key begins with: declare an index on ({now.name})"
    pointing = ", ".join(from_others(was.bound)) if now.default is None else ""
    words = f"MySQL does not let `{now.name}` go on without {was.default} while there is {pointing}"
    return f"{words}: change it by hand" if pointing else None


def _needing(index: Index, situation: Situation) -> Iterator[str]:
    """What needs the index: foreign keys and a counter of its first column, for which there is no other one."""
    live = situation.renamed_live
    first = live.column(index.columns[0]) if index.columns else None
    keys = [live.primary_key, *(i.columns for i in live.indexes if not i.beyond)]
    others = [key for key in keys if key != index.columns and key[:1] == index.columns[:1]]
    # One statement drops it and makes the others.
    others += [i.columns for i in situation.wanted.indexes if i.columns[:1] == index.columns[:1]]
    if first is None or others or keys.count(index.columns) > 1:
        return
    yield from (words for words in first.bound if words.startswith(FOREIGN))
    if (first.default or "").upper() == _COUNTER:
        yield _COUNTER
