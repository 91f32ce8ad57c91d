"""The docs tell the truth: every YAML block lints, every command runs, links lead somewhere, the reference is current.

Blocks are marked by the words after the fence:
    yaml                  a whole project
    yaml fragment         part of one: sections merged with `docs_project.yaml`, or keys of one pipeline
    console               `$ command` lines with their output, played in order in a copy of the quick start; commands of
                          other programs than a few are left out; output is compared where some is shown
    console daemon        one command that runs beside the others of its section, which are repeated until they print
                          what is shown, and ends well when it is told to stop
    python                run in order in a copy of the quick start, as one module; of what imports a package that is
                          not installed, the functions at the top are made and all else is compiled
    WORD folder/name.ext  a file that is written before the commands behind it, which are what checks it; a page with
                          files starts in an empty folder
An `export` of a name in SERVERS stands for the tests' own server.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import FrameType, ModuleType

import pytest
import yaml

from flowc import render
from flowc.compiler import stages
from flowc.diagnostics import Reporter
from flowc.service.checking import checker
from tests import warm, warmflowc
from tests.commands import Inside
from tests.golden_format import Block, Case, read_cases
from tests.golden_harness import steady
from tests.services.machine import free_port
from tests.topics import drop_all
from tests.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "specs" / "quickstart" / "README.md",
    ROOT / "specs" / "events" / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "diagnostics"),
]
LINKED = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
BASE = Path(__file__).with_name("docs_project.yaml")
SECTIONS = {
    "vars", "connections", "tables", "pipelines", "streams", "functions", "tests", "environments", "run_log",
    "concurrency", "telemetry", "alerts",
}  # fmt: skip
PIPELINE = {
    "from": "shop",
    "sql": "SELECT customer_id, email, name, updated_at FROM customers",
    "to": "customers",
}
RUNNABLE = ("flowc", "cd", "(cd", "mkdir", "export", "sed", "cp", "mv", "cat", "python", "curl")
SERVERS = {"KAFKA": "kafka", "WAREHOUSE_URL": "postgres"}
"""Names of variables, and the fixture whose address they hold in the tests."""
STOP = re.compile(r"^(\d+)\. `(\w+)` in `(flowc/[\w/]+\.py)`:", re.MULTILINE)
"""A stop of the way from a line of YAML to a row."""
STOPPING = """
connections:
  a: { kind: sqlite, path: a.db }
  b: { kind: sqlite, path: b.db }
tables:
  people: { connection: a, columns: { id: bigint primary key, name: text } }
  kept: { connection: b, columns: { id: bigint primary key, name: text } }
pipelines:
  keep: { from: a, sql: "SELECT id, name FROM people", to: kept, mode: merge }
"""
TOPICS = "tutorial_"
"""How the names of topics in the docs begin; they are removed before and after."""
ADDRESS = "127.0.0.1:9464"
"""Where the docs' daemon listens. Somebody else may do that on this machine, and the tests choose another one."""
EXPORT = re.compile(r"export (?P<name>\w+)=")
WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|\b\d+ ms\b")
EPOCHS = re.compile(r"^(\S+(?: +\d+){3} +)[1-9]\d*(?= +… s )", re.MULTILINE)
"""Into how many epochs a stream cuts its messages depends on how fast they come."""
FILE = re.compile(r"[\w./-]+\.\w+")
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
CODE = re.compile(r"`+[^`\n]+`+")
"""What looks like a link inside code is none."""


def blocks(word: str) -> list[tuple[Path, Block]]:
    return [(page, block) for page in PAGES for case in read_cases(page) for block in case.blocks if block.word == word]


def name(value: object) -> str:
    return value.relative_to(ROOT).as_posix() if isinstance(value, Path) else str(getattr(value, "first", value))


