"""Diagnostics as text, in the five formats of `flowc lint --format`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from flowc.controls import json_text
from flowc.diagnostics import Diagnostic, Note, Severity
from flowc.render.sarif import sarif
from flowc.render.snippet import gutter_width, snippet
from flowc.render.style import Style, printable
from flowc.source import SourceFile, Span

_MOST_ALIKE = 100
"""Problems of one code in one file that are shown."""


def full(diagnostic: Diagnostic, style: Style) -> str:
    """The long form: headline, marked source, notes, helps."""
    head = style.severity(diagnostic.severity, f"{diagnostic.severity}[{diagnostic.code}]")
    lines = [head + style.paint("bold", f": {printable(diagnostic.message)}")]
    if diagnostic.span is not None:
        indent = " " * gutter_width(diagnostic.span)
        lines.append(f"{indent}{style.paint('frame', '-->')} {place(diagnostic)}")
        lines.extend(snippet(diagnostic.span, diagnostic.label, diagnostic.severity, style))
    for note in diagnostic.notes:
        lines.append(f"{style.paint('note', 'note')}: {printable(note.message)}")
        if note.span is not None:
            lines.append(f"  {style.paint('frame', '-->')} {printable(note.span.place)}")
    lines.extend(f"{style.paint('help', 'help')}: {_hanging(text)}" for text in diagnostic.helps)
    return "\n".join(lines)


def concise(diagnostic: Diagnostic, style: Style) -> str:
    """One line: place, severity, code, message."""
    head = style.severity(diagnostic.severity, f"{diagnostic.severity}[{diagnostic.code}]")
    where = f"{place(diagnostic)}: " if diagnostic.span is not None else ""
    return f"{where}{head} {printable(diagnostic.message)}"


def place(diagnostic: Diagnostic) -> str:
    """`file:line:column` of a diagnostic that has a span."""
    return printable(diagnostic.span.place) if diagnostic.span is not None else ""


def as_object(diagnostic: Diagnostic) -> dict[str, object]:
    """The JSON object of one diagnostic; a problem without a place has null there."""
    span = diagnostic.span
    end_line, end_column = span.file.position(span.end) if span else (None, None)
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        "file": diagnostic.file,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "end_line": end_line,
        "end_column": end_column,
        "label": diagnostic.label,
        "notes": [_note(note) for note in diagnostic.notes],
        "help": diagnostic.help,
    }


def github(diagnostic: Diagnostic) -> str:
    """A workflow command, which GitHub shows at the line in a pull request."""
    level = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}[diagnostic.severity]
    properties = {**_github_place(diagnostic), "title": f"flowc {diagnostic.code}"}
    texts = [diagnostic.message, *(n.message for n in diagnostic.notes), *(f"help: {h}" for h in diagnostic.helps)]
    written = ",".join(f"{key}={_escape_property(str(value))}" for key, value in properties.items())
    return f"::{level} {written}::{_escape_data(chr(10).join(texts))}"


def render(diagnostics: Sequence[Diagnostic], form: str, style: Style) -> str:
    """The diagnostics in one format: `text`, `concise`, `json`, `github` or `sarif`; of many alike, some."""
    return FORMATS[form](_bounded(diagnostics), style)


def _bounded(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The first of each code in each file; the last one shown says how many more there are."""
    counts = Counter((diagnostic.code, diagnostic.file) for diagnostic in diagnostics)
    shown: list[Diagnostic] = []
    seen: Counter[tuple[str, str | None]] = Counter()
    for diagnostic in diagnostics:
        key = diagnostic.code, diagnostic.file
        seen[key] += 1
        if seen[key] == _MOST_ALIKE < counts[key]:
            more = f"{counts[key] - _MOST_ALIKE:,} more problems of this code in this file are not shown"
            diagnostic = replace(diagnostic, message=f"{diagnostic.message} ({more})")
        if seen[key] <= _MOST_ALIKE:
            shown.append(diagnostic)
    return shown


def rooted(diagnostics: Sequence[Diagnostic], root: Path) -> list[Diagnostic]:
    """The same with the paths of files from `root` on; what lies elsewhere keeps its own."""
    files: dict[str, SourceFile] = {}

    def moved(span: Span | None) -> Span | None:
        if span is None:
            return None
        if span.file.path not in files:
            files[span.file.path] = replace(span.file, path=_from(root, span.file.path))
        return replace(span, file=files[span.file.path])

    return [
        replace(d, span=moved(d.span), notes=tuple(replace(note, span=moved(note.span)) for note in d.notes))
        for d in diagnostics
    ]


def _from(root: Path, path: str) -> str:
    full = Path(os.path.abspath(path))
    return full.relative_to(root).as_posix() if full.is_relative_to(root) and full.exists() else path


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """How many errors and warnings there are, in words."""
    errors = sum(d.severity is Severity.ERROR for d in diagnostics)
    warnings = sum(d.severity is Severity.WARNING for d in diagnostics)
    counted = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
    return " and ".join(counted) or "no problems"


def _note(note: Note) -> dict[str, object]:
    span = note.span
    line, column = span.file.position(span.start) if span else (None, None)
    return {"message": note.message, "file": span.file.path if span else None, "line": line, "column": column}


def _hanging(text: str) -> str:
    """Further lines of a help stand under the first."""
    return "\n      ".join(printable(line) for line in text.splitlines())


def _github_place(diagnostic: Diagnostic) -> dict[str, object]:
    span = diagnostic.span
    if span is None:
        return {}
    line, column = span.file.position(span.start)
    end_line, end_column = span.file.position(span.end)
    place: dict[str, object] = {"file": span.file.path, "line": line, "endLine": end_line}
    return place | {"col": column, "endColumn": end_column} if line == end_line else place


def _escape_data(text: str) -> str:
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")


def _text(diagnostics: Sequence[Diagnostic], style: Style) -> str:
    return "\n\n".join(full(d, style) for d in diagnostics)


def _concise(diagnostics: Sequence[Diagnostic], style: Style) -> str:
    return "\n".join(concise(d, style) for d in diagnostics)


def _json(diagnostics: Sequence[Diagnostic], style: Style) -> str:
    return json_text([as_object(d) for d in diagnostics])


def _github(diagnostics: Sequence[Diagnostic], style: Style) -> str:
    return "\n".join(github(d) for d in diagnostics)


def _sarif(diagnostics: Sequence[Diagnostic], style: Style) -> str:
    return json_text(sarif(diagnostics))


FORMATS: dict[str, Callable[[Sequence[Diagnostic], Style], str]] = {
    "text": _text,
    "concise": _concise,
    "json": _json,
    "github": _github,
    "sarif": _sarif,
}
