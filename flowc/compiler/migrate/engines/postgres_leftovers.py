"""What an apply that did not end has left in a PostgreSQL table goes at the beginning of the next one."""

from __future__ import annotations

from flowc.catalog import Leftover
from flowc.compiler.migrate.alteration import Situation
from flowc.compiler.migrate.facts import Act, statement
from flowc.compiler.migrate.statements import alter
from flowc.compiler.quote import ident, table
from flowc.migration import Statement

_ACTS = {
    "trigger": Act.DROP_TRIGGER,
    "function": Act.DROP_FUNCTION,
    "constraint": Act.DROP_CONSTRAINT,
    "column": Act.DROP_COLUMN,
}
"""By kind of what is left, in the order in which it goes: each may hang on the ones after it."""


def drop_leftovers(situation: Situation) -> tuple[Statement, ...]:
    """Drops all of it, whatever the specs say by now."""
    left = sorted(situation.live.leftovers, key=lambda entry: list(_ACTS).index(entry.kind))
    return tuple(statement(_ACTS[e.kind], _sql(e, situation), f"drop {e.name}", situation.dialect) for e in left)


def _sql(entry: Leftover, situation: Situation) -> str:
    if entry.kind == "function":
        return f"DROP FUNCTION {entry.name}"
    if entry.kind == "trigger":
        return f"DROP TRIGGER {ident(entry.name)} ON {table(situation.live.name)}"
    return alter(situation, f"DROP {entry.kind.upper()} {ident(entry.name)}")
