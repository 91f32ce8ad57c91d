"""How a database keeps the positions of a stream, beside the rows that it writes."""

from __future__ import annotations

from flowc.catalog import Column
from flowc.compiler.dialect import Dialect
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.tables.state import ensure_state
from flowc.stream import PositionSql
from flowc.types import BIGINT, TEXT

POSITIONS = "positions"
_COLUMNS = (
    Column("stream", TEXT, nullable=False),
    Column("target", TEXT, nullable=False),
    Column("source", TEXT, nullable=False),
    Column("partition_number", BIGINT, nullable=False),
    Column("next_offset", BIGINT, nullable=False),
    Column("epoch", BIGINT, nullable=False),
    Column("log_id", TEXT, nullable=False),
)
_KEY = ("stream", "target", "source", "partition_number")


def position_sql(stream: str, target: str, sources: list[str], dialect: Dialect) -> PositionSql:
    """How a database keeps the positions of a stream, as one of the tables that it writes has them."""
    state = table(dialect.state_table(POSITIONS))
    own = f"{ident('stream')} = {_literal(stream, dialect)} AND {ident('target')} = {_literal(target, dialect)}"
    at = f"{own} AND {ident('source')} = {{source}} AND {ident('partition_number')} = {{partition}}"
    read = ", ".join(
        (
            ident("source"),
            f"{ident('partition_number')} AS {ident('partition')}",
            _next(),
            ident("epoch"),
            ident("log_id"),
        )
    )
    names = f"{_literal(stream, dialect)}, {_literal(target, dialect)}"
    values = f"{names}, {{source}}, {{partition}}, {{end}}, {{epoch}}, '{{log}}'"
    move = f"{ident('next_offset')} = {{end}}, {ident('epoch')} = {{epoch}}, {ident('log_id')} = '{{log}}'"
    return PositionSql(
        dialect.state_table(POSITIONS),
        ensure_state(POSITIONS, _COLUMNS, _KEY, dialect),
        f"SELECT {read} FROM {state} WHERE {own.format()}",
        hold_positions(stream, target, dialect),
        f"INSERT INTO {state} ({idents(c.name for c in _COLUMNS)}) VALUES ({values})",
        f"UPDATE {state} SET {move} WHERE {at} AND {ident('next_offset')} = {{start}}",
        tuple((source, text(source, dialect)) for source in sources),
    )


def hold_positions(stream: str, target: str, dialect: Dialect) -> str:
    """Keeps the workers of a stream from committing until the transaction ends, and changes nothing."""
    own = f"{ident('stream')} = {text(stream, dialect)} AND {ident('target')} = {text(target, dialect)}"
    epoch = ident("epoch")
    return f"UPDATE {table(dialect.state_table(POSITIONS))} SET {epoch} = {epoch} WHERE {own}"


def _next() -> str:
    return f"{ident('next_offset')} AS {ident('next')}"


def _literal(value: str, dialect: Dialect) -> str:
    """A literal inside a template, where braces stand for what is filled in."""
    return text(value, dialect).replace("{", "{{").replace("}", "}}")
