"""Asks the data whether planned changes can work, and how much of it they lose."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from flowc.errors import DataError, EngineError, UsageError
from flowc.migration import Change, Precheck, TableChanges
from flowc.runtime.contracts.database import Database, TableStore
from flowc.service.access.locks import waiting_for

_UNTOUCHED = "the data does not allow what is planned; nothing was changed"
_NO_WAY = "what is planned cannot be done as it is; nothing was changed"
_QUOTED = re.compile(r"`[^`]*`")
"""A piece of a spec or a name in words: its colons end nothing."""


def judged(tables: Sequence[TableChanges], database: Database) -> tuple[TableChanges, ...]:
    """The same changes, with what their prechecks count and the rows that they lose."""
    return tuple(_judged(table, database) for table in tables)


def _judged(table: TableChanges, database: Database) -> TableChanges:
    if isinstance(database, TableStore) and any(change.prechecks or change.rows for change in table.changes):
        database.view(table.name)
    return replace(table, changes=tuple(_judge(change, database) for change in table.changes))


def _judge(change: Change, database: Database) -> Change:
    """What no statement makes is not asked about: why is said already."""
    with waiting_for(change.object, database):
        checks = () if change.blocked else tuple(ask(check, database) for check in change.prechecks)
        lost = count(change.rows, database) if change.rows else None
    return replace(change, prechecks=checks, lost=lost)


def ask(check: Precheck, database: Database) -> Precheck:
    """The precheck with its count, or with the reason why it has none."""
    try:
        return replace(check, count=count(check.sql, database), error=None)
    except (DataError, EngineError) as error:
        return replace(check, count=None, error=error.message)


def count(sql: str, database: Database) -> int:
    """The number that a query returns."""
    return int(database.query(sql).column(0)[0].as_py())


def failed(change: Change) -> tuple[str, ...]:
    """What keeps a change from working, in words."""
    found = [change.blocked] if change.blocked else []
    for check in change.prechecks:
        if check.error is not None:
            found.append(f"it could not be checked: {check.error}")
        elif check.count:
            found.append(check.said)
    return tuple(found)


def refuse_blocked(changes: Sequence[Change], message: str = _UNTOUCHED) -> None:
    """Raises UsageError for changes that the data, or the engine, does not allow."""
    reasons = [f"{change.object}{_place(change)}: {reason}" for change in changes for reason in failed(change)]
    if reasons:
        helps = [check.help for change in changes for check in change.prechecks if check.failed]
        if not helps and message == _UNTOUCHED:
            message = _NO_WAY
        helps += [_mend(change.blocked) for change in changes if change.blocked]
        raise UsageError(message, code="precheck-failed", help=helps[0], details=tuple(reasons))


def _mend(blocked: str) -> str:
    """What would mend it: why no statement makes a change ends with that, behind a colon."""
    plain = _QUOTED.sub(lambda quoted: "_" * len(quoted[0]), blocked)
    colon = plain.rfind(": ")
    return blocked[colon + 2 :] if colon >= 0 else "change the declaration"


def _place(change: Change) -> str:
    return "" if change.place is None else f" ({change.place})"


_MORE = "more rows would be lost than when the plan was made; nothing was changed"


def refuse_losses(changes: Iterable[Change], approved: Mapping[str, int], message: str = _MORE) -> None:
    """Raises UsageError for changes that lose more rows than were approved."""
    more = [(c, c.lost) for c in changes if c.lost is not None and c.lost > approved.get(c.object, c.lost)]
    if more:
        helps = " ".join(f"--allow-destructive {change.object}" for change, _ in more)
        raise UsageError(
            message,
            code="stale-plan",
            help=f"look at a new plan, or lose what is there then with `flowc apply --yes {helps}`",
            details=tuple(
                f"{c.object}: {c.summary}: planned to lose {_rows(approved[c.object])}, now it is {_rows(lost)}"
                for c, lost in more
            ),
        )


def _rows(number: int) -> str:
    return f"{number:,} row" if number == 1 else f"{number:,} rows"
