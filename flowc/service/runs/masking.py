"""Masks the secrets of a project in what its workers say."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from flowc.errors import FlowcError
from flowc.service.access.sessions import Sessions
from flowc.service.runs.decisions import Scheduled


@dataclass
class Masking:
    """Masks the secrets of the connections that pipelines use; they are resolved when there is something to mask."""

    sessions: Sessions
    pipelines: Sequence[Scheduled]
    _known: bool = False

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        if not text:
            return text
        if not self._known:
            self._known = True
            for connection in {name for each in self.pipelines for name in each.connections}:
                with suppress(FlowcError):
                    self.sessions.options(connection)
        return self.sessions.resolver.masker.redact(text)
