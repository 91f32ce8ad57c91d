"""What the cases share: the scale, a folder, one PostgreSQL server, and the command of flowc."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from benchmarks.postgres import Server
from tests.services import service

REPOSITORY = Path(__file__).resolve().parents[1]


class Context:
    """One run of the benchmarks. Servers start when a case first asks for them."""

    def __init__(self, folder: Path, scale: float, rounds: int, stack: ExitStack) -> None:
        self.folder = folder
        self.scale = scale
        self.rounds = rounds
        self._stack = stack
        self.peer_version: str | None = None

    def rows(self, full: int) -> int:
        """How many rows stand for `full` rows at this scale."""
        return max(1000, round(full * self.scale))

    @cached_property
    def postgres(self) -> Server:
        """The server, started on first use."""
        return self._stack.enter_context(Server.started())

    @cached_property
    def kafka(self) -> str:
        """The bootstrap address of a broker, started on first use."""
        return self._stack.enter_context(service("kafka")).partition("?")[0]

    @property
    def postgres_version(self) -> str | None:
        """The version of the server, if one was started."""
        return self.postgres.version if "postgres" in vars(self) else None

    def project(self, name: str, specs: str) -> Path:
        """A folder with these specs, in which flowc is run."""
        root = self.folder / name
        (root / "specs").mkdir(parents=True, exist_ok=True)
        (root / "specs" / "project.yaml").write_text(specs, "utf-8")
        return root


def flowc(*arguments: str) -> list[str]:
    """The command line as a user has it: the installed `flowc`, or the module where there is only a checkout."""
    installed = Path(sys.executable).with_name("flowc")
    return [str(installed), *arguments] if installed.exists() else [sys.executable, "-m", "flowc", *arguments]


def flowc_environment() -> dict[str, str]:
    """What lets `python -m flowc` find a checkout that is not installed."""
    return {"PYTHONPATH": str(REPOSITORY)}
