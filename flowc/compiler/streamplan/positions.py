"""How a database keeps the positions of a stream, beside the rows that it writes."""

from __future__ import annotations

from collections.abc import Iterable

from flowc.catalog import Column, TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.loads.lifetimes import TABLE_ID, identity
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.tables.state import PROJECT_COLUMN, ensure_state
from flowc.loadplan import PROJECT
from flowc.stream import PositionSql, TargetPlan
from flowc.types import BIGINT, TEXT

POSITIONS = "positions"
_WHOSE = (
    PROJECT_COLUMN,
    Column("stream_name", TEXT, nullable=False),
    Column("target", TEXT, nullable=False),
    Column("source", TEXT, nullable=False),
)
_COLUMNS = (
    *_WHOSE,
    Column("partition_name", TEXT, nullable=False),
    Column("next_position", TEXT, nullable=False),
    Column("epoch", BIGINT, nullable=False),
    Column("log_id", TEXT, nullable=False),
)
_KEY = (*(column.name for column in _WHOSE), "partition_name")
_CALLED = ("target", "source", "partition", "next", "epoch", "log_id")


def _columns(dialect: Dialect) -> tuple[Column, ...]:
    return (*_COLUMNS, TABLE_ID) if dialect.tables.identity else _COLUMNS


def _read() -> str:
    # SQLite takes a name that no column has for a text, unless it stands behind that of a table.
    names = [column.name for column in _COLUMNS if column.name not in (PROJECT, "stream_name")]
    return ", ".join(f"p.{ident(name)} AS {ident(as_)}" for name, as_ in zip(names, _CALLED, strict=True))


def position_sql(project: str, stream: str, target: TableName, sources: list[str], dialect: Dialect) -> PositionSql:
    """How a database keeps the positions of a stream, as one of the tables that it writes has them.

    The name under which the table stands there is filled in by who asks the database for it.
    """
    state, named = table(dialect.state_table(POSITIONS)), f"{ident('stream_name')} = {_literal(stream, dialect)}"
    of, this = f" FROM {state} AS p WHERE p.", _table_identity(target, dialect)
    held = f"{_own(project, stream, dialect)} AND {ident('target')} = {{target}}"
    at = f"{ident('source')} = {{source}} AND {ident('partition_name')} = {{partition}}"
    values = [_literal(project, dialect), _literal(stream, dialect), "{target}", "{source}", "{partition}"]
    values += ["{end}", "{epoch}", "'{log}'", *([_braced(this)] if this else [])]
    epoch = ident("epoch")
    adopt = f", {ident(TABLE_ID.name)} = {_braced(this)}" if this else ""
    known = f", p.{ident(TABLE_ID.name)} AS {ident(TABLE_ID.name)}, {this} AS {ident('this_id')}" if this else ""
    ends, logs = f"{ident('next_position')} = CASE {{ends}} END", f"{ident('log_id')} = CASE {{logs}} END"
    return PositionSql(
        dialect.state_table(POSITIONS), ensure_state(POSITIONS, _columns(dialect), _KEY, dialect),
        read=f"SELECT p.{ident(PROJECT)}, {_read()}{known}{of}{named.format()}",
        hold=f"UPDATE {state} SET {epoch} = ABS({epoch}){adopt} WHERE {held}", begin=_begin(state, held, this, dialect),
        advance=f"UPDATE {state} SET {ends}, {logs}, {epoch} = {{epoch}}{adopt} WHERE {held} AND {_unchanged(this)} "
        "AND ({moved})",
        begun=_begun(values, dialect), ends=f"WHEN {at} THEN {{end}}", logs=f"WHEN {at} THEN '{{log}}'",
        moved=f"{at} AND {ident('next_position')} = {{start}}",
        sources=tuple((source, text(source, dialect)) for source in sources), target=text(str(target), dialect),
        project=project, columns=tuple(column.name for column in _columns(dialect)),
        any_row=f"SELECT 1 AS {ident('one')} FROM {table(target)} LIMIT 1",
        locked=f" AND NOT EXISTS (SELECT 1 FROM {_braced(table(target))} WHERE 1 = 0)" if this else "",
    )  # fmt: skip


def _table_identity(name: TableName, dialect: Dialect) -> str:
    """An expression of what tells a table from another one of its name; '' where the engine knows nothing.

    It ends in what the table of positions is: where a whole database is restored, both are others.
    """
    parts = (identity(each, dialect) for each in (name, dialect.state_table(POSITIONS)))
    return " || '/' || ".join(filter(None, parts))


def _unchanged(this: str) -> str:
    """The condition on a position that the table which it is of was neither dropped nor created again."""
    held = f"{ident('epoch')} >= 0"
    known = ident(TABLE_ID.name)
    return f"{held} AND ({known} IS NULL OR {known} = {_braced(this)})" if this else held


def _begin(state: str, held: str, this: str, dialect: Dialect) -> str:
    """A template of the statement that records partitions: none where other positions are of a table that is gone."""
    into = f"INSERT INTO {state} ({idents(column.name for column in _columns(dialect))})"
    others = f"SELECT 1 FROM {state} WHERE {held} AND NOT ({_unchanged(this)})"
    return f"{into} SELECT b.* FROM ({{rows}}) AS b WHERE NOT EXISTS ({others})"


def _begun(values: Iterable[str], dialect: Dialect) -> str:
    """A template of the query of one such row."""
    named = zip(values, _columns(dialect), strict=True)
    return "SELECT " + ", ".join(f"{value} AS {ident(column.name)}" for value, column in named)


def counted(target: TargetPlan) -> TargetPlan:
    """A target of a stream whose epochs one worker counts: what it holds goes on to later ones only.

    So a worker that was overtaken is fenced even where it finds the position that it left, behind a rewind.
    """
    return target.with_epoch_order(f" AND {ident('epoch')} < {{epoch}}")


def hold_positions(project: str, stream: str, dialect: Dialect) -> str:
    """Keeps the workers of a stream from committing until the transaction ends, and changes nothing."""
    return f"{_hold(table(dialect.state_table(POSITIONS)))} WHERE {_own(project, stream, dialect).format()}"


def orphan_positions(target: str, dialect: Dialect) -> str:
    """Marks the positions of a table, which is stored under this name, as those of a table that is gone."""
    state, epoch = table(dialect.state_table(POSITIONS)), ident("epoch")
    named = f"{ident('target')} = {text(target, dialect)}"
    return f"UPDATE {state} SET {epoch} = -{epoch} WHERE {named} AND {epoch} > 0"


def _own(project: str, stream: str, dialect: Dialect) -> str:
    """The condition on rows that they are of the stream, as part of a template."""
    parts = ((PROJECT, project), ("stream_name", stream))
    return " AND ".join(f"{ident(name)} = {_literal(value, dialect)}" for name, value in parts)


def _hold(state: str) -> str:
    epoch = ident("epoch")
    return f"UPDATE {state} SET {epoch} = {epoch}"


def _literal(value: str, dialect: Dialect) -> str:
    """A literal inside a template, where braces stand for what is filled in."""
    return _braced(text(value, dialect))


def _braced(sql: str) -> str:
    return sql.replace("{", "{{").replace("}", "}}")
