"""Facts become text: diagnostics, failures, plans, graphs and summaries. Nothing here prints."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.diagnostics import Diagnostic
from flowc.render.diagnostics import render
from flowc.render.style import Style


def full(diagnostics: Sequence[Diagnostic], style: Style | None = None) -> str:
    """Diagnostics in the long form, as a text that ends with a line end."""
    return render(diagnostics, "text", style or Style()) + "\n"
