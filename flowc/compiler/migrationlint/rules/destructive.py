"""Rules about what is lost: schemas, tables, columns, rows."""

from __future__ import annotations

from flowc.compiler.migrationlint import facts as f
from flowc.compiler.migrationlint.effects import plain
from flowc.compiler.migrationlint.rules.rule import ERROR, WARNING, Context, Finding, Rule, found

_UNUSED = "first stop everything that uses it, keep a copy of what is still needed, and drop it in a later migration"


def _schema(fact: f.Drop, context: Context) -> Finding | None:
    if fact.kind != "schema":
        return None
    return found(f"schema `{fact.name}` is dropped, and everything in it is lost", _UNUSED)


def _database(fact: f.Drop, context: Context) -> Finding | None:
    return (
        found(f"database `{fact.name}` is dropped, and everything in it is lost") if fact.kind == "database" else None
    )


def _table(fact: f.Drop, context: Context) -> Finding | None:
    kept = context.is_new(fact.name) or plain(fact.name) in context.history.copied
    if fact.kind != "table" or kept:
        return None
    return found(f"table `{fact.name}` is dropped, and its rows are lost", _UNUSED)


def _column(fact: f.DropColumn, context: Context) -> Finding | None:
    if context.is_new(fact.table) or (plain(fact.table), fact.column) in context.history.added:
        return None
    words = f"column `{fact.column}` of `{fact.table}` is dropped: its values are lost, and what still reads it fails"
    return found(words, "first release what no longer uses the column, then drop it in a later migration")


def _truncate(fact: f.Truncate | f.TableOption, context: Context) -> Finding | None:
    if isinstance(fact, f.TableOption):
        lost = fact.action in ("drop partition", "truncate partition") and not context.is_new(fact.table)
        return found(f"the rows of a partition of `{fact.table}` are lost", _UNUSED) if lost else None
    if fact.cascade or context.is_new(fact.table):
        return None
    return found(f"all rows of `{fact.table}` are lost", "delete in batches what is no longer needed: `DELETE … WHERE`")


def _cascade(fact: f.Truncate, context: Context) -> Finding | None:
    if not fact.cascade:
        return None
    words = f"all rows of `{fact.table}` are lost, and of every table with a foreign key to it, whichever those are"
    return found(words, "name each table that is to be emptied, without CASCADE")


def _foreign_key(fact: f.DropConstraint, context: Context) -> Finding | None:
    if fact.name is None or context.is_new(fact.table):
        return None
    known = context.history.constraints.get((plain(fact.table), fact.name))
    kind = fact.kind or (known.kind if known else None)
    named = kind is None and (fact.name.endswith(("_fkey", "_fk")) or fact.name.startswith("fk_"))
    if kind != "foreign key" and not named:
        return None
    words = f"foreign key `{fact.name}` of `{fact.table}` is dropped: nothing keeps its references whole any more"
    return found(words, "drop it only together with the column, or add the new one first")


RULES = (
    Rule(
        code="dropped-schema", severity=ERROR, what="A schema is dropped.", on=(f.Drop,), check=_schema,
        atlas=("DS101",), squawk=("ban-drop-schema",),
    ),
    Rule(
        code="dropped-database", severity=ERROR, what="A database is dropped.", on=(f.Drop,), check=_database,
        squawk=("ban-drop-database",),
    ),
    Rule(
        code="dropped-table", severity=ERROR, what="A table is dropped that the migration neither made nor copied.",
        on=(f.Drop,), check=_table, atlas=("DS102",), squawk=("ban-drop-table",),
    ),
    Rule(
        code="dropped-column", severity=ERROR, what="A column is dropped.", on=(f.DropColumn,), check=_column,
        atlas=("DS103",), squawk=("ban-drop-column",),
    ),
    Rule(
        code="truncated-table", severity=ERROR, what="A table is emptied, or a partition lost.",
        on=(f.Truncate, f.TableOption), check=_truncate,
    ),
    Rule(
        code="truncate-cascade", severity=ERROR, what="A table is emptied, with all that refer to it.",
        on=(f.Truncate,), check=_cascade, squawk=("ban-truncate-cascade",),
    ),
    Rule(
        code="dropped-foreign-key", severity=WARNING, what="A foreign key is dropped.", on=(f.DropConstraint,),
        check=_foreign_key, atlas=("CD101",), squawk=("ban-drop-constraint",),
    ),
)  # fmt: skip
