"""How a database keeps what a stream must remember outside its targets: intents, checkpoints, state and facts.

What is filled in later stands in literals, so it is written in letters that no dialect reads in a way of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flowc.catalog import Column
from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.tables.state import PROJECT_COLUMN, ensure_state, move_project, renewal
from flowc.plan import PROJECT, Renewal
from flowc.stream import StatePlan, StateSql, TableTarget, TargetPlan
from flowc.types import BIGINT, TEXT, DataType, Kind


@dataclass(frozen=True, slots=True)
class Owner:
    """The stream that a state is of, by its project and its name."""

    project: str
    name: str


CHECKPOINTS, EPOCHS, GROUPS, FACTS = "checkpoints", "epochs", "state", "facts"
EMBEDDED = "sqlite"
"""The kind of the store that a stream has when it names no connection."""
_STREAM = Column("stream_name", TEXT, nullable=False)
_EPOCH = Column("epoch", BIGINT, nullable=False)
_BODY = Column("body", TEXT, nullable=False)
_OPERATOR = Column("operator", TEXT, nullable=False)
_NUMBER = Column("group_number", BIGINT, nullable=False)
GROUP_COLUMNS = (PROJECT_COLUMN, _STREAM, _OPERATOR, _NUMBER, Column("data", DataType(Kind.BINARY), nullable=False))
_OF = (PROJECT, "stream_name")
_TABLES: dict[str, tuple[tuple[Column, ...], tuple[str, ...]]] = {
    CHECKPOINTS: ((PROJECT_COLUMN, _STREAM, _EPOCH, Column("intended", BIGINT, nullable=False), _BODY), _OF),
    EPOCHS: ((PROJECT_COLUMN, _STREAM, _EPOCH, _BODY), (*_OF, "epoch")),
    GROUPS: (GROUP_COLUMNS, (*_OF, "operator", "group_number")),
    FACTS: ((PROJECT_COLUMN, _STREAM, Column("name", TEXT, nullable=False), _BODY), (*_OF, "name")),
}
_SHARED_FILE = ("PRAGMA journal_mode = WAL",)
"""Workers of several streams write the embedded store at the same time."""


def state_reason(targets: Sequence[TargetPlan], *, remembers: bool) -> str | None:
    """Why a stream needs a state store; None where its only target can be its memory."""
    if remembers:
        return "a node of it keeps state"
    if len(targets) > 1:
        return "it has several targets"
    unplaced = next((target for target in targets if not target.keeps_positions), None)
    return f"`{unplaced.name}` keeps no positions" if unplaced is not None else None


def plan_state(
    stream: Owner, targets: Sequence[TargetPlan], connection: str | None, kind: str, *, remembers: bool
) -> StatePlan | None:
    """Where a stream keeps its state, None where it needs none. `connection` is the one that its spec names.

    With `remembers`, a node of it keeps state.
    """
    if state_reason(targets, remembers=remembers) is None:
        return None
    only = targets[0] if len(targets) == 1 else None
    shared = connection is not None and isinstance(only, TableTarget) and only.connection == connection
    plan = state_plan(stream, connection, kind, shared=shared)
    # Only projects of one folder share its file: what one of another name has left there is rather this one's.
    return replace(plan, sql=replace(plan.sql, strangers=_strangers(stream))) if connection is None else plan


def state_plan(stream: Owner, connection: str | None, kind: str = EMBEDDED, *, shared: bool = False) -> StatePlan:
    """How the store of a stream is read and written."""
    dialect = DIALECTS[kind]
    sql = state_sql(stream, dialect)
    if connection is None:
        sql = replace(sql, ensure=(*_SHARED_FILE, *sql.ensure))
    return StatePlan(connection, kind, sql, shared)


def state_sql(stream: Owner, dialect: Dialect) -> StateSql:
    """The statements on a store in one dialect.

    All are templates. `{epoch}`, `{before}` and `{numbers}` are whole numbers; `{body}`, `{name}` and `{operator}`
    stand in literals.
    """
    made = (ensure_state(name, columns, key, dialect) for name, (columns, key) in _TABLES.items())
    ensure = tuple(dict.fromkeys(statement for statements in made for statement in statements))
    tables = tuple(dialect.state_table(name) for name in _TABLES)
    named = _named(stream, dialect, "stream_name")
    return StateSql(
        ensure, _templates(stream, dialect), dialect.state_table(GROUPS), tables, stream.project,
        _reads(_of(Owner("", stream.name), dialect, "s."), dialect),
        _reads(f"WHERE s.{_named(stream, dialect, 'stream')}", dialect),
        renew_state(dialect),
        tuple(move_project(name, "", stream.project, dialect, named.format()) for name in _TABLES),
    )  # fmt: skip


def renew_state(dialect: Dialect) -> tuple[Renewal, ...]:
    """How the tables of a store become those of this version where an older one made them."""
    # Whoever looks asks the table of groups first, which is renewed when all others are.
    order = sorted(_TABLES, key=lambda name: name == GROUPS)
    return tuple(renewal(name, *_TABLES[name], dialect) for name in order)


def _strangers(stream: Owner) -> str:
    dialect = DIALECTS[EMBEDDED]
    named = _named(stream, dialect, "stream_name").format()
    others = f"{ident(PROJECT)} NOT IN ('', {text(stream.project, dialect)})"
    return f"SELECT {ident(PROJECT)} FROM {table(dialect.state_table(CHECKPOINTS))} WHERE {named} AND {others} LIMIT 1"


def _named(stream: Owner, dialect: Dialect, column: str) -> str:
    return f"{ident(column)} = {_literal(stream.name, dialect)}"


def _of(stream: Owner, dialect: Dialect, alias: str = "") -> str:
    whose = f"{alias}{ident(PROJECT)} = {_literal(stream.project, dialect)}"
    return f"WHERE {whose} AND {alias}{_named(stream, dialect, 'stream_name')}"


def _literal(value: str, dialect: Dialect) -> str:
    """A literal inside a template, where braces stand for what is filled in."""
    return text(value, dialect).replace("{", "{{").replace("}", "}}")


def _reads(of: str, dialect: Dialect) -> dict[str, str]:
    """What those ask who only look, of the rows that `of` chooses, of a table `s`."""
    # SQLite takes a name that no column has for a text, unless it stands behind that of a table.
    points, log, _, facts = (f"FROM {table(dialect.state_table(name))} AS s {of}" for name in _TABLES)
    epoch = ident("epoch")
    return {
        "read": f"SELECT {idents(['epoch', 'intended', 'body'])} {points}",
        "intents": f"SELECT {idents(['epoch', 'body'])} {log} AND {epoch} > {{epoch}} ORDER BY {epoch}",
        "facts": f"SELECT {idents(['name', 'body'])} {facts}",
    }


def _templates(stream: Owner, dialect: Dialect) -> dict[str, str]:
    points, log, groups, facts = (table(dialect.state_table(name)) for name in _TABLES)
    own, of = f"{_literal(stream.project, dialect)}, {_literal(stream.name, dialect)}", _of(stream, dialect)
    epoch, number = ident("epoch"), ident("group_number")
    # A checkpoint without intents before it is one that was begun with, or that a target keeps in its transactions.
    last = f"CASE WHEN {ident('intended')} < {{epoch}} THEN {{epoch}} ELSE {ident('intended')} END"
    return {
        **_reads(_of(stream, dialect, "s."), dialect),
        # Whoever changes anything here changes this row first.
        "hold": f"UPDATE {points} SET {ident('intended')} = {ident('intended')} {of}",
        "begin": f"{_insert(points, CHECKPOINTS)} VALUES ({own}, 0, 0, '')",
        "intend": f"UPDATE {points} SET {ident('intended')} = {{epoch}} {of} AND {ident('intended')} = {{before}}",
        "log": f"{_insert(log, EPOCHS)} VALUES ({own}, {{epoch}}, '{{body}}')",
        "prune": f"DELETE FROM {log} {of} AND {epoch} <= {{epoch}}",
        "save": f"UPDATE {points} SET {epoch} = {{epoch}}, {ident('intended')} = {last}, {ident('body')} = '{{body}}' "
        f"{of} AND {epoch} = {{before}}",
        "groups": f"SELECT {idents(['operator', 'group_number', 'data'])} FROM {groups} {of} "
        f"ORDER BY {idents(['operator', 'group_number'])}",
        "drop": f"DELETE FROM {groups} {of} AND {ident('operator')} = '{{operator}}' AND {number} IN ({{numbers}})",
        "forget": f"DELETE FROM {facts} {of} AND {ident('name')} = '{{name}}'",
        "remember": f"{_insert(facts, FACTS)} VALUES ({own}, '{{name}}', '{{body}}')",
    }


def _insert(into: str, name: str) -> str:
    return f"INSERT INTO {into} ({idents(column.name for column in _TABLES[name][0])})"
