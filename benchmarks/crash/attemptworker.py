"""A worker of a scheduler in which something happens: `python -m benchmarks.crash.attemptworker ARGUMENTS…` of flowc.

`CAMPAIGN_FAULT` says what and when: `WAY NUMBER KIND`, for instance at which call of a session of that kind.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from flowc.errors import TransientError
from flowc.runtime.systems import session_class

VARIABLE = "CAMPAIGN_FAULT"
_CALLS = ("begin", "lock", "execute", "query", "ingest", "table", "commit")


def _killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hung() -> None:
    time.sleep(3600)


def _refused() -> None:
    raise TransientError("the campaign refuses this", code="connection-lost")


BEFORE: dict[str, Callable[[], None]] = {"killed": _killed, "hung": _hung, "refused": _refused}
"""What may happen instead of a call, by its number among all calls."""
AFTER: dict[str, Callable[[], None]] = {"committed": _killed, "unanswered": _refused}
"""What may happen right after a COMMIT, by its number among these."""


def _patch(way: str, number: int, kind: str) -> None:
    """Has that happen at that call."""
    session = session_class(kind)
    happen, after = BEFORE.get(way) or AFTER[way], way in AFTER
    left = [number]

    def patched(call: Callable[..., Any]) -> Callable[..., Any]:
        def made(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0 and not after:
                happen()
            done = call(*arguments, **options)
            if left[0] == 0 and after:
                happen()
            return done

        return made

    for call in ("commit",) if after else _CALLS:
        setattr(session, call, patched(getattr(session, call)))


def main() -> None:
    """Runs flowc."""
    if fault := os.environ.get(VARIABLE):
        way, number, kind = fault.split()
        _patch(way, int(number), kind)
    sys.argv = ["flowc", *sys.argv[1:]]
    runpy.run_module("flowc", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
