"""Which storage engine keeps a table, and whether what was written there can be undone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flowc.catalog import TableName
from flowc.errors import UsageError
from flowc.runtime.names import literal
from flowc.runtime.systems.mysql.types import Ask, place

_KEPT = """
SELECT engine, table_type FROM information_schema.tables WHERE table_schema = {schema} AND table_name = {name}
"""
_ABLE = "SELECT 1 FROM information_schema.engines WHERE engine = {engine} AND transactions = 'YES'"
_INNODB = "InnoDB"
_SHOWN = "SELECT view_definition FROM information_schema.views WHERE table_schema = {schema} AND table_name = {name}"
_PAIR = re.compile(r"(?=`((?:[^`]|``)+)`\.`((?:[^`]|``)+)`)")
"""Names in the definition of a view, which the server keeps qualified and quoted. Some are an alias and its column."""
NOT_UNDONE = 1196
"""The warning that a ROLLBACK could not undo all."""


def require_transactions(ask: Ask, tables: Sequence[TableName]) -> None:
    """Raises UsageError for the first table whose engine cannot undo what a load wrote. One that is missing can."""
    for name in tables:
        found = _untransacted(ask, name, set())
        if found is not None:
            kept, engine = found
            by_way = f", which `{name}` shows," if kept != name else ""
            message = f"`{kept}`{by_way} is kept by {engine}, which has no transactions"
            raise UsageError(
                f"{message}: a failed load could not be undone",
                code="no-transactions",
                help=f"ALTER TABLE {kept} ENGINE = InnoDB",
            )


def _untransacted(ask: Ask, name: TableName, seen: set[TableName]) -> tuple[TableName, str] | None:
    """The table without transactions that `name` is, or that it shows where it is a view, and its engine."""
    parts = place(name)
    rows = ask(_KEPT.format(**parts))
    if not rows or name in seen:
        return None
    engine, kind = rows[0]
    if kind != "VIEW":
        # Asked once for each epoch of a stream, so the usual answer takes no second question.
        able = engine in (_INNODB, None) or ask(_ABLE.format(engine=literal(engine, plain_backslash=False)))
        return None if able else (name, str(engine))
    seen.add(name)
    shown = (str(row[0] or "") for row in ask(_SHOWN.format(**parts)))
    pairs = dict.fromkeys(pair for text in shown for pair in _PAIR.findall(text))
    below = (TableName(*(part.replace("``", "`") for part in pair)) for pair in pairs)
    return next((found for table in below if (found := _untransacted(ask, table, seen))), None)


def not_undone() -> UsageError:
    """What to say after a ROLLBACK that left something behind."""
    return UsageError(
        "a trigger or a statement of the load wrote into a table without transactions: what it wrote there stays",
        code="no-transactions",
        help="let InnoDB keep every table that the load writes, also by triggers and by `before` and `after`",
    )
