"""What runs of streams did: a table, examples of bad rows, and what failed."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.render.failure import error_object, failure
from flowc.render.style import Style, printable
from flowc.render.tables import table
from flowc.service.streams.run import StreamReport

_HEADERS = ("stream", "messages", "rows", "bad rows", "epochs", "seconds", "status")
_ROLES = {6: {"ok": "good", "failed": "bad", "stopped": "warning"}}


def streams_text(reports: Sequence[StreamReport], style: Style) -> str:
    """The table, and under it up to five bad rows of each stream, and how many rows were dropped as late."""
    parts = [table(_HEADERS, [_row(report) for report in reports], style, right=(1, 2, 3, 4, 5), roles=_ROLES)]
    parts += [printable(f"{report.name}: {text}") for report in reports for text in report.examples]
    parts += [
        printable(f"{counts.name}: {counts.late} late row{'' if counts.late == 1 else 's'} dropped")
        for counts in reports
        if counts.late
    ]
    return "\n".join(parts)


def _row(report: StreamReport) -> tuple[object, ...]:
    seconds = f"{report.seconds:.2f} s"
    return report.name, report.messages, report.rows, report.bad, report.epochs, seconds, report.status


def stream_failures(reports: Sequence[StreamReport], style: Style) -> str:
    """What failed, and why."""
    return "\n\n".join(
        f"{printable(report.name)}: {failure(report.error, style)}" for report in reports if report.error
    )


def stream_object(report: StreamReport) -> dict[str, object]:
    """A report for programs."""
    return {
        "stream": report.name,
        "messages": report.messages,
        "rows": report.rows,
        "bad_rows": report.bad,
        "late_rows": report.late,
        "epochs": report.epochs,
        "seconds": round(report.seconds, 3),
        "status": report.status,
        "error": error_object(report.error) if report.error else None,
    }
