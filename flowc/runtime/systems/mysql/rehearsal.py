"""What MySQL and MariaDB would say of statements, tried on empty temporary copies of the tables in a session apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from flowc.catalog import TableName
from flowc.errors import FlowcError
from flowc.runtime.names import qualified
from flowc.runtime.systems.mysql.errors import numbered

Run = Callable[[str], Any]
_COPY = "flowc_rehearsal"
_OF_VALUES = (1063, 1067, 1074, 1101, 1264, 1292, 1366, 1406, 1425, 1426, 1439)
"""Errors of a column's own definition."""
_OF_TYPES = (
    *_OF_VALUES, 1054, 1060, 1061, 1064, 1068, 1070, 1071, 1072, 1075, 1117, 1118, 1166, 1167, 1170, 1171, 1252, 1265,
    1294, 1305, 1427, 1901, 1904, 1905, 1906, 1907, 3102, 3105, 3106, 3107, 3108, 3109, 3755, 3757, 3763, 3770, 3773,
    3774, 3814, 3815, 3820, 3823, 4013, 4161,
)  # fmt: skip
"""Errors that follow from the statement, the types and the keys of the table alone."""
_COPIES = (("LIKE {}", _OF_TYPES), ("AS SELECT * FROM {} LIMIT 0", _OF_VALUES))
"""What makes a copy, and what is judged by it: that of a table with partitions or full-text indexes has no keys."""


def rehearse(run: Run, statements: Sequence[tuple[TableName, str]]) -> dict[int, str]:
    """By their places, the statements that it refuses, and why; a table that cannot be copied is not judged.

    A table that is new is made as a temporary one. Copies have no foreign keys. Nothing is done to a table but what
    begins with the name of its copy.
    """
    run("SET SESSION lock_wait_timeout = 1")  # a plan waits for nobody
    with suppress(FlowcError):
        run("SET SESSION sql_log_bin = 0")  # replicas need not hear of them, where the user may say so
    return dict(_refused(run, statements))


def _refused(run: Run, statements: Sequence[tuple[TableName, str]]) -> Iterator[tuple[int, str]]:
    for place, (name, statement) in enumerate(statements):
        copy = f"{_COPY}_{place}"
        spoken, judged = _spoken(run, name, statement, copy)
        if not judged:
            continue
        try:
            run(spoken)
        except FlowcError as error:
            if error.__cause__ is not None and numbered(error.__cause__)[0] in judged:
                yield place, error.message
        run(f"DROP TEMPORARY TABLE IF EXISTS {copy}")


def _spoken(run: Run, name: TableName, statement: str, copy: str) -> tuple[str, tuple[int, ...]]:
    """The statement, of a copy, and the errors that follow from those of it; none where it is not judged."""
    alter, create = f"ALTER TABLE {qualified(name)} ", f"CREATE TABLE {qualified(name)} "
    if statement.startswith(create):
        return f"CREATE TEMPORARY TABLE {copy} {statement.removeprefix(create)}", _OF_TYPES
    judged = _copied(run, name, copy) if statement.startswith(alter) else ()
    return f"ALTER TABLE {copy} {statement.removeprefix(alter)}", judged


def _copied(run: Run, name: TableName, copy: str) -> tuple[int, ...]:
    """Makes an empty copy; the errors that follow for the table from those of the copy, none where there is no copy."""
    for way, judged in _COPIES:
        with suppress(FlowcError):
            run(f"CREATE TEMPORARY TABLE {copy} {way.format(qualified(name))}")
            return judged
    return ()
