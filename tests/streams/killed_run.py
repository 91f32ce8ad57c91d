"""`python -m tests.streams.killed_run STREAM POINT AFTER`: a run that is killed when a point is passed once more."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from flowc.cli.opened import open_project
from flowc.service.streams.run import run_stream


def main(stream: str, point: str, after: int) -> None:
    """Ends by SIGKILL when the point was passed `after` times before, else at the end."""
    seen: list[str] = []

    def pause(name: str) -> None:
        seen.append(name)
        if name == point and seen.count(point) > after:
            os.kill(os.getpid(), signal.SIGKILL)

    whole = open_project([Path("specs")], None, "")
    report = run_stream(whole.checked, whole.ir, stream, whole.sessions, pause)
    if report.error is not None:
        raise report.error


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
