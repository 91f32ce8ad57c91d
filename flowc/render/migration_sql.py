"""A plan as a script that a database's own client runs as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from flowc.compiler.dialects import dialect_of
from flowc.migration import Change, DatabasePlan, MigrationPlan, Statement
from flowc.render.migration import statement_comment
from flowc.render.style import comment

_OWN = re.compile(r"\bflowc_\w+\(")


def migration_sql(plan: MigrationPlan) -> str:
    """The statements alone, in transactions as `apply` runs them, under comments that name database and object."""
    return "\n".join(line for database in plan.databases for line in _database(database))


def _database(plan: DatabasePlan) -> Iterator[str]:
    client = dialect_of(plan.kind).client
    parts = [(change, statement) for change in plan.changes for statement in change.statements]
    if parts:
        yield comment(plan.connection)
        yield from filter(None, (client.session,))
    if client.own_functions and any(_OWN.search(statement.sql) for _, statement in parts):
        yield comment(client.own_functions)
    if any(statement.commit for _, statement in parts):
        yield "-- It says what `flowc apply` does by commits of the tables; no client runs it."
    last: Change | None = None
    for together, group in groupby(parts, key=lambda part: part[1].transactional):
        if together:
            yield "BEGIN;"
        for change, statement in group:
            if change is not last:
                yield comment(f"{change.object}: {change.summary}")
            last = change
            yield from statement_lines(statement)
        if together:
            yield "COMMIT;"


def statement_lines(statement: Statement) -> Iterator[str]:
    """A statement with its semicolon, under a comment on its lock."""
    if note := statement_comment(statement):
        yield comment(note)
    before, after = statement.guard or (None, None)
    set_up, reset = statement.session or (None, None)
    steps = (before, set_up, statement.sql, reset, after)
    yield from (f"{sql.rstrip().rstrip(';')};" for sql in steps if sql)
