"""Columns with the names that engines and flowc's own statements have for something else: loads do as with any names.

Each load runs twice: with columns of all such names, which hold the same value, and with one column of a plain name.
Counts and rows must be the same. The names are those of each engine, and every bare name in the SQL of the load itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest

from flowc.catalog import Column, Table, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Expectation, Incremental, Source
from flowc.compiler.loads.reads import read_of
from flowc.compiler.loads.sqlplan import plan_load
from flowc.compiler.tables.ddl import create_table
from flowc.loadplan import LoadPlan
from flowc.runtime.arrow import arrow_schema
from flowc.runtime.contracts.database import Database
from flowc.runtime.loads.load import describe
from flowc.service.loads.watermarks import stored_watermark
from flowc.types import BIGINT, BOOLEAN, TIMESTAMPTZ, DataType, Kind
from tests.extended import with_extended
from tests.model import histories as h
from tests.model.engines import DATABASES, Engine
from tests.model.loads import execute, sorted_rows

PSEUDO = ("rowid", "oid", "_rowid_", "rownum", "filename", "file_row_number", "excluded", "new", "old")
"""Names that an engine has for something in each table, or in a statement."""
SYSTEM = ("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid")
"""The same, which PostgreSQL gives no column of a user."""
KEPT = ("key", "at", "p", "gone", "valid_from", "valid_to", "is_current", "row_hash")
"""Columns that the loads give a meaning."""
_QUOTED = re.compile(r'"(?:[^"]|"")*"|`(?:[^`]|``)*`|\'(?:[^\']|\'\')*\'|--[^\n]*')
_WORD = re.compile(r"\b[a-z_][a-z_0-9]*\b(?!\()")


_TABLE = re.compile(r'"(flowc_\w+)"')
_QUALIFIER = re.compile(r"\b([a-z_][a-z_0-9]*)[.]")


def own_names(plan: LoadPlan) -> set[str]:
    """The names that flowc writes into SQL: what is in lower case and in no quotes, and quoted ones of its own."""
    return {word for sql in _texts(plan) for word in (*_WORD.findall(_QUOTED.sub(" ", sql)), *_TABLE.findall(sql))}


def qualifiers(plan: LoadPlan) -> set[str]:
    """The bare names before a dot."""
    return {word for sql in _texts(plan) for word in _QUALIFIER.findall(sql)}


def _texts(plan: LoadPlan) -> list[str]:
    return [sql for step in plan.steps if (sql := getattr(step, "sql", None))]


Rows = Sequence[tuple[int, int, int]]
FIELDS = ("key", "at", "valid_from", "flowc_t", "flowc_old_from", "rid", "n")
"""Of columns that are structs: what flowc's statements ask tables for."""
STRUCT = DataType(Kind.STRUCT, fields=tuple((name, BIGINT) for name in FIELDS))


def _columns(names: Sequence[str], kind: DataType) -> tuple[Column, ...]:
    return (Column("key", BIGINT), Column("at", TIMESTAMPTZ), *(Column(name, kind) for name in names))


def _arrow(rows: Rows, names: Sequence[str]) -> pa.Table:
    """Rows of a key, a time and one value, which all other columns have."""
    given = [{"key": k, "at": h.moment(at), **dict.fromkeys(names, value)} for k, at, value in rows]
    return pa.Table.from_pylist(given, schema=arrow_schema(_columns(names, BIGINT)))


@dataclass
class Case:
    """Loads of one kind on one engine, of columns of these names and type."""

    engine: Engine
    how: str
    here: bool
    names: Sequence[str] = ("p",)
    kind: DataType = BIGINT
    own: set[str] = field(default_factory=set)
    """The names in the SQL of its plans."""
    qualifiers: set[str] = field(default_factory=set)
    """Those of tables, which stand before a dot."""

    def outcome(self) -> list[object]:
        """What each load counts and leaves, without hashes, and the one value that the columns of the names hold."""
        self.engine.reset()
        loads, options = HOW[self.how]
        if self.engine.kind != "delta":
            self.engine.database.execute("DROP TABLE IF EXISTS aside")
        if "soft_delete_column" in options:
            self._create(self.engine.database, "tgt", Column("gone", BOOLEAN))
        found: list[object] = []
        for now, rows in enumerate(loads):
            found += [self._load(rows, 10 + now), self._rows()]
        return found

    def _create(self, database: Database, name: str, *more: Column) -> None:
        key = ("key",) if more else ()
        columns = (*_columns(self.names, self.kind), *more)
        for sql in create_table(Table(TableName(None, name), columns, key), DIALECTS[database.kind]):
            database.execute(sql)

    def _source(self, rows: Rows) -> Source:
        way, database = ("here", self.engine.database) if self.here else ("duckdb", self.engine.others["duckdb"])
        database.execute("DROP TABLE IF EXISTS odd")
        self._create(database, "odd")
        if self.kind is STRUCT:
            for key, at, value in rows:
                struct = "{" + ", ".join(f"'{name}': {value}" for name in FIELDS) + "}"
                database.execute(f"INSERT INTO odd VALUES ({key}, '{h.moment(at)}'{f', {struct}' * len(self.names)})")
        else:
            database.begin()
            batches = iter(_arrow(rows, self.names).to_batches())
            database.ingest(TableName(None, "odd"), _columns(self.names, self.kind), batches, temporary=False)
            database.commit()
        return Source("s", "source", way, database.kind, table=TableName(None, "odd"))

    def _load(self, rows: Rows, now: int) -> object:
        how = dict(HOW[self.how][1])
        last_wins = how.pop("last_wins", False)
        apply = h.apply_for(self.engine.kind, **how, input=self._source(rows))
        kept = stored_watermark(apply, self.engine.database)
        made = plan_load(
            apply,
            columns=describe(read_of(apply.input), self.engine.sources),
            live=self.engine.database.table(apply.target.name),
            watermark=kept.value if kept else None,
            now=h.moment(now),
            same_database=self.here,
            kept=kept.kept if kept else None,
            last_wins=last_wins,
        )
        self.own |= own_names(made)
        self.qualifiers |= qualifiers(made)
        return execute(self.engine, made)

    def _rows(self) -> list[tuple]:
        rows = self.engine.query("SELECT * FROM tgt")
        for row in rows:
            values = [row.pop(name) for name in self.names]
            assert all(value == values[0] for value in values)
            row["p"] = _field(values[0]) if self.kind is STRUCT else values[0]
            row.pop("row_hash", None)
        return sorted_rows(rows)


