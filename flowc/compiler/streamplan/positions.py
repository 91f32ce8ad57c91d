"""How a database keeps the positions of a stream, beside the rows that it writes."""

from __future__ import annotations

from flowc.catalog import Column
from flowc.compiler.dialect import Dialect
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.tables.state import PROJECT_COLUMN, ensure_state, renewal
from flowc.plan import PROJECT, Renewal
from flowc.stream import PositionSql
from flowc.types import BIGINT, TEXT

POSITIONS = "positions"
_COLUMNS = (
    PROJECT_COLUMN,
    Column("stream_name", TEXT, nullable=False),
    Column("target", TEXT, nullable=False),
    Column("source", TEXT, nullable=False),
    Column("partition_number", BIGINT, nullable=False),
    Column("next_offset", BIGINT, nullable=False),
    Column("epoch", BIGINT, nullable=False),
    Column("log_id", TEXT, nullable=False),
)
_KEY = (PROJECT, "stream_name", "target", "source", "partition_number")


# SQLite takes a name that no column has for a text, unless it stands behind that of a table.
_READ = ", ".join(
    f"p.{ident(name)} AS {ident(called)}"
    for name, called in (
        ("target", "target"), ("source", "source"), ("partition_number", "partition"), ("next_offset", "next"),
        ("epoch", "epoch"), ("log_id", "log_id"),
    )
)  # fmt: skip


def position_sql(project: str, stream: str, target: str, sources: list[str], dialect: Dialect) -> PositionSql:
    """How a database keeps the positions of a stream, as one of the tables that it writes has them.

    The name under which the table stands there is filled in by who asks the database for it.
    """
    state, named = table(dialect.state_table(POSITIONS)), f"{ident('stream_name')} = {_literal(stream, dialect)}"
    read = f"{_READ} FROM {state} AS p WHERE p."
    held = f"{_own(project, stream, dialect)} AND {ident('target')} = {{target}}"
    at = f"{ident('source')} = {{source}} AND {ident('partition_number')} = {{partition}}"
    values = f"{_literal(project, dialect)}, {_literal(stream, dialect)}, {{target}}, {{source}}, {{partition}}, "
    values += "{end}, {epoch}, '{log}'"
    ends, logs = f"{ident('next_offset')} = CASE {{ends}} END", f"{ident('log_id')} = CASE {{logs}} END"
    return PositionSql(
        dialect.state_table(POSITIONS),
        ensure_state(POSITIONS, _COLUMNS, _KEY, dialect),
        f"SELECT p.{ident(PROJECT)}, {read}{named.format()}",
        f"{_hold(state)} WHERE {held}",
        f"INSERT INTO {state} ({idents(c.name for c in _COLUMNS)}) VALUES {{rows}}",
        f"UPDATE {state} SET {ends}, {logs}, {ident('epoch')} = {{epoch}} WHERE {held} AND ({{moved}})",
        f"({values})",
        f"WHEN {at} THEN {{end}}",
        f"WHEN {at} THEN '{{log}}'",
        f"{at} AND {ident('next_offset')} = {{start}}",
        tuple((source, text(source, dialect)) for source in sources),
        text(target, dialect),
        project,
        f"SELECT '' AS {ident(PROJECT)}, {read}{ident('stream')} = {text(stream, dialect)}",
        renew_positions(dialect),
        (
            f"UPDATE {state} SET {ident(PROJECT)} = {_literal(project, dialect)} WHERE {ident(PROJECT)} = '' "
            f"AND {named} AND {ident('target')} = {{target}}",
        ),
    )


def renew_positions(dialect: Dialect) -> Renewal:
    """How the table of positions becomes that of this version where an older one made it."""
    return renewal(POSITIONS, _COLUMNS, _KEY, dialect)


def hold_positions(project: str, stream: str, dialect: Dialect) -> str:
    """Keeps the workers of a stream from committing until the transaction ends, and changes nothing."""
    return f"{_hold(table(dialect.state_table(POSITIONS)))} WHERE {_own(project, stream, dialect).format()}"


def _own(project: str, stream: str, dialect: Dialect) -> str:
    """The condition on rows that they are of the stream, as part of a template."""
    parts = ((PROJECT, project), ("stream_name", stream))
    return " AND ".join(f"{ident(name)} = {_literal(value, dialect)}" for name, value in parts)


def _hold(state: str) -> str:
    epoch = ident("epoch")
    return f"UPDATE {state} SET {epoch} = {epoch}"


def _literal(value: str, dialect: Dialect) -> str:
    """A literal inside a template, where braces stand for what is filled in."""
    return text(value, dialect).replace("{", "{{").replace("}", "}}")
