"""What a translation would lose or change, found in the author's tree."""

from __future__ import annotations

from flowc.compiler.sqltext import SqlTree
from flowc.diagnostics import Reporter


def report_hazards(parsed: SqlTree, engine: str, reporter: Reporter) -> None:
    """Reports every construct whose translation to `engine` is not known to mean the same."""
