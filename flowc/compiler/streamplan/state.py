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
from flowc.compiler.tables.state import PROJECT_COLUMN, ensure_state
from flowc.loadplan import PROJECT
from flowc.stream import SourcePlan, StatePlan, StateSql, TargetPlan
from flowc.types import BIGINT, TEXT, DataType, Kind


@dataclass(frozen=True, slots=True)
class Owner:
    """The stream that a state is of, by its project and its name.

    `stream` is the one in whose file it is, where that is another: replays are counted beside their stream.
    """

    project: str
    name: str
    stream: str = ""


CHECKPOINTS, EPOCHS, SEGMENTS, FACTS, PAYLOADS = "checkpoints", "epochs", "segments", "facts", "payloads"
REPLAYED, JUDGED = ".dead-letters", ".judged-letters"
"""Behind the name of a stream, those under which its replays are counted; the second where `dedupe` judges letters."""
EMBEDDED = "sqlite"
"""The kind of the store that a stream has when it names no connection."""
_STREAM = Column("stream_name", TEXT, nullable=False)
_EPOCH = Column("epoch", BIGINT, nullable=False)
_BODY = Column("body", TEXT, nullable=False)
_NUMBER = Column("group_number", BIGINT, nullable=False)
_DATA = Column("data", DataType(Kind.BINARY), nullable=False)
_NUMBERS = ("first_sequence", "sequence", "row_count", "byte_count")
"""The first and the last of the segments that one was made of, how many rows more there are with it, and its bytes."""
SEGMENT_COLUMNS = (
    PROJECT_COLUMN, _STREAM, Column("node", TEXT, nullable=False), Column("fingerprint", TEXT, nullable=False),
    _NUMBER, *(Column(name, BIGINT, nullable=False) for name in _NUMBERS), _DATA,
)  # fmt: skip
PAYLOAD_COLUMNS = (
    PROJECT_COLUMN, _STREAM, Column("name", TEXT, nullable=False), _EPOCH, Column("piece", BIGINT, nullable=False),
    _DATA,
)  # fmt: skip
_OF = (PROJECT, "stream_name")
_TABLES: dict[str, tuple[tuple[Column, ...], tuple[str, ...]]] = {
    CHECKPOINTS: ((PROJECT_COLUMN, _STREAM, _EPOCH, Column("intended", BIGINT, nullable=False), _BODY), _OF),
    EPOCHS: ((PROJECT_COLUMN, _STREAM, _EPOCH, _BODY), (*_OF, "epoch")),
    SEGMENTS: (SEGMENT_COLUMNS, (*_OF, "node", "group_number", "first_sequence", "sequence")),
    FACTS: ((PROJECT_COLUMN, _STREAM, Column("name", TEXT, nullable=False), _BODY), (*_OF, "name")),
    PAYLOADS: (PAYLOAD_COLUMNS, (*_OF, "name", "epoch", "piece")),
}
_OWN_FILE = ("PRAGMA journal_mode = WAL",)
"""Readers, and the merging of segments, do not keep the worker of the stream from its embedded store."""


def state_reason(targets: Sequence[TargetPlan], *, remembers: bool, sources: Sequence[SourcePlan] = ()) -> str | None:
    """Why a stream needs a state store; None where its only target can be its memory."""
    if remembers:
        return "a node of it keeps state"
    forgetting = next((source for source in sources if not source.replayable), None)
    if forgetting is not None:
        return f"`{forgetting.name}` forgets what is acknowledged"
    if len(targets) > 1:
        return "it has several targets"
    unplaced = next((target for target in targets if not target.keeps_positions), None)
    return f"`{unplaced.name}` keeps no positions" if unplaced is not None else None


def plan_state(
    stream: Owner, targets: Sequence[TargetPlan], connection: str | None, kind: str,
    *, remembers: bool, sources: Sequence[SourcePlan] = (),
) -> StatePlan | None:  # fmt: skip
    """Where a stream keeps its state, None where it needs none. `connection` is the one that its spec names.

    With `remembers`, a node of it keeps state. What is known of a source that forgets is little, and is kept beside
    the rows where that is all.
    """
    if state_reason(targets, remembers=remembers, sources=sources) is None:
        return None
    only = targets[0] if len(targets) == 1 else None
    database = only if only is not None and only.position_sql is not None else None
    if connection is None and not remembers and database is not None:
        connection, kind = database.connection, database.kind
    shared = connection is not None and database is not None and database.connection == connection
    plan = state_plan(stream, connection, kind, shared=shared)
    # Only projects of one folder share its file: what one of another name has left there is rather this one's.
    return replace(plan, sql=replace(plan.sql, strangers=_strangers(stream))) if connection is None else plan


def state_plan(stream: Owner, connection: str | None, kind: str = EMBEDDED, *, shared: bool = False) -> StatePlan:
    """How the store of a stream is read and written."""
    dialect = DIALECTS[kind]
    sql = state_sql(stream, dialect)
    if connection is None:
        sql = replace(sql, ensure=(*_OWN_FILE, *sql.ensure))
    return StatePlan(connection, kind, sql, shared, stream=stream.stream or stream.name)


