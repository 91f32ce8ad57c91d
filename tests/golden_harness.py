"""Plays golden suites: writes a case's inputs into a project folder and produces its outputs, block by block.

Inputs:
    ```yaml [NAME.yaml]           a file below `specs/` (`specs/project.yaml` without a name)
    ```csv|jsonl|text PATH        a file below the project root
    ```setup CONNECTION           SQL executed on an embedded database of the project
Outputs:
    ```diagnostics                everything lint finds, or `no diagnostics`
    ```sql DIALECT [PIPELINE] [new] [changes|partial] [watermark=VALUE]
                                  the statements of the loads when their targets live in that engine, as `flowc compile`
                                  prints them, in short lines
    ```diff DIALECT …             how those of another engine (or of another load) differ from the `sql` block before
    ```ir|plan [PIPELINE]         what `flowc compile --to` prints
    ```run [PIPELINE…]            what `flowc run --once` prints, and its exit code where it is not 0
    ```rows CONNECTION TABLE      rows of an embedded database (or of a SELECT); all pipelines run first when an input
                                  changed since the last run
    ```console                    `$ command` lines, each with what it prints (SQL of loads in short lines); the exit
                                  code last where it is not 0

A `sql` block shows a load into a table that exists as declared; with `new` the load that creates it, and with `changes`
that of an epoch of a stream whose rows say what they do, with `partial` also which values they lack. Blocks are taken
in order, so a second `csv` after a `rows` is the second day.
"""

from __future__ import annotations

import re
import shlex
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from flowc import render
from flowc.compiler import stages
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.spec import ConnectionSpec
from flowc.compiler.ir import Apply, Ir, Sql
from flowc.compiler.loads.sqlplan import plan_load
from flowc.compiler.lowering.lower import lower_pipeline
from flowc.compiler.names.resolve import resolve
from flowc.diagnostics import Reporter
from flowc.nodes import Changelog
from flowc.render.plans import plan_sql
from flowc.service.checking import checker
from tests import warm
from tests.golden_format import INPUTS, Block, Case
from tests.golden_sql import difference, laid_out

ROOT = Path(__file__).resolve().parents[1]
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
INSERT_ONLY = Changelog.INSERT_ONLY
_CHANGES = {"changes": Changelog.UPSERT, "partial": Changelog.PARTIAL}
_SECONDS = re.compile(r"\b\d+(\.\d+)? ?(?:s|ms|seconds)\b")
_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_RATE = re.compile(r"[\d,.]+[kM]? rows/s")


