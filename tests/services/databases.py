"""Empty databases of a PostgreSQL server: they are emptied and used again, for making one outlasts many a test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_RESTING = 3
"""Databases that are not used again yet: what a test left running has ended when its own is."""
_SCHEMAS = "SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_PUBLIC = "SELECT nspowner::regrole::text, nspacl::text FROM pg_namespace WHERE nspname = 'public'"
_LEFT = """
SELECT (SELECT count(*) FROM pg_extension WHERE extname <> 'plpgsql') + (SELECT count(*) FROM pg_event_trigger)
     + (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_foreign_data_wrapper)
     + (SELECT count(*) FROM pg_default_acl) + (SELECT count(*) FROM pg_largeobject_metadata)
     + (SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
        WHERE d.datname = current_database())
     + (SELECT count(*) FROM pg_cast WHERE oid >= 16384) + (SELECT count(*) FROM pg_language WHERE oid >= 16384)
"""


@dataclass
class Databases:
    """Those that this process made on one server; who takes one has it alone."""

    address: str
    _spare: list[str] = field(default_factory=list)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The DSN of an empty database, for as long as the context."""
        name = self._spare.pop(0) if len(self._spare) > _RESTING else self._made()
        yield self._dsn(name)
        if self._emptied(name):
            self._spare.append(name)
        else:
            self._drop(name)

    def drop(self) -> None:
        """Drops what is left."""
        while self._spare:
            self._drop(self._spare.pop())

    def _made(self) -> str:
        name = f"flowc_{uuid.uuid4().hex[:12]}"
        with _session(self.address) as admin:
            admin.execute(f"CREATE DATABASE {name}")
        return name

    def _drop(self, name: str) -> None:
        with _session(self.address) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _dsn(self, name: str) -> str:
        return urlunsplit(urlsplit(self.address)._replace(path=f"/{name}"))

    def _emptied(self, name: str) -> bool:
        """Whether the database is as a new one again."""
        import psycopg

        try:
            with _session(self._dsn(name)) as session:
                session.execute(f"ALTER DATABASE {name} RESET ALL")
                return _empty(session)
        except psycopg.Error:
            return False  # a test did more to it than we know to undo


def _empty(session: Any) -> bool:
    session.execute("SET lock_timeout = '10s'; SET client_min_messages = warning;" + _OTHERS)
    public = session.execute(_PUBLIC).fetchone()
    if public is None:
        return False
    owner, acl = public
    schemas = [name for (name,) in session.execute(_SCHEMAS).fetchall()]
    session.execute(f"DROP SCHEMA {', '.join(schemas)} CASCADE")
    session.execute(f"CREATE SCHEMA public AUTHORIZATION {owner}; GRANT USAGE ON SCHEMA public TO PUBLIC")
    same = session.execute(_PUBLIC).fetchone() == (owner, acl)
    return bool(same and session.execute(_LEFT).fetchone()[0] == 0)


def _session(dsn: str) -> Any:
    import psycopg

    return psycopg.connect(dsn, autocommit=True)