def state_sql(stream: Owner, dialect: Dialect) -> StateSql:
    """The statements on a store in one dialect.

    All are templates. `{epoch}`, `{before}` and `{group}` are whole numbers; `{body}`, `{name}` and `{node}` stand in
    literals; `{which}` is made of `of group`, and `{pairs}` of `pair`.
    """
    made = (ensure_state(name, columns, key, dialect) for name, (columns, key) in _TABLES.items())
    ensure = tuple(dict.fromkeys(statement for statements in made for statement in statements))
    tables = tuple(dialect.state_table(name) for name in _TABLES)
    return StateSql(
        ensure, _templates(stream, dialect), segments=dialect.state_table(SEGMENTS), tables=tables,
        points=dialect.state_table(CHECKPOINTS), columns=tuple(column.name for column in _TABLES[CHECKPOINTS][0]),
        project=stream.project, payloads=dialect.state_table(PAYLOADS),
    )  # fmt: skip


def _strangers(stream: Owner) -> str:
    dialect = DIALECTS[EMBEDDED]
    named = _named(stream, dialect, "stream_name").format()
    others = f"{ident(PROJECT)} <> {text(stream.project, dialect)}"
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
    points, log, _, facts, _ = (f"FROM {table(dialect.state_table(name))} AS s {of}" for name in _TABLES)
    epoch = ident("epoch")
    return {
        "read": f"SELECT {idents(['epoch', 'intended', 'body'])} {points}",
        "intents": f"SELECT {idents(['epoch', 'body'])} {log} AND {epoch} > {{epoch}} ORDER BY {epoch}",
        "facts": f"SELECT {idents(['name', 'body'])} {facts}",
    }


def _templates(stream: Owner, dialect: Dialect) -> dict[str, str]:
    points, log, segments, facts, payloads = (table(dialect.state_table(name)) for name in _TABLES)
    own, of = f"{_literal(stream.project, dialect)}, {_literal(stream.name, dialect)}", _of(stream, dialect)
    epoch, node, group = ident("epoch"), f"{ident('node')} = '{{node}}'", f"{ident('group_number')} = {{group}}"
    place = ["node", "group_number", "first_sequence", "sequence"]
    # A checkpoint without intents before it is one that was begun with, or that a target keeps in its transactions.
    last = f"CASE WHEN {ident('intended')} < {{epoch}} THEN {{epoch}} ELSE {ident('intended')} END"
    return {
        **_reads(_of(stream, dialect, "s."), dialect),
        # Whoever changes anything here changes this row first.
        "hold": f"UPDATE {points} SET {ident('intended')} = {ident('intended')} {of}",
        "begin": f"{_insert(points, CHECKPOINTS)} VALUES ({own}, 0, 0, '')",
        "intend": f"UPDATE {points} SET {ident('intended')} = {{epoch}} {of} AND {ident('intended')} = {{before}}",
        "log": f"{_insert(log, EPOCHS)} VALUES ({own}, {{epoch}}, '{{body}}')",
        "withdraw": f"DELETE FROM {log} {of} AND {epoch} = {{epoch}}",
        "prune": f"DELETE FROM {log} {of} AND {epoch} <= {{epoch}}",
        "save": f"UPDATE {points} SET {epoch} = {{epoch}}, {ident('intended')} = {last}, {ident('body')} = '{{body}}' "
        f"{of} AND {epoch} = {{before}}",
        "segments": f"SELECT {idents([*place, 'fingerprint', 'row_count', 'data'])} FROM {segments} {of} "
        f"ORDER BY {idents(place)}",
        "sizes": f"SELECT {idents([*place, 'fingerprint', 'row_count', 'byte_count'])} FROM {segments} {of} "
        f"ORDER BY {idents(place)}",
        "neighbours": f"SELECT {idents([*place, 'data'])} FROM {segments} {of} AND ({{which}}) "
        f"ORDER BY {idents(place)}",
        "merge": f"DELETE FROM {segments} {of} AND ({{which}})",
        "of group": f"({node} AND {group} AND ({{pairs}}))",
        "pair": f"({ident('first_sequence')} = {{first}} AND {ident('sequence')} = {{last}})",
        "replace": f"DELETE FROM {segments} {of} AND {node} AND {group}",
        "drop": f"DELETE FROM {segments} {of} AND {node}",
        "recall": f"SELECT {ident('body')} FROM {facts} {of} AND {ident('name')} = '{{name}}'",
        "remember": f"{_insert(facts, FACTS)} VALUES ({own}, '{{name}}', '{{body}}')",
        "payloads": f"SELECT {idents(['name', 'epoch', 'data'])} FROM {payloads} {of} "
        f"ORDER BY {idents(['name', 'epoch', 'piece'])}",
        "payload": f"SELECT {idents(['name', 'epoch', 'data'])} FROM {payloads} {of} AND {ident('name')} = '{{name}}' "
        f"ORDER BY {idents(['name', 'epoch', 'piece'])}",
        "release": f"DELETE FROM {payloads} {of} AND {ident('name')} = '{{name}}' AND {epoch} < {{epoch}}",
    }


def _insert(into: str, name: str) -> str:
    return f"INSERT INTO {into} ({idents(column.name for column in _TABLES[name][0])})"
