"""What starting a server takes on any machine: a folder, a port, a user, and patience."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


class MissingService(Exception):
    """A server cannot be had here; the message says what is missing."""


class Server:
    """A server that this process started."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def wait(self, name: str, answers: Callable[[], bool], seconds: float = 180.0) -> None:
        """Returns when it answers.

        Raises:
            MissingService: when it does not within `seconds`.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._process.poll() is None:
            if answers():
                return
            time.sleep(0.05)
        self.stop(signal.SIGKILL)
        raise MissingService(f"{name} did not start: {self._tail()}")

    def stop(self, by: signal.Signals) -> None:
        """Shuts it down by a signal, or at once where that takes long."""
        if self._process.poll() is None:
            self._process.send_signal(by)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()  # its port and its files are free again

    def _tail(self) -> str:
        return self._log.read_text(errors="replace").strip()[-400:]


def prepared(name: str, command: Sequence[str], folder: Path) -> None:
    """Runs a command that makes a server's files.

    Raises:
        MissingService: when it fails.
    """
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if made.returncode:
        raise MissingService(f"{name} failed: {(made.stderr or made.stdout).strip()[-400:]}")


def tied(signal_name: str) -> list[str]:
    """The words before a command that tie it to us where that can be: a killed test run leaves no server behind."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", signal_name] if setpriv else []


@contextmanager
def temporary_folder(name: str) -> Iterator[Path]:
    """A folder that another user can reach, which pytest's own and some TMPDIRs are not."""
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")]
    base = next((c for c in candidates if c.is_dir() and _reachable(c)), None)
    if base is None:
        raise MissingService("no temporary folder that another user can reach")
    folder = Path(tempfile.mkdtemp(prefix=f"flowc-{name}-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _reachable(folder: Path) -> bool:
    return os.geteuid() != 0 or all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))


def free_port() -> int:
    """A port of this machine that nobody listens at, and that the system gives to no connection meanwhile."""
    while True:
        port = random.SystemRandom().randrange(10_000, _first_given_port())
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _first_given_port() -> int:
    """The first port of those that the system takes for outgoing connections.

    A client that knocks at one of these while its server is away may even meet itself there, and keep the server out.
    """
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32_768
    return first if first > 11_000 else 32_768
