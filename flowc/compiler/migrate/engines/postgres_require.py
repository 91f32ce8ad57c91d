"""NOT NULL on a PostgreSQL table that is in use: a constraint is validated first, beside readers and writers."""

from __future__ import annotations

from flowc.catalog import REQUIRED_MARK
from flowc.compiler.migrate.alteration import Situation
from flowc.compiler.migrate.words import alter
from flowc.compiler.quote import ident, table, text
from flowc.compiler.tables.ddl import made_name
from flowc.migration import Statement

EXCLUSIVE = "ACCESS EXCLUSIVE"
SHARE_UPDATE = "SHARE UPDATE EXCLUSIVE"


def require_name(column: str) -> str:
    """The name of the constraint that stands for a column's NOT NULL meanwhile."""
    return made_name(f"flowc_{column}", "_not_null")


def require(column: str, situation: Situation) -> tuple[Statement, ...]:
    """Makes a column NOT NULL. PostgreSQL believes a validated constraint and does not read the table under a lock."""
    name, quoted = ident(require_name(column)), ident(column)

    def statement(action: str, purpose: str) -> Statement:
        return Statement(alter(situation, action), purpose, lock=EXCLUSIVE)

    validate = alter(situation, f"VALIDATE CONSTRAINT {name}")
    mark = f"COMMENT ON CONSTRAINT {name} ON {table(situation.live.name)} IS {text(REQUIRED_MARK, situation.dialect)}"
    return (
        statement(f"ADD CONSTRAINT {name} CHECK ({quoted} IS NOT NULL) NOT VALID", f"refuse new rows without {column}"),
        Statement(mark, "mark it as flowc's", lock="ACCESS SHARE"),
        Statement(validate, "look at the rows that are there", transactional=False, lock=SHARE_UPDATE, scans=True),
        statement(f"ALTER COLUMN {quoted} SET NOT NULL", f"require {column}"),
        statement(f"DROP CONSTRAINT {name}", "the column says it now"),
    )
