"""Random tables as specs declare them, and random edits of them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

WIDER: Mapping[str, tuple[str, ...]] = {
    "smallint": ("integer", "bigint"),
    "integer": ("bigint", "numeric(12,2)", "text"),
    "bigint": ("numeric(20,0)",),
    "varchar(12)": ("varchar(40)", "text"),
    "text": ("varchar(60)",),
    "digits": ("integer", "bigint"),
    "numeric(10,2)": ("numeric(14,2)", "numeric(14,4)"),
    "date": (),
    "timestamp": (),
}
"""Types of columns, and those to which an edit may change them. `digits` are texts that hold whole numbers."""
NAMES = ("alpha", "beta", "gamma", "delta", "kappa", "sigma", "omega", "theta")


@dataclass(frozen=True)
class Field:
    """A declared column: `live` is its name in the database, `was` the name that it had before an edit."""

    name: str
    type: str
    required: bool = False
    default: str | None = None
    comment: str | None = None
    live: str = ""
    was: str | None = None

    @property
    def spelled(self) -> str:
        """Its type as a spec has it."""
        return "text" if self.type == "digits" else self.type

    @property
    def texts(self) -> bool:
        """Whether it holds texts."""
        return self.type in ("text", "digits") or self.type.startswith("varchar")

    def yaml(self) -> str:
        """Its line under `columns`."""
        keys: dict[str, object] = {"type": self.spelled, "nullable": not self.required}
        optional = {"default": self.default, "description": self.comment, "renamed_from": self.was}
        keys |= {key: value for key, value in optional.items() if value is not None}
        return f"  {self.name}: {json.dumps(keys)}"

    def value(self, chance: random.Random) -> object:
        """A value that it holds before and after any edit."""
        if not self.required and chance.random() < 0.1:
            return None
        number = chance.randrange(-9_999, 10_000)
        if self.texts and self.type != "digits":
            return chance.choice(("it's", "Müller", "x y", "A", "a", "")) + str(abs(number) % 1000)
        made = {
            "digits": str(number), "numeric(10,2)": f"{number / 100:.2f}", "bigint": number * 1_000_000_007,
            "date": f"20{abs(number) % 90 + 10}-0{number % 9 + 1}-1{number % 10}",
            "timestamp": f"20{abs(number) % 90 + 10}-0{number % 9 + 1}-1{number % 10} 12:34:56.78901{number % 10}",
        }  # fmt: skip
        return made.get(self.type, number)


@dataclass(frozen=True)
class Shape:
    """A declared table: its columns beside the key `id`, and the columns of its indexes."""

    fields: tuple[Field, ...]
    indexes: tuple[tuple[str, ...], ...] = ()
    comment: str | None = None

    def yaml(self) -> str:
        """Its YAML."""
        lines = [] if self.comment is None else [f"description: {json.dumps(self.comment)}"]
        lines += ["columns:", "  id: bigint primary key", *(f.yaml() for f in self.fields)]
        if self.indexes:
            lines.append(f"indexes: {json.dumps([{'columns': list(names)} for names in self.indexes])}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Edit:
    """A table before and after. `dropped` are columns that go, `changed` those whose own attributes may differ."""

    before: Shape
    after: Shape
    renamed: Mapping[str, str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    unindexed: tuple[str, ...] | None = None
    """The columns of an index that is no longer declared."""

    def old_name(self, name: str) -> str:
        """What a column was called before."""
        return next((was for was, now in self.renamed.items() if now == name), name)


def table(chance: random.Random, *, folds: bool) -> Shape:
    """A random table. `folds`: names of columns may be there in other case, for the engine takes them for the same."""
    fields = []
    for name in chance.sample(NAMES, chance.randrange(3, 7)):
        live = name.capitalize() if folds and chance.random() < 0.2 else name
        made = Field(name, chance.choice(list(WIDER)), required=chance.random() < 0.4, live=live)
        fields.append(replace(made, default=_default(made) if chance.random() < 0.2 else None))
    indexed = [f.name for f in fields if not f.texts]  # MySQL indexes no text without a length
    index = ((chance.choice(indexed),),) if indexed and chance.random() < 0.5 else ()
    return Shape(tuple(fields), index)


def _default(made: Field) -> str:
    if made.type in ("date", "timestamp"):
        return "'2024-02-29'" if made.type == "date" else "'2024-02-29 00:00:00'"
    return "'7'" if made.texts else "7"


def edited(before: Shape, chance: random.Random, *, comments: bool) -> Edit:
    """A random edit: each column may be changed in one or two ways, columns and indexes come and go."""
    fields, renamed, dropped, changed = list[Field](), dict[str, str](), set[str](), set[str]()
    for was in before.fields:
        now, gone = _edited_field(was, chance, comments=comments, may_go=not dropped)
        if gone:
            dropped.add(was.name)
            continue
        if now.name != was.name:
            renamed[was.name] = now.name
        if replace(now, name=was.name, was=None) != was:
            changed.add(now.name)
        fields.append(now)
    fields += _added(chance)
    indexes = [tuple(renamed.get(n, n) for n in names) for names in before.indexes if not dropped & set(names)]
    unindexed = indexes.pop() if indexes and chance.random() < 0.3 else None
    free = [f.name for f in fields if not f.texts and (f.name,) not in indexes and (f.name,) != unindexed]
    if free and chance.random() < 0.4:
        indexes.append((chance.choice(free),))
    comment = "Edited." if comments and chance.random() < 0.2 else before.comment
    after = Shape(tuple(fields), tuple(indexes), comment)
    return Edit(before, after, renamed, frozenset(dropped), frozenset(changed), unindexed)


def _edited_field(was: Field, chance: random.Random, *, comments: bool, may_go: bool) -> tuple[Field, bool]:
    """The column after the edit, and whether it goes."""
    now = was
    for way in chance.sample(("keep", "type", "name", "rule", "default", "comment", "drop"), 2):
        if way == "type" and WIDER[was.type]:
            wider = chance.choice(WIDER[was.type])
            # A default is of the old type.
            now = replace(now, type=wider, default=None if was.default else now.default)
        elif way == "name":
            now = replace(now, name=f"{was.name}_new", was=was.name)
        elif way == "rule" and was.required:
            now = replace(now, required=False)
        elif way == "default" and now.type == was.type:
            now = replace(now, default=None if was.default else _default(was))
        elif way == "comment" and comments:
            now = replace(now, comment='What it\'s for; \\ "so"')
        elif way == "drop" and may_go and chance.random() < 0.3:
            return now, True
    return now, False


def _added(chance: random.Random) -> Iterator[Field]:
    """New columns: one that may be empty, one that a default fills."""
    if chance.random() < 0.4:
        yield Field("added", chance.choice(("integer", "text", "numeric(10,2)")))
    if chance.random() < 0.4:
        yield Field("filled", "integer", required=True, default="42")
