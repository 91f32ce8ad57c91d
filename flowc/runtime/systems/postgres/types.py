"""Which types PostgreSQL's columns have, and in which form their values travel.

A type that flowc has no word for (enums, network addresses, ranges, composites) is read and written as its text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from flowc.catalog import Column, Native, TableName
from flowc.runtime.names import qualified
from flowc.types import TEXT, DataType, Kind, parse_type

# The types whose values both drivers read and write as they are; an array of them is `_` and the name.
_BUILT_IN = (
    "bool int2 int4 int8 float4 float8 numeric text varchar bpchar name bytea date time timestamp timestamptz interval"
    " uuid json jsonb"
)
NATIVE = frozenset(_BUILT_IN.split())


@dataclass(frozen=True, slots=True)
class PgColumn:
    """A column of a table or a query as PostgreSQL has it; `base` is the type's name with domains resolved."""

    name: str
    base: str
    modifier: int
    spelled: str
    own: str | None = None
    """Its name where flowc has no word that tells all of it; one made in the database with its schema."""
    form: str = "b"
    """What `pg_type.typtype` says of the base, or of the elements of an array: base, composite, domain, enum, range.

    A composite or domain whose parts change no value counts as a base type.
    """

    @property
    def native(self) -> bool:
        """Whether its values travel as they are."""
        return self.base.removeprefix("_") in NATIVE

    @property
    def as_text(self) -> str:
        """The cast with which its values are read where they are read as text; that of `char(n)` has no padding."""
        if self.native and self.base.removeprefix("_") != "bpchar":
            return ""
        return "::text[]" if self.native and self.base.startswith("_") else "::text"

    @property
    def type(self) -> DataType:
        """What flowc calls it."""
        return _named(self.spelled) if self.native else TEXT

    @property
    def column(self) -> Column:
        """The column of a query."""
        return Column(self.name, self.type)


def _named(spelled: str) -> DataType:
    # An interval's fields (`interval day to second(3)`) are no part of its type: see `native`.
    kind = parse_type(_FIELDS.sub("interval", spelled))
    if kind.kind is Kind.ARRAY and kind.element is not None:
        return DataType(Kind.ARRAY, element=_usual(kind.element))
    return _usual(kind)


_FIELDS = re.compile(r"^interval [^\[]+")


def _usual(kind: DataType) -> DataType:
    """numeric(2,-3) and numeric(3,5), which PostgreSQL has, as the decimals that hold their values."""
    if kind.kind is not Kind.DECIMAL or kind.precision is None or kind.scale is None:
        return kind
    scale = max(kind.scale, 0)
    return DataType(Kind.DECIMAL, precision=max(kind.precision - min(kind.scale, 0), scale), scale=scale)


_CHANGING, _LIMITED = ("bpchar", "char", "money", "bit", "name"), ("varbit", "interval")
_COUNTED, _PARTS = ("oid", "xid", "cid", "tsvector"), ("c", "d")
_RANGES, _EXACT_RANGES = ("r", "m"), re.compile("^(int4|int8|num)(multi)?range$")
_ROUNDED = ("timetz", "point", "box", "lseg", "path", "polygon", "circle", "line")
_LONG = "[0-9.]{{17}}|:[0-9]{{2}}[.][0-9]{{7}}"
"""Texts of which a type may drop digits: more than a double or a microsecond has."""
_DROPPED = {
    "date": ":|[A-Za-z]",
    "ts": _LONG + "|[A-SU-Za-z]|:[0-9.]* ?[+-]",
    "timetz": _LONG + '|[A-SU-Ya-z]|(^|[{{,"])[0-9:.]+($|[}},"])|-[0-9]+-',
}
"""The same for ranges of dates, which drop times, of timestamps, which drop time zones, and for times of named zones.

`T` stands before a time, and `Z` says UTC. A time without an offset would get that of the session.
"""
_MODIFIER = re.compile(r"\([0-9]+\)")


def native(column: PgColumn, collation: str | None) -> Native | None:
    """What flowc's type does not tell of a live column; `collation` is one that is not deterministic."""
    base = column.base.removeprefix("_")
    exact = base not in _CHANGING and not (base in _LIMITED and column.modifier != -1)
    exact &= not (base == "numeric" and "-" in column.spelled)  # a scale below zero rounds
    exact &= base not in _COUNTED and column.form not in _PARTS
    alike = None if column.native else _alike(base, column)
    exact &= alike is None
    own = None if column.native and exact and base != "json" else column.spelled  # flowc's own JSON is JSONB
    return Native(own, collation, exact, alike) if own or collation else None


def _alike(base: str, column: PgColumn) -> str | None:
    """What of a value is compared to see whether a type keeps it that has many texts for one value."""
    if base not in _ROUNDED and (column.form not in _RANGES or _EXACT_RANGES.match(base)):
        return None
    dropped = _DROPPED.get(re.sub("(multi)?range$", "", base), _LONG)
    whole, bare = "CAST({x} AS TEXT)", _MODIFIER.sub("", column.spelled).replace("{", "{{").replace("}", "}}")
    return f"CASE WHEN {whole} ~ '{dropped}' THEN {whole} ELSE CAST(CAST({{x}} AS {bare}) AS TEXT) END COLLATE \"C\""


