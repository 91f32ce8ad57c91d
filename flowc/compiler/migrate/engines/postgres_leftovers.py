"""What an apply that did not end has left in a PostgreSQL table goes at the beginning of the next one."""

from __future__ import annotations

from flowc.catalog import Leftover
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.engines.postgres_require import EXCLUSIVE
from flowc.compiler.migrate.words import alter
from flowc.compiler.quote import ident, table
from flowc.migration import Statement

_ORDER = ("trigger", "function", "constraint", "column")


def drop_leftovers(_: Alteration, situation: Situation) -> tuple[Statement, ...]:
    """Drops all of it, whatever the specs say by now. Each may hang on the ones after it."""
    left = sorted(situation.live.leftovers, key=lambda entry: _ORDER.index(entry.kind))
    return tuple(Statement(_drop_leftover(e, situation), f"drop {e.name}", lock=EXCLUSIVE) for e in left)


def _drop_leftover(entry: Leftover, situation: Situation) -> str:
    if entry.kind == "function":
        return f"DROP FUNCTION {entry.name}"
    if entry.kind == "trigger":
        return f"DROP TRIGGER {ident(entry.name)} ON {table(situation.live.name)}"
    return alter(situation, f"DROP {entry.kind.upper()} {ident(entry.name)}")
