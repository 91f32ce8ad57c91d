"""`python -m tests.integration.killed_load N …`: flowc, killed where step N of what a commit to Delta tables does ends.

Each call of those below is two steps: where it begins, and where it has ended.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import deltalake

from flowc.cli.main import main
from flowc.runtime.systems.delta import commit as delta_commit
from flowc.runtime.systems.delta import watermarks as delta_watermarks

CALLS = (
    (delta_watermarks, "write"), (delta_watermarks, "forget"), (deltalake, "write_deltalake"),
    (deltalake.table.TableMerger, "execute"), (delta_commit.Change, "commit"), (delta_watermarks.os, "link"),
)  # fmt: skip


def killed_at(place: int) -> None:
    """Has the process die at that step."""
    left = [place]

    def die() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def step(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **more: Any) -> Any:
            die()
            result = call(*arguments, **more)
            die()
            return result

        return counted

    for module, name in CALLS:
        setattr(module, name, step(getattr(module, name)))


if __name__ == "__main__":
    killed_at(int(sys.argv.pop(1)))
    main()
