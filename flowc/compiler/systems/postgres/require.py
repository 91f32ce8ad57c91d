"""NOT NULL on a PostgreSQL table that is in use: a constraint is validated first, beside readers and writers."""

from __future__ import annotations

from flowc.catalog import REQUIRED_MARK
from flowc.compiler.migrate.alteration import Situation
from flowc.compiler.migrate.facts import Act, statement
from flowc.compiler.migrate.statements import alter
from flowc.compiler.quote import ident, table, text
from flowc.compiler.tables.ddl import made_name
from flowc.migration import Statement


def require_name(column: str) -> str:
    """The name of the constraint that stands for a column's NOT NULL meanwhile."""
    return made_name(f"flowc_{column}", "_not_null")


def require(column: str, situation: Situation) -> tuple[Statement, ...]:
    """Makes a column NOT NULL. PostgreSQL believes a validated constraint and does not read the table under a lock."""
    name, quoted = ident(require_name(column)), ident(column)
    add = f"ADD CONSTRAINT {name} CHECK ({quoted} IS NOT NULL) NOT VALID"
    mark = f"COMMENT ON CONSTRAINT {name} ON {table(situation.live.name)} IS {text(REQUIRED_MARK, situation.dialect)}"
    require = alter(situation, f"ALTER COLUMN {quoted} SET NOT NULL")
    steps = (
        (Act.ADD_CHECK, alter(situation, add), f"refuse new rows without {column}"),
        (Act.COMMENT_CHECK, mark, "mark it as flowc's"),
        (Act.VALIDATE_CHECK, alter(situation, f"VALIDATE CONSTRAINT {name}"), "look at the rows that are there"),
        (Act.SET_NOT_NULL_PROVEN, require, f"require {column}"),
        (Act.DROP_CONSTRAINT, alter(situation, f"DROP CONSTRAINT {name}"), "the column says it now"),
    )
    return tuple(statement(*step, situation.dialect) for step in steps)
