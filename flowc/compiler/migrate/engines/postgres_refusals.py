"""What PostgreSQL refuses of a table that others use, said by `plan` before anything is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from flowc.catalog import Column, Index, Table
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.bound import FOREIGN, alike, from_others, hindered, not_whole, unordered
from flowc.compiler.migrate.engines.postgres_require import require_name
from flowc.compiler.tables.made import is_stored, way

_INHERITED = "a table that it is inherited from"
_IDENTITY = "AS IDENTITY"


def refuses(alteration: Alteration, situation: Situation) -> str | None:
    """Why an alteration cannot be made, in words."""
    found = _REFUSALS.get(alteration.kind)
    return (found(alteration, situation) if found else None) or _of_type(alteration, situation)


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
    shape = alteration.kind in ("add_column", "drop_column", "alter_type", "rename_column")
    return hindered("change", situation.label, made) if shape else None


def _alter_type(alteration: Alteration, situation: Situation) -> str | None:
    was, now = alteration.was, alteration.column
    assert was is not None
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
    particular = (i for i in situation.live.indexes if (i.beyond or i.where is not None) and i.names(was.name))
    yield from (f"index {index.name}" for index in particular)


def _drop_column(alteration: Alteration, situation: Situation) -> str | None:
    was = alteration.column
    own = (words for words in was.bound if not words.startswith(FOREIGN))
    return hindered("drop", was.name, (*own, *from_others(was.bound)))


def _rename_column(alteration: Alteration, _: Situation) -> str | None:
    assert alteration.was is not None
    inherited = (words for words in alteration.was.bound if words == _INHERITED)
    return hindered("rename", alteration.was.name, inherited)


def _drop_not_null(alteration: Alteration, _: Situation) -> str | None:
    assert alteration.was is not None
    numbered = [alteration.was.default or ""] if _IDENTITY in (alteration.was.default or "") else []
    inherited = [words for words in alteration.was.bound if words == _INHERITED]
    return hindered("let NULL be in", alteration.was.name, numbered + inherited)


def _set_not_null(alteration: Alteration, _: Situation) -> str | None:
    assert alteration.was is not None
    name = require_name(alteration.was.name)
    taken = [f"constraint {name}" for words in alteration.was.beyond if words.startswith(f"constraint {name} on ")]
    return hindered("require", alteration.was.name, taken)


def _alter_generation(alteration: Alteration, situation: Situation) -> str | None:
    was, now = alteration.was, alteration.column
    assert was is not None
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


def _drop_key(alteration: Alteration, situation: Situation) -> str | None:
    columns = (situation.live.column(situation.old_name(name)) for name in alteration.key)
    return hindered("drop the key", ", ".join(alteration.key), _pointed_at(columns))


def _drop_index(alteration: Alteration, situation: Situation) -> str | None:
    index = alteration.index
    assert index is not None
    columns = (situation.live.column(situation.old_name(name)) for name in index.columns)
    needed = index.unique and not _has_twin(index, situation)
    return hindered("drop the index", index.name or "", _pointed_at(columns)) if needed else None


def _create_index(alteration: Alteration, situation: Situation) -> str | None:
    index = alteration.index
    assert index is not None
    undivided = not_whole(index.columns, situation) if index.unique else None
    return unordered(index, situation, _UNORDERED) or undivided


_UNORDERED = ("point", "line", "lseg", "box", "path", "polygon", "circle", "xml", "json")


def _has_twin(index: Index, situation: Situation) -> bool:
    """Whether a foreign key that points at the columns may as well rest on the primary key."""
    return set(index.columns) == set(situation.renamed_live.primary_key)


def _pointed_at(columns: Iterator[Column | None]) -> Iterator[str]:
    for column in columns:
        yield from from_others(column.bound) if column is not None else ()


_REFUSALS: Mapping[str, Callable[[Alteration, Situation], str | None]] = {
    "alter_type": _alter_type,
    "drop_column": _drop_column,
    "rename_column": _rename_column,
    "drop_not_null": _drop_not_null,
    "set_not_null": _set_not_null,
    "alter_generation": _alter_generation,
    "drop_key": _drop_key,
    "drop_index": _drop_index,
    "create_index": _create_index,
    "add_key": lambda alteration, situation: not_whole(alteration.key, situation),
}
