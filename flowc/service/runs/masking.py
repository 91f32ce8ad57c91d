"""Masks the secrets of a project in what its workers say."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from flowc.compiler.ir import Pipeline
from flowc.errors import FlowcError, TransientError
from flowc.service.access.options import open_options
from flowc.service.access.sessions import Sessions
from flowc.service.runs.due import connections_of

_FRESH, _AWAY = 1.0, 60.0
"""Seconds after which secrets are resolved anew, as they may be changed at any time: less than a run takes to begin
and end; and where a store of them did not answer, which is not waited for with every run."""


@dataclass
class Masking:
    """Masks the secrets of the connections that pipelines use, and pieces of them, as they are when it is asked."""

    sessions: Sessions
    pipelines: Sequence[Pipeline]
    _until: float = float("-inf")

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        if text and time.monotonic() > self._until:
            away = [not self._resolved(name) for name in self._names]
            self._until = time.monotonic() + (_AWAY if any(away) else _FRESH)
        return self.sessions.resolver.redact(text)

    @cached_property
    def _names(self) -> list[str]:
        return sorted(set().union(*map(connections_of, self.pipelines)))

    def _resolved(self, connection: str) -> bool:
        """Resolves the secrets of a connection; False where their store is away."""
        try:
            open_options(self.sessions.connections[connection], self.sessions.resolver)
        except FlowcError as error:
            return not isinstance(error, TransientError)
        return True
