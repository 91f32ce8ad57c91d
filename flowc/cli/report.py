"""How commands that load show their report: the summary is data, what failed is talk, and is read last."""

from __future__ import annotations

import sys

from flowc.cli.console import out, say, style_for
from flowc.render.loads import failures_text
from flowc.service.loads.report import RunReport


def show(report: RunReport, summary: str, *, as_json: bool) -> None:
    """Writes the summary to stdout; a person gets the failures on stderr, JSON holds them already."""
    out(summary)
    sys.stdout.flush()
    if not as_json and (failures := failures_text(report, style_for(sys.stderr))):
        say(f"\n{failures}")
