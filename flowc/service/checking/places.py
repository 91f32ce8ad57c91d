"""Where a refusal stands in a statement, for engines that name a word and no place."""

from __future__ import annotations

import re

from flowc.compiler.sql.checks.checker import Statement


def place_of(statement: Statement, name: str, *, call: bool = False) -> int | None:
    """The offset of the first use of a name, of which the last part counts; with `call`, as a function."""
    last = re.escape(name.rpartition(".")[2].strip('"`'))
    behind = r"\s*\(" if call else r"(?!\w)"
    found = re.compile(rf"(?<!\w){last}{behind}", re.IGNORECASE).search(statement.text.text, statement.start)
    return found.start() if found is not None else None
