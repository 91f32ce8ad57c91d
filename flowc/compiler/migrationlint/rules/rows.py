"""Rules about what depends on the rows that are there, and about statements that no table can satisfy."""

from __future__ import annotations

from collections import Counter

from flowc.compiler.migrationlint import facts as f
from flowc.compiler.migrationlint.effects import plain
from flowc.compiler.migrationlint.rules.rule import (
    DUCKDB,
    ERROR,
    INFO,
    POSTGRES,
    SQLITE,
    WARNING,
    Context,
    Finding,
    Rule,
    found,
    listed,
)
from flowc.compiler.migrationlint.typechanges import SERIALS


def _unique(fact: f.CreateIndex | f.AddConstraint, context: Context) -> Finding | None:
    if context.is_new(fact.table):
        return None
    if isinstance(fact, f.CreateIndex):
        columns = fact.columns if fact.unique else None
    else:
        keys = fact.constraint.kind in ("unique", "primary key") and fact.constraint.using_index is None
        columns = fact.constraint.columns if keys else None
    if columns is None:
        return None
    key = ", ".join(columns) or "…"
    words = f"this fails when two rows of `{fact.table}` are equal in it"
    left = ", and leaves an INVALID index behind" if isinstance(fact, f.CreateIndex) and fact.concurrently else ""
    return found(words + left, f"look first: `SELECT {key} FROM {fact.table} GROUP BY {key} HAVING count(*) > 1`")


def _required(fact: f.AddColumn, context: Context) -> Finding | None:
    column = fact.column
    if context.is_new(fact.table) or not needs_value(column):
        return None
    words = f"this fails when `{fact.table}` has a row, and so do programs that insert without `{column.name}`"
    helps = (
        f"give it a default: `ADD COLUMN {column.name} {column.type or '…'} NOT NULL DEFAULT …`\n"
        "or add it without NOT NULL, fill it, and set NOT NULL later"
    )
    return found(words, helps)


def needs_value(column: f.ColumnDef) -> bool:
    """Whether a new column is NOT NULL and nothing gives old rows a value."""
    serial = column.type is not None and column.type.name in SERIALS
    default = column.default is not None and not column.default.null
    return column.not_null and not (default or serial or column.identity or column.generated)


def _repeated(fact: f.CreateTable | f.Write, context: Context) -> Finding | None:
    names = [c.name for c in fact.columns] if isinstance(fact, f.CreateTable) else list(fact.columns)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if not twice:
        return None
    verb = "defined" if isinstance(fact, f.CreateTable) else "assigned"
    return found(f"{listed(twice)} of `{fact.table}` is {verb} more than once, which always fails", "keep one of them")


def _copied_null(fact: f.Write, context: Context) -> Finding | None:
    """SQLite's way to change a table: make a new one, copy the rows, drop the old one."""
    history, table = context.history, plain(fact.table)
    if fact.verb != "insert" or not history.is_new(table):
        return None
    for old in (plain(read) for read in fact.reads):
        for column in fact.columns or tuple(name for owner, name in history.types if owner == table):
            new, before = (table, column), (old, column)
            nullable = before in history.types and before not in history.not_null and before not in history.written
            if nullable and new in history.not_null and new not in history.defaults:
                words = f"copying fails when a row of `{old}` has NULL in `{column}`, which is NOT NULL in `{table}`"
                return found(words, f"first: `UPDATE {old} SET {column} = … WHERE {column} IS NULL`")
    return None


RULES = (
    Rule(
        code="unique-on-existing-rows", severity=INFO, what="A key on existing rows fails where two are equal.",
        on=(f.CreateIndex, f.AddConstraint), check=_unique, atlas=("MF101",),
    ),
    Rule(
        code="required-column", severity=WARNING, what="A new column is NOT NULL and has no default.",
        on=(f.AddColumn,), check=_required, dialects=POSTGRES + SQLITE + DUCKDB, atlas=("MF103",),
        squawk=("adding-required-field",),
    ),
    Rule(
        code="repeated-column", severity=ERROR, what="A column is defined or assigned twice.",
        on=(f.CreateTable, f.Write), check=_repeated, squawk=("ban-duplicate-column-assignments",),
    ),
    Rule(
        code="nulls-copied", severity=WARNING, what="A rebuilt table forbids NULLs that its rows may hold.",
        on=(f.Write,), check=_copied_null, dialects=SQLITE, atlas=("LT101",),
    ),
)  # fmt: skip
