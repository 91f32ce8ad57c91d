"""What PostgreSQL would say of statements, tried on empty temporary copies of the tables and taken back.

A table that is new is made as a temporary one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flowc.catalog import TableName
from flowc.runtime.extras import driver
from flowc.runtime.names import listed, qualified, quoted

_NEAR = """
WITH RECURSIVE heirs(oid, parent, depth) AS (
  SELECT to_regclass(name)::oid, NULL::oid, 0 FROM unnest(%s::text[]) AS name
  UNION SELECT i.inhrelid, i.inhparent, h.depth + 1 FROM heirs h JOIN pg_inherits i ON i.inhparent = h.oid
  JOIN pg_class c ON c.oid = i.inhrelid WHERE NOT c.relispartition
), near AS (
  SELECT oid, parent, depth FROM heirs UNION
  SELECT k.confrelid, NULL, 0 FROM pg_constraint k JOIN heirs h ON k.conrelid = h.oid WHERE k.contype = 'f' UNION
  SELECT k.conrelid, NULL, 0 FROM pg_constraint k JOIN heirs h ON k.confrelid = h.oid WHERE k.contype = 'f'
)
SELECT c.oid, c.oid::regclass::text, array_remove(array_agg(near.parent), NULL) FROM near JOIN pg_class c USING (oid)
WHERE c.relkind IN ('r', 'p') GROUP BY c.oid ORDER BY max(near.depth)
"""
_KEYS = """
SELECT k.conrelid, k.confrelid, k.conname,
  ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(n, i) JOIN pg_attribute a
        ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.i),
  ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u(n, i) JOIN pg_attribute a
        ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.i)
FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = ANY(%s::oid[]) AND k.confrelid = ANY(%s::oid[])
"""
_LOCKED = """
SELECT 1 FROM pg_locks WHERE relation = ANY(%s::oid[]) AND mode = 'AccessExclusiveLock' AND pid <> pg_backend_pid()
"""
"""Whether somebody changes a table, or waits to: a plan waits for nobody, and lets nobody wait."""
_COPY = "flowc_rehearsal"
_SETTINGS = "SET LOCAL lock_timeout = '100ms'; SET LOCAL client_min_messages = error"
_OF_TYPES = (
    "0A000", "42601", "42703", "42725", "42803", "42804", "42830", "42846", "42883", "42P17", "42P18", "42P20", "42P22",
)  # fmt: skip
"""Errors that follow from the statement and the types of the table alone, as those of class 22 (values) do."""

_OF_NAMES = ("3F000", "42704")
_SETS_DEFAULT = re.compile(r"ALTER TABLE \S+ ALTER COLUMN .* SET DEFAULT ", re.DOTALL)
"""A statement in which a relation that is not there (42P01) is the sequence of the default."""
_NAMES_TYPE = re.compile(r"CREATE TEMP TABLE |ALTER TABLE \S+ (ADD COLUMN|ALTER COLUMN .* TYPE) ", re.DOTALL)
"""Statements in which a name that is not there is that of a type: the constraints of a copy have other names."""


@dataclass
class _Copies:
    """The copies, by the names under which statements speak of the tables."""

    names: dict[str, str]
    known: dict[str, str]
    """The tables as the engine writes them, by the bare names of their copies."""

    def spoken(self, name: TableName, sql: str) -> str | None:
        """The statement, of the copy; None where it is no DDL that is about this table alone."""
        own = qualified(name)
        if sql.startswith(f"CREATE TABLE {own} "):
            return f"CREATE TEMP TABLE {self._new(own)} {sql.removeprefix(f'CREATE TABLE {own} ')}"
        copy = self.names.get(own)
        head = f"ALTER TABLE {own} "
        if copy is not None and sql.startswith(head):
            return f"ALTER TABLE {copy} {sql.removeprefix(head)}"
        index = re.match(rf'CREATE (UNIQUE )?INDEX (?:CONCURRENTLY )?("(?:[^"]|"")+") ON {re.escape(own)} ', sql)
        if copy is not None and index:
            return f"CREATE {index[1] or ''}INDEX {index[2]} ON {copy} {sql[index.end() :]}"
        return None

    def _new(self, own: str) -> str:
        """Names what stands for a table that is new."""
        copy = f"{_COPY}_new{len(self.names)}"
        self.names[own], self.known[copy] = f"pg_temp.{copy}", own.replace('"', "")
        return copy

    def said(self, words: str) -> str:
        """What the engine says of a copy, of the table."""
        return re.sub(rf"{_COPY}_\w+", lambda match: self.known.get(match[0], match[0]), words)


def rehearse(connection: Any, statements: Sequence[tuple[TableName, str]]) -> dict[int, str]:
    """By their places, the statements that it refuses, and why; nothing where the tables cannot be copied."""
    error_type = driver("psycopg", "postgres").Error
    try:
        with _taken_back(connection):
            copies = _copied(connection, list(dict.fromkeys(qualified(name) for name, _ in statements)))
            return dict(_refused(connection, copies, statements))
    except error_type:
        if connection.closed:
            raise
        return {}


@contextmanager
def _taken_back(connection: Any) -> Iterator[None]:
    """What is done inside is undone, in a transaction of its own or in part of the one that there is."""
    with connection.transaction(force_rollback=True):
        connection.execute(_SETTINGS)
        yield


def _copied(connection: Any, names: Sequence[str]) -> _Copies:
    """Copies of the tables, of those that inherit from them, and of those that foreign keys tie to them."""
    made: dict[int, str] = {}
    known: dict[str, str] = {}
    near = connection.execute(_NEAR, [names]).fetchall()
    if connection.execute(_LOCKED, [[row[0] for row in near]]).fetchone():
        return _Copies({}, {})
    for oid, name, parents in near:
        made[oid] = f"pg_temp.{_COPY}_{oid}"
        known[f"{_COPY}_{oid}"] = name.replace('"', "")
        connection.execute(f"CREATE TEMP TABLE {_COPY}_{oid} (LIKE {name} INCLUDING ALL)")
        for parent in parents:
            connection.execute(f"ALTER TABLE {made[oid]} INHERIT {made[parent]}")
    for holder, held, key, columns, keys in connection.execute(_KEYS, [list(made), list(made)]).fetchall():
        points = f"FOREIGN KEY ({listed(columns)}) REFERENCES {made[held]} ({listed(keys)})"
        _try(connection, f"ALTER TABLE {made[holder]} ADD CONSTRAINT {quoted(key)} {points}")
    oids = connection.execute("SELECT n, to_regclass(n)::oid FROM unnest(%s::text[]) AS n", [names]).fetchall()
    return _Copies({name: made[oid] for name, oid in oids if oid in made}, known)


def _refused(
    connection: Any, copies: _Copies, statements: Sequence[tuple[TableName, str]]
) -> Iterator[tuple[int, str]]:
    """A table of which one statement failed is not gone on with: what follows might fail for that alone."""
    left = set[TableName]()
    for place, (name, statement) in enumerate(statements):
        spoken = copies.spoken(name, statement)
        if spoken is None or name in left:
            continue
        error = _try(connection, spoken)
        if error is not None:
            left.add(name)
            state = str(error.sqlstate or "")
            unknown = state in _OF_NAMES and _NAMES_TYPE.match(spoken)
            unknown = unknown or (state == "42P01" and _SETS_DEFAULT.match(spoken))
            if state.startswith("22") or state in _OF_TYPES or unknown:
                yield place, copies.said(str(error.diag.message_primary))


def _try(connection: Any, statement: str) -> Any:
    """The error of a statement, which is undone then.

    The protocol for binary results takes one statement: a second one could commit what has to be undone.
    """
    try:
        with connection.transaction():
            connection.execute(statement, binary=True)
    except driver("psycopg", "postgres").Error as error:
        if connection.closed:
            raise
        return error
    return None
