"""What tests found: a line for each, and of those that failed what differs and where it is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from flowc.controls import json_text
from flowc.durations import instant_text
from flowc.render.failure import error_object, failure
from flowc.render.style import Style, printable
from flowc.render.tables import text_of
from flowc.source import Span

if TYPE_CHECKING:
    from flowc.errors import FlowcError
    from flowc.service.testing.compare import Difference, Missing
    from flowc.service.testing.pipelines import Moment
    from flowc.service.testing.run import TestReport


def outcome_text(report: TestReport, style: Style) -> str:
    """One test: its line, and what failed under it."""
    mark = style.paint("good", "ok    ") if report.passed else style.paint("error", "failed")
    line = f"{mark}  {printable(report.name)}  {_milliseconds(report.seconds)}"
    if report.passed:
        return line
    return "\n".join([f"{line}  {printable(report.span.place)}", *(f"  {text}" for text in _why(report, style))])


def outcomes_summary(reports: Sequence[TestReport]) -> str:
    """How many passed and failed, and in what time."""
    failed = sum(not report.passed for report in reports)
    what = f"{len(reports)} test{'' if len(reports) == 1 else 's'}"
    seconds = _milliseconds(sum(report.seconds for report in reports))
    return f"{what}: {len(reports) - failed} passed, {failed} failed in {seconds}"


def outcomes_json(reports: Sequence[TestReport]) -> str:
    """All of them for programs."""
    return json_text({"tests": [_object(report) for report in reports]})


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _why(report: TestReport, style: Style) -> list[str]:
    steps = [_step(step.moment, _lines(step.difference, style, "came")) for step in report.steps]
    lines = [line for step in steps for line in step]
    if report.error is not None:
        error = _error(report.error, style)
        return [*lines, *(error if report.failed is None else _step(report.failed, error))]
    end = _lines(report.difference, style, "is there") if report.difference else []
    return [*lines, "at the end", *(f"  {line}" for line in end)] if lines and end else [*lines, *end]


def _error(error: FlowcError, style: Style) -> list[str]:
    span = getattr(error, "span", None)
    place = [f"at {printable(span.place)}"] if isinstance(span, Span) else []
    return [*failure(error, style).splitlines(), *place]


def _step(moment: Moment, lines: Iterable[str]) -> list[str]:
    """A step, where it is written, where clock and watermark were behind it, and what is to be said of it."""
    watermark = "no watermark" if moment.watermark is None else f"watermark {instant_text(moment.watermark)}"
    head = f"step {moment.number}, `{printable(moment.step.text)}`  {printable(moment.step.span.place)}"
    return [head, *(f"  {line}" for line in (f"clock {instant_text(moment.clock)}, {watermark}", *lines))]


def _lines(difference: Difference, style: Style, there: str) -> list[str]:
    """What differs; `there` says of a row that was found how it is."""
    lines: list[str] = []
    for missing in difference.missing:
        lines += _missing(missing, style, there)
    for row in difference.unexpected:
        lines.append(style.paint("help", f"+ {_row(row)}") + f"  {there}, and not expected")
    return lines


def _missing(missing: Missing, style: Style, there: str) -> list[str]:
    other = "" if missing.step is None else f", and came in step {missing.step}"
    lines = [style.paint("error", f"- {_row(missing.row)}") + f"  expected at {printable(missing.span.place)}{other}"]
    if missing.nearest is not None:
        names = ", ".join(f"`{printable(name)}`" for name in missing.differing)
        verb = "differs" if len(missing.differing) == 1 else "differ"
        lines.append(style.paint("help", f"+ {_row(missing.nearest)}") + f"  {there}: {names} {verb}")
    return lines


def _row(row: Mapping[str, object]) -> str:
    return "{ " + ", ".join(f"{printable(name)}: {printable(text_of(value))}" for name, value in row.items()) + " }"


def _object(report: TestReport) -> dict[str, object]:
    line, column = report.span.file.position(report.span.start)
    return {
        "name": report.name, "subject": report.subject, "status": "ok" if report.passed else "failed",
        "file": report.span.file.path, "line": line, "column": column, "seconds": round(report.seconds, 6),
        "error": error_object(report.error), **_difference_object(report.difference),
        "steps": [{**_moment_object(step.moment), **_difference_object(step.difference)} for step in report.steps],
        "failed_step": None if report.failed is None else _moment_object(report.failed),
    }  # fmt: skip


def _moment_object(moment: Moment) -> dict[str, object]:
    line, column = moment.step.span.file.position(moment.step.span.start)
    watermark = None if moment.watermark is None else instant_text(moment.watermark)
    return {
        "step": moment.number, "action": moment.step.text, "line": line, "column": column,
        "clock": instant_text(moment.clock), "watermark": watermark,
    }  # fmt: skip


def _difference_object(difference: Difference | None) -> dict[str, object]:
    rows = difference.missing if difference is not None else ()
    spare = difference.unexpected if difference is not None else ()
    return {
        "missing": [_missing_object(missing) for missing in rows],
        "unexpected": [_plain(row) for row in spare],
    }


def _missing_object(missing: Missing) -> dict[str, object]:
    line, column = missing.span.file.position(missing.span.start)
    nearest = None if missing.nearest is None else _plain(missing.nearest)
    entry = {"row": _plain(missing.row), "line": line, "column": column, "nearest": nearest}
    return entry if missing.step is None else {**entry, "came_in_step": missing.step}


def _plain(row: Mapping[str, object]) -> dict[str, object]:
    simple = (str, int, float, bool, type(None), list, dict)
    return {name: value if isinstance(value, simple) else text_of(value) for name, value in row.items()}
