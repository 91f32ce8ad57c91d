"""Random tables as specs declare them, and random edits of those that every engine can make."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

_WORDS = ("alder", "Birch", "cedar", "it's", "", "Ünder", "fir tree")

VALUES: Mapping[str, Callable[[random.Random], str]] = {
    "integer": lambda chance: str(chance.randint(-1000, 1000)),
    "bigint": lambda chance: str(chance.randint(-(10**9), 10**9)),
    "varchar(20)": lambda chance: chance.choice(_WORDS),
    "varchar(60)": lambda chance: chance.choice(_WORDS) * 2,
    "text": lambda chance: chance.choice(_WORDS),
    "numeric(10,2)": lambda chance: f"{chance.randint(-9999, 9999) / 4:.2f}",
    "numeric(14,2)": lambda chance: f"{chance.randint(-99999, 99999) / 4:.2f}",
    "double": lambda chance: str(chance.randint(-9999, 9999) / 4),
    "date": lambda chance: f"2024-0{chance.randint(1, 9)}-1{chance.randint(0, 9)}",
    "timestamp": lambda chance: f"2024-0{chance.randint(1, 9)}-1{chance.randint(0, 9)} 0{chance.randint(0, 9)}:30:00",
    "boolean": lambda chance: chance.choice("01"),
}
"""A value of each type, as text that every engine takes for it."""
WIDER: Mapping[str, tuple[str, ...]] = {
    "integer": ("bigint", "double", "numeric(14,2)", "text"),
    "bigint": ("text",),
    "varchar(20)": ("varchar(60)", "text"),
    "varchar(60)": ("text",),
    "numeric(10,2)": ("numeric(14,2)", "numeric(14,4)"),
    "numeric(14,2)": ("numeric(16,4)",),
}
"""What a type may become so that every value stays what it is."""
TEXTS = ("varchar(20)", "varchar(60)", "text")


def literal(value: str | None) -> str:
    """A value in SQL."""
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


@dataclass(frozen=True)
class Part:
    """A declared column; `filled` says that no row has NULL in it, `was` what it was called before."""

    name: str
    kind: str
    filled: bool = False
    nullable: bool = True
    default: str | None = None
    comment: str | None = None
    was: str | None = None

    @property
    def yaml(self) -> str:
        """The column as a spec has it."""
        given = [f'type: "{self.kind}"', f"nullable: {str(self.nullable).lower()}"]
        given += [f'default: "{self._default()}"'] if self.default is not None else []
        given += [f"description: {self.comment}"] if self.comment else []
        given += [f"renamed_from: {self.was}"] if self.was else []
        return f"  {self.name}: {{ {', '.join(given)} }}"

    def _default(self) -> str:
        """As its type writes it."""
        value = self.default or ""
        if self.kind == "boolean":
            return "true" if value == "1" else "false"
        return literal(self.default) if self.kind in (*TEXTS, "date", "timestamp") else value


@dataclass(frozen=True)
class Shape:
    """A declared table; `indexes` are columns with whether they are unique."""

    parts: tuple[Part, ...]
    indexes: tuple[tuple[tuple[str, ...], bool], ...] = ()
    comment: str | None = None
    key: bool = True

    @property
    def yaml(self) -> str:
        """The table as a spec has it."""
        key = "  id: bigint primary key" if self.key else "  id: { type: bigint, nullable: false }"
        lines = ["columns:", key, *(part.yaml for part in self.parts)]
        listed = ", ".join(f"{{ columns: [{', '.join(c)}], unique: {str(u).lower()} }}" for c, u in self.indexes)
        lines += [f"indexes: [{listed}]"] if listed else []
        lines += [f"description: {self.comment}"] if self.comment else []
        return "\n".join(lines)

    def part(self, name: str) -> Part | None:
        """The column of that name."""
        return next((part for part in self.parts if part.name == name), None)


def make(chance: random.Random) -> Shape:
    """A table of four to eight columns, of which the first holds a number of its own in each row."""
    parts = [Part("u", "bigint", filled=True, nullable=False)]
    for number in range(chance.randint(3, 7)):
        kind, filled = chance.choice(list(VALUES)), chance.random() < 0.6
        default = VALUES[kind](chance) if kind != "timestamp" and chance.random() < 0.3 else None
        nullable = not filled or chance.random() < 0.6
        comment = f"Words {number}." if chance.random() < 0.2 else None
        parts.append(Part(f"c{number}", kind, filled, nullable, default, comment))
    indexes = [(("u",), True)] if chance.random() < 0.3 else []
    indexes += [((p.name,), False) for p in parts[1:] if chance.random() < 0.2]
    return Shape(tuple(parts), tuple(indexes), "All." if chance.random() < 0.3 else None)


@dataclass
class Edited:
    """The table as it is declared then, and what the edits are about: attributes of columns, by their old names."""

    shape: Shape
    touched: set[tuple[str, str]] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)

    @property
    def changed(self) -> set[str]:
        """The columns that go, or are called or typed otherwise then."""
        retyped = {name for name, what in self.touched if what == "type"}
        return self.dropped | set(self.renamed) | retyped

    def alter(self, old: str, part: Part, *whats: str) -> None:
        """Puts a column in the place of another one."""
        self.shape = replace(self.shape, parts=tuple(part if p.name == old else p for p in self.shape.parts))
        self.touched.update((old, what) for what in whats)


def edit(shape: Shape, chance: random.Random) -> Edited:
    """The table after one to four edits, each of another column."""
    found = Edited(shape)
    free = list(shape.parts[1:])
    chance.shuffle(free)
    for part in free[: chance.randint(1, 4)]:
        chance.choice(_EDITS)(found, part, chance)
    if chance.random() < 0.4:
        chance.choice((_add, _add, _index, _describe))(found, found.shape.parts[-1], chance)
    return found


def _retype(found: Edited, part: Part, chance: random.Random) -> None:
    if part.kind in WIDER:
        found.alter(part.name, replace(part, kind=chance.choice(WIDER[part.kind])), "type", "default", "collation")


def _rename(found: Edited, part: Part, chance: random.Random) -> None:
    new = replace(part, name=f"{part.name}x", was=part.name)
    if not part.nullable and part.default is None:
        return  # the application could not insert before and after it alike
    if chance.random() < 0.3 and part.kind in WIDER:
        new = replace(new, kind=chance.choice(WIDER[part.kind]))
        found.touched.update((part.name, what) for what in ("type", "default", "collation"))
    found.alter(part.name, new)
    found.renamed[part.name] = new.name
    names = [(tuple(found.renamed.get(c, c) for c in columns), unique) for columns, unique in found.shape.indexes]
    found.shape = replace(found.shape, indexes=tuple(names))


def _require(found: Edited, part: Part, chance: random.Random) -> None:
    if part.filled:
        found.alter(part.name, replace(part, nullable=not part.nullable), "null")


def _default(found: Edited, part: Part, chance: random.Random) -> None:
    value = None if part.default is not None and chance.random() < 0.5 else VALUES[part.kind](chance)
    found.alter(part.name, replace(part, default=value if part.kind != "timestamp" else None), "default")


def _drop(found: Edited, part: Part, _: random.Random) -> None:
    if part.nullable or part.default is not None:
        kept = tuple(p for p in found.shape.parts if p.name != part.name)
        indexes = tuple(index for index in found.shape.indexes if part.name not in index[0])
        found.shape = replace(found.shape, parts=kept, indexes=indexes)
        found.dropped.add(part.name)


def _add(found: Edited, _: Part, chance: random.Random) -> None:
    kind = chance.choice([kind for kind in VALUES if kind != "timestamp"])
    default = VALUES[kind](chance) if chance.random() < 0.6 else None
    new = Part("added", kind, nullable=default is None or chance.random() < 0.5, default=default)
    found.shape = replace(found.shape, parts=(*found.shape.parts, new))


def _index(found: Edited, part: Part, chance: random.Random) -> None:
    held = dict(found.shape.indexes)
    if held and chance.random() < 0.4:
        held.pop(chance.choice(list(held)))
    elif chance.random() < 0.5:
        held[("u",)] = True
    elif found.shape.part(part.name):
        held[part.name, "u"] = False
    found.shape = replace(found.shape, indexes=tuple(held.items()))


def _describe(found: Edited, part: Part, chance: random.Random) -> None:
    if chance.random() < 0.4:
        found.shape = replace(found.shape, comment="Else.")
        found.touched.add(("", "comment"))
    elif found.shape.part(part.name):
        found.alter(part.name, replace(part, comment="It's new.".replace("'", "")), "comment")


_EDITS = (_retype, _retype, _retype, _rename, _require, _require, _default, _drop, _index, _describe)
