"""Rules about transactions and time limits: what may run inside one, and how long others wait."""

from __future__ import annotations

from flowc.compiler.migrationlint import facts as f
from flowc.compiler.migrationlint.effects import TableLock
from flowc.compiler.migrationlint.rules.rule import ERROR, INFO, MYSQL, POSTGRES, WARNING, Context, Finding, Rule, found

_LOCKING: tuple[type[f.Fact], ...] = (
    f.AddColumn, f.DropColumn, f.AlterType, f.SetNotNull, f.DropNotNull, f.SetDefault, f.AddConstraint,
    f.DropConstraint, f.RenameColumn, f.RenameTable, f.SetSchema, f.AttachPartition, f.DetachPartition, f.TableOption,
    f.CreateIndex, f.DropIndex, f.Reindex, f.Drop, f.Truncate, f.Maintain, f.Refresh, f.CreateTable, f.Other,
    f.AlterDomain, f.LockTable,
)  # fmt: skip
_REFUSING: tuple[type[f.Fact], ...] = (
    f.CreateIndex, f.DropIndex, f.Reindex, f.DetachPartition, f.Maintain, f.Drop, f.AlterEnum, f.Other,
)  # fmt: skip


def _refused(fact: f.Fact, context: Context) -> Finding | None:
    if context.effects.transactional or not context.history.transaction:
        return None
    where = "BEGIN … COMMIT" if context.history.block else "the transaction around this file"
    return found("PostgreSQL refuses this inside a transaction", f"take it out of {where}, into a file of its own")


def _implicit_commit(fact: f.Fact, context: Context) -> Finding | None:
    if context.effects.transactional or not context.history.block:
        return None
    words = "this statement commits the open transaction: nothing before it can be rolled back any more"
    return found(words, "leave out BEGIN and COMMIT; write each migration so that it can stop after any statement")


def _nested(fact: f.Begin | f.Commit, context: Context) -> Finding | None:
    history = context.history
    if isinstance(fact, f.Begin):
        if not history.transaction:
            return None
        what = "a transaction is open already" if history.block else "the file already runs in a transaction"
        return found(f"{what}: this BEGIN does nothing", "leave it out")
    if not history.around and (history.block or history.around is None):
        return None
    if history.around:
        words = "this ends the transaction that the migration tool has opened: what follows runs outside of it"
        return found(words, "leave it out, or run the file without a transaction")
    return found("no transaction is open here", "leave it out, or begin the transaction with BEGIN")


def _held(fact: f.Fact, context: Context) -> list[TableLock]:
    """The locks that others wait behind. What runs concurrently waits for others before it takes a strong one."""
    if getattr(fact, "concurrently", False):
        return []
    return [held for held in context.effects.locks if held.lock.blocks_writes and not context.is_new(held.table)]


def _waits(fact: f.Fact, context: Context) -> Finding | None:
    held = _held(fact, context)
    if not held or context.history.is_limited("lock_timeout"):
        return None
    first = max(held, key=lambda h: h.lock)
    where = f" on `{first.table}`" if first.table else ""
    words = f"this waits without limit for the lock {first.lock}{where}, and everybody else waits behind it"
    return found(words, "begin with `SET lock_timeout = '2s'`, and try again when it fails")


def _works(fact: f.Fact, context: Context) -> Finding | None:
    builds_nothing = isinstance(fact, f.CreateIndex) and fact.only  # the parent of partitions
    brief = context.effects.scans is False or builds_nothing
    if brief or not _held(fact, context) or context.history.is_limited("statement_timeout"):
        return None
    words = "this may hold its lock for as long as it takes to read the whole table, without limit"
    return found(words, "begin with `SET statement_timeout = '60s'`, or what your readers can bear")


def _uncommitted(fact: f.Begin, context: Context) -> Finding | None:
    if not context.history.block or context.history.handed_back:
        return None
    words = "this transaction is never committed: everything in it is rolled back at the end"
    return found(words, "end it with `COMMIT`")


AT_END = (
    Rule(
        code="uncommitted-transaction", severity=ERROR, what="A transaction is begun and never committed.",
        on=(f.Begin,), check=_uncommitted, squawk=("ban-uncommitted-transaction",),
    ),
)  # fmt: skip
"""Rules that are asked about the last BEGIN when all statements are read."""

RULES = (
    Rule(
        code="refused-in-transaction", severity=ERROR, what="What cannot run in a transaction stands in one.",
        on=_REFUSING, check=_refused, dialects=POSTGRES, atlas=("PG103",),
        squawk=("ban-concurrent-index-creation-in-transaction",),
    ),
    Rule(
        code="implicit-commit", severity=WARNING, what="DDL commits the open transaction.",
        on=(*_LOCKING, f.RenameIndex), check=_implicit_commit, dialects=MYSQL,
    ),
    Rule(
        code="nested-transaction", severity=WARNING, what="BEGIN inside a transaction, or COMMIT outside of one.",
        on=(f.Begin, f.Commit), check=_nested, squawk=("transaction-nesting",),
    ),
    Rule(
        code="missing-lock-timeout", severity=WARNING, what="A lock is waited for without limit.", on=_LOCKING,
        check=_waits, dialects=POSTGRES, squawk=("require-lock-timeout",), once=True,
    ),
    Rule(
        code="missing-statement-timeout", severity=INFO, what="A lock may be held for a long time, without limit.",
        on=_LOCKING, check=_works, dialects=POSTGRES, squawk=("require-statement-timeout",), once=True,
    ),
)  # fmt: skip
