"""Where the dead letters of a stream are kept."""

from __future__ import annotations

from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Output, Stream, Target

LETTERS = "dead_letters"
"""The table of dead letters beside a table that a stream writes, where the stream names none."""


def letters_place(stream: Stream) -> Target | Output | None:
    """Where the stream says, else beside the first table of a database that it writes; None where there is none."""
    if stream.dead_letter is not None:
        return stream.dead_letter
    for apply in stream.applies:
        dialect = DIALECTS.get(apply.target.kind)
        if dialect is not None and not dialect.attached:
            return Target(apply.target.connection, apply.target.kind, dialect.state_table(LETTERS), None)
    return None
