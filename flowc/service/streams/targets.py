"""Opens what a stream writes: databases, lakes, folders and topics."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import cast

from flowc.catalog import Table
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Target
from flowc.compiler.streamplan.targets import LiveTableOf
from flowc.runtime.contracts.target import Writer
from flowc.runtime.streams.targets.database import DatabaseWriter
from flowc.runtime.streams.targets.lettertable import LettersWriter
from flowc.runtime.systems import open_database
from flowc.service.access.sessions import Sessions
from flowc.stream import FilesTarget, StreamPlan, TableTarget, TargetPlan, TopicTarget

Pause = Callable[[str], None]


def writers_of(plan: StreamPlan, sessions: Sessions, pause: Pause) -> list[Writer]:
    """A writer for each target, and one for dead letters that are in none of them."""
    targets = (*plan.targets, *(() if plan.letters is None else (plan.letters,)))
    return [_writer(target, plan, sessions, pause) for target in targets]


def looking(sessions: Sessions) -> LiveTableOf:
    """Tells of the tables that are written as they are now."""

    @cache
    def live(target: Target) -> Table | None:
        if not sessions.is_there(target.connection):
            return None
        database = sessions.target(target.connection)
        database.open()
        return database.table(target.name)

    return live


def _writer(target: TargetPlan, plan: StreamPlan, sessions: Sessions, pause: Pause) -> Writer:
    options = sessions.options(target.connection)
    if isinstance(target, FilesTarget):
        files = importlib.import_module("flowc.runtime.systems.files.target")
        return cast(
            Writer, files.FilesWriter(target, plan.kept, str(options.values.get("uri", ".")), pause, plan.former)
        )
    if isinstance(target, TopicTarget):
        kafka = importlib.import_module("flowc.runtime.systems.kafka.target")
        return cast(Writer, kafka.KafkaWriter(target, plan.kept, options.values, pause, plan.former))
    table = _table_writer(target, plan, sessions, pause)
    return LettersWriter(table) if target.letters else table


def _table_writer(target: TableTarget, plan: StreamPlan, sessions: Sessions, pause: Pause) -> Writer:
    if not DIALECTS[target.kind].attached:
        return DatabaseWriter(target, sessions.target(target.connection), pause=pause)
    delta = importlib.import_module("flowc.runtime.systems.delta.target")
    # A session of its own: it commits from a thread of its own when the stream falls silent.
    options = sessions.options(target.connection)
    database = open_database(options.kind, options.values)
    return cast(Writer, delta.DeltaWriter(target, plan.kept, database, plan.former, pause))
