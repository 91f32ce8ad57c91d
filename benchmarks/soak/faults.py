"""What goes wrong on the way, one after the other, spread over the run."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.daemons import Running
from tests.services import Killable

EVERY = ("worker", "broker", "database", "worker", "broker", "database", "broker", "database")
"""Workers die in the first half alone, so that the memory of one is seen through the second."""
_SHARE = 0.9
"""The last part of a run is left in peace."""
_DOWN = {"kafka": 5.0, "postgres": 3.0}


@dataclass
class Faults:
    """Carries faults out. In the main thread, for servers end with the thread that starts them."""

    running: Running
    stream: str
    servers: Mapping[str, Killable]
    done: list[str] = field(default_factory=list)
    now: str = ""

    def run(self, names: Sequence[str], seconds: float) -> None:
        """Returns after so many seconds, or later when the servers take long to start again."""
        acts: Mapping[str, Callable[[], None]] = {
            "worker": self._worker,
            "broker": lambda: self._server("kafka"),
            "database": lambda: self._server("postgres"),
        }
        began = time.monotonic()
        for number, name in enumerate(names):
            _sleep_until(began + (number + 0.5) / len(names) * seconds * _SHARE)
            self.now = name
            acts[name]()
            self.now = ""
            self.done.append(name)
        _sleep_until(began + seconds)

    def _worker(self) -> None:
        pid = None
        while pid is None:
            time.sleep(0.1)
            pid = self.running.worker(self.stream).get("pid")
        os.kill(pid, signal.SIGKILL)

    def _server(self, name: str) -> None:
        self.servers[name].kill()
        time.sleep(_DOWN[name])
        self.servers[name].start()


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
