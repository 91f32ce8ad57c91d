"""Outages of the run log: how long one lasts, and which process tells of it, without the run log itself.

Each process remembers what it has seen. Processes of one machine share two empty files beside the project: `away`,
made by the first that cannot use the run log, and `told`, made by the one that tells. Whoever removes `told` tells that
it is over.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

AWAY = 30.0
"""Seconds after which an outage is told."""


@dataclass
class Outage:
    """The outages of one run log. `mark` is the path that the names of both files begin with."""

    mark: Path
    bound: float = field(default_factory=lambda: AWAY)
    _since: float | None = None
    _told: bool = False
    _alone: bool = False
    """Whether no file could be made, so that this process knows only of itself."""

    def failed(self) -> float | None:
        """The run log could not be used: how many seconds that has lasted, where this process is to tell it."""
        now = time.time()
        begun = self._begun(now)
        self._since = begun if self._since is None else min(self._since, begun)
        if self._told or now - self._since < self.bound:
            return None
        self._told = True
        return now - self._since if self._make(self._file("told")) else None

    def reached(self) -> float | None:
        """The run log could be used: how many seconds it could not, where this process is to tell that it is over."""
        since, alone = self._begun(None), self._told and self._alone
        self._since, self._told, self._alone = None, False, False
        told = self._remove("told") or alone
        self._remove("away")
        return time.time() - since if told else None

    def _begun(self, now: float | None) -> float:
        """When the outage began: by the file, which is made `now` where it is missing."""
        if now is not None:
            self._make(self._file("away"))
        with suppress(OSError):
            return self._file("away").stat().st_mtime
        return self._since or time.time()

    def _make(self, file: Path) -> bool:
        """Makes a file; False where another process has. Where none can be made, this process is the only one."""
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
        try:
            file.touch(0o600, exist_ok=False)
        except FileExistsError:
            return False
        except OSError:
            self._alone = True
        return True

    def _remove(self, name: str) -> bool:
        try:
            self._file(name).unlink()
        except OSError:
            return False
        return True

    def _file(self, name: str) -> Path:
        return self.mark.with_name(f"{self.mark.name}.{name}")


def mark_of(root: Path, project: str, given: str | None) -> Path:
    """What the files of a run log are called: of one project in one environment, and of one `--run-log`."""
    named = sha256(f"{project}\n{given or ''}".encode()).hexdigest()[:12]
    return root / ".flowc" / f"run-log-{named}"
