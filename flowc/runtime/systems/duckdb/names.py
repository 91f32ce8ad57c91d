"""Under which name DuckDB has a file.

DuckDB calls a database as its file is called. A schema of that name then makes each name in it ambiguous
(`flowc.watermarks` in `flowc.duckdb`), so such a file is attached under another name.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import duckdb

from flowc.errors import EngineError
from flowc.runtime.names import folded, literal, quoted

_STATE = "flowc"
"""The schema of flowc's own tables."""
_MEMORY = ":memory:"
_SCHEMA = re.compile(r'\s*CREATE\s+SCHEMA\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:"((?:[^"]|"")+)"|(\w+))', re.IGNORECASE)
_IN_SCHEMA = re.compile(r'("(?:[^"]|"")+"|[^".\s]+)\.("(?:[^"]|"")+"|[^".\s]+)(?: AS .*)?', re.DOTALL)
"""A table that is named with one name before its own, as DuckDB lists the tables of a statement."""
_OWN_SCHEMA = "SELECT 1 FROM duckdb_schemas() WHERE database_name = current_database() AND lower(schema_name) = lower("


def opened(path: str) -> tuple[Any, str]:
    """A session with a file, and the name under which it has the database."""
    if path == _MEMORY or folded(Path(path).stem) != _STATE:
        try:
            session = duckdb.connect(path)
        except duckdb.Error as error:
            if "already attached by database" not in str(error):
                raise
            return _attached(path)
        name = str(session.execute("SELECT current_database()").fetchall()[0][0])
        if not session.execute(f"{_OWN_SCHEMA}{literal(name)})").fetchall():
            return session, name
        session.close()
    return _attached(path)


def _attached(path: str) -> tuple[Any, str]:
    """Sessions of one file share one engine, in whose memory nothing else is."""
    real, name = os.path.realpath(path), f"{Path(path).stem} (file)"
    memory = f"{_MEMORY}{real}"
    session = duckdb.connect(memory)
    try:
        session.execute(f"SET temp_directory = {literal(f'{path}.tmp')}")
        session.execute(f"ATTACH IF NOT EXISTS {literal(path)} AS {quoted(name)}")
        session.execute(f"USE {quoted(name)}")
        session.execute("DETACH DATABASE IF EXISTS memory")  # no name of a schema may mean it
    except duckdb.Error:
        session.close()
        raise
    return session, name


def makes_schema_of(sql: str, name: str) -> bool:
    """Whether a statement makes a schema that has the name of the database."""
    found = _SCHEMA.match(sql)
    return found is not None and folded(found[2] or found[1].replace('""', '"')) == folded(name)


def refuse_database_as_schema(session: Any, sql: str, name: str) -> None:
    """Refuses a statement that reads `name.table`: without such a schema, DuckDB reads the database of that name."""
    for named in session.get_table_names(sql, qualified=True):
        found = _IN_SCHEMA.fullmatch(named)
        if found is not None and folded(_bare(found[1])) == folded(name):
            message = f"there is no schema `{name}`: `{found[1]}.{found[2]}` would mean the database of that name"
            help = f"write `{found[2]}`, or with its schema: `main.{found[2]}`"
            raise EngineError(message, code="query-refused", help=help)


def _bare(written: str) -> str:
    """A name without the quotes around it."""
    return written[1:-1].replace('""', '"') if written.startswith('"') else written
