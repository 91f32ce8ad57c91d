"""`unrepeatable-statement`: what fails when a migration that stopped halfway is run again."""

from __future__ import annotations

from flowc.compiler.migrationlint import facts as f
from flowc.compiler.migrationlint.effects import plain
from flowc.compiler.migrationlint.rules.rule import INFO, POSTGRES, Context, Finding, Rule, found

_MADE = ("create type", "create view", "create materialized view", "create sequence", "create schema")
_ON: tuple[type[f.Fact], ...] = (
    f.CreateTable, f.AddColumn, f.DropColumn, f.AddConstraint, f.DropConstraint, f.CreateIndex, f.DropIndex, f.Drop,
    f.AlterEnum, f.RenameColumn, f.RenameTable, f.SetSchema, f.AttachPartition, f.DetachPartition, f.TableOption,
    f.CreateDomain, f.Other,
)  # fmt: skip
_UNGUARDED = f.RenameColumn | f.RenameTable | f.SetSchema | f.AttachPartition | f.DetachPartition | f.CreateDomain
_OPTIONS = ("add identity", "drop identity", "drop expression", "rename constraint", "inherit")
"""Actions that fail the second time and know no IF EXISTS."""


def _check(fact: f.Fact, context: Context) -> Finding | None:
    if _is_whole(fact, context) or _guarded(fact, context):
        return None
    words = "this fails when the migration stopped after it and is run again"
    return found(words, _help(fact))


def _is_whole(fact: f.Fact, context: Context) -> bool:
    """Whether the migration cannot stop halfway: it has one step, or is in a transaction, or may be in one."""
    if context.history.transaction is not False:
        return True
    if isinstance(fact, f.CreateIndex) and fact.concurrently:
        return False  # it leaves an INVALID index behind when it fails
    return context.history.steps < 2


def _guarded(fact: f.Fact, context: Context) -> bool:
    """Whether a second run does no harm. A temporary table is gone when it begins."""
    table = fact.name if isinstance(fact, f.Drop) else getattr(fact, "table", None)
    if table is not None and plain(table) in context.history.temporary:
        return True
    if isinstance(fact, f.CreateTable):
        return fact.temporary or fact.if_not_exists
    if isinstance(fact, f.Other):
        return fact.if_not_exists or fact.what not in _MADE
    if isinstance(fact, f.AddConstraint):
        return _dropped_before(fact, context)
    if isinstance(fact, _UNGUARDED):
        return isinstance(fact, f.DetachPartition) and fact.concurrently  # finished by FINALIZE
    if isinstance(fact, f.CreateIndex) and (fact.name is None or _index_dropped_before(fact, context)):
        return True
    if isinstance(fact, f.TableOption):
        return fact.action not in _OPTIONS
    if isinstance(fact, f.DropColumn | f.DropConstraint | f.DropIndex | f.Drop):
        return fact.if_exists
    return bool(getattr(fact, "if_not_exists", False))


def _dropped_before(fact: f.AddConstraint, context: Context) -> bool:
    return any(
        isinstance(other, f.DropConstraint) and other.if_exists and other.name == fact.constraint.name
        and plain(other.table) == plain(fact.table)
        for other in context.history.later
    )  # fmt: skip


def _index_dropped_before(fact: f.CreateIndex, context: Context) -> bool:
    drops = (other for other in context.history.later if isinstance(other, f.DropIndex) and other.if_exists)
    return any(other.index.name == fact.name for other in drops)


def _help(fact: f.Fact) -> str:
    if isinstance(fact, f.AddConstraint):
        return f"`DROP CONSTRAINT IF EXISTS {fact.constraint.name or '…'}` before it, or put all into a transaction"
    if isinstance(fact, _UNGUARDED | f.TableOption | f.Other):
        return "put it into a transaction"
    if isinstance(fact, f.CreateIndex) and fact.concurrently:
        name = fact.name or "…"
        return f"`DROP INDEX CONCURRENTLY IF EXISTS {name}` before it: one that failed stays behind as INVALID"
    drops = isinstance(fact, f.DropColumn | f.DropConstraint | f.DropIndex | f.Drop)
    return f"write IF {'' if drops else 'NOT '}EXISTS, or put all into a transaction"


RULES = (
    Rule(
        code="unrepeatable-statement", severity=INFO, what="A second run fails after one that stopped halfway.", on=_ON,
        check=_check, dialects=POSTGRES, squawk=("prefer-robust-stmts",),
    ),
)  # fmt: skip
