"""Rules about what running programs rely on: names, and that a column is never NULL."""

from __future__ import annotations

from flowc.catalog import TableName
from flowc.compiler.migrationlint import facts as f
from flowc.compiler.migrationlint.effects import plain
from flowc.compiler.migrationlint.rules.rule import POSTGRES, WARNING, Context, Finding, Rule, found


def _table(fact: f.RenameTable, context: Context) -> Finding | None:
    if context.is_new(fact.table) or _has_view(fact.table, context):
        return None
    kind = "view" if fact.view else "table"
    helps = (
        f"keep the old name for readers in the same transaction: `CREATE VIEW {fact.table} AS SELECT * FROM {fact.to}`"
    )
    return found(f"{kind} `{fact.table}` is renamed: programs that use the old name fail", helps)


def _has_view(table: TableName, context: Context) -> bool:
    """Whether the migration puts a view where the table was, or another table."""
    return any(
        plain(made) == plain(table)
        for fact in context.history.later
        for made in (
            (fact.name,) if isinstance(fact, f.Other) else (fact.to,) if isinstance(fact, f.RenameTable) else ()
        )
        if made is not None
    )


def _schema(fact: f.SetSchema, context: Context) -> Finding | None:
    if context.is_new(fact.table):
        return None
    words = f"table `{fact.table}` moves to schema `{fact.schema}`: programs that name its old schema fail"
    return found(
        words, f"leave a view behind: `CREATE VIEW {fact.table} AS SELECT * FROM {fact.schema}.{fact.table.name}`"
    )


def _moved(fact: f.RenameTable | f.SetSchema, context: Context) -> Finding | None:
    return _schema(fact, context) if isinstance(fact, f.SetSchema) else _table(fact, context)


def _column(fact: f.RenameColumn, context: Context) -> Finding | None:
    if context.is_new(fact.table) or (plain(fact.table), fact.column) in context.history.added:
        return None
    if any(_replaces(other, fact) for other in context.history.later):
        return None
    words = f"column `{fact.column}` of `{fact.table}` is renamed: programs that use the old name fail"
    return found(words, f"add `{fact.to}`, write both, copy, move readers over, and drop `{fact.column}` later")


def _replaces(other: f.Fact, fact: f.RenameColumn) -> bool:
    """A generated column of the old name, which keeps readers working."""
    if not isinstance(other, f.AddColumn) or plain(other.table) != plain(fact.table):
        return False
    return other.column.name == fact.column and other.column.generated is not None


def _not_null(fact: f.DropNotNull, context: Context) -> Finding | None:
    if context.is_new(fact.table):
        return None
    words = f"column `{fact.column}` of `{fact.table}` may become NULL: programs that never met one may fail"
    return found(words, "make readers ready for NULL before this migration runs")


def _value(fact: f.RenameValue, context: Context) -> Finding | None:
    if fact.type in context.history.enums:
        return None
    words = f"value `{fact.value}` of `{fact.type}` is renamed: programs that write or compare it fail"
    return found(words, f"add `{fact.to}`, move rows and programs over, and let the old value be")


def _view(fact: f.Drop, context: Context) -> Finding | None:
    if fact.kind not in ("view", "materialized view") or context.is_new(fact.name) or _has_view(fact.name, context):
        return None
    help = "first release what no longer uses it, then drop it in a later migration"
    return found(f"{fact.kind} `{fact.name}` is dropped: programs that read it fail", help)


RULES = (
    Rule(
        code="renamed-table", severity=WARNING, what="A table gets another name or schema.",
        on=(f.RenameTable, f.SetSchema), check=_moved, atlas=("BC101",), squawk=("renaming-table", "ban-set-schema"),
    ),
    Rule(
        code="renamed-column", severity=WARNING, what="A column gets another name.", on=(f.RenameColumn,),
        check=_column, atlas=("BC102",), squawk=("renaming-column",),
    ),
    Rule(
        code="renamed-enum-value", severity=WARNING, what="A value of an enum gets another name.",
        on=(f.RenameValue,), check=_value, dialects=POSTGRES, squawk=("renaming-object",),
    ),
    Rule(
        code="dropped-view", severity=WARNING, what="A view is dropped and not made again.", on=(f.Drop,),
        check=_view, squawk=("ban-drop-view",),
    ),
    Rule(
        code="dropped-not-null", severity=WARNING, what="A column may become NULL.", on=(f.DropNotNull,),
        check=_not_null, squawk=("ban-drop-not-null",),
    ),
)  # fmt: skip
