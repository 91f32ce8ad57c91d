"""The corpus of lint: statements that an engine refuses and statements that it takes, and what lint says of them.

A file `ENGINE.sql` holds statements, each ending in `;` at the end of a line. A line `-- refused: WHY` or
`-- taken: WHAT` says what its engine does with the statements that follow, up to the next such line. Tables are those
of `tables.yaml`. Every output column has a name, so that each statement could be a pipeline's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from flowc.compiler import stages
from flowc.diagnostics import Diagnostic, Reporter, Severity
from flowc.service.checking import checker

HERE = Path(__file__).parent
_HEADER = re.compile(r"^-- (refused|taken): (.+)$")
_CONNECTIONS = {
    "postgres": {"kind": "postgres", "url": "postgres://nobody@localhost/none"},
    "mysql": {"kind": "mysql", "url": "mysql://nobody@localhost/none"},
    "duckdb": {"kind": "duckdb", "path": "corpus.duckdb"},
    "sqlite": {"kind": "sqlite", "path": "corpus.sqlite"},
    "files": {"kind": "files", "uri": "data"},
}
FOUND = 0.9
"""The share of what an engine refuses that lint has to find."""

Refusal = Callable[[str], str | None]
"""What an engine says against a statement; None where it takes it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One statement; `line` is where it begins in its file."""

    sql: str
    refused: bool
    note: str
    line: int


@cache
def tables() -> dict[str, Any]:
    """The tables as a project declares them, without their connection."""
    return dict(yaml.safe_load((HERE / "tables.yaml").read_text("utf-8")))


def cases(engine: str) -> list[Case]:
    """The statements of one engine."""
    return list(_cases((HERE / f"{engine}.sql").read_text("utf-8")))


def _cases(text: str) -> Iterator[Case]:
    refused, note, lines, first = False, "", [], 0
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            refused, note = header[1] == "refused", header[2]
        elif lines or (line.strip() and not line.startswith("-- ")):
            first = first if lines else number
            lines.append(line)
            if line.endswith(";"):
                yield Case("\n".join(lines)[:-1], refused, note, first)
                lines = []
    assert not lines, f"the statement of line {first} has no end"


def project(engine: str, statements: Sequence[Case]) -> dict[str, Any]:
    """A project that has each statement as a pipeline, `s1`, `s2`, …, in order."""
    declared = {name: {"connection": "db", **table} for name, table in tables().items()}
    pipelines = {f"s{i}": _pipeline(engine, i, case.sql) for i, case in enumerate(statements, 1)}
    if engine == "datafusion":
        connections = {name: _CONNECTIONS[name] for name in ("files", "duckdb")}
        return {"connections": connections, "pipelines": pipelines}
    return {"connections": {"db": _CONNECTIONS[engine]}, "tables": declared, "pipelines": pipelines}


def _pipeline(engine: str, number: int, sql: str) -> dict[str, Any]:
    if engine != "datafusion":
        return {"from": "db", "sql": sql, "to": {"connection": "db", "table": f"out_{number}"}}
    sources = {
        name: {"connection": "files", "path": f"{name}.jsonl", "format": "jsonl", "columns": _types(table)}
        for name, table in tables().items()
    }
    target = {"connection": "duckdb", "table": f"out_{number}"}
    return {"from": sources, "dialect": "datafusion", "sql": sql, "to": target}


def columns() -> dict[str, dict[str, str]]:
    """The columns of each table with their types."""
    return {name: _types(table) for name, table in tables().items()}


def _types(table: dict[str, Any]) -> dict[str, str]:
    return {name: kind.removesuffix(" not null") for name, kind in table["columns"].items()}


def linted(engine: str, statements: Sequence[Case], folder: Path) -> list[list[Diagnostic]]:
    """The errors that lint has for each statement."""
    path = folder / "specs" / "corpus.yaml"
    path.parent.mkdir(parents=True)
    text = _spec(project(engine, statements))
    path.write_text(text, "utf-8")
    starts = [text.index(f'\n  "s{i}":') for i in range(1, len(statements) + 1)]
    reporter = Reporter()
    stages.lint([path], reporter, checker=checker())
    found: list[list[Diagnostic]] = [[] for _ in statements]
    for error in reporter.sorted():
        if error.severity is Severity.ERROR:
            assert error.span is not None, error
            place = sum(start < error.span.start for start in starts) - 1
            assert place >= 0, error
            found[place].append(error)
    return found


def _spec(project: dict[str, Any]) -> str:
    """JSON, which is YAML, with each pipeline on a line of its own."""
    parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in project.items() if key != "pipelines"]
    pipelines = (f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in project["pipelines"].items())
    return "\n".join([*parts, '"pipelines":', *pipelines, ""])


def judge(engine: str, refusal: Refusal, folder: Path, *, faulty: int = 60, sound: int = 200) -> None:
    """Tries each statement on its engine, and compares with lint.

    Fails where the corpus is wrong about the engine, where lint refuses what the engine takes, where it finds less
    than `FOUND` of what the engine refuses, and where the corpus has fewer statements than it should.
    """
    statements = cases(engine)
    errors = linted(engine, statements, folder)
    said = [refusal(case.sql) for case in statements]
    wrong = [_shown(engine, c, s or "taken") for c, s in zip(statements, said, strict=True) if c.refused is (s is None)]
    assert not wrong, "the engine does not what the corpus says:\n" + "\n".join(wrong)
    pairs = list(zip(statements, errors, strict=True))
    false = [_shown(engine, c, "; ".join(e.message for e in found)) for c, found in pairs if found and not c.refused]
    missed = [_shown(engine, c, s or "") for (c, found), s in zip(pairs, said, strict=True) if c.refused and not found]
    bad = sum(case.refused for case in statements)
    report = f"{engine}: lint finds {bad - len(missed)} of {bad} faults, refuses {len(false)} of {len(errors) - bad}"
    assert not false, f"{report}; it refuses what the engine takes:\n" + "\n".join(false)
    assert len(missed) <= bad * (1 - FOUND), f"{report}; it misses:\n" + "\n".join(missed)
    assert (bad, len(errors) - bad) >= (faulty, sound), f"{report}; the corpus is too small"


def _shown(engine: str, case: Case, what: str) -> str:
    return f"  {engine}.sql:{case.line}: {' '.join(case.sql.split())[:100]} -- {' '.join(what.split())[:160]}"
