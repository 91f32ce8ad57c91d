"""Refuses flowc's own tables that another version made with other columns."""

from __future__ import annotations

from collections.abc import Iterable

from flowc.catalog import Table
from flowc.errors import UsageError


def require_layout(table: Table | None, columns: Iterable[str]) -> None:
    """Raises UsageError where a table of flowc's own exists and lacks one of the columns."""
    missing = [] if table is None else [name for name in columns if table.column(name) is None]
    if table is not None and missing:
        names = ", ".join(f"`{name}`" for name in missing)
        raise UsageError(
            f"another version of flowc created `{table.name}`: the table has no column {names}",
            code="other-layout",
            help="use the version of flowc that created it; or drop flowc's own tables there, and what they "
            "store of applied versions, loads and streams is lost",
        )


def require_letters(table: Table | None) -> None:
    """Raises UsageError for a table of dead letters whose positions are numbers."""
    if table is not None and table.column("message_offset") is not None:
        raise UsageError(
            f"another version of flowc created `{table.name}`: it keeps the positions of dead letters as numbers",
            code="other-layout",
            help="rename or drop that table, and flowc creates another; or have that version replay its letters first",
        )
