"""Shell completion: what the Tab key gives in real shells, and that it is quick, silent and reads YAML alone."""

from __future__ import annotations

import os
import pty
import resource
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands import ROOT, Inside

SPECS = """
connections:
  db: { kind: postgres, url: "postgres://nobody@127.0.0.1:1/none" }
tables:
  orders: { connection: db, columns: { id: bigint primary key } }
pipelines:
  load_orders: { from: db, sql: SELECT 1 AS id, to: orders, tags: [nightly, "two words"] }
  load_lines: { from: db, sql: SELECT 1 AS id, to: orders }
streams:
  clicks: { tags: [web] }
environments: { prod: {} }
"""
SETUP = {
    "bash": ("--noprofile", "--rcfile", "{rc}", "-i"),
    "zsh": ("-i",),
    "fish": ("--private", "--init-command", "source {rc}", "-i"),
}
RC = {
    "bash": 'PS1="> "\neval "$(flowc completion bash)"\n',
    "zsh": 'PS1="> "\nautoload -Uz compinit && compinit -u -D\neval "$(flowc completion zsh)"\n',
    "fish": "function fish_prompt; echo '> '; end\nfunction fish_greeting; end\nflowc completion fish | source\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Inside:
    made = Inside(tmp_path)
    made.write("specs/project.yaml", SPECS)
    made.write("specs/broken.yaml", "pipelines: { half: { sql: ")
    made.write("bin/flowc", f'#!/bin/sh\nexec "{sys.executable}" -m flowc "$@"\n').chmod(0o755)
    made.env = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "ZDOTDIR": str(tmp_path), "TERM": "dumb"}
    made.env["XDG_DATA_HOME"] = str(tmp_path / "data")
    (tmp_path / "data/fish/generated_completions").mkdir(parents=True)  # fish would read all pages of manuals for these
    return made


def offered(folder: Inside, line: str) -> list[str]:
    """What flowc tells a bash, from a process as a shell starts one; it must not say anything else."""
    environment = folder.environment() | {"COMP_WORDS": line, "_FLOWC_COMPLETE": "bash_complete"}
    done = subprocess.run(
        folder.command(), cwd=folder.path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [each.removeprefix("plain,") for each in done.stdout.splitlines() if each]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("flowc re", ["rewind"]),
        ("flowc dlq ", ["list", "purge", "replay", "show"]),
        ("flowc run --dr", ["--drain"]),
        ("flowc lint --format s", ["sarif"]),
        ("flowc run load_", ["load_lines", "load_orders"]),
        ("flowc run specs/project.yaml cl", ["clicks"]),
        ("flowc validate cl", ["file,cl"]),
        ("flowc plan --select or", ["orders"]),
        ("flowc run tag:", ["tag:nightly", "tag:web"]),
        ("flowc run +cl", ["+clicks"]),
        ("flowc run +tag:n", ["+tag:nightly"]),
        ("flowc run --env ", ["prod"]),
        ("flowc sched", ["schedule", "scheduler"]),
        ("flowc schedule pa", ["pause"]),
        ("flowc schedule pause load_", ["load_lines", "load_orders"]),
        ("flowc run-due tag:n", ["tag:nightly"]),
        ("flowc runs list --status f", ["failed"]),
        ("flowc runs list --run-log ", ["db"]),
        ("flowc connections check d", ["db"]),
        ("flowc completion z", ["zsh"]),
        ("flowc run 'load_o", ["load_orders"]),
        ("flowc run --nonsense=1 cli", ["clicks"]),
        ("", []),
    ],
)
def test_what_is_offered(folder, line, found):
    assert offered(folder, line) == found


def test_without_specs_commands_are_offered_still(folder):
    shutil.rmtree(folder.path / "specs")
    assert offered(folder, "flowc st") == ["status"]
    assert offered(folder, "flowc run load_") == ["file,load_"]


def test_an_answer_takes_less_than_a_fifth_of_a_second(folder):
    """Of the processor: other processes of the machine are not its own."""
    for number in range(10):
        pipelines = (f"  p{number}_{i}: {{ from: db, sql: SELECT 1 AS id, to: orders }}\n" for i in range(20))
        folder.write(f"specs/more{number}.yaml", "pipelines:\n" + "".join(pipelines))
    offered(folder, "flowc run p")
    spent = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        assert len(offered(folder, "flowc run p")) == 200
        spent.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
    assert min(spent) < 0.2


def test_the_answer_loads_no_command_and_no_compiler(folder):
    code = (
        "import sys; from flowc.cli.completing import answer; answer('bash_complete');"
        "print(*sorted({'sqlglot', 'pyarrow', 'jinja2', 'jsonschema_rs', 'rich', 'flowc.cli.run'} & set(sys.modules)))"
    )
    environment = folder.environment() | {"COMP_WORDS": "flowc run ", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder.path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"


@pytest.mark.covering
@pytest.mark.parametrize("shell", SETUP)
@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("flowc stat", "flowc status"),
        ("flowc run --dra", "flowc run --drain"),
        ("flowc run load_o", "flowc run load_orders"),
        ("flowc run tag:ni", "flowc run tag:nightly"),
        ("flowc run spe", "flowc run specs/"),
    ],
)
def test_the_tab_key_of_a_real_shell(folder, shell, typed, becomes):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: Debian has it as package `{shell}`")
    more = becomes.removeprefix(typed)
    assert more in typed_into(folder, shell, typed, more)


def typed_into(folder: Inside, shell: str, typed: str, more: str) -> str:
    """What a shell shows that got a line and a Tab."""
    rc = folder.write(".zshrc" if shell == "zsh" else "rc", RC[shell])
    command = [shell, *(word.format(rc=rc) for word in SETUP[shell])]
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder.path)
        os.execvpe(command[0], command, folder.environment())
    try:
        until(terminal, "> ")
        os.write(terminal, typed.encode() + b"\t")
        return until(terminal, more)
    finally:
        os.close(terminal)
        os.kill(child, 9)
        os.waitpid(child, 0)


def until(terminal: int, wanted: str) -> str:
    """What a terminal shows until a text is there, for 20 seconds at most."""
    seen, end = "", time.monotonic() + 20
    while wanted not in seen and (left := end - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            seen += os.read(terminal, 65536).decode(errors="replace")
    return seen


def test_the_scripts_parse(folder):
    for shell in SETUP:
        script = folder.write(f"completion.{shell}", folder.flowc("completion", shell).out)
        if shutil.which(shell) is not None:
            subprocess.run([shell, "-n", script], check=True, env=folder.environment() | {"HOME": str(ROOT)})
