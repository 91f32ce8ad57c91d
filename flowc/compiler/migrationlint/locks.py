"""`effects`: which locks a statement takes, whether it scans or rewrites a table, whether it is transactional."""

from __future__ import annotations

from flowc.compiler.migrationlint import locks_mysql, locks_postgres
from flowc.compiler.migrationlint.effects import (
    NOTHING,
    Algorithm,
    Effects,
    Known,
    Lock,
    TableLock,
    Version,
    joined,
)
from flowc.compiler.migrationlint.facts import Fact
from flowc.compiler.migrationlint.statements import Statement

__all__ = [
    "NEWEST",
    "NOTHING",
    "Algorithm",
    "Effects",
    "Known",
    "Lock",
    "TableLock",
    "Version",
    "effects",
    "fact_effects",
]

NEWEST = {"postgres": (16,), "mysql": (8, 0, 30), "mariadb": (10, 11)}
"""The version that is assumed where none is said: what is documented for current servers."""


def effects(
    statement: Statement, dialect: str, server_version: Version | None = None, known: Known = NOTHING
) -> Effects:
    """What a statement does while it runs.

    `known` says what the tables are before it; without it, what depends on that is None in the result. On SQLite and
    DuckDB a writing statement has the database, or its table, to itself: nothing is listed there.
    """
    found = [fact_effects(fact.value, dialect, server_version, known) for fact in statement.facts]
    whole = joined(found)
    if dialect in ("mysql", "mariadb"):
        return locks_mysql.together([fact.value for fact in statement.facts], whole)
    return whole


def fact_effects(fact: Fact, dialect: str, server_version: Version | None = None, known: Known = NOTHING) -> Effects:
    """The same of one action of a statement."""
    version = server_version or NEWEST.get(dialect, ())
    if dialect == "postgres":
        find = locks_postgres.EFFECTS.get(type(fact))
        return find(fact, known, version) if find else Effects()
    if dialect in ("mysql", "mariadb"):
        return locks_mysql.effects(fact, dialect, version, known)
    return Effects()
