"""How a database keeps what a stream must remember outside its targets: intents, checkpoints, state and facts.

What is filled in later stands in literals, so it is written in letters that no dialect reads in a way of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from flowc.catalog import Column
from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.tables.state import ensure_state
from flowc.stream import StatePlan, StateSql, TableTarget, TargetPlan
from flowc.types import BIGINT, TEXT, DataType, Kind

CHECKPOINTS, EPOCHS, GROUPS, FACTS = "checkpoints", "epochs", "state", "facts"
EMBEDDED = "sqlite"
"""The kind of the store that a stream has when it names no connection."""
_STREAM = Column("stream", TEXT, nullable=False)
_EPOCH = Column("epoch", BIGINT, nullable=False)
_BODY = Column("body", TEXT, nullable=False)
_OPERATOR = Column("operator", TEXT, nullable=False)
_NUMBER = Column("group_number", BIGINT, nullable=False)
GROUP_COLUMNS = (_STREAM, _OPERATOR, _NUMBER, Column("data", DataType(Kind.BINARY), nullable=False))
_TABLES: dict[str, tuple[tuple[Column, ...], tuple[str, ...]]] = {
    CHECKPOINTS: ((_STREAM, _EPOCH, Column("intended", BIGINT, nullable=False), _BODY), ("stream",)),
    EPOCHS: ((_STREAM, _EPOCH, _BODY), ("stream", "epoch")),
    GROUPS: (GROUP_COLUMNS, ("stream", "operator", "group_number")),
    FACTS: ((_STREAM, Column("name", TEXT, nullable=False), _BODY), ("stream", "name")),
}
_SHARED_FILE = ("PRAGMA journal_mode = WAL",)
"""Workers of several streams write the embedded store at the same time."""


def state_reason(operators: Sequence[object], targets: Sequence[TargetPlan]) -> str | None:
    """Why a stream needs a state store; None where its only target can be its memory."""
    if operators:
        return "an operator of it remembers rows"
    if len(targets) > 1:
        return "it has several targets"
    unplaced = next((target for target in targets if not target.keeps_positions), None)
    return f"`{unplaced.name}` keeps no positions" if unplaced is not None else None


def plan_state(
    stream: str, operators: Sequence[object], targets: Sequence[TargetPlan], connection: str | None, kind: str
) -> StatePlan | None:
    """Where a stream keeps its state, None where it needs none. `connection` is the one that its spec names."""
    if state_reason(operators, targets) is None:
        return None
    only = targets[0] if len(targets) == 1 else None
    shared = connection is not None and isinstance(only, TableTarget) and only.connection == connection
    return state_plan(stream, connection, kind, shared=shared)


def state_plan(stream: str, connection: str | None, kind: str = EMBEDDED, *, shared: bool = False) -> StatePlan:
    """How the store of a stream is read and written."""
    dialect = DIALECTS[kind]
    sql = state_sql(stream, dialect)
    if connection is None:
        sql = StateSql((*_SHARED_FILE, *sql.ensure), sql.templates, sql.groups)
    return StatePlan(connection, kind, sql, shared)


def state_sql(stream: str, dialect: Dialect) -> StateSql:
    """The statements on a store in one dialect.

    All are templates. `{epoch}`, `{before}` and `{numbers}` are whole numbers; `{body}`, `{name}` and `{operator}`
    stand in literals.
    """
    made = (ensure_state(name, columns, key, dialect) for name, (columns, key) in _TABLES.items())
    ensure = tuple(dict.fromkeys(statement for statements in made for statement in statements))
    return StateSql(ensure, _templates(stream, dialect), dialect.state_table(GROUPS))


def _templates(stream: str, dialect: Dialect) -> dict[str, str]:
    points, log, groups, facts = (table(dialect.state_table(name)) for name in _TABLES)
    own = text(stream, dialect).replace("{", "{{").replace("}", "}}")
    of, epoch, number = f"WHERE {ident('stream')} = {own}", ident("epoch"), ident("group_number")
    # A checkpoint without intents before it is one that was begun with, or that a target keeps in its transactions.
    last = f"CASE WHEN {ident('intended')} < {{epoch}} THEN {{epoch}} ELSE {ident('intended')} END"
    return {
        "read": f"SELECT {idents(['epoch', 'intended', 'body'])} FROM {points} {of}",
        # Whoever changes anything here changes this row first.
        "hold": f"UPDATE {points} SET {ident('intended')} = {ident('intended')} {of}",
        "begin": f"{_insert(points, CHECKPOINTS)} VALUES ({own}, 0, 0, '')",
        "intend": f"UPDATE {points} SET {ident('intended')} = {{epoch}} {of} AND {ident('intended')} = {{before}}",
        "log": f"{_insert(log, EPOCHS)} VALUES ({own}, {{epoch}}, '{{body}}')",
        "intents": f"SELECT {idents(['epoch', 'body'])} FROM {log} {of} AND {epoch} > {{epoch}} ORDER BY {epoch}",
        "prune": f"DELETE FROM {log} {of} AND {epoch} <= {{epoch}}",
        "save": f"UPDATE {points} SET {epoch} = {{epoch}}, {ident('intended')} = {last}, {ident('body')} = '{{body}}' "
        f"{of} AND {epoch} = {{before}}",
        "groups": f"SELECT {idents(['operator', 'group_number', 'data'])} FROM {groups} {of} "
        f"ORDER BY {idents(['operator', 'group_number'])}",
        "drop": f"DELETE FROM {groups} {of} AND {ident('operator')} = '{{operator}}' AND {number} IN ({{numbers}})",
        "facts": f"SELECT {idents(['name', 'body'])} FROM {facts} {of}",
        "forget": f"DELETE FROM {facts} {of} AND {ident('name')} = '{{name}}'",
        "remember": f"{_insert(facts, FACTS)} VALUES ({own}, '{{name}}', '{{body}}')",
    }


def _insert(into: str, name: str) -> str:
    return f"INSERT INTO {into} ({idents(column.name for column in _TABLES[name][0])})"
