"""Real servers for the tests, started from what the machine has and stopped by who started them.

As a script it runs a command beside them: `python -m tests.services pytest -q` starts what it can, hands the addresses
over in the environment (`FLOWC_TEST_POSTGRES`), and stops what it started when the command ends. `--check` only says
what is there.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

POSTGRES = "FLOWC_TEST_POSTGRES"
PASSWORD = "flowc"


class MissingService(Exception):
    """A server cannot be had here; the message says what is missing."""


@contextmanager
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server's DSN: the one in the environment, else one that lives as long as the context.

    Raises:
        MissingService: when there is neither an address nor a server that could be started.
    """
    if given := os.environ.get(POSTGRES):
        yield given
        return
    with _temporary_folder() as folder:
        server = _start_postgres(_postgres_binaries(), folder)
        try:
            yield server.dsn
        finally:
            server.stop()


class PostgresServer:
    """A server that this process started."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        self.process = process
        self.dsn = f"postgres://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"
        self._log = folder / "log"

    def wait(self, seconds: float = 30.0) -> None:
        """Returns when it answers.

        Raises:
            MissingService: when it does not within `seconds`.
        """
        import psycopg

        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                psycopg.connect(self.dsn, connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        self.stop()
        raise MissingService(f"PostgreSQL did not start: {_tail(self._log)}")

    def stop(self) -> None:
        """Shuts it down, cutting its sessions off."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def _start_postgres(binaries: Path, folder: Path) -> PostgresServer:
    run = _unprivileged(folder)
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    data, port = folder / "data", _free_port()
    initdb = [*run, str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "scram-sha-256"]
    initdb += [f"--pwfile={password}", "--no-sync", "--locale=C", "-E", "UTF8"]
    made = subprocess.run(initdb, cwd=folder, capture_output=True, text=True, check=False)
    if made.returncode:
        raise MissingService(f"initdb failed: {made.stderr.strip()[-400:]}")
    settings = {
        "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder,
        "wal_level": "logical", "fsync": "off", "full_page_writes": "off", "max_wal_size": "4GB",
    }  # fmt: skip
    command = [*run, str(binaries / "postgres"), "-D", str(data)]
    command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
        )
    server = PostgresServer(process, port, folder)
    server.wait()
    return server


def _postgres_binaries() -> Path:
    """The folder with `initdb` and `postgres`: from the PATH, else Debian's newest."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name.split(".")[0]))
    for name in ("initdb", "pg_ctl"):
        if found := shutil.which(name):
            debian.append(Path(found).resolve().parent)
    for folder in reversed(debian):
        if all((folder / name).is_file() for name in ("initdb", "postgres")):
            return folder
    raise MissingService(
        f"no PostgreSQL: set {POSTGRES} to a server's address, or install one (Debian: apt-get install postgresql)"
    )


def _unprivileged(folder: Path) -> list[str]:
    """The words before a command that make it run as somebody else when we are root, which PostgreSQL refuses."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0:
        # Where it can be, the server is tied to us, so that a killed test run leaves none behind.
        return [setpriv, "--pdeathsig", "INT"] if setpriv else []
    if setpriv is None:
        raise MissingService("PostgreSQL does not run as root, and `setpriv` (util-linux) is not there to change that")
    user = "nobody"
    shutil.chown(folder, user)
    identity = ["--reuid", user, "--regid", str(os.stat(folder).st_gid), "--clear-groups"]
    return [setpriv, "--pdeathsig", "INT", *identity, "env", f"HOME={folder}"]


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder that another user can reach, which pytest's own and some TMPDIRs are not."""
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")]
    base = next((c for c in candidates if c.is_dir() and _reachable(c)), None)
    if base is None:
        raise MissingService("no temporary folder that another user can reach")
    folder = Path(tempfile.mkdtemp(prefix="flowc-postgres-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _reachable(folder: Path) -> bool:
    return os.geteuid() != 0 or all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tail(log: Path) -> str:
    return log.read_text(errors="replace").strip()[-400:] if log.exists() else "it wrote no log"


def main(arguments: Sequence[str]) -> int:
    """Runs the command given beside the services, and returns its exit code."""
    environment = dict(os.environ)
    with ExitStack() as stack:
        try:
            environment[POSTGRES] = stack.enter_context(postgres_server())
            sys.stderr.write("postgres: ready\n")
        except MissingService as missing:
            sys.stderr.write(f"postgres: {missing}\n")
        if list(arguments) == ["--check"]:
            return 0 if POSTGRES in environment else 1
        return subprocess.run(list(arguments), env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
