"""The docs tell the truth: every YAML block lints, every command runs, links lead somewhere, the reference is current.

Blocks are marked by the words after the fence:
    yaml                  a whole project
    yaml fragment         part of one: sections merged with `docs_project.yaml`, or keys of one pipeline
    console               `$ command` lines with their output, played in order in a copy of the quick start; commands of
                          other programs than a few are left out; output is compared where some is shown
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest
import yaml

from flowc import render
from flowc.compiler import stages
from flowc.diagnostics import Reporter
from tests.golden_format import Block, read_cases
from tests.golden_harness import steady

ROOT = Path(__file__).resolve().parents[1]
GENERATED = sorted((ROOT / "docs" / "reference").glob("*.md"))
PAGES = [
    ROOT / "README.md",
    ROOT / "specs" / "quickstart" / "README.md",
    *sorted(
        path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "diagnostics" and path not in GENERATED
    ),
]
LINKED = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *GENERATED]
BASE = Path(__file__).with_name("docs_project.yaml")
SECTIONS = {"vars", "connections", "tables", "pipelines", "streams", "functions", "tests", "environments"}
PIPELINE = {
    "from": "shop",
    "sql": "SELECT customer_id, email, name, updated_at FROM customers",
    "to": "customers",
}
RUNNABLE = ("flowc", "export", "sed", "cp", "mv", "cat", "python")
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


def blocks(word: str) -> list[tuple[Path, Block]]:
    return [(page, block) for page in PAGES for case in read_cases(page) for block in case.blocks if block.word == word]


def name(value: object) -> str:
    return value.relative_to(ROOT).as_posix() if isinstance(value, Path) else str(getattr(value, "first", value))


def project_of(block: Block) -> dict[str, object]:
    """The whole project that a block stands for."""
    written = yaml.safe_load(block.text)
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


@pytest.mark.parametrize(("page", "block"), blocks("yaml"), ids=name)
def test_yaml_lints_without_errors(page: Path, block: Block, tmp_path: Path):
    specs = tmp_path / "specs"
    specs.mkdir()
    (specs / "project.yaml").write_text(yaml.safe_dump(project_of(block), sort_keys=False), "utf-8")
    reporter = Reporter()
    with chdir(tmp_path):
        stages.lint([Path("specs")], reporter)
    assert not reporter.has_errors, render.full(reporter.sorted())


def commands(page: Path) -> list[Block]:
    return [block for case in read_cases(page) for block in case.blocks if block.word == "console"]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=name)
def test_commands_do_what_is_shown(page: Path, tmp_path: Path, update_golden: bool):
    project = tmp_path / "quickstart"
    shutil.copytree(ROOT / "specs" / "quickstart", project)
    rewritten = {}
    for block in commands(page):
        played = "".join(play(command, shown, project) for command, shown in steps(block))
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


def play(command: str, shown: str, project: Path) -> str:
    """Runs a command; the text that the block should have."""
    if command.split()[0] not in RUNNABLE:
        return f"$ {command}\n{shown}"
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(project),
        "COLUMNS": "110",
        "PYTHONUNBUFFERED": "1",
    }
    done = subprocess.run(
        ["bash", "-c", command], cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False, timeout=120,
    )  # fmt: skip
    if not shown:
        assert done.returncode == 0, done.stdout
        return f"$ {command}\n"
    code = f"exit {done.returncode}\n" if done.returncode else ""
    return f"$ {command}\n{steady_lines(done.stdout)}{code}"


def comparable(text: str) -> str:
    """Output without times, nor the spaces that depend on them."""
    return re.sub(" {2,}", "  ", steady(text))


def steady_lines(text: str) -> str:
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def replace(page: Path, rewritten: dict[Block, str]) -> None:
    lines = page.read_text("utf-8").split("\n")
    for block in sorted(rewritten, key=lambda block: -block.first):
        lines[block.first : block.last] = rewritten[block].split("\n")[:-1]
    if rewritten:
        page.write_text("\n".join(lines), "utf-8")


@pytest.mark.parametrize("page", LINKED, ids=name)
def test_links_lead_somewhere(page: Path):
    targets = [match["target"] for match in LINK.finditer(page.read_text("utf-8"))]
    local = [target.partition("#")[0] for target in targets if "://" not in target and not target.startswith("#")]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_page_can_be_found_from_the_index():
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in LINKED if ROOT / "docs" in page.parents]
    named = {page for page in pages if f"({page})" in index or f"`{page}`" in index}
    assert sorted(set(pages) - named - {"index.md"}) == []


@pytest.mark.parametrize("script", ["make_reference.py", "make_cli_reference.py", "make_engine_reference.py"])
def test_the_reference_is_current(script: str):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_hook_and_the_action_do_what_they_say(tmp_path: Path):
    shutil.copytree(ROOT / "specs" / "quickstart", tmp_path, dirs_exist_ok=True)
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    play(" ".join([hook["entry"], *hook["args"]]), "", tmp_path)
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    *_, install, lint = action["runs"]["steps"]
    assert "pip install" in install["run"]
    play(f"export SPECS={action['inputs']['specs']['default']}; {lint['run']}", "", tmp_path)