def _field(struct: Any) -> int:
    """The value that all fields of a struct have; DuckDB gives one as JSON."""
    return (json.loads(struct) if isinstance(struct, str) else struct)["key"]


AT = Incremental("at", None, 0.0, False)
FULL = [[(1, 1, 1), (2, 1, 1)], [(1, 2, 2), (3, 2, 1)], [(1, 3, 2), (2, 3, 1)]]
COPIES = [[(1, 1, 1), (1, 1, 1), (2, 2, 1)], [(1, 1, 1), (2, 2, 1), (2, 2, 1), (3, 3, 1), (3, 3, 1)]]
SET_ASIDE = {
    "expect": (Expectation("early", "sql", (), '"key" < 2', True, 9, None, quarantine=True),),
    "failed_rows": TableName(None, "aside"),
}
CHECKED = {
    "expect": (
        Expectation("one", "unique", ("key",), None, True, 0, None),
        Expectation("all", "not_null", ("key",), None, True, 0, None),
    )
}
SOFT = {"deletes": "soft", "soft_delete_column": "gone"}
HISTORY = {"mode": "scd2", "keys": ("key",), "compare": (), "event_time": "at"}
HOW: dict[str, tuple[list[list[tuple[int, int, int]]], dict[str, Any]]] = {
    "append": (FULL, {"mode": "append", "keys": (), "compare": ()}),
    "copies": (COPIES, {"mode": "append", "keys": (), "compare": (), "incremental": AT}),
    "quarantine": (COPIES, {"mode": "append", "keys": (), "compare": (), "incremental": AT, **SET_ASIDE}),
    "truncate": (FULL, {"mode": "truncate", "keys": ("key",), "compare": ()}),
    "merge": (FULL, {"mode": "merge", "keys": ("key",), "compare": (), "deletes": "hard"}),
    "dedupe": (COPIES, {"mode": "merge", "keys": ("key",), "compare": (), "dedupe": '"at"'}),
    "last": (FULL, {"mode": "merge", "keys": ("key",), "compare": (), "last_wins": True}),
    "checked": (FULL, {"mode": "merge", "keys": ("key",), "compare": (), **CHECKED}),
    "soft": (FULL, {"mode": "merge", "keys": ("key",), "compare": (), **SOFT}),
    "scd2": (COPIES, HISTORY),
    "close": ([*COPIES, COPIES[0]], {**HISTORY, "deletes": "close"}),
    "hard": ([*COPIES, COPIES[0]], {**HISTORY, "deletes": "hard"}),
    "ttl": (COPIES, {**HISTORY, "ttl": 86400.0}),
}


ELSEWHERE = {"duckdb": ("scd2", "hard"), "delta": ("scd2", "hard", "ttl", "soft", "truncate", "checked")}
"""Loads of which `close`, or another engine, makes the same statements; and `soft`, whose column Delta would lack."""


LIKE = ("last", "dedupe", "soft", "hard", "checked")
"""Loads of which `merge`, `close` or `quarantine` makes nearly the same statements."""


@pytest.mark.covering
@pytest.mark.parametrize("how", with_extended((how for how in HOW if how not in LIKE), LIKE))
def test_names_hide_nothing(engine: Engine, how: str) -> None:
    if how in ELSEWHERE.get(engine.kind, ()):
        return
    here = engine.kind != "delta" and [*HOW].index(how) % 2 == DATABASES.index(engine.kind) % 2
    plain = Case(engine, how, here)
    wanted = plain.outcome()
    system = () if engine.kind == "postgres" else SYSTEM
    hostile = sorted({*PSEUDO, *system, *plain.own} - {*KEPT, *({*SYSTEM} - {*system})})
    assert Case(engine, how, here, hostile).outcome() == wanted
    # DuckDB takes `s.x` for a field of the column `s` in some places. Delta has two statements of its own for that.
    structs = sorted(plain.qualifiers & {*hostile})
    if structs and (engine.kind == "duckdb" or (engine.kind == "delta" and how in ("copies", "close"))):
        assert Case(engine, how, here, structs, STRUCT).outcome() == wanted
