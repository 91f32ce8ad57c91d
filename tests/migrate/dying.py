"""`python -m tests.migrate.dying WHERE POINT apply …`: flowc, ended by SIGKILL at a point of an apply to Delta tables.

WHERE is `steps`: before the POINT-th of the commits and of the records around them, or after such a commit; or `rows`:
when all rows of a rewrite are written, before it is committed.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from flowc.cli.main import run
from flowc.runtime.systems.delta.bench import Bench
from flowc.runtime.systems.delta.session import Delta
from flowc.runtime.systems.sqlite.session import SQLite

_RECORDS = ('INTO "flowc_migrations"', 'flowc_migration_steps" (', 'flowc_migration_steps" SET', '"status" =')


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _at_steps(point: int) -> None:
    left = [point]

    def count() -> None:
        left[0] -= 1
        if left[0] == 0:
            _die()

    record, alter = SQLite.execute, Delta.alter

    def execute(self: Any, sql: str) -> int:
        if any(words in sql for words in _RECORDS) and not sql.startswith("CREATE"):
            count()
        return record(self, sql)

    def commit(self: Any, step: Any) -> None:
        count()
        alter(self, step)
        count()

    SQLite.execute, Delta.alter = execute, commit  # type: ignore[method-assign]


def _at_rows(_: int) -> None:
    original = Bench._batches

    def batches(self: Any, sql: str, schema: Any) -> Any:
        yield from original(self, sql, schema)
        _die()

    Bench._batches = batches  # type: ignore[method-assign]


if __name__ == "__main__":
    {"steps": _at_steps, "rows": _at_rows}[sys.argv[1]](int(sys.argv[2]))
    sys.exit(run(sys.argv[3:]))
