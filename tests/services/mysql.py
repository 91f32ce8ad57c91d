"""MariaDB or MySQL, from the PATH or where Debian has it."""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from flowc.runtime.systems.mysql.address import connected
from tests.services.machine import MissingService, Server, free_port, prepared, temporary_folder, tied

USER = PASSWORD = "flowc"
_SERVERS = ("mariadbd", "mysqld")
_FOLDERS = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/libexec"
_GRANT = f"""
CREATE USER IF NOT EXISTS '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';
GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'127.0.0.1' WITH GRANT OPTION;
"""


@dataclass
class Instance:
    """A server with its folder and its port, which outlive its process."""

    folder: Path
    port: int = field(default_factory=free_port)
    _server: Server | None = None

    @property
    def dsn(self) -> str:
        """Where it listens, without a database."""
        return f"mysql://{USER}:{PASSWORD}@127.0.0.1:{self.port}"

    def make(self) -> None:
        """Writes its files. Raises MissingService."""
        server = _binary(*_SERVERS)  # whoever has it has the user `mysql`
        own = self.folder / "tmp"  # a server that starts or is made empties it, so none is shared
        own.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.folder, "mysql")
            shutil.chown(own, "mysql")
        _make_data(server, self.folder)
        (self.folder / "grant.sql").write_text(_GRANT)

    def start(self) -> None:
        """Starts it, and returns when it answers. Raises MissingService."""
        settings = {
            "datadir": self.folder / "data", "tmpdir": self.folder / "tmp", "socket": self.folder / "socket",
            "pid-file": self.folder / "pid", "port": self.port, "bind-address": "127.0.0.1",
            "init-file": self.folder / "grant.sql", "local-infile": 1, "character-set-server": "utf8mb4",
            "innodb-buffer-pool-size": "128M", "skip-name-resolve": 1,
            "innodb-flush-log-at-trx-commit": 2,  # what is committed outlives the process, but no power cut
        }  # fmt: skip
        command = [*tied("TERM"), _binary(*_SERVERS), "--no-defaults", *_as_mysql()]
        self._server = Server([*command, *(f"--{name}={value}" for name, value in settings.items())], self.folder)
        self._server.wait("MySQL", lambda: _answers(self.dsn))

    def stop(self) -> None:
        """Ends it; its sessions are cut off."""
        if self._server is not None:
            self._server.stop(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it as a crash does: it has to recover when it starts again."""
        assert self._server is not None
        self._server.stop(signal.SIGKILL)


@contextmanager
def started() -> Iterator[str]:
    """The DSN, without a database, of a server that lives as long as the context.

    Raises:
        MissingService: when it cannot be started.
    """
    with own_instance() as instance:
        yield instance.dsn


@contextmanager
def own_instance() -> Iterator[Instance]:
    """A server to be stopped and started at will, for as long as the context. Raises MissingService."""
    with temporary_folder("mysql") as folder:
        instance = Instance(folder)
        instance.make()
        instance.start()
        try:
            yield instance
        finally:
            instance.stop()


def _make_data(server: str, folder: Path) -> None:
    places = [f"--datadir={folder / 'data'}", f"--tmpdir={folder / 'tmp'}"]
    if "mariadbd" in server:
        install = _binary("mariadb-install-db")
        words = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        prepared(install, [install, "--no-defaults", *places, *_as_mysql(), *words], folder)
    else:
        prepared(server, [server, "--no-defaults", "--initialize-insecure", *places, *_as_mysql()], folder)


def _as_mysql() -> list[str]:
    """The server refuses to be root."""
    return ["--user=mysql"] if os.geteuid() == 0 else []


def _answers(dsn: str) -> bool:
    import pymysql

    try:
        ask(dsn)
    except pymysql.Error:
        return False
    return True


def _binary(*names: str) -> str:
    for name in names:
        if found := shutil.which(name) or shutil.which(name, path=_FOLDERS):
            return found
    raise MissingService(
        "no MySQL: set FLOWC_TEST_MYSQL to a server's address, or install one (Debian: apt-get install mariadb-server)"
    )


@contextmanager
def fresh_database(address: str) -> Iterator[str]:
    """The DSN of an empty database that lives as long as the context."""
    name = f"flowc_{uuid.uuid4().hex[:12]}"
    ask(address, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    try:
        yield urlunsplit(urlsplit(address)._replace(path=f"/{name}"))
    finally:
        ask(address, f"DROP DATABASE IF EXISTS {name}")


def ask(dsn: str, *statements: str) -> list[tuple[Any, ...]]:
    """Runs statements by the driver's own session, in UTC and strictly; returns the rows of the last one."""
    import pymysql

    parts = urlsplit(dsn)
    arguments = {
        "host": parts.hostname or "127.0.0.1", "port": parts.port or 3306, "user": parts.username or "",
        "password": parts.password or "", "database": parts.path.strip("/") or None, "charset": "utf8mb4",
        "autocommit": True, "connect_timeout": 60,
        "init_command": "SET SESSION time_zone = '+00:00', sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES'",
    }  # fmt: skip
    session = connected(pymysql, arguments)
    with session, session.cursor() as cursor:
        rows: list[tuple[Any, ...]] = []
        for statement in statements:
            cursor.execute(statement)
            rows = list(cursor.fetchall())
        return rows