_EXACT = "bool,int2,int4,int8,numeric,text,varchar,bytea,uuid,json,jsonb,inet,macaddr"
_BASES = """
WITH RECURSIVE base(oid, at, modifier) AS (
  SELECT t.oid, t.oid, -1 FROM pg_type t WHERE t.oid = ANY(%s::oid[])
  UNION ALL
  SELECT b.oid, t.typbasetype, t.typtypmod FROM base b JOIN pg_type t ON t.oid = b.at WHERE t.typtype = 'd'
)
SELECT b.oid, t.typname, b.modifier, b.at, CASE WHEN part.typtype IN ('c', 'd') AND NOT EXISTS (
  SELECT FROM (
    SELECT part.typbasetype, part.typtypmod WHERE part.typtype = 'd' UNION ALL
    SELECT atttypid, atttypmod FROM pg_attribute
    WHERE attrelid = part.typrelid AND part.typtype = 'c' AND attnum > 0 AND NOT attisdropped
  ) AS p(oid, modifier) JOIN pg_type y ON y.oid = p.oid
  WHERE p.modifier <> -1 OR y.typtype <> 'e' AND (
    y.typnamespace <> 'pg_catalog'::regnamespace OR ltrim(y.typname, '_') <> ALL('{EXACT}'))
) THEN 'b' ELSE part.typtype::text END
FROM base b JOIN pg_type t ON t.oid = b.at
LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
JOIN pg_type AS part ON part.oid = coalesce(e.oid, t.oid)
WHERE t.typtype <> 'd'
""".replace("EXACT", _EXACT)


_FIXED = 10_000
"""Types with a lower identity are the same ones in every server of every version (`FirstGenbkiObjectId`)."""
_KNOWN: dict[tuple[int, int], PgColumn] = {}
"""What was asked before of those that flowc has a word for, by identity and modifier; their names are of no meaning.

How others are spelled hangs on the session: `pg_catalog.inet` where a schema of its path has an `inet` of its own.
"""


def resolve(connection: Any, columns: Iterable[tuple[str, int, int]]) -> tuple[PgColumn, ...]:
    """Columns given as name, type identity and modifier, with their types by name."""
    given = list(columns)
    found = dict(_KNOWN)
    if missing := sorted({(oid, own) for _, oid, own in given} - found.keys()):
        found.update(zip(missing, _asked(connection, missing), strict=True))
        _KNOWN.update((key, found[key]) for key in missing if key[0] < _FIXED and _is_plain(found[key]))
    return tuple(replace(found[oid, own], name=name) for name, oid, own in given)


def _is_plain(column: PgColumn) -> bool:
    return column.native and column.own is None and "." not in column.spelled


def _asked(connection: Any, given: list[tuple[int, int]]) -> Iterator[PgColumn]:
    rows = connection.execute(_BASES, [sorted({oid for oid, _ in given})]).fetchall()
    base = {oid: (name, modifier, at, form) for oid, name, modifier, at, form in rows}
    found = []
    for oid, own in given:
        typname, inherited, at, form = base[oid]
        found.append((typname, own if at == oid else inherited, at, form))
    wanted = [[at for _, _, at, _ in found], [modifier for _, modifier, _, _ in found]]
    wanted += [[oid for oid, _ in given], [own for _, own in given]]
    rows = connection.execute(_SPELLED, wanted).fetchall()
    for (b, m, _, form), (s, own, domain) in zip(found, rows, strict=True):
        yield PgColumn("", b, m, spelled=s, own=own if _is_own(b, m, s, domain=domain) else None, form=form)


_SPELLED = """
SELECT format_type(u.t, u.m), CASE WHEN s.nspname <> 'pg_catalog' AND pg_type_is_visible(u.o)
         THEN quote_ident(s.nspname) || '.' ELSE '' END || format_type(u.o, u.om), y.typtype = 'd'
FROM unnest(%s::oid[], %s::int[], %s::oid[], %s::int[]) WITH ORDINALITY AS u(t, m, o, om, i)
JOIN pg_type y ON y.oid = u.o JOIN pg_namespace s ON s.oid = y.typnamespace ORDER BY u.i
"""


def _is_own(base: str, modifier: int, spelled: str, *, domain: bool) -> bool:
    bare = base.removeprefix("_")
    limited = bare in _LIMITED and modifier != -1
    return (
        domain
        or bare not in NATIVE
        or bare == "json"
        or bare in _CHANGING
        or limited
        or (bare == "numeric" and "-" in spelled)
    )


_ATTRIBUTES = """
SELECT attname, atttypid, atttypmod FROM pg_attribute
WHERE attrelid = %s::oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


def relation(connection: Any, name: TableName) -> int | None:
    """The identity of a table, or None when there is none of that name."""
    row = connection.execute("SELECT to_regclass(%s)::oid", [qualified(name)]).fetchone()
    return int(row[0]) if row and row[0] is not None else None


def columns_of(connection: Any, oid: int) -> tuple[PgColumn, ...]:
    """The columns of a table."""
    rows = connection.execute(_ATTRIBUTES, [oid]).fetchall()
    return resolve(connection, [(row[0], row[1], row[2]) for row in rows])


def same_on_the_wire(source: PgColumn, target: PgColumn) -> bool:
    """Whether the binary form of every value of `source` is that of the same value in `target`.

    A modifier of the target would round or pad what arrives, so it must be the same or none.
    """
    if not source.native or (source.base == "interval" and source.modifier != target.modifier):
        return False
    same = source.base == target.base or {source.base, target.base} <= {"text", "varchar"}
    return same and target.modifier in (-1, source.modifier)