@dataclass
class Project:
    """A project folder in the making."""

    folder: Path
    changed: bool = True
    sql: str = ""
    """What the last `sql` block shows."""

    def put(self, block: Block) -> None:
        """Takes one input block in."""
        self.changed = True
        if block.word == "setup":
            self.execute(block.arguments, block.text)
            return
        name = block.arguments or "project.yaml"
        path = self.folder / "specs" / name if block.word == "yaml" else self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, "utf-8")

    def load(self, reporter: Reporter) -> ProjectSpec | None:
        """The project as written."""
        return stages.load_project([Path("specs")], reporter)

    def connection(self, name: str) -> ConnectionSpec:
        """A connection of the project."""
        reporter = Reporter()
        spec = self.load(reporter)
        assert spec is not None, shown(reporter)
        return spec.connections[name]

    def execute(self, connection: str, sql: str) -> tuple[list[str], list[tuple[object, ...]]]:
        """Runs SQL on an embedded database; the columns and rows of its last statement."""
        spec = self.connection(connection)
        path = str(self.folder / str(spec.options["path"]))
        if spec.kind.value == "duckdb":
            with closing(duckdb.connect(path)) as database:
                database.execute("SET TimeZone = 'UTC'")
                cursor = database.execute(sql)
                columns = [column[0] for column in cursor.description or ()]
                return columns, cursor.fetchall() if columns else []
        with closing(sqlite3.connect(path)) as lite:
            if not sql.lstrip().upper().startswith(("SELECT", "WITH")):
                lite.executescript(sql)
                return [], []
            found = lite.execute(sql)
            return [column[0] for column in found.description], found.fetchall()

    def flowc(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Runs the command line in the project folder, away from the user's own files and environment."""
        environment = {
            "HOME": str(self.folder),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "LANG": "C.UTF-8",
        }
        return warm.run("flowc", *arguments, cwd=self.folder, env=environment)


def run_case(case: Case, folder: Path) -> Iterator[tuple[int, Block, str]]:
    """Plays a case in `folder`: yields place, block and actual text for each of its outputs."""
    project = Project(folder)
    with chdir(folder):
        for index, block in enumerate(case.blocks):
            if block.word in INPUTS:
                project.put(block)
            elif block.word in PRODUCERS:
                yield index, block, PRODUCERS[block.word](project, block)


def shown(reporter: Reporter) -> str:
    """Diagnostics as `flowc lint` shows them."""
    return render.full(reporter.sorted()) if reporter.found else "no diagnostics\n"


def diagnostics(project: Project, block: Block) -> str:
    """Everything lint finds."""
    reporter = Reporter()
    stages.lint([Path("specs")], reporter, checker=checker())
    return shown(reporter)


def sql(project: Project, block: Block) -> str:
    """The statements of every load (or of one pipeline's) with the targets on another engine."""
    project.sql = _statements(project, block)
    return project.sql


def diff(project: Project, block: Block) -> str:
    """How the statements differ from those of the last `sql` block."""
    return difference(project.sql, _statements(project, block))


def _statements(project: Project, block: Block) -> str:
    dialect, *words = block.arguments.split()
    options = dict(word.split("=", 1) for word in words if "=" in word)
    names = [word for word in words if word not in ("new", *_CHANGES) and "=" not in word]
    reporter = Reporter()
    ir = _lower_for(project, dialect, names, options.get("watermark"), reporter)
    assert ir is not None, shown(reporter)
    assert not reporter.has_errors, shown(reporter)
    applies = [apply for pipeline in ir.pipelines for apply in pipeline.applies]
    how = {
        "new": "new" in words,
        "changes": next((c for word, c in _CHANGES.items() if word in words), INSERT_ONLY),
        "watermark": options.get("watermark"),
    }
    texts = [_load_text(apply, **how) for apply in applies]
    return laid_out("\n".join(texts))


def _lower_for(
    project: Project, dialect: str, names: Sequence[str], watermark: str | None, reporter: Reporter
) -> Ir | None:
    spec = project.load(reporter)
    checked = resolve(_moved(spec, dialect), reporter) if spec else None
    if checked is None:
        return None
    chosen = names or list(checked.pipelines)
    lowered = (lower_pipeline(checked, name, reporter, watermark=watermark) for name in chosen)
    return Ir(tuple(pipeline for pipeline in lowered if pipeline is not None))


def _moved(spec: ProjectSpec, dialect: str) -> ProjectSpec:
    """The project with the connections that tables live in turned into another engine."""
    homes = {table.connection.value for table in spec.tables.values()}
    homes |= {to.connection.value for pipeline in spec.pipelines.values() for to in pipeline.to if to.connection}
    connections = {
        name: replace(c, kind=replace(c.kind, value=dialect)) if name in homes else c
        for name, c in spec.connections.items()
    }
    return replace(spec, connections=connections)


def _load_text(apply: Apply, *, new: bool, changes: Changelog, watermark: str | None) -> str:
    source = apply.input
    same = (
        isinstance(source, Sql) and source.engine == apply.target.kind and _reads(source) <= {apply.target.connection}
    )
    columns = source.columns
    assert columns is not None, "the source's columns must be known: declare its table"
    plan = plan_load(
        apply,
        columns=columns,
        live=None if new else apply.target.table,
        watermark=watermark,
        now=NOW,
        same_database=same,
        last_wins=changes is not INSERT_ONLY,
        changes=changes,
    )
    return f"{plan_sql(plan)}\n"


def _reads(source: Sql) -> set[str]:
    return {entry.connection for entry in source.inputs}


def compiled(project: Project, block: Block) -> str:
    """What `flowc compile` prints."""
    done = project.flowc(["compile", "specs", *block.arguments.split(), "--to", block.word])
    return done.stdout + done.stderr + _exit_line(done.returncode)


def run(project: Project, block: Block) -> str:
    """What a run says, without times."""
    done = project.flowc(["run", "specs", *block.arguments.split(), "--once"])
    project.changed = False
    return steady(done.stdout + done.stderr) + _exit_line(done.returncode)


def rows(project: Project, block: Block) -> str:
    """The rows of a table or query, as an aligned table."""
    if project.changed:
        done = project.flowc(["run", "specs", "--once"])
        assert done.returncode == 0, done.stdout + done.stderr
        project.changed = False
    connection, _, query = block.arguments.partition(" ")
    if not query.upper().startswith(("SELECT", "WITH")):
        query = f"SELECT * FROM {query} ORDER BY ALL" if _is_duckdb(project, connection) else f"SELECT * FROM {query}"
    return table(*project.execute(connection, query))


def _is_duckdb(project: Project, connection: str) -> bool:
    return project.connection(connection).kind.value == "duckdb"


def table(columns: Sequence[str], found: Sequence[Sequence[object]]) -> str:
    """Rows as text: columns in line, NULL for nothing."""
    cells = [list(columns), *([_cell(value) for value in row] for row in found)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "".join(line + "\n" for line in [lines[0], "-+-".join("-" * width for width in widths), *lines[1:]])


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).isoformat(sep=" ")
    return str(value)


def console(project: Project, block: Block) -> str:
    """Commands and what they print."""
    commands = [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
    return "".join(f"$ {command}\n{_console_output(project, command)}" for command in commands)


def _console_output(project: Project, command: str) -> str:
    words = shlex.split(command)
    assert words[0] == "flowc", "only flowc's own commands can be shown"
    done = project.flowc(words[1:])
    project.changed = project.changed and words[1] != "run"
    is_sql = words[1] == "compile" and ("--to" not in words or words[-1] == "sql")
    said = laid_out(done.stdout) if is_sql else done.stdout
    return steady(said + done.stderr) + _exit_line(done.returncode)


def _exit_line(code: int) -> str:
    return f"exit {code}\n" if code else ""


def steady(text: str) -> str:
    """Output without what differs from run to run, or with every new field of a plan: times, rates, hashes."""
    text = _HASH.sub("…", text)
    text = _RATE.sub("… rows/s", _SECONDS.sub("… s", text))
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


PRODUCERS: dict[str, Callable[[Project, Block], str]] = {
    "diagnostics": diagnostics,
    "sql": sql,
    "diff": diff,
    "ir": compiled,
    "plan": compiled,
    "run": run,
    "rows": rows,
    "console": console,
}
