"""What happens between two statements of an apply to PostgreSQL, exactly there: others write, or it is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from flowc.runtime.systems.postgres.session import Postgres
from tests.commands import Inside


def before(patch: pytest.MonkeyPatch, words: str, action: Callable[[], object]) -> list[str]:
    """Does the action before the first statement that begins so; the list holds that statement once it is done."""
    original, done = Postgres.execute, list[str]()

    def execute(self: Any, sql: str) -> int:
        if not done and sql.startswith(words):
            done.append(sql)
            action()
        return original(self, sql)

    patch.setattr(Postgres, "execute", execute)
    return done


def killed_before(project: Inside, words: str, *arguments: str) -> None:
    """Runs an apply in a process of its own, killed before the first statement that begins so."""
    child = os.fork()
    if child == 0:
        before(pytest.MonkeyPatch(), words, lambda: os.kill(os.getpid(), signal.SIGKILL))
        os._exit(project.flowc("apply", *(arguments or ("--yes",))).code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"it was not killed, and ended with {os.waitstatus_to_exitcode(status)}"
