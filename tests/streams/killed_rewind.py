"""`python -m tests.streams.killed_rewind POINT`: a rewind to the beginning that is killed at a point."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from flowc.cli.opened import open_project
from flowc.service.streams.rewinding import prepare_rewind


def main(point: str) -> None:
    """Ends by SIGKILL when the point is reached, else when the stream is moved."""

    def pause(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    whole = open_project([Path("specs")], None, "")
    rewind = prepare_rewind(whole.checked, whole.ir, "s", sessions=whole.sessions, to="earliest", pause=pause)
    rewind.make()


if __name__ == "__main__":
    main(sys.argv[1])
