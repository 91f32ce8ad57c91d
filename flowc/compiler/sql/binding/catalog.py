"""What PostgreSQL knows by itself, as its own catalogs tell it: types, casts, operators, functions.

`catalogs/postgres.tsv` is written by `scripts/make_catalogs.py` from real servers, and read once, when the first query
of a PostgreSQL is judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

UNKNOWN = "unknown"
"""The type of a literal that nothing has given a type yet."""

_ANY = frozenset(("anyelement", "anynonarray", "anycompatible", "anycompatiblenonarray"))
_ANY_ARRAY = frozenset(("anyarray", "anycompatiblearray"))
_ANY_RANGE = {
    "anyrange": "R", "anycompatiblerange": "R", "anymultirange": "M", "anycompatiblemultirange": "M", "anyenum": "E",
}  # fmt: skip
POLYMORPHIC = _ANY | _ANY_ARRAY | frozenset(_ANY_RANGE)
_RECORDS = ("record", "_record")
_CONTEXTS = ("i", "a", "e")
"""Where a cast is made: by itself, by an assignment, where it is written."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One function or operator: what it takes, the last of it any number of times if `variadic`, and gives.

    `kind` is `f` (plain), `a` (aggregate), `o` and `h` (ordered sets), `w` (window), `s` behind it for sets of rows.
    `result` is None where servers differ.
    """

    name: str
    args: tuple[str, ...]
    result: str | None
    kind: str = "f"
    defaults: int = 0
    variadic: bool = False

    def takes(self, count: int) -> tuple[str, ...] | None:
        """The types of so many arguments; None where it does not take so many."""
        if self.variadic:
            fixed, last = self.args[:-1], self.args[-1]
            element = "any" if last == "any" else element_name(last)
            return fixed + (element,) * (count - len(fixed)) if count > len(fixed) else None
        return self.args[:count] if len(self.args) - self.defaults <= count <= len(self.args) else None


def element_name(array: str) -> str:
    """The element of an array's type, by the names that PostgreSQL gives arrays."""
    if array in _ANY_ARRAY:
        return "anyelement" if array == "anyarray" else "anycompatible"
    return array[1:] if array.startswith("_") else array


@dataclass(frozen=True, eq=False)
class Catalog:
    """Types, casts, operators and functions, by name."""

    categories: Mapping[str, str]
    preferred: frozenset[str]
    titles: Mapping[str, str]
    casts: Mapping[tuple[str, str], str]
    operators: Mapping[str, Sequence[Signature]]
    reserved: frozenset[str]
    """Words that name nothing unless they are quoted."""
    extensions: frozenset[str]
    """Names of functions that PostgreSQL's own extensions add."""
    _functions: Mapping[str, Sequence[str]] = field(repr=False)

    def functions(self, name: str) -> list[Signature]:
        """The functions of a name."""
        return [_signature(line) for line in self._functions.get(name, ())]

    @property
    def names(self) -> Mapping[str, object]:
        """The names of all functions."""
        return self._functions

    def title(self, kind: str) -> str:
        """A type in SQL's words."""
        if kind == "_record":
            return "record[]"
        return self.titles.get(kind, kind)

    def category(self, kind: str) -> str:
        """The letter of a type's category: `N` numbers, `S` texts, `D` times, `A` arrays."""
        return "A" if kind.startswith("_") else self.categories.get(kind, "U")

    def coerces(self, given: str | None, wanted: str, context: str = "i") -> bool:
        """Whether a value goes into a type by itself, or by an assignment (`a`), or by a cast (`e`)."""
        if given is None or given in (wanted, UNKNOWN) or wanted == "any":
            return True
        if wanted in POLYMORPHIC:
            return self._fits(given, wanted)
        if given.startswith("_") and wanted.startswith("_") and given not in _RECORDS:
            return self.coerces(given[1:], wanted[1:], context)
        if wanted in _RECORDS or given in _RECORDS:
            return given == wanted or context != "i"
        found = self.casts.get((given, wanted))
        if found is not None and _CONTEXTS.index(context) >= _CONTEXTS.index(found):
            return True
        texts = "S" in (self.category(given), self.category(wanted))
        return texts if context == "e" else context == "a" and self.category(wanted) == "S"

    def _fits(self, given: str, wanted: str) -> bool:
        if wanted in _ANY_ARRAY:
            return self.category(given) == "A" or given in ("int2vector", "oidvector")
        if wanted in _ANY_RANGE:
            return self.category(given) == "R" or given.endswith("multirange")
        return wanted not in ("anynonarray", "anycompatiblenonarray") or self.category(given) != "A"


@cache
def postgres() -> Catalog:
    """The catalog of PostgreSQL."""
    lines: dict[str, list[list[str]]] = {"type": [], "cast": [], "op": [], "word": [], "ext": []}
    functions: dict[str, list[str]] = {}
    for line in (files(__package__) / "catalogs" / "postgres.tsv").read_text("utf-8").splitlines()[1:]:
        if line.startswith("fn\t"):
            functions.setdefault(line[3 : line.index("\t", 3)], []).append(line)
        else:
            kind, *rest = line.split("\t")
            lines[kind].append(rest)
    operators: dict[str, list[Signature]] = {}
    for name, left, right, result in lines["op"]:
        args = (right,) if left == "-" else (left, right)
        operators.setdefault(name, []).append(Signature(name, args, None if result == "?" else result))
    types = lines["type"]
    return Catalog(
        categories={name: category[0] for name, category, *_ in types},
        preferred=frozenset(name for name, category, *_ in types if category.endswith("!")),
        titles={name: title.strip('"') for name, _, _, title in types},
        casts={(source, target): context for source, target, context in lines["cast"]},
        operators=operators,
        reserved=frozenset(word for (word,) in lines["word"]),
        extensions=frozenset(name for (name,) in lines["ext"]),
        _functions=functions,
    )


@cache
def _signature(line: str) -> Signature:
    _, name, kind, defaults, variadic, args, result = line.split("\t")
    return Signature(
        name, tuple(args.split()), result=None if result == "?" else result, kind=kind, defaults=int(defaults),
        variadic=variadic == "v",
    )  # fmt: skip
