"""A project from text, and what the compiler finds in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from flowc.compiler import stages
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.project import ProjectSpec
from flowc.diagnostics import Diagnostic, Reporter

BASE = """
connections:
  db: { kind: postgres, url: "${DB}" }
  raw: { kind: mysql, url: "${RAW}" }
  drop: { kind: files, uri: inbox }
  bus: { kind: kafka, bootstrap_servers: "${BUS}" }
tables:
  t:
    connection: db
    columns: { id: bigint primary key, a: text, b: text, deleted_at: timestamptz }
"""
"""Connections of several kinds and a table to start from."""


class Found(NamedTuple):
    """What a test looks at: the code, and the text that is marked."""

    code: str
    marked: str


def write(folder: Path, *texts: str | bytes, name: str = "f{}.yaml") -> Path:
    """Writes spec files into `folder/specs`."""
    specs = folder / "specs"
    specs.mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        data = text.encode() if isinstance(text, str) else text
        (specs / name.format(number)).write_bytes(data)
    return specs


def load(folder: Path, *texts: str | bytes, **options: object) -> tuple[ProjectSpec | None, list[Diagnostic]]:
    """Loads the texts as a project."""
    reporter = Reporter()
    project = stages.load_project([write(folder, *texts)], reporter, **options)  # type: ignore[arg-type]
    return project, reporter.sorted()


def check(
    folder: Path, *texts: str | bytes, env: Mapping[str, str] | None = None
) -> tuple[CheckedSpec | None, list[Found]]:
    """Loads and resolves the texts."""
    reporter = Reporter()
    checked = stages.check_project([write(folder, *texts)], reporter, env=env or {})
    return checked, found(reporter.sorted())


def found(diagnostics: list[Diagnostic]) -> list[Found]:
    """Codes and marked texts."""
    return [Found(d.code, d.span.file.text[d.span.start : d.span.end] if d.span else "") for d in diagnostics]
