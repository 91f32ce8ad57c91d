"""The table of ratios: its rows, and how they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.measure import Result

HEAD = ("case", "flowc", "against", "ratio", "wanted", "met")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `ratio` is speed over speed: above 1 flowc is the faster one."""

    case: str
    flowc: str
    against: str
    ratio: str
    wanted: str
    met: bool | None
    """None where nothing is wanted, or where there was nothing to judge."""

    def cells(self) -> tuple[str, ...]:
        """The row's texts, in the order of `HEAD`."""
        return (
            self.case,
            self.flowc,
            self.against,
            self.ratio,
            self.wanted,
            {True: "yes", False: "NO", None: "-"}[self.met],
        )


def seconds(value: float) -> str:
    """A duration, in the unit that reads best."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def speed_row(case: str, results: Sequence[Result], rows: int, *, wanted: float, below_mib: float | None = None) -> Row:
    """A row for a load of `rows` rows: both speeds, flowc's memory, and whether the ratio is reached."""
    flowc, other = results
    ratio = other.seconds / flowc.seconds
    small = below_mib is None or flowc.peak_mib < below_mib
    limit = f", < {below_mib:.0f} MiB" if below_mib else ""
    return Row(
        case,
        f"{_speed(flowc, rows)}, {flowc.peak_mib:.0f} MiB",
        f"{other.name}: {_speed(other, rows)}",
        f"{ratio:.2f}",
        f">= {wanted:.2f}{limit}",
        ratio >= wanted and small,
    )


def load_row(case: str, flowc: Result, rows: int, *, below_mib: float) -> Row:
    """A row for a load of `rows` rows that is held against nothing: its speed, and whether its memory keeps a limit."""
    shown = f"{_speed(flowc, rows)}, {flowc.peak_mib:.0f} MiB"
    return Row(case, shown, "-", "-", f"< {below_mib:.0f} MiB", flowc.peak_mib < below_mib)


def time_row(case: str, flowc: Result, *, below: float, other: Result | None = None) -> Row:
    """A row for something that has to be done within `below` seconds."""
    against = f"{other.name}: {seconds(other.seconds)}" if other else "-"
    ratio = f"{other.seconds / flowc.seconds:.2f}" if other else "-"
    shown = f"{seconds(flowc.seconds)}, {flowc.peak_mib:.0f} MiB"
    return Row(case, shown, against, ratio, f"< {seconds(below)}", flowc.seconds < below)


def failed_row(case: str, reason: str) -> Row:
    """A row for a case that could not be run, with the reason."""
    return Row(case, "not run", reason[:100], "-", "-", None)


def table(rows: Sequence[Row], *, markdown: bool) -> str:
    """All rows as aligned text or as Markdown."""
    lines = [HEAD, *(row.cells() for row in rows)]
    if markdown:
        lines = [tuple(cell.replace("|", "\\|") for cell in line) for line in lines]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEAD))]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    padded.insert(1, ["-" * width for width in widths])
    if markdown:
        return "\n".join(f"| {' | '.join(line)} |" for line in padded)
    return "\n".join("  ".join(line).rstrip() for line in padded)


def _speed(result: Result, rows: int) -> str:
    return f"{seconds(result.seconds)} ({rows / result.seconds / 1000:,.0f} k rows/s)"
