"""Random SELECTs over the corpus' tables: chains of joins of every kind, subqueries, outputs that hide columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

Columns = Sequence[tuple[str, str]]
"""Names of columns, each with `i` for a whole number, `t` for a text, or `m` for a time, of which parts are taken."""

TABLES: Mapping[str, Columns] = {
    "orders": (
        ("id", "i"),
        ("customer_id", "i"),
        ("quantity", "i"),
        ("status", "t"),
        ("note", "t"),
        ("placed_at", "m"),
    ),
    "customers": (("id", "i"), ("name", "t"), ("country", "t")),
    "metrics": (("id", "i"), ("n", "i"), ("d", "i")),
}  # fmt: skip
_JOINS = ("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
_NAMES = ("id", "n", "d", "status", "name", "z", '"Id"', "count")
_PARTS = ("epoch", "milliseconds", "microseconds", "second", "hour", "day", "month", "dow")
_LITERALS = {
    "m": ("timestamp '2024-02-01 17:00:00.25'",),
    "i": ("0", "1", "10", "-3", "NULL::bigint"),
    "t": ("'paid'", "''", "'GB'", "NULL::text"),
}


@dataclass
class _From:
    """What a FROM gives: its text, the relations by their names, and the columns that need no table."""

    text: str
    relations: list[tuple[str, Columns]]
    bare: dict[str, str] = field(default_factory=dict)


@dataclass
class Queries:
    """Queries that one seed gives."""

    random: Random
    made: int = 0
    last: _From | None = None
    """The FROM of the last SELECT that neither groups its rows nor takes one of each."""

    def query(self, depth: int = 2) -> str:
        """A SELECT, or two in a set operation, in an order that all its columns decide."""
        text, columns = self._select(depth)
        if self._chance(0.15):
            kinds = [kind for _, kind in columns]
            operation = self._one("UNION", "UNION ALL", "EXCEPT", "INTERSECT")
            text += f" {operation} {self._select(depth, kinds)[0]}"
        elif self.last is not None and self._chance(0.2):
            return f"{text} ORDER BY {self._column(self.last, 'i')} + 0, {self._places(columns)}"
        return f"{text} ORDER BY {self._places(columns)}" if self._chance(0.6) else text

    def _places(self, columns: Columns) -> str:
        keys = [name if self._chance(0.5) else str(place) for place, (name, _) in enumerate(columns, 1)]
        keys = [key + self._one("", " DESC", " NULLS FIRST", " DESC NULLS LAST") for key in keys]
        limit = f" LIMIT {self.random.randint(0, 5)} OFFSET {self.random.randint(0, 2)}" if self._chance(0.3) else ""
        return ", ".join(keys) + limit

    def _chance(self, share: float) -> bool:
        return self.random.random() < share

    def _one(self, *values: str) -> str:
        return self.random.choice(values)

    def _select(self, depth: int, kinds: Sequence[str] = ()) -> tuple[str, Columns]:
        source = self._from(depth)
        kinds = kinds or [self._one("i", "i", "t") for _ in range(self.random.randint(1, 3))]
        where = f" WHERE {self._condition(source, depth)}" if self._chance(0.5) else ""
        names = self.random.sample(_NAMES, len(kinds))
        groups, tail = [], ""
        if self._chance(0.25):
            groups = [self._column(source, kind) for kind in kinds if self._chance(0.5)]
            groups = [group for group in groups if group[0].isalpha() and not group.startswith("NULL")]
            values = [self._gathered(source, kind) for kind in kinds]
            tail = f" GROUP BY {', '.join(groups)}" if groups else ""
            tail += f" HAVING count(*) > {self._value(source, 'i', -1)}" if self._chance(0.2) else ""
        else:
            values = [self._windowed(source, kind) or self._value(source, kind, depth) for kind in kinds]
        distinct = "DISTINCT " if self._chance(0.1) else ""
        listed = ", ".join(f"{value} AS {name}" for value, name in zip(values, names, strict=True))
        self.last = None if distinct or tail else source
        return f"SELECT {distinct}{listed} FROM {source.text}{where}{tail}", list(zip(names, kinds, strict=True))

    def _from(self, depth: int) -> _From:
        text, name, columns = self._source(depth)
        found = _From(text, [(name, columns)])
        shown, kinds = Counter(one for one, _ in columns), dict(columns)
        for _ in range(self.random.choice((0, 1, 1, 2, 3))):
            text, name, columns = self._source(depth)
            if name in dict(found.relations):
                continue
            common = [one for one, kind in columns if shown[one] == 1 and kinds[one] == kind]
            merged = self._join(found, text, name, columns, common, shown)
            found.relations.append((name, columns))
            shown.update(one for one, _ in columns if one not in merged)
            kinds |= dict(columns)
        found.bare = {one: kinds[one] for one, count in shown.items() if count == 1}
        return found

    def _join(
        self, found: _From, text: str, name: str, columns: Columns, common: list[str], shown: Mapping[str, int]
    ) -> list[str]:
        """Joins one more relation; returns the columns that become one."""
        kind = self._one(*_JOINS)
        if common and self._chance(0.5):
            merged = self.random.sample(common, min(len(common), self.random.choice((1, 1, 2))))
            found.text += f" {kind} {text} USING ({', '.join(merged)})"
            return merged
        if all(one in common or not shown.get(one) for one, _ in columns) and self._chance(0.3):
            found.text += f" NATURAL {kind} {text}"
            return common
        beside = _From("", [(name, columns)])
        found.text += f" {kind} {text} ON {self._column(found, 'i', True)} = {self._column(beside, 'i', True)}"
        if self._chance(0.3):
            which, either = self._one("i", "t"), _From("", [*found.relations, (name, columns)])
            value = self._column(beside, which, True) if self._chance(0.5) else self._one(*_LITERALS[which])
            found.text += f" AND {self._column(either, which, True)} {self._one('=', '=', '=', '>=')} {value}"
        return []

    def _source(self, depth: int) -> tuple[str, str, Columns]:
        self.made += 1
        if depth > 0 and self._chance(0.25):
            text, columns = self._select(depth - 1)
            return f"({text}) AS q{self.made}", f"q{self.made}", columns
        table = self._one(*TABLES)
        name = self._one(table, f"t{self.made}", '"T"', "orders")
        return f"{table} AS {name}", name, TABLES[table]

    def _column(self, source: _From, kind: str, own: bool = False) -> str:
        bare = [] if own else [name for name, each in source.bare.items() if each == kind]
        named = [f"{name}.{one}" for name, columns in source.relations for one, each in columns if each == kind]
        if bare and self._chance(0.5):
            return self.random.choice(bare)
        return self.random.choice(named) if named else self._one(*_LITERALS[kind])

    def _read(self, source: _From) -> tuple[_From, str]:
        """What a subquery reads that is compared with a row around it, with the conditions of its WHERE."""
        within = self._from(0)
        kinds = [self._one("i", "i", "t") for _ in range(self.random.choice((1, 1, 2)))]
        tests = [f"{self._column(within, k, True)} = {self._column(source, k, True)}" for k in kinds]
        tests += [self._condition(within, -1)] if self._chance(0.3) else []
        if self._chance(0.2):
            left, right = self._column(within, "i", True), self._column(source, "i", True)
            return within, " OR ".join([*tests, f"{left} {self._one('<', '>', '<>')} {right}"])
        return within, " AND ".join(tests)

    def _beside(self, source: _From) -> str:
        """A condition on rows that are compared with a row around them."""
        within, tests = self._read(source)
        rows, kind = f" FROM {within.text} WHERE {tests}", self._one("i", "t")
        rows += f" GROUP BY {self._column(within, kind, True)} HAVING count(*) > 1" if self._chance(0.15) else ""
        item = self._one("1", "*", "count(*)", "1", "1") if " HAVING " not in rows else "1"
        if self._chance(0.6):
            return f"{self._one('', 'NOT ')}EXISTS (SELECT {item}{rows})"
        member = self._one(f"max({self._column(within, kind, True)})", self._column(within, kind, True))
        return f"{self._column(source, kind)} {self._one('', 'NOT ')}IN (SELECT {member}{rows})"

    def _counted(self, source: _From) -> str:
        """A number of rows that are compared with a row around them."""
        within, tests = self._read(source)
        column = self._column(within, "i", True)
        value = self._one("count(*)", f"count({column})", f"max({column})", f"coalesce(sum({column}), -1)")
        value = self._one(value, value, value, f"CASE WHEN max({column}) IS NOT NULL THEN {value} ELSE 2 END")
        return f"(SELECT {value} FROM {within.text} WHERE {tests})"

    def _value(self, source: _From, kind: str, depth: int) -> str:
        chance = self.random.random()
        if depth < 0 or chance < 0.5:
            return self._column(source, kind) if self._chance(0.9) else self._one(*_LITERALS[kind])
        inner = [self._value(source, kind, depth - 1) for _ in range(2)]
        if chance < 0.6:
            return f"coalesce({', '.join(inner)})"
        if chance < 0.75:
            return f"CASE WHEN {self._condition(source, depth - 1)} THEN {inner[0]} ELSE {inner[1]} END"
        if chance < 0.79 and depth > 0 and kind == "i":
            return self._counted(source)
        if chance < 0.82 and depth > 0:
            within = self._from(0)
            return f"(SELECT max({self._column(within, kind, True)}) FROM {within.text})"
        if chance < 0.86 and kind == "i":
            return self._part(source)
        return f"({inner[0]} || {inner[1]})" if kind == "t" else f"({inner[0]} {self._one('+', '-', '*')} {inner[1]})"

    def _part(self, source: _From) -> str:
        """A part of a time or of a difference of two, or a quotient of it."""
        column, later = self._column(source, "m"), self._one("", f" - {self._one(*_LITERALS['m'])}")
        part = f"extract({self._one(*(_PARTS[:6] if later else _PARTS))} FROM {column}{later})"
        return f"floor({part} / {self._one('7', '60', '0.5')})" if self._chance(0.3) else part

    def _windowed(self, source: _From, kind: str) -> str | None:
        """What a window gives that ties do not change, for some of the numbers."""
        if kind != "i" or self._chance(0.85):
            return None
        column, key = self._column(source, "i"), self._column(source, self._one("i", "t"))
        over = self._one(f"PARTITION BY {key}", f"ORDER BY {key} NULLS FIRST", f"ORDER BY {key} DESC")
        return f"{self._one('rank()', 'count(*)', f'max({column})', f'count({column})')} OVER ({over})"

    def _gathered(self, source: _From, kind: str) -> str:
        value = self._value(source, kind, 0)
        return self._one(f"max({value})", f"min({value})", *([f"count(DISTINCT {value})", "count(*)"] * (kind == "i")))

    def _condition(self, source: _From, depth: int) -> str:
        chance, kind = self.random.random(), self._one("i", "i", "t")
        left = self._value(source, kind, depth - 1)
        if chance < 0.2 and depth > 0:
            within = self._from(0)
            return f"{left} {self._one('', 'NOT ')}IN (SELECT {self._column(within, kind, True)} FROM {within.text})"
        if chance < 0.27 and depth > 0:
            return self._beside(source)
        if chance < 0.35:
            both = [self._condition(source, depth - 1) for _ in range(2)] if depth > 0 else [f"{left} IS NULL"] * 2
            return f"({both[0]} {self._one('AND', 'OR')} {both[1]})"
        if chance < 0.45 and kind == "i":
            divisor = self._column(source, "i")
            return f"({divisor} <> 0 AND {left} / {divisor} > 0)"
        if chance < 0.55:
            return f"{left} IS {self._one('', 'NOT ')}NULL"
        compared = self._one("=", "<>", "<", ">=", "IS DISTINCT FROM")
        return f"{left} {compared} {self._value(source, kind, depth - 1)}"
