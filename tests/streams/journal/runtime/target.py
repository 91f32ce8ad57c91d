"""Appends epochs to a journal: a line is one epoch, with its number, its positions and its rows.

A line is the commit. One without its end was cut off: it is removed when the journal is opened, and its epoch comes
again. A worker that was overtaken finds the journal longer than it has left it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowc.runtime.contracts.epoch import Epoch, Partition, after, logs_after
from flowc.runtime.contracts.marks import Mark
from flowc.runtime.contracts.target import Fenced, Held, TargetOpening, Writer
from flowc.runtime.formats.json.encode import json_rows
from flowc.targets import ConnectorTarget


@dataclass
class JournalWriter:
    """One journal of one stream; see `flowc.runtime.contracts.target.Writer`."""

    plan: ConnectorTarget
    path: Path
    pause: Callable[[str], None]
    _held: Held = field(default_factory=Held, init=False)
    _end: int = field(default=0, init=False)
    """The length of the journal as this worker has left it, in bytes."""

    @property
    def mark(self) -> Mark:
        """The last epoch that this worker has read or written."""
        return self._held.mark

    def open(self) -> Held:
        """Makes the journal where it is missing, removes a line that was cut off, and returns what is held."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked() as file:
            self._end, self._held = _read(self.path)
            os.ftruncate(file, self._end)
        return self._held

    def look(self) -> Held:
        """What is held now."""
        return _read(self.path)[1]

    def write(self, epoch: Epoch) -> int:
        """Appends an epoch, and returns its number. Raises Fenced where another worker has appended one."""
        keeps = self.plan.stores_positions
        positions = after(epoch.ranges, self._held.positions) if keeps else {}
        logs = logs_after(epoch.ranges, self._held.logs) if keeps else {}
        rows = json_rows(epoch.rows, self.plan.columns).to_pylist() if epoch.rows.num_rows else []
        head = json.dumps({"epoch": epoch.number, "positions": _listed(positions), "logs": _listed(logs)})
        line = f'{head[:-1]}, "rows": [{", ".join(rows)}]}}\n'.encode()
        self.pause("rows")
        with self._locked() as file:
            if os.fstat(file).st_size != self._end:
                raise Fenced(f"another worker wrote `{self.plan.name}`")
            half = len(line) // 2
            os.write(file, line[:half])
            self.pause("half")
            os.write(file, line[half:])
            os.fsync(file)
        self._end, self._held = self._end + len(line), Held(epoch.number, positions, logs)
        self.pause("committed")
        return epoch.number

    def flush(self) -> int:
        """Nothing is held back."""
        return 0

    def close(self) -> None:
        """Nothing is open between two calls."""

    @contextmanager
    def _locked(self) -> Iterator[int]:
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)


def _listed(places: dict[Partition, str]) -> list[tuple[str, str, str]]:
    return [(*at, text) for at, text in sorted(places.items())]


def _read(path: Path) -> tuple[int, Held]:
    """The length of a journal up to its last whole line, and what that line says."""
    whole = path.read_bytes() if path.exists() else b""
    end = whole.rfind(b"\n") + 1
    if not end:
        return 0, Held()
    last: dict[str, Any] = json.loads(whole[:end].splitlines()[-1])
    positions, logs = ({(s, p): text for s, p, text in last[name]} for name in ("positions", "logs"))
    return end, Held(last["epoch"], positions, logs)


def open_target(opening: TargetOpening) -> Writer:
    """A journal below the folder of its connection."""
    assert isinstance(opening.plan, ConnectorTarget)
    path = Path(str(opening.options["uri"])) / opening.plan.address
    return JournalWriter(opening.plan, path, opening.pause)
