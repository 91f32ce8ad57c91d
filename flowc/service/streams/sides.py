"""What stands beside a stream's messages: its lookups, and the functions of the project that its SQL calls."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flowc.catalog import Column
from flowc.compiler.ir import Lookup, Stream
from flowc.errors import FlowcError
from flowc.runtime.engine.engine import engine_schema
from flowc.runtime.engine.functions import Function, stand_in
from flowc.runtime.streams.lookups import Lookups, Version, about
from flowc.service.access.sessions import Sessions
from flowc.stream import StreamPlan

_log = logging.getLogger("flowc.lookups")


@dataclass(frozen=True, slots=True)
class Empty:
    """Lookups without rows, for a query that is only planned."""

    versions: Mapping[str, Version]

    def current(self) -> Mapping[str, Version]:
        """Their schemas."""
        return self.versions


def described(lookups: Iterable[Lookup], sessions: Sessions) -> dict[str, tuple[Column, ...]]:
    """The columns of lookups that no spec declares, asked of their connections; by the names of the lookups."""
    return {lookup.name: _described(lookup, sessions) for lookup in lookups if lookup.columns is None}


def _described(lookup: Lookup, sessions: Sessions) -> tuple[Column, ...]:
    database = sessions.apart(lookup.connection)
    try:
        with about(lookup.name):
            database.open()
            return database.describe(lookup.query)
    finally:
        database.close()


def planning(stream: Stream) -> tuple[Empty, tuple[Function, ...]]:
    """What a query needs to be planned: lookups without rows, and functions that are never called."""
    versions = {each.name: Version(0, engine_schema(each.columns or ()), ()) for each in stream.lookups}
    return Empty(versions), tuple(map(stand_in, stream.functions))


def opened_lookups(plan: StreamPlan, sessions: Sessions) -> Lookups:
    """The lookups of a plan, read and refreshed until they are closed; what fails in the background is logged."""

    def failed(name: str, error: FlowcError) -> None:
        words = sessions.redacted(error).message
        _log.warning("lookup `%s` of stream `%s` was not read again: %s", name, plan.name, words)

    made = Lookups(plan.lookups, sessions.apart, failed)
    made.open()
    return made
