"""Which pipelines an error in the specs concerns.

An error inside one pipeline keeps that pipeline from running and no other that is named; an error anywhere else (a
connection, a table, a file that cannot be read) keeps everything from running.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowc.compiler.front.spec import PipelineSpec
from flowc.compiler.front.yamltree import TreeMap, parse
from flowc.diagnostics import Diagnostic, Reporter, Severity
from flowc.source import SourceFile, Span

HARMLESS_ELSEWHERE = frozenset({"bad-schedule", "unknown-timezone"})
"""Errors of a pipeline's schedule: all other pipelines run although none is named."""


@dataclass(frozen=True, slots=True)
class Blame:
    """Errors by pipeline, and those that concern all."""

    shared: tuple[Diagnostic, ...]
    own: Mapping[str, tuple[Diagnostic, ...]]

    def stopping(self, names: Sequence[str]) -> tuple[Diagnostic, ...]:
        """The errors that keep a run of `names` (all when empty) from starting."""
        if names:
            own = (d for name in names for d in self.own.get(name, ()))
        else:
            own = (d for found in self.own.values() for d in found if d.code not in HARMLESS_ELSEWHERE)
        return (*self.shared, *dict.fromkeys(own))


def blame(diagnostics: Sequence[Diagnostic], pipelines: Mapping[str, PipelineSpec]) -> Blame:
    """Sorts errors by the pipeline in which they stand."""
    trees: dict[str, dict[str, Span]] = {}
    shared: list[Diagnostic] = []
    own: dict[str, list[Diagnostic]] = {}
    for diagnostic in diagnostics:
        if diagnostic.severity is not Severity.ERROR:
            continue
        names = _owners(diagnostic.span, pipelines, trees) if diagnostic.span else []
        for name in names:
            own.setdefault(name, []).append(diagnostic)
        if not names:
            shared.append(diagnostic)
    return Blame(tuple(shared), {name: tuple(found) for name, found in own.items()})


def _owners(span: Span, pipelines: Mapping[str, PipelineSpec], trees: dict[str, dict[str, Span]]) -> list[str]:
    """The pipeline in which it stands, or all that share the file of SQL."""
    path = span.file.path
    if path not in trees:
        trees[path] = _entries(span.file) if path.endswith((".yaml", ".yml")) else {}
    for name, entry in trees[path].items():
        if entry.start <= span.start < max(entry.end, entry.start + 1):
            return [name]
    files = [name for name, spec in pipelines.items() if spec.sql is not None and spec.sql.file.path == path]
    return [] if trees[path] else files


def _entries(file: SourceFile) -> dict[str, Span]:
    """Where each pipeline of a file stands, its name included."""
    root = parse(file, Reporter())
    section = root.get("pipelines") if isinstance(root, TreeMap) else None
    if not isinstance(section, TreeMap):
        return {}
    spans = ((name, e.key.span, e.value.span) for name, e in section.entries.items())
    return {name: Span(file, key.start, max(key.end, value.end)) for name, key, value in spans}
