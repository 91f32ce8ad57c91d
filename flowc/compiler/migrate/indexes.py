"""How the indexes of a live table differ from the wanted ones.

An index that takes another one's place is made before that goes, so that a key stays unique meanwhile and no role of
the old index is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from flowc.catalog import Index, Table, TableName
from flowc.compiler.migrate import alteration as kinds
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.refusals import retyped
from flowc.compiler.tables.ddl import index_name, made_name

_TEMPORARIES = "__flowc_new", "__flowc_new2"
"""End the names under which an index is made while the one whose place it takes is there.

The second is for the successor of an index that an unfinished version left under the first.
"""


def index_alterations(situation: Situation, managed: Table | None, gone: Sequence[str]) -> Iterator[Alteration]:
    """Indexes that come and go; one over a column of `gone` goes with it, whosever it is."""
    held, dropped = _held(situation, managed, gone)
    new = [index for index in situation.wanted.indexes if index.identity not in held]
    names = {index.identity: index.name or "" for index in held.values()}
    names |= {index.identity: final_name(index, situation) for index in new}
    going = {situation.dialect.names.fold(index.name or "") for index in dropped if _stays(index, situation)}
    for index in new:
        name = final_name(index, situation)
        taken = situation.dialect.tables.renames_indexes and situation.dialect.names.fold(name) in going
        temporary = _temporary(index, situation) if taken else None
        names[index.identity] = temporary or name
        yield kinds.CreateIndex(index, temporary)
    for index in dropped:
        yield kinds.DropIndex(index, _successor(index, new, names, situation))
    for index in situation.wanted.indexes:
        if names[index.identity].endswith(_TEMPORARIES):
            yield kinds.RenameIndex(replace(index, name=names[index.identity]), final_name(index, situation))


def final_name(index: Index, situation: Situation) -> str:
    """The name of a wanted index, which flowc makes where the specs say none."""
    return index.name or index_name(situation.live.name, index.columns)


def _names(index: Index, situation: Situation) -> tuple[str, ...]:
    """The name of a wanted index, and those under which it may have been made."""
    name = final_name(index, situation)
    return name, *(made_name(name, end) for end in _TEMPORARIES)


def _temporary(index: Index, situation: Situation) -> str:
    """A name that no live index has; where each has one, that of an index without a role, which goes first."""
    named = {situation.dialect.names.fold(i.name or ""): i for i in situation.live.indexes}
    held = ((name, named.get(situation.dialect.names.fold(name))) for name in _names(index, situation)[1:])
    return min(held, key=lambda entry: 0 if entry[1] is None else 1 + bool(entry[1].marks))[0]


def _held(
    situation: Situation, managed: Table | None, gone: Sequence[str]
) -> tuple[Mapping[tuple[object, ...], Index], list[Index]]:
    """The live indexes that are wanted, by what they do, and those that go."""
    live = situation.renamed_live.indexes
    wanted = {index.identity for index in situation.wanted.indexes}
    names = {index.name for index in situation.wanted.indexes if index.name}
    # Of two that do the same, the one with a name of its own stays.
    held = {i.identity: i for i in sorted(live, key=lambda i: not _is_temporary(i)) if i.valid}
    dropped = []
    for index in live:
        # An index that flowc would not make is nobody's but its author's, whatever its name.
        named = index.name in names or _is_temporary(index)
        ours = (index.declarable or situation.whole) and (named or is_applied(index, situation, managed))
        spare = _is_temporary(index) and held.get(index.identity) is not index
        spare = spare or _is_name_of_another(index, situation)
        if is_left(index, situation):
            dropped.append(replace(index, valid=False))
        elif any(index.names(column) for column in gone) or ((index.identity not in wanted or spare) and ours):
            if held.get(index.identity) is index:
                del held[index.identity]
            dropped.append(index)
    return held, dropped


def _is_name_of_another(index: Index, situation: Situation) -> bool:
    """Whether a wanted index that does something else has its name."""
    named = [i.identity for i in situation.wanted.indexes if i.name is not None and i.name == index.name]
    return bool(named) and index.identity not in named


def _is_temporary(index: Index) -> bool:
    return (index.name or "").endswith(_TEMPORARIES)


def _stays(index: Index, situation: Situation) -> bool:
    """Whether an index that goes can be there until its successor is made.

    A change of a column's type would have to make it anew, and may not be able to.
    """
    return index.valid and (bool(index.marks) or not retyped(map(situation.old_name, index.columns), situation))


def _successor(
    index: Index, new: Sequence[Index], names: Mapping[tuple[object, ...], str], situation: Situation
) -> Index | None:
    """A new index that does the same, else the one of its name, else one over its columns that is unique, too."""
    fold = situation.dialect.names.fold
    if not _stays(index, situation) or fold(index.name or "") in [fold(names[i.identity]) for i in new]:
        return None
    same = [i for i in situation.wanted.indexes if fold(index.name or "") in map(fold, _names(i, situation))]
    if same and not situation.dialect.tables.renames_indexes:
        return None
    near = [i for i in new if i.unique and index.unique and set(i.columns) & set(index.columns)]
    twins = [i for i in new if i.identity == index.identity]
    found = next(iter((*twins, *same, *near)), None)
    return None if found is None else replace(found, name=names[found.identity])


def is_left(index: Index, situation: Situation) -> bool:
    """Whether an apply left the index unfinished: it is not valid, or is the index of a key that is not to be added."""
    live, wanted = situation.renamed_live, situation.wanted
    key = Index(wanted.primary_key, unique=True).identity
    if index.name == key_index(live.name):
        return not index.valid or index.identity != key or live.primary_key == wanted.primary_key
    own = live.plain and index.name in (index_name(live.name, index.columns), made_name(live.name.name, "_pkey"))
    own = own or _is_temporary(index) or index.name in [final_name(i, situation) for i in wanted.indexes]
    same = index.identity in (key, *(i.identity for i in wanted.indexes)) and not index.building
    return not index.valid and (own or same)


def key_index(name: TableName) -> str:
    """The name of the index that is to become a table's primary key, as long as it has not."""
    return made_name(f"flowc_{name.name}", "_pkey")


def is_applied(index: Index, situation: Situation, managed: Table | None) -> bool:
    """Whether a live index is one that was applied last: by its name where others are on the same columns."""
    live = situation.renamed_live
    others = sum(other.identity == index.identity for other in live.indexes) > 1
    for was in managed.indexes if managed else ():
        now = replace(was, columns=tuple(map(situation.new_name, was.columns)))
        if now.identity == index.identity:
            return not others or index.name == (was.name or index_name(live.name, was.columns))
    return False
