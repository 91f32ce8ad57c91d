"""What keeps an engine from changing or dropping a column, in words for `plan`: refused before anything is done."""

from __future__ import annotations

from collections.abc import Container, Iterable

from flowc.catalog import Column, Index
from flowc.compiler.migrate.alteration import Alteration, AlterGeneration, AlterType, Situation
from flowc.compiler.tables.made import way
from flowc.types import DataType, Kind

FOREIGN = "foreign key "
"""How the words begin that are of a foreign key; one of another table goes on with its name behind ` of `."""


def hindered(verb: str, name: str, words: Iterable[str]) -> str | None:
    """The refusal, where something hinders: `verb` says what cannot be done to the column or key `name`."""
    found = tuple(dict.fromkeys(words))
    if not found:
        return None
    there, them = ("there is", "it") if len(found) == 1 else ("there are", "them")
    mend = f"drop {them} first and make {them} again afterwards, or change it by hand"
    return f"the engine does not {verb} `{name}` while {there} {', '.join(found)}: {mend}"


def made_by_engine(alteration: Alteration) -> str | None:
    """Why no engine changes how it makes the values of a column, or makes them from now on."""
    if not isinstance(alteration, AlterGeneration):
        return None
    name, before, after = alteration.name, alteration.was.default, alteration.now.default
    if (way(before), way(after)) in _CHANGES and (way(after) or after is None):
        return None
    if after is None or (way(before) and not way(after)):
        return f"`{name}` is {before}: take that away first, and declare the default when that is applied"
    return f"`{name}` holds values of its own: add a column of another name that is {after}, and drop this one"


_CHANGES = (("computed", "computed"), ("computed", ""), ("numbered", "numbered"), ("numbered", ""), ("", "numbered"))


DIVIDES = "the partitions, which it decides"
"""What the engine says of the columns by which a table is divided: each unique key must hold them."""


def not_whole(key: Iterable[str], situation: Situation) -> str | None:
    """Why a key cannot be unique in a table that is divided by other columns."""
    live = situation.live
    left = [c.name for c in live.columns if DIVIDES in c.bound and situation.new_name(c.name) not in tuple(key)]
    return f"a unique key of a table with partitions must hold {', '.join(left)}, which decides them" if left else None


def unordered(index: Index, situation: Situation, kinds: Container[str]) -> str | None:
    """Why the columns of an index cannot be in one: `kinds` are the names of types without an order."""
    for name in index.columns:
        live = situation.live.column(situation.old_name(name))
        column = live or situation.wanted.column(name)
        kind = (column.own if column is not None else None) or ""
        if kind.lower() in kinds:
            return f"the engine has no order for a {kind}, which `{name}` is"
    return None


def particular(was: Column, now: Column, situation: Situation) -> list[str]:
    """The indexes whose expression or condition may mean something else, or nothing, in another type of a column."""
    if alike(was.type, now.type):
        return []
    found = (i for i in situation.live.indexes if (i.beyond or i.where is not None) and i.names(was.name))
    return [f"index {index.name}" for index in found]


def retyped_index(alteration: Alteration, situation: Situation) -> str | None:
    """Why a column does not get another type: what an index says of it was written for the type that it has."""
    if not isinstance(alteration, AlterType):
        return None
    was = alteration.was
    found = ", ".join(particular(was, alteration.now, situation))
    words = f"what {found} says of `{was.name}` may mean something else in another type"
    return f"{words}: drop it first and make it again afterwards" if found else None


def from_others(bound: Iterable[str]) -> tuple[str, ...]:
    """The foreign keys of other tables among them."""
    return tuple(words for words in bound if words.startswith(FOREIGN) and " of " in words)


def retyped(columns: Iterable[str], situation: Situation) -> bool:
    """Whether live columns get types in which their values may compare otherwise, or not at all."""
    pairs = ((situation.wanted.column(situation.new_name(name)), situation.live.column(name)) for name in columns)
    return any(now is not None and was is not None and not alike(was.type, now.type) for now, was in pairs)


def alike(old: DataType, new: DataType) -> bool:
    """Whether expressions and comparisons that took the one type take the other one too."""
    return (old.is_number and new.is_number) or (old.kind is new.kind and old.kind is not Kind.ARRAY)
