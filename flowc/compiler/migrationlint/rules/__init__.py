"""The rules of migrations, in the order in which they are tried and listed."""

from __future__ import annotations

from flowc.compiler.migrationlint.rules import (
    columns,
    compatibility,
    constraints,
    destructive,
    engines,
    indexes,
    mysql,
    reading,
    repeating,
    rewrites,
    rows,
    transactions,
)
from flowc.compiler.migrationlint.rules.rule import Rule

EACH: tuple[Rule, ...] = (
    destructive.RULES
    + compatibility.RULES
    + rows.RULES
    + indexes.RULES
    + constraints.RULES
    + rewrites.RULES
    + transactions.RULES
    + repeating.RULES
    + columns.RULES
    + mysql.RULES
    + engines.RULES
    + reading.RULES
)
"""Rules that are asked about each fact."""
AT_END: tuple[Rule, ...] = transactions.AT_END
"""Rules that are asked at the end of a text."""
RULES = EACH + AT_END
