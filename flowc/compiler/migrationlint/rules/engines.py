"""`refused-change`: what SQLite and DuckDB refuse for every table that is in use."""

from __future__ import annotations

from flowc.compiler.migrationlint import facts as f
from flowc.compiler.migrationlint.rules.rule import DUCKDB, ERROR, SQLITE, Context, Finding, Rule, found

_ALTERS: tuple[type[f.Fact], ...] = (
    f.AlterType, f.SetNotNull, f.DropNotNull, f.SetDefault, f.AddConstraint, f.DropConstraint, f.ValidateConstraint,
)  # fmt: skip
_KEYS = ("primary key", "unique")


def _sqlite(fact: f.Fact, context: Context) -> str | None:
    if isinstance(fact, _ALTERS):
        return "SQLite cannot change a column or constraint of a table that is there"
    if not isinstance(fact, f.AddColumn):
        return None
    column = fact.column
    if column.has("primary key") or column.has("unique"):
        return "SQLite adds no column that is PRIMARY KEY or UNIQUE"
    if column.generated == "stored" and not context.is_new(fact.table):
        return "SQLite adds no STORED column to a table with rows, only VIRTUAL ones"
    if column.default is not None and not column.default.literal and not context.is_new(fact.table):
        return "SQLite adds no column to a table with rows whose default is not a plain value"
    return None


def _duckdb(fact: f.Fact, context: Context) -> str | None:
    if isinstance(fact, f.AddConstraint) and fact.constraint.kind not in _KEYS:
        return f"DuckDB adds no {fact.constraint.kind.upper()} to a table that is there"
    if isinstance(fact, f.DropConstraint | f.ValidateConstraint):
        return "DuckDB cannot change a constraint of a table that is there"
    if isinstance(fact, f.AddColumn) and any(c.kind != "unique" for c in fact.column.constraints):
        return "DuckDB adds no column with a PRIMARY KEY, CHECK or REFERENCES"
    if isinstance(fact, f.AddColumn) and fact.column.generated:
        return "DuckDB adds no generated column"
    return None


def _check(fact: f.Fact, context: Context) -> Finding | None:
    words = (_sqlite if context.dialect == "sqlite" else _duckdb)(fact, context)
    if words is None:
        return None
    if context.dialect == "duckdb" and isinstance(fact, f.AddColumn):
        return found(words, "add it plain; a key can follow: `ALTER TABLE … ADD PRIMARY KEY (…)`")
    return found(words, "make a new table, `INSERT INTO … SELECT …`, drop the old one, and rename the new one")


RULES = (
    Rule(
        code="refused-change", severity=ERROR, what="SQLite or DuckDB refuses this change of a table in use.",
        on=(f.AddColumn, *_ALTERS), check=_check, dialects=SQLITE + DUCKDB,
    ),
)  # fmt: skip
