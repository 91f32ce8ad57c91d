"""Applies that are killed: a process of its own, ended by SIGKILL before the n-th thing it does to its database."""

from __future__ import annotations

import os
import signal
from typing import Any

from flowc.errors import EngineError
from tests.commands import Done, Inside

_CALLS = ("execute", "commit")


def connector(kind: str) -> Any:
    """The class of an engine's sessions."""
    from flowc.runtime.systems.duckdb import session as duckdb
    from flowc.runtime.systems.mysql import session as mysql
    from flowc.runtime.systems.postgres import session as postgres
    from flowc.runtime.systems.sqlite import session as sqlite

    classes = {"duckdb": duckdb.DuckDB, "mysql": mysql.MySQL, "postgres": postgres.Postgres, "sqlite": sqlite.SQLite}
    return classes[kind]


def killed(project: Inside, kind: str, point: int, *arguments: str) -> bool:
    """Runs `flowc apply`, killed before its `point`-th call from the record of its beginning on; whether it was."""
    child = os.fork()
    if child == 0:
        die_at(kind, point)
        done = project.flowc("apply", *arguments)
        os._exit(done.code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0, "it failed before it was killed"
    return os.WIFSIGNALED(status)


def failed(project: Inside, kind: str, point: int, *arguments: str) -> Done:
    """What `flowc apply` says whose `point`-th statement of those that `killed` counts the database refuses."""
    sessions = connector(kind)
    original, state = sessions.execute, {"left": point, "begun": False}

    def execute(self: Any, sql: str) -> Any:
        state["begun"] = state["begun"] or ("INSERT" in sql and "migrations" in sql)
        state["left"] -= state["begun"]
        if state["begun"] and state["left"] == 0:
            raise EngineError("cut off", code="database-error")
        return original(self, sql)

    sessions.execute = execute
    try:
        return project.flowc("apply", *arguments)
    finally:
        sessions.execute = original


def killed_after(project: Inside, kind: str, words: tuple[str, ...], *arguments: str) -> None:
    """Runs `flowc apply`, killed when a statement with one of the words has been executed and committed."""
    child = os.fork()
    if child == 0:
        _die_after(kind, words)
        os._exit(project.flowc("apply", *arguments).code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it ended before it was killed"


def _die_after(kind: str, words: tuple[str, ...]) -> None:
    """On MySQL, each statement that changes a table commits by itself."""
    sessions = connector(kind)
    execute, commit = sessions.execute, sessions.commit
    state = {"done": False}

    def executes(self: Any, sql: str) -> Any:
        found = execute(self, sql)
        state["done"] = state["done"] or (sql.startswith("ALTER") and any(word in sql for word in words))
        if state["done"] and kind == "mysql":
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    def commits(self: Any) -> None:
        commit(self)
        if state["done"]:
            os.kill(os.getpid(), signal.SIGKILL)

    sessions.execute, sessions.commit = executes, commits


def die_at(kind: str, point: int) -> None:
    """Has this process die so; only what is done from the record of the beginning to that of the end counts."""
    sessions = connector(kind)
    state = {"left": point, "begun": False}

    def counted(name: str) -> None:
        original = getattr(sessions, name)

        def call(self: Any, *arguments: Any) -> Any:
            sql = arguments[0] if arguments else ""
            state["begun"] = state["begun"] or ("INSERT" in sql and "migrations" in sql)
            if state["begun"]:
                state["left"] -= 1
                if state["left"] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return original(self, *arguments)

        setattr(sessions, name, call)

    for name in _CALLS:
        counted(name)