class Loader(yaml.SafeLoader):
    """As flowc reads YAML: `on` is a word, as `no` and `yes` are."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if first not in "oOyYnN" or not tag.endswith(":bool")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def project_of(block: Block) -> dict[str, object]:
    """The whole project that a block stands for."""
    written = yaml.load(block.text, Loader)
    if block.arguments != "fragment":
        return written
    base = yaml.safe_load(BASE.read_text("utf-8"))
    if not set(written) & SECTIONS:
        written = {"pipelines": {"example": with_defaults(written)}}
    for pipeline, keys in written.get("pipelines", {}).items():
        written["pipelines"][pipeline] = keys if "to" in keys else with_defaults(keys)
    return base | {key: base.get(key, {}) | value for key, value in written.items()}


def with_defaults(keys: dict[str, object]) -> dict[str, object]:
    source = {} if {"sql", "sql_file", "table"} & set(keys) else {"sql": PIPELINE["sql"]}
    return {"from": PIPELINE["from"], "to": PIPELINE["to"], **source, **keys}


def projects() -> list[tuple[Path, Block]]:
    return [(page, block) for page, block in blocks("yaml") if not FILE.fullmatch(block.arguments)]


@pytest.mark.parametrize(("page", "block"), projects(), ids=name)
def test_yaml_lints_without_errors(page: Path, block: Block, tmp_path: Path):
    specs = tmp_path / "specs"
    specs.mkdir()
    (specs / "project.yaml").write_text(yaml.safe_dump(project_of(block), sort_keys=False), "utf-8")
    reporter = Reporter()
    with chdir(tmp_path):
        stages.lint([Path("specs")], reporter, checker=checker())
    assert not reporter.has_errors, render.full(reporter.sorted())


@dataclass
class Player:
    """Plays the commands of a page in a folder."""

    folder: Path
    request: pytest.FixtureRequest
    extra: dict[str, str] = field(default_factory=dict)
    patience: float = 0.0
    """For how many seconds a command is repeated that prints something else than what is shown."""
    address: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    """What stands for ADDRESS."""

    @property
    def environment(self) -> dict[str, str]:
        return environment(self.folder) | self.extra

    def section(self, case: Case) -> Iterator[tuple[Block, str]]:
        """Each console block of a section, with what its text should be."""
        with ExitStack() as stack:
            for block in case.blocks:
                if FILE.fullmatch(block.arguments):
                    self._write(block)
                elif block.info == "console daemon":
                    ((command, _),) = steps(block)
                    stack.enter_context(self._beside(command))
                elif block.word == "console":
                    yield block, "".join(self._played(command, shown) for command, shown in steps(block))

    def _write(self, block: Block) -> None:
        file = self.folder / block.arguments
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, "utf-8")

    def _played(self, command: str, shown: str) -> str:
        if (export := EXPORT.match(command)) and export["name"] in SERVERS:
            self._serve(export["name"])
        end = time.monotonic() + self.patience
        while True:
            played = play(command, shown, self.folder, self.environment, self.address)
            if comparable(played) == comparable(f"$ {command}\n{shown}") or time.monotonic() > end:
                return played
            time.sleep(0.2)

    def _serve(self, variable: str) -> None:
        self.extra[variable] = self.request.getfixturevalue(SERVERS[variable])
        if SERVERS[variable] == "kafka":
            drop_all(self.extra[variable], TOPICS)
            self.request.addfinalizer(lambda: drop_all(self.extra[variable], TOPICS))

    @contextmanager
    def _beside(self, command: str) -> Iterator[None]:
        program, *words = command.replace(ADDRESS, self.address).split()
        assert program == "flowc", command
        with open(os.devnull) as nothing:
            daemon = warmflowc.begin(words, (nothing.fileno(), 1, 2), cwd=self.folder, env=self.environment)
        self.patience = PATIENCE
        try:
            yield
        finally:
            self.patience = 0.0
            daemon.terminate()
            ended = daemon.wait(PATIENCE)
        assert ended == 0, command


def played_cases(page: Path) -> list[Case]:
    return [case for case in read_cases(page) if any(block.word == "console" for block in case.blocks)]


def holds_files(page: Path) -> bool:
    return any(FILE.fullmatch(block.arguments) for case in read_cases(page) for block in case.blocks)


@pytest.mark.parametrize("page", [page for page in PAGES if played_cases(page)], ids=name)
def test_commands_do_what_is_shown(page: Path, tmp_path: Path, update_golden: bool, request: pytest.FixtureRequest):
    project = tmp_path / "quickstart"
    if holds_files(page):
        project.mkdir()
    else:
        shutil.copytree(ROOT / "specs" / "quickstart", project)
    player, rewritten = Player(project, request), {}
    for case in read_cases(page):
        for block, played in player.section(case):
            if update_golden and comparable(played) != comparable(block.text):
                rewritten[block] = played
            else:
                assert comparable(played) == comparable(block.text), f"{page.name}:{block.first}"
    replace(page, rewritten)


def steps(block: Block) -> list[tuple[str, str]]:
    """Each command of a block with the output that is shown for it."""
    parts = re.split(r"^\$ (.*)\n", block.text, flags=re.MULTILINE)
    assert parts[0] == "", "a console block starts with a command"
    return list(zip(parts[1::2], parts[2::2], strict=True))


def environment(project: Path) -> dict[str, str]:
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(project),
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "110",
        "PYTHONUNBUFFERED": "1",
    }


def play(command: str, shown: str, project: Path, env: dict[str, str], address: str = ADDRESS) -> str:
    """Runs a command, with another address for ADDRESS; the text that the block should have."""
    if command.split()[0] not in RUNNABLE:
        return f"$ {command}\n{shown}"
    env = env | {"PATH": f"{warm.commands()}:{env['PATH']}"}
    words = ["bash", "-c", command.replace(ADDRESS, address)]
    done = subprocess.run(
        words, cwd=project, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        timeout=300,
    )  # fmt: skip
    if not shown:
        assert done.returncode == 0, done.stdout
        return f"$ {command}\n"
    code = f"exit {done.returncode}\n" if done.returncode else ""
    return f"$ {command}\n{steady_lines(done.stdout)}{code}"


def comparable(text: str) -> str:
    """Output without times and what depends on them, spaces too."""
    return re.sub(" {2,}", "  ", EPOCHS.sub(r"\1…", WHEN.sub("…", steady(text))))


def steady_lines(text: str) -> str:
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def replace(page: Path, rewritten: dict[Block, str]) -> None:
    lines = page.read_text("utf-8").split("\n")
    for block in sorted(rewritten, key=lambda block: -block.first):
        lines[block.first : block.last] = rewritten[block].split("\n")[:-1]
    if rewritten:
        page.write_text("\n".join(lines), "utf-8")


def python_pages() -> list[Path]:
    return list(dict.fromkeys(page for page, block in blocks("python") if not block.arguments))


def run_python(page: Path, made: ModuleType) -> None:
    """Has the blocks of a page make the module."""
    for block in (block for at, block in blocks("python") if at == page and not block.arguments):
        tree = ast.parse(block.text)
        compile(tree, "whole", "exec")
        if not all(map(_is_installed, tree.body)):
            tree.body = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
        exec(compile(tree, f"{page.name}:{block.first}", "exec"), vars(made))


def _is_installed(node: ast.stmt) -> bool:
    names = [node.module] if isinstance(node, ast.ImportFrom) else []
    names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
    return all(each in sys.modules or find_spec(each.partition(".")[0]) for each in names)


@pytest.mark.parametrize("page", python_pages(), ids=name)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = ModuleType("flowc_tasks")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    monkeypatch.chdir(shutil.copytree(ROOT / "specs" / "quickstart", tmp_path / "quickstart"))
    run_python(page, made)
    if page.name == "orchestrators.md":
        assert (made.rows[0]["pipeline"], made.rows[0]["read"] > 0) == ("sync_planes", True)
        assert made.task("sync_airports", "scheduled__2026-03-10") == {"sync_airports": 0}


@pytest.mark.parametrize("page", LINKED, ids=name)
def test_links_lead_somewhere(page: Path):
    prose = CODE.sub("", page.read_text("utf-8"))
    targets = [match["target"] for match in LINK.finditer(prose)]
    local = [target.partition("#")[0] for target in targets if "://" not in target and not target.startswith("#")]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_page_can_be_found_from_the_index():
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in LINKED if ROOT / "docs" in page.parents]
    named = {page for page in pages if f"({page})" in index or f"`{page}`" in index}
    assert sorted(set(pages) - named - {"index.md"}) == []


@pytest.mark.parametrize(
    "script",
    [
        "make_reference.py",
        "make_cli_reference.py",
        "make_engine_reference.py",
        "make_safety_reference.py",
    ],
)
def test_the_reference_is_current(script: str):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_line_of_yaml_stops_where_the_architecture_says(tmp_path: Path):
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    stops = [(number, path, name) for number, name, path in STOP.findall(page)]
    assert [int(number) for number, *_ in stops] == list(range(1, 11))
    run, entered = Inside(tmp_path), []

    def entering(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            entered.append((frame.f_code.co_filename, frame.f_code.co_qualname))

    run.write("specs/project.yaml", STOPPING)
    sqlite3.connect(tmp_path / "a.db").executescript("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT);")
    run.flowc("run", "--once")  # with what is imported then, and not to be followed
    sys.setprofile(entering)
    try:
        assert run.flowc("run", "--once").code == 0
    finally:
        sys.setprofile(None)
    first = [entered.index((str(ROOT / path), name)) for _, path, name in stops]
    assert first == sorted(first)


PLACE = re.compile(r"`((?:[\w.*-]|<\w+>)+(?:/(?:[\w.*-]|<\w+>)+)+)/?`")
"""A path in code: of a file, or of a module without its ending. `<kind>` stands for any name."""
ROOMS = ("benchmarks", "docs", "flowc", "schemas", "scripts", "specs", "tests")
MAPPED = [
    ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md", *sorted((ROOT / "docs" / "architecture").glob("*.md"))
]  # fmt: skip


def paths_of_the_tree() -> str:
    """The paths of all files and their folders, one a line, each with and without its ending."""
    files = [
        file.relative_to(ROOT)
        for room in ROOMS
        for file in (ROOT / room).rglob("*.*")
        if "__pycache__" not in file.parts
    ]
    paths = {path for file in files for path in (file, file.with_suffix(""), *file.parents)}
    return "\n".join(f"/{path.as_posix()}" for path in paths)


@pytest.mark.parametrize("page", MAPPED, ids=name)
def test_every_path_that_a_page_names_exists(page: Path):
    tree = paths_of_the_tree()
    named = {place for place in PLACE.findall(page.read_text("utf-8")) if not place.startswith(".")}
    pattern = {place: re.sub(r"\\\*|<\w+>", "[^/\n]+", re.escape(place)) for place in named}
    assert sorted(place for place in named if not re.search(f"/{pattern[place]}$", tree, re.MULTILINE)) == []


def test_the_hook_and_the_action_do_what_they_say(tmp_path: Path):
    shutil.copytree(ROOT / "specs" / "quickstart", tmp_path, dirs_exist_ok=True)
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    play(" ".join([hook["entry"], *hook["args"]]), "", tmp_path, environment(tmp_path))
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    *_, install, lint = action["runs"]["steps"]
    assert "pip install" in install["run"]
    play(f"export SPECS={action['inputs']['specs']['default']}; {lint['run']}", "", tmp_path, environment(tmp_path))
