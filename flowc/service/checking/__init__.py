"""Asks the engines that are at hand without a server whether they take the queries of a project.

Each module asks one engine, and is imported when a statement in its dialect comes: engines take time to load. What
depends on more than the statement and its declared tables (extensions, files, settings, tables that nobody declares)
is no refusal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module

from flowc.compiler.sql.checker import Checker, Refusal, Statement

_ENGINES = ("duckdb", "sqlite", "datafusion", "postgres")
"""The dialects that are judged, each by the module of that name."""


def checker() -> Checker:
    """What the compiler is handed."""
    return _check


def _check(statements: Sequence[Statement]) -> Iterator[tuple[Statement, Refusal]]:
    for name in _ENGINES:
        own = [statement for statement in statements if statement.dialect == name]
        if own:
            refusal_of = import_module(f"{__name__}.{name}").engine()
            found = ((statement, refusal_of(statement)) for statement in own)
            yield from ((statement, refusal) for statement, refusal in found if refusal is not None)
