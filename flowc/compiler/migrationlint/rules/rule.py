"""What a rule is: a code, what it looks at, and a function that finds the fault in a fact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flowc.catalog import TableName
from flowc.compiler.migrationlint.effects import Effects, Version
from flowc.compiler.migrationlint.facts import Fact
from flowc.compiler.migrationlint.history import History
from flowc.diagnostics import Severity

POSTGRES = ("postgres",)
MYSQL = ("mysql", "mariadb")
SQLITE = ("sqlite",)
DUCKDB = ("duckdb",)
ALL = POSTGRES + MYSQL + SQLITE + DUCKDB

INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule may look at beside its fact: the effects of that fact and what happened before it."""

    effects: Effects
    history: History
    dialect: str
    version: Version

    @property
    def postgres(self) -> bool:
        """Whether the migration is PostgreSQL's."""
        return self.dialect == "postgres"

    def is_new(self, table: TableName | None) -> bool:
        """Whether this migration created the table, so that nobody waits for it."""
        return self.history.is_new(table)


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault in the user's words, and what would mend it."""

    message: str
    helps: tuple[str, ...] = ()


Check = Callable[[Any, Context], Finding | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """One code. `atlas` and `squawk` are the names of the same rule there; `what` is its line in the reference.

    `once` rules report the first place in a text alone.
    """

    code: str
    severity: Severity
    what: str
    on: tuple[type[Fact], ...]
    check: Check
    dialects: tuple[str, ...] = ALL
    atlas: tuple[str, ...] = ()
    squawk: tuple[str, ...] = ()
    once: bool = False


def found(message: str, *helps: str) -> Finding:
    """A finding."""
    return Finding(message, helps)


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Names in backticks, separated by commas."""
    return ", ".join(f"`{name}`" for name in names)
