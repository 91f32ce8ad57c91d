"""Values that an engine holds equal and stores as different bytes: what a load counts as changed is what it writes.

Each row has one column filled, with a pair of values: the first load brings one of them, the second the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import pytest

from flowc.catalog import TableName
from flowc.compiler.ir import Source
from flowc.compiler.loads.reads import read_of
from flowc.compiler.loads.sqlplan import plan_load
from flowc.loadplan import Counter
from flowc.runtime.loads.load import describe
from tests.model import histories as h
from tests.model.engines import Engine
from tests.model.loads import execute

Values = Mapping[str, Sequence[str]]
"""Types, each with values of it as SQL."""

FLOATS = ("'0.0'", "'-0.0'", "'1.5'")
NUMBERS = ("1", "1.0", "1.00", "0.0", "0")
SPANS = ("'1 month'", "'30 days'", "'720 hours'", "'24 hours'", "'1 day'")
DOCUMENTS = tuple(f"'{text}'" for text in ('{"a":1.0,"b":2}', '{"b":2,  "a":1.00}', '{"a":3,"a":1.0,"b":2}'))
TEXTS = ("'a'", "'A'", "'a '", "''", "' '")
INSTANTS = ("'2026-01-01 00:00:00+00'", "'2026-01-01 01:00:00+01'", "'2025-12-31 19:00:00-05'")
PLAIN: dict[str, Values] = {
    "duckdb": {
        "DOUBLE": (*FLOATS, "'nan'", "(-('nan'::DOUBLE))", "'inf'"),
        "FLOAT": (*FLOATS, "'nan'"),
        "INTERVAL": SPANS,
        "STRUCT(a INTERVAL, b DOUBLE)": ("{'a':'1 month','b':'0.0'}", "{'a':'30 days','b':'-0.0'}", "{'a':NULL,'b':1}"),
        "STRUCT(s STRUCT(f FLOAT), t VARCHAR)": ("{'s':{'f':'0.0'},'t':'-nan'}", "{'s':{'f':'-0.0'},'t':'-nan'}"),
        "DECIMAL(10,4)": NUMBERS,
        "JSON": DOCUMENTS,
        "VARCHAR COLLATE NOCASE": TEXTS,
        "TIMESTAMPTZ": INSTANTS,
    },
    "postgres": {
        "DOUBLE PRECISION": (*FLOATS, "'NaN'"),
        "REAL": (*FLOATS, "'NaN'"),
        "NUMERIC": (*NUMBERS, "'NaN'"),
        "NUMERIC(10,4)": NUMBERS,
        "INTERVAL": SPANS,
        "JSONB": DOCUMENTS,
        "JSON": DOCUMENTS,
        "CHAR(3)": TEXTS,
        "VARCHAR(9)": TEXTS,
        'TEXT COLLATE "anycase"': TEXTS,
        "TIMESTAMPTZ": INSTANTS,
        "BIT VARYING(4)": ("'01'", "'010'"),
    },
    "sqlite": {
        "DOUBLE": ("0.0", "-0.0", "1", "1.0"),
        "DECIMAL(10,4)": NUMBERS,
        "DECIMAL TEXT": tuple(f"'{n}'" for n in NUMBERS),
        '"ANY"': ("1", "1.0"),
        "JSON TEXT": DOCUMENTS,
        "TEXT COLLATE NOCASE": TEXTS,
        "TEXT COLLATE RTRIM": TEXTS,
    },
    "mysql": {
        "DOUBLE": (*FLOATS, "-0e0"),
        "FLOAT": FLOATS,
        "DECIMAL(10,4)": NUMBERS,
        "JSON": DOCUMENTS,
        "VARCHAR(9) COLLATE utf8mb4_general_ci": TEXTS,
        "VARCHAR(9) COLLATE utf8mb4_bin": TEXTS,
    },
    "delta": {"DOUBLE": (*FLOATS, "'nan'"), "FLOAT": FLOATS, "STRUCT(b DOUBLE)": ("{'b':'0.0'}", "{'b':'-0.0'}")},
}
NESTED: dict[str, Values] = {
    "duckdb": {
        "DOUBLE[]": ("['0.0']", "['-0.0']", "[NULL]", "[]"),
        "INTERVAL[]": ("['1 month']", "['30 days']"),
        "STRUCT(a DOUBLE[], b INTERVAL)": ("{'a':['0.0'],'b':'1 day'}", "{'a':['-0.0'],'b':'24 hours'}"),
        "DOUBLE[1]": ("['0.0']", "['-0.0']"),
    },
    "postgres": {
        "DOUBLE PRECISION[]": ("'{0}'", "'{-0}'", "'{NaN}'", "'[2:2]={0}'"),
        "NUMERIC[]": ("'{1.0}'", "'{1.00}'", "'{1}'", "'{{1}}'"),
        "INTERVAL[]": ("'{1 month}'", "'{30 days}'"),
        "JSONB[]": ("""ARRAY['{"a":1.0}']::JSONB[]""", """ARRAY['{"a":1.00}']::JSONB[]"""),
    },
    "delta": {"DOUBLE[]": ("['0.0']", "['-0.0']"), "STRUCT(b DOUBLE[])": ("{'b':['0.0']}", "{'b':['-0.0']}")},
}
ALIKE = ("JSON", "JSONB", "JSON TEXT")
"""Types whose values are compared by what they hold, whatever their text."""
BYTES = {
    **dict.fromkeys(("duckdb", "delta"), "replace(CAST({x} AS VARCHAR), '-nan', 'nan')"),
    "postgres": "CAST({x} AS TEXT)", "sqlite": "quote({x})", "mysql": "hex({x}) || CAST({x} AS CHAR)",
}  # fmt: skip
HISTORY = {
    "duckdb": "valid_from TIMESTAMPTZ, valid_to TIMESTAMPTZ, is_current BOOLEAN, row_hash VARCHAR",
    "postgres": "valid_from TIMESTAMPTZ, valid_to TIMESTAMPTZ, is_current BOOLEAN, row_hash TEXT",
    "sqlite": "valid_from TIMESTAMPTZ, valid_to TIMESTAMPTZ, is_current BOOLEAN, row_hash TEXT",
    "mysql": "valid_from DATETIME(6), valid_to DATETIME(6) NULL, is_current TINYINT(1), row_hash VARCHAR(99)",
}


class Pairs:
    """A source and a target with a column for each type, and a row for each pair of values of one."""

    def __init__(self, engine: Engine, types: Values, mode: str) -> None:
        self.engine, self.types, self.mode = engine, types, mode
        self.way = "duckdb" if engine.kind == "delta" else "here"
        self.source = engine.others["duckdb"] if engine.kind == "delta" else engine.database
        self.pairs = [
            (at, *pair) for at, values in enumerate(types.values()) for pair in product((*values, "NULL"), repeat=2)
        ]
        self.columns = [f"x{at} {kind}" for at, kind in enumerate(types)]
        engine.reset()
        self._make("odd", "key BIGINT")
        if engine.kind != "delta":
            self._make("tgt", "key BIGINT", *([HISTORY[engine.kind]] if mode == "scd2" else []))

    def _make(self, name: str, key: str, *more: str) -> None:
        quoted = _key(self.engine)
        self.source.execute(f"DROP TABLE IF EXISTS {name}")
        columns = ", ".join([key.replace("key", quoted), *self.columns, *more])
        self.source.execute(f"CREATE TABLE {name} ({columns})")

    def fill(self, turn: int) -> None:
        """Makes the first or the second value of each pair what the source has."""
        self.source.execute("DELETE FROM odd")
        for kind in range(len(self.types)):
            keyed = [(key, pair[1 + turn]) for key, pair in enumerate(self.pairs) if pair[0] == kind]
            rows = ", ".join(f"({key}, {value})" for key, value in keyed)
            self.source.execute(f"INSERT INTO odd ({_key(self.engine)}, x{kind}) VALUES {rows}")

    def load(self, now: int) -> Mapping[Counter, int]:
        """What a load counts."""
        source = Source("s", "source", self.way, self.source.kind, table=TableName(None, "odd"))
        compare = ("x0",) if self.mode == "part" else ()
        mode = "merge" if self.mode == "part" else self.mode
        apply = h.apply_for(self.engine.kind, mode, input=source, keys=("key",), compare=compare)
        made = plan_load(
            apply, columns=describe(read_of(source), self.engine.sources), watermark=None, now=h.moment(now),
            live=self.engine.database.table(apply.target.name), same_database=self.way == "here",
        )  # fmt: skip
        return execute(self.engine, made)

    def stored(self) -> dict[int, str]:
        """The bytes of the value of each key in the target, of its current version."""
        only = " WHERE is_current" if self.mode == "scd2" else ""
        return self._bytes(self.engine.query(f"{self._shown} FROM tgt{only}"))

    def coming(self) -> dict[int, str]:
        """The same in the source."""
        return self._bytes(self.source.query(f"{self._shown} FROM odd").to_pylist())

    @property
    def _shown(self) -> str:
        values = ", ".join(f"{BYTES[self.engine.kind].format(x=f'x{i}')} AS x{i}" for i in range(len(self.types)))
        return f"SELECT {_key(self.engine)} AS k, {values}"

    def _bytes(self, rows: Sequence[Mapping[str, Any]]) -> dict[int, str]:
        return {row["k"]: row[f"x{self.pairs[row['k']][0]}"] for row in rows}


@pytest.mark.covering
@pytest.mark.parametrize("group", [PLAIN, NESTED], ids=["plain", "nested"])
@pytest.mark.parametrize("mode", ["merge", "part", "scd2"])
def test_what_is_counted_is_written(engine: Engine, mode: str, group: dict[str, Values]) -> None:
    types = group.get(engine.kind)
    if types is None:
        return
    if engine.kind == "postgres":
        engine.database.execute(
            "CREATE COLLATION IF NOT EXISTS anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
    pairs = Pairs(engine, types, mode)
    pairs.fill(0)
    assert pairs.load(1)[Counter.INSERTED] == len(pairs.pairs)
    before = pairs.stored()
    pairs.fill(1)
    wanted = pairs.coming()
    counts, after = pairs.load(2), pairs.stored()
    changed = [key for key in before if before[key] != after[key]]
    written = Counter.INSERTED if mode == "scd2" else Counter.UPDATED
    found = {key: _told(pairs, key, before, after, wanted) for key in before if after[key] != wanted[key]}
    found = {key: told for key, told in found.items() if told}
    if mode == "part":  # what is not compared changes with its row alone
        assert {pairs.pairs[key][0] for key in changed} == {0}
        found = {key: told for key, told in found.items() if pairs.pairs[key][0] == 0}
    assert not found
    assert counts[written] == len(changed)
    again = pairs.load(3)
    assert (again[written], again[Counter.UPDATED], again[Counter.UNCHANGED]) == (0, 0, len(pairs.pairs))
    if mode == "scd2":
        apart = engine.query(f"SELECT count(*) AS n FROM (SELECT DISTINCT row_hash, {_key(engine)} FROM tgt) AS d")
        assert apart[0]["n"] == len(pairs.pairs) + len(changed)


def _key(engine: Engine) -> str:
    return "`key`" if engine.kind == "mysql" else '"key"'


def _told(pairs: Pairs, key: int, *stored: Mapping[int, str]) -> Any:
    """A pair whose second value is not there, for a message; None where both mean the same."""
    at, *values = pairs.pairs[key]
    kind = list(pairs.types)[at]
    _, now, wanted = (each[key] for each in stored)
    by_content = kind in ALIKE and (now is None) == (wanted is None)
    return None if by_content else (kind, *values, *(each[key] for each in stored))
