"""Rules about columns and options that make the whole table be written anew."""

from __future__ import annotations

from flowc.compiler.migrationlint import facts as f
from flowc.compiler.migrationlint.effects import plain
from flowc.compiler.migrationlint.rules.rule import DUCKDB, MYSQL, POSTGRES, WARNING, Context, Finding, Rule, found
from flowc.compiler.migrationlint.typechanges import SERIALS


def _column(fact: f.AddColumn, context: Context) -> Finding | None:
    if context.is_new(fact.table) or context.effects.rewrites is False:
        return None
    sure = context.effects.rewrites
    words = f"`{fact.table}` is written anew while nobody can use it: {_why(fact.column)}"
    if not sure:
        words = f"`{fact.table}` is written anew while nobody can use it, if the default is volatile"
    return found(words, _steps(fact))


def _why(column: f.ColumnDef) -> str:
    if column.identity or (column.type is not None and column.type.name in SERIALS):
        return "each row gets a number"
    if column.generated is not None:
        return "a STORED column is computed for each row"
    return "the default differs from row to row" if column.default is not None else "its domain has a constraint"


def _steps(fact: f.AddColumn) -> str:
    name, table = fact.column.name, fact.table
    if fact.column.generated is not None:
        return f"add a plain `{name}`, keep it by a trigger, and fill old rows in batches"
    kind = fact.column.type or "…"
    return (
        f"first: `ALTER TABLE {table} ADD COLUMN {name} {kind}` without a default\n"
        f"then: `ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT …`, and fill old rows in batches"
    )


def _type(fact: f.AlterType, context: Context) -> Finding | None:
    if context.is_new(fact.table) or fact.type.name in ("enum", "set"):
        return None
    rewrites = context.effects.rewrites
    if context.dialect == "duckdb":
        rewrites = True
    if rewrites is False:
        return None
    old = context.history.types.get((plain(fact.table), fact.column))
    what = f"`{fact.column}` from {old} to {fact.type}" if old else f"`{fact.column}` to {fact.type}"
    return found(f"changing {what} {_costs(context, sure=bool(rewrites), table=str(fact.table))}", _shadow(fact))


def _costs(context: Context, *, sure: bool, table: str) -> str:
    unless = "" if sure else ", unless the stored form stays the same"
    if context.postgres:
        return f"writes `{table}` anew while nobody can use it{unless}"
    if context.dialect == "duckdb":
        return f"writes the column of `{table}` anew, and fails for a value that does not fit"
    return f"copies `{table}`, and nothing can be written to it meanwhile{unless}"


def _shadow(fact: f.AlterType) -> str:
    return f"add a column of the new type, write both, copy in batches, then move readers over and drop `{fact.column}`"


def _option(fact: f.TableOption, context: Context) -> Finding | None:
    if context.is_new(fact.table) or context.effects.rewrites is not True:
        return None
    words = f"`{fact.table}` is written anew while nobody can use it ({fact.action.upper()})"
    return found(words, "fill a new table with these settings in batches, and swap the names")


RULES = (
    Rule(
        code="rewriting-column", severity=WARNING, what="A new column has a value of its own in each row.",
        on=(f.AddColumn,), check=_column, dialects=POSTGRES, atlas=("PG302",), squawk=("adding-field-with-default",),
    ),
    Rule(
        code="type-change", severity=WARNING, what="A column's new type has to be written to each row.",
        on=(f.AlterType,), check=_type, dialects=POSTGRES + MYSQL + DUCKDB, atlas=("PG301",),
        squawk=("changing-column-type",),
    ),
    Rule(
        code="rewriting-option", severity=WARNING, what="A setting of a table writes every row anew.",
        on=(f.TableOption,), check=_option, dialects=POSTGRES,
    ),
)  # fmt: skip
