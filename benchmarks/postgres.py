"""The PostgreSQL server of the benchmarks: databases, copies of databases, and its own client `psql`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.services import postgres_server


class Server:
    """A running server. Databases go by short names here; on the server each has this process's number in its name."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.psql = _psql()
        self.version = str(self.value("SHOW server_version"))

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Server]:
        """Starts a server in a temporary folder, with the settings of the tests (`fsync` off), and stops it.

        Raises `MissingService` where none can be had. With `FLOWC_TEST_POSTGRES` set that server is used.
        """
        with postgres_server() as dsn:
            yield cls(dsn)

    def dsn(self, database: str) -> str:
        """The address of one database."""
        return urlunsplit(urlsplit(self._dsn)._replace(path=f"/{_real(database)}"))

    def create(self, database: str, *, like: str | None = None) -> None:
        """Makes a database anew, empty or a copy of another one, file by file, and writes a checkpoint."""
        self.drop(database)
        copied = f" TEMPLATE {_real(like)} STRATEGY file_copy" if like else ""
        self.execute(f"CREATE DATABASE {_real(database)}{copied}", "CHECKPOINT")

    def drop(self, *databases: str) -> None:
        """Drops databases; one that does not exist is no error."""
        self.execute(*(f"DROP DATABASE IF EXISTS {_real(database)} WITH (FORCE)" for database in databases))

    def execute(self, *statements: str, database: str | None = None) -> None:
        """Runs statements, each in a transaction of its own."""
        with psycopg.connect(self._address(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]

    def value(self, query: str, database: str | None = None) -> object:
        """The first value of a query's first row."""
        with psycopg.connect(self._address(database)) as connection:
            row = connection.execute(query).fetchone()  # type: ignore[arg-type]
        return row[0] if row else None

    def client(self, database: str, *statements: str) -> list[str]:
        """The command that runs statements with psql in one transaction, stopping at the first error."""
        words = [self.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-1", self.dsn(database)]
        return words + [word for statement in statements for word in ("-c", statement)]

    def _address(self, database: str | None) -> str:
        return self._dsn if database is None else self.dsn(database)


def _real(database: str) -> str:
    return f"flowc_bench_{os.getpid()}_{database}"


def _psql() -> str:
    """The client on the PATH, else Debian's newest."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"), key=lambda path: int(path.parts[-3]))
    return shutil.which("psql") or str(debian[-1])
