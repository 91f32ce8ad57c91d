"""Diagnostics as SARIF 2.1.0, which code hosts show beside the code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePath
from urllib.parse import quote

from flowc import __version__
from flowc.diagnostics import Diagnostic, Note, Severity
from flowc.render.pages import page
from flowc.source import Span

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def sarif(diagnostics: Sequence[Diagnostic]) -> dict[str, object]:
    """The whole log, with a rule for each code that occurs."""
    rules = sorted({d.code for d in diagnostics})
    indices = {code: index for index, code in enumerate(rules)}
    driver = {"name": "flowc", "version": __version__, "rules": [_rule(code) for code in rules]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(d, indices[d.code]) for d in diagnostics],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, object]:
    known = page(code)
    summary = known.summary if known else code.replace("-", " ")
    text = known.text if known else summary
    return {
        "id": code,
        "shortDescription": {"text": code.replace("-", " ")},
        "fullDescription": {"text": summary},
        "help": {"text": f"{summary} Run `flowc explain {code}`.", "markdown": text},
    }


def _result(diagnostic: Diagnostic, index: int) -> dict[str, object]:
    texts = [diagnostic.message, *(f"help: {text}" for text in diagnostic.helps)]
    result: dict[str, object] = {
        "ruleId": diagnostic.code,
        "ruleIndex": index,
        "level": _LEVELS[diagnostic.severity],
        "message": {"text": "\n".join(texts)},
    }
    if diagnostic.span is not None:
        result["locations"] = [_location(diagnostic.span)]
    related = [_related(note, id) for id, note in enumerate(diagnostic.notes, 1) if note.span is not None]
    return result | {"relatedLocations": related} if related else result


def _location(span: Span) -> dict[str, object]:
    line, column = span.file.position(span.start)
    end_line, end_column = span.file.position(span.end)
    region = {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(span.file.path)}, "region": region}}


def _related(note: Note, id: int) -> dict[str, object]:
    if note.span is None:
        return {}
    return {"id": id, "message": {"text": note.message}, **_location(note.span)}


def _uri(path: str) -> str:
    pure = PurePath(path)
    return pure.as_uri() if pure.is_absolute() else quote(os.fsencode(pure.as_posix()))
