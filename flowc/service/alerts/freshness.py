"""How old the newest rows of tables are: asked in a thread and sessions of its own, for a target may not answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from queue import SimpleQueue
from typing import Any

from flowc.compiler.ir import Freshness, Pipeline, Target
from flowc.compiler.loads.load import find_column
from flowc.compiler.tables.rowsql import newest_value
from flowc.durations import parse_instant
from flowc.errors import FlowcError, TransientError, UsageError
from flowc.runtime.contracts.database import Database, TableStore
from flowc.service.access.sessions import Sessions

_SHORTEST, _LONGEST, _SHARE = 10.0, 300.0, 4
"""Seconds between two looks at a table, and into how many looks its age is cut."""
_PATIENCE = 3
"""How often in a row something may fail that passes by itself, before it is told."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A pipeline with `freshness`, and what it writes."""

    pipeline: str
    freshness: Freshness
    targets: tuple[Target, ...]

    @property
    def interval(self) -> float:
        """Seconds between two looks."""
        return max(_SHORTEST, min(self.freshness.max_age / _SHARE, _LONGEST))


@dataclass(frozen=True, slots=True)
class Asked:
    """What a look has found: the newest time, None where a target holds no rows; or why nothing was."""

    watched: Watched
    newest: datetime | None = None
    error: FlowcError | None = None


def watched(pipelines: Iterable[Pipeline]) -> tuple[Watched, ...]:
    """Those of the pipelines whose `freshness` is watched."""
    return tuple(
        Watched(pipeline.name, pipeline.freshness, tuple(apply.target for apply in pipeline.applies))
        for pipeline in pipelines
        if pipeline.freshness is not None
    )


def newest(watched: Watched, sessions: Sessions) -> datetime | None:
    """The newest time in the target, of several in the one that is behind; None where one holds no rows, or is missing.

    Raises FlowcError where a target cannot be asked, and where the column holds no times.
    """
    found = [_newest(target, watched.freshness.column, sessions) for target in watched.targets]
    known = [at for at in found if at is not None]
    return min(known) if len(known) == len(found) and known else None


def _newest(target: Target, column: str, sessions: Sessions) -> datetime | None:
    if sessions.in_memory(target.connection):
        message = f"`{target.connection}` is a database in memory, of which only its own process knows the rows"
        raise UsageError(message, code="not-runnable-yet", help="leave out `freshness`, or keep the table in a file")
    if not sessions.is_there(target.connection):
        return None
    database = sessions.target(target.connection)
    live = database.table(target.name)
    if live is None:
        return None
    known = find_column(live.columns, column)
    if known is None:
        message = f"table `{target.name}` has no column `{column}`"
        raise UsageError(message, code="unknown-column", help="`flowc plan` shows how it differs from its declaration")
    return _instant(_asked(newest_value(target.name, known.name), target, database), column)


def _asked(query: str, target: Target, database: Database) -> Any:
    if isinstance(database, TableStore):
        database.begin()
        database.view(target.name)
    try:
        return database.query(query).to_pylist()[0]["newest"]
    finally:
        database.rollback()


def _instant(found: object, column: str) -> datetime | None:
    """A time with a zone; one without is in UTC, and a day begins there."""
    at = parse_instant(found) if isinstance(found, str) else found
    if isinstance(at, date) and not isinstance(at, datetime):
        at = datetime(at.year, at.month, at.day)
    if isinstance(at, datetime):
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if found is None:
        return None
    message = f"`{column}` holds no times"
    raise UsageError(message, code="freshness-not-a-time", help="name a column of type timestamptz, timestamp or date")


@dataclass
class Asker:
    """Asks in a thread; `sessions` makes those of one look, `answer` gets what was found, `warned` what fails."""

    watched: Sequence[Watched]
    sessions: Callable[[], Sessions]
    answer: Callable[[Asked], None]
    warned: Callable[[str], None]
    _queue: SimpleQueue[Watched | None] = field(default_factory=SimpleQueue)
    _thread: threading.Thread | None = None
    _failures: dict[str, int] = field(default_factory=dict)
    _said: dict[str, str] = field(default_factory=dict)

    def ask(self, watched: Watched) -> None:
        """Has a table looked at; never waits."""
        self._queue.put(watched)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="flowc-freshness", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Asks no more; does not wait for an answer."""
        self._queue.put(None)

    def _work(self) -> None:
        while (watched := self._queue.get()) is not None:
            asked = self._look(watched)
            self._mind(asked)
            self.answer(asked)

    def _look(self, watched: Watched) -> Asked:
        sessions = self.sessions()
        try:
            return Asked(watched, newest(watched, sessions))
        except FlowcError as error:
            return Asked(watched, error=sessions.redacted(error))
        except Exception as error:  # whatever a driver may raise: the others are asked all the same
            return Asked(watched, error=TransientError(type(error).__name__, code="query-refused"))
        finally:
            sessions.close()

    def _mind(self, asked: Asked) -> None:
        """Tells failures once, and those that may pass only when they do not."""
        name, error = asked.watched.pipeline, asked.error
        if error is None:
            self._failures.pop(name, None)
            self._said.pop(name, None)
            return
        self._failures[name] = self._failures.get(name, 0) + 1
        passing = isinstance(error, TransientError) and self._failures[name] < _PATIENCE
        if not passing and self._said.get(name) != error.message:
            self._said[name] = error.message
            self.warned(f"how fresh the table of `{name}` is cannot be asked: {error.message}")
