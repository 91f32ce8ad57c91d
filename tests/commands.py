"""The command line as users meet it: a process of its own, in a project folder, away from the user's own files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Folder:
    """A project folder. Whatever a command prints must never be a traceback."""

    path: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def environment(self) -> dict[str, str]:
        base = {"HOME": str(self.path / "home"), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
        return base | self.env

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "flowc", *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The command as a process that the caller waits for."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self.command(*arguments), cwd=self.path, env=self.environment(), stdout=pipe, stderr=pipe, text=True
        )

    def flowc(self, *arguments: str) -> Done:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.path,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert "error[internal]" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)
