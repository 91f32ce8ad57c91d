"""Random versions of a table whose columns hold values that tell which column they were written to."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

WHOLE = "varchar(20)", "varchar(60)", "bigint", "integer", "numeric(12,0)", "numeric(14,2)", "double"
"""Types that hold every value, and that an index takes on every engine."""
TIMES = "timestamp", "timestamptz"
"""Types that hold every time; each becomes the other by the time zone of the column."""


@dataclass(frozen=True)
class Column:
    """A declared column. `was` is its name in the version before, `sequence` that of its default."""

    name: str
    kind: str
    was: str | None = None
    required: bool = False
    sequence: str | None = None
    zone: str | None = None
    """Of a column of times, its `change_timezone`."""

    @property
    def yaml(self) -> str:
        """The column as a spec has it."""
        default = f"nextval('{self.sequence}')" if self.sequence else "0"
        if self.kind.startswith("varchar") and not self.sequence:
            default = "'0'"
        given = [f'type: "{self.kind}"', *([f"renamed_from: {self.was}"] if self.was else [])]
        given += [f"change_timezone: {self.zone}"] if self.zone else []
        given += ["nullable: false", f'default: "{default}"'] if self.required else []
        return f"  {self.name}: {{ {', '.join(given)} }}"


@dataclass(frozen=True)
class Version:
    """A declared table. An index has a name, columns, and is unique or not; `second` is in the key behind `id`."""

    columns: tuple[Column, ...]
    indexes: tuple[tuple[str, tuple[str, ...], bool], ...] = ()
    second: str | None = None

    @property
    def yaml(self) -> str:
        """The table as a spec has it."""
        key = f"primary_key: [{', '.join(filter(None, ('id', self.second)))}]"
        lines = [key, "columns:", "  id: bigint", *(column.yaml for column in self.columns)]
        listed = (f"{{ name: {n}, columns: [{', '.join(c)}], unique: {str(u).lower()} }}" for n, c, u in self.indexes)
        return "\n".join([*lines, *([f"indexes: [{', '.join(listed)}]"] if self.indexes else [])])

    @property
    def names(self) -> tuple[str, ...]:
        """Its columns but the key."""
        return tuple(column.name for column in self.columns)

    @property
    def renames(self) -> Mapping[str, str]:
        """New names and those before."""
        return {column.name: column.was for column in self.columns if column.was}


def first(zone: str, chance: random.Random) -> Version:
    """A table of three to five columns, of which the last holds times."""
    columns = [Column(f"c{n}", chance.choice(WHOLE), required=n == 0) for n in range(chance.randint(2, 4))]
    columns.append(Column(f"c{len(columns)}", chance.choice(TIMES), zone=zone))
    return Version(tuple(columns), (("i0", ("c1",), chance.random() < 0.5),))


def edited(version: Version, kind: str, chance: random.Random) -> Version:
    """The version after one to three edits, each of another column; earlier renames are applied."""
    columns = [replace(column, was=None) for column in version.columns]
    indexes = list(version.indexes)
    before = {column.name for column in columns}
    for place in chance.sample(range(len(columns)), chance.randint(1, min(3, len(columns)))):
        columns[place] = _edited(columns[place], before | {c.name for c in columns}, chance)
    names = {column.was or column.name: column.name for column in columns}
    indexes = [(name, tuple(names[c] for c in of), unique) for name, of, unique in indexes]
    if len(columns) > 2 and chance.random() < 0.25:
        gone = columns.pop(chance.randrange(len(columns)))
        indexes = [index for index in indexes if gone.name not in index[1]]
    if chance.random() < 0.4:
        columns.append(_added(before | {c.name for c in columns}, kind, chance))
    second = names.get(version.second) if version.second else None
    return Version(tuple(columns), tuple(_indexes(indexes, columns, chance)), _second(second, columns, chance))


def _second(held: str | None, columns: list[Column], chance: random.Random) -> str | None:
    """The column of the key behind `id`: as it is, or another one that is never NULL, or none."""
    able = [column.name for column in columns if column.required and not column.sequence]
    return chance.choice([None, *able]) if chance.random() < 0.3 or held not in able else held


def _free(taken: set[str], chance: random.Random) -> str:
    """A name that no column has; few names, so that they come again."""
    return chance.choice([name for name in (f"c{n}" for n in range(10)) if name not in taken])


def _edited(column: Column, taken: set[str], chance: random.Random) -> Column:
    what = chance.choice(("name", "name", "type", "type", "both", "required"))
    if what in ("name", "both"):
        column = replace(column, name=_free(taken, chance), was=column.name)
    if what in ("type", "both") and not column.sequence:
        column = replace(column, kind=chance.choice(TIMES if column.zone else WHOLE))
    required = what == "required" and not column.zone
    return replace(column, required=not column.required, sequence=None) if required else column


def _added(taken: set[str], kind: str, chance: random.Random) -> Column:
    name = _free(taken, chance)
    if kind in ("postgres", "duckdb") and chance.random() < 0.4:
        return Column(name, "bigint", required=True, sequence=f"s_{name}")
    return Column(name, chance.choice(WHOLE), required=chance.random() < 0.4)


def _indexes(
    indexes: list[tuple[str, tuple[str, ...], bool]], columns: list[Column], chance: random.Random
) -> list[tuple[str, tuple[str, ...], bool]]:
    """One of them over other columns, with the same name; or one more; or as they are."""
    what, names = chance.random(), [column.name for column in columns]
    of = tuple(chance.sample(names, chance.randint(1, 2)))
    if what < 0.3 and indexes:
        place = chance.randrange(len(indexes))
        indexes[place] = (indexes[place][0], of, chance.random() < 0.5)
    elif what < 0.5 and len(indexes) < 3:
        name = next(n for n in ("i0", "i1", "i2") if n not in [index[0] for index in indexes])
        indexes.append((name, of, False))
    different = {frozenset(of): (name, of, unique) for name, of, unique in indexes}
    return list(different.values())
