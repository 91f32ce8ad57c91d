"""`python -m tests.streams.killed_replay POINT`: a replay of dead letters that is killed at a point."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from flowc.cli.opened import open_project
from flowc.compiler.streamplan.letters import Chosen
from flowc.service.streams.deadletters import dead_letters
from flowc.service.streams.letterreplay import replay


def main(point: str) -> None:
    """Ends by SIGKILL when the point is reached, else when everything is replayed."""

    def pause(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    whole = open_project([Path("specs")], None, "")
    letters = dead_letters(whole.checked, whole.ir, "clean", whole.sessions)
    report = replay(letters, whole.checked, whole.ir, Chosen(), pause=pause)
    if report.error is not None:
        raise report.error


if __name__ == "__main__":
    main(sys.argv[1])
