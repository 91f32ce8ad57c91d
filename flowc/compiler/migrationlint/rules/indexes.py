"""Rules about indexes, and maintenance, that keep others from a table while they run (PostgreSQL)."""

from __future__ import annotations

from flowc.compiler.migrationlint import facts as f
from flowc.compiler.migrationlint.effects import plain
from flowc.compiler.migrationlint.rules.rule import POSTGRES, WARNING, Context, Finding, Rule, found


def _create(fact: f.CreateIndex, context: Context) -> Finding | None:
    if fact.concurrently or fact.only or context.is_new(fact.table):
        return None
    words = f"nothing can be written to `{fact.table}` while this index is built"
    if plain(fact.table) in context.history.partitioned:
        help = "make it `ON ONLY` the parent, build one on each partition CONCURRENTLY, and attach those"
    else:
        unique = "UNIQUE " if fact.unique else ""
        help = f"outside a transaction: `CREATE {unique}INDEX CONCURRENTLY {fact.name or '…'} ON {fact.table} …`"
    return found(words, help)


def _drop(fact: f.DropIndex, context: Context) -> Finding | None:
    if fact.concurrently or context.is_new(context.history.index_table(fact.index.name)):
        return None
    words = f"dropping `{fact.index}` waits for every query on its table and makes all new ones wait behind it"
    return found(words, f"outside a transaction: `DROP INDEX CONCURRENTLY {fact.index}`")


def _reindex(fact: f.Reindex, context: Context) -> Finding | None:
    if fact.concurrently or fact.kind == "system":
        return None
    words = "nothing can be written while indexes are rebuilt, nor read where a query needs one of them"
    named = f" {fact.name}" if fact.name else ""
    return found(words, f"outside a transaction: `REINDEX {fact.kind.upper()} CONCURRENTLY{named}`")


def _maintain(fact: f.Maintain, context: Context) -> Finding | None:
    if fact.action not in ("vacuum full", "cluster", "repack") or fact.concurrently or context.is_new(fact.table):
        return None
    where = f"`{fact.table}`" if fact.table else "each table in turn"
    words = f"{fact.action.upper()} writes {where} anew, and nobody can read or write it meanwhile"
    return found(
        words, "a plain VACUUM frees the space for reuse; pg_repack, or REPACK (CONCURRENTLY) from PostgreSQL 19"
    )


def _refresh(fact: f.Refresh, context: Context) -> Finding | None:
    if fact.concurrently or context.is_new(fact.table):
        return None
    help = f"with a unique index on it: `REFRESH MATERIALIZED VIEW CONCURRENTLY {fact.table}`"
    return found(f"nobody can read `{fact.table}` while it is computed anew", help)


RULES = (
    Rule(
        code="blocking-index", severity=WARNING, what="An index is built without CONCURRENTLY.", on=(f.CreateIndex,),
        check=_create, dialects=POSTGRES, atlas=("PG101",), squawk=("require-concurrent-index-creation",),
    ),
    Rule(
        code="blocking-index-drop", severity=WARNING, what="An index is dropped without CONCURRENTLY.",
        on=(f.DropIndex,), check=_drop, dialects=POSTGRES, atlas=("PG102",),
        squawk=("require-concurrent-index-deletion",),
    ),
    Rule(
        code="blocking-reindex", severity=WARNING, what="Indexes are rebuilt without CONCURRENTLY.", on=(f.Reindex,),
        check=_reindex, dialects=POSTGRES, squawk=("require-concurrent-reindex",),
    ),
    Rule(
        code="blocking-maintenance", severity=WARNING, what="VACUUM FULL, CLUSTER or REPACK keep everybody out.",
        on=(f.Maintain,), check=_maintain, dialects=POSTGRES, squawk=("prefer-repack",),
    ),
    Rule(
        code="blocking-refresh", severity=WARNING, what="A materialized view is refreshed without CONCURRENTLY.",
        on=(f.Refresh,), check=_refresh, dialects=POSTGRES,
    ),
)  # fmt: skip
