"""PostgreSQL, from the PATH or Debian's folders."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.machine import MissingService, Server, free_port, prepared, temporary_folder, tied

PASSWORD = "flowc"


@dataclass
class Cluster:
    """A server with its folder and its port, which outlive its process."""

    folder: Path
    port: int = field(default_factory=free_port)
    _server: Server | None = None

    @property
    def dsn(self) -> str:
        """Where it listens."""
        return f"postgres://postgres:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        """Writes its files. Raises MissingService."""
        run = _unprivileged(self.folder)
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        initdb = [*run, str(_binaries() / "initdb"), "-D", str(self._data), "-U", "postgres", "-A", "scram-sha-256"]
        words = [*initdb, f"--pwfile={password}", "--no-sync", "--locale=C.UTF-8", "-E", "UTF8"]
        prepared("initdb", words, self.folder)

    def start(self) -> None:
        """Starts it, and returns when it answers. Raises MissingService."""
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder,
            "wal_level": "logical", "fsync": "off", "full_page_writes": "off", "max_wal_size": "4GB",
        }  # fmt: skip
        command = [*_unprivileged(self.folder), str(_binaries() / "postgres"), "-D", str(self._data)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._server = Server(command, self.folder)
        self._server.wait("PostgreSQL", lambda: _answers(self.dsn))

    def stop(self) -> None:
        """Ends it; its sessions are cut off."""
        if self._server is not None:
            self._server.stop(signal.SIGINT)

    def kill(self) -> None:
        """Ends it as a crash does, without a checkpoint: it has to recover when it starts again."""
        assert self._server is not None
        self._server.stop(signal.SIGQUIT)

    @property
    def _data(self) -> Path:
        return self.folder / "data"


@contextmanager
def started() -> Iterator[str]:
    """The DSN of a server that lives as long as the context.

    Raises:
        MissingService: when it cannot be started.
    """
    with own_cluster() as cluster:
        yield cluster.dsn


@contextmanager
def own_cluster() -> Iterator[Cluster]:
    """A server to be stopped and started at will, for as long as the context. Raises MissingService."""
    with temporary_folder("postgres") as folder:
        cluster = Cluster(folder)
        cluster.make()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


def _answers(dsn: str) -> bool:
    import psycopg

    try:
        psycopg.connect(dsn, connect_timeout=60).close()
    except psycopg.OperationalError:
        return False
    return True


def _binaries() -> Path:
    """The folder with `initdb` and `postgres`: from the PATH, else Debian's newest."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name.split(".")[0]))
    for name in ("initdb", "pg_ctl"):
        if found := shutil.which(name):
            debian.append(Path(found).resolve().parent)
    for folder in reversed(debian):
        if all((folder / name).is_file() for name in ("initdb", "postgres")):
            return folder
    raise MissingService(
        "no PostgreSQL: set FLOWC_TEST_POSTGRES to a server's address, or install one (Debian: apt-get install "
        "postgresql)"
    )


def _unprivileged(folder: Path) -> list[str]:
    """The words before a command that make it run as somebody else when we are root, which PostgreSQL refuses."""
    words = tied("INT")
    if os.geteuid() != 0:
        return words
    if not words:
        raise MissingService("PostgreSQL does not run as root, and `setpriv` (util-linux) is not there to change that")
    user = "nobody"
    shutil.chown(folder, user)
    identity = ["--reuid", user, "--regid", str(os.stat(folder).st_gid), "--clear-groups"]
    return [*words, *identity, "env", f"HOME={folder}"]
