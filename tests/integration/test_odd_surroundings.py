"""Whatever lies around a project and stands on the command line: flowc tells what is wrong, and never fails itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import Folder, Inside
from tests.extended import EXTENDED, with_extended

SPECS = """
project: x
connections: { a: { kind: sqlite, path: a.db }, in: { kind: files, uri: inbox, format: jsonl } }
tables: { t: { connection: a, columns: { id: bigint } } }
"""
LOAD = SPECS + "pipelines: { p: { from: { connection: a, table: s }, to: t, mode: append, sql: SELECT 1 AS id } }\n"
STREAM = SPECS + "streams: { s: { source: { connection: in, path: '*' }, to: t, sql: SELECT id FROM source } }\n"
LONG = "n" * 300


def test_a_working_folder_that_was_removed_is_told(tmp_path: Path) -> None:
    gone = Folder(tmp_path / "gone")
    environment = gone.environment()
    gone.path.mkdir()
    script = f"cd {gone.path} && rmdir {gone.path} && exec {sys.executable} -m flowc lint"
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error[unusable-file]: the working folder was removed\n")


@pytest.mark.parametrize("encoding", with_extended(["ascii"], ["latin-1", "cp1252"]))
def test_letters_that_the_output_lacks_end_no_command(tmp_path: Path, encoding: str) -> None:
    folder = Folder(tmp_path)
    folder.write("specs/a.yaml", SPECS.replace("t: {", "ordeřs→: {"))
    environment = {**folder.environment(), "PYTHONIOENCODING": encoding}
    words = (sys.executable, "-m", "flowc", "plan")
    done = subprocess.run(words, env=environment, capture_output=True, cwd=tmp_path)
    assert (done.returncode, done.stderr.decode(encoding)) == (0, "")
    assert "orde\\u0159s\\u2192" in done.stdout.decode(encoding)


def test_the_locale_of_a_bare_system_ends_no_command(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("specs/a.yaml", SPECS.replace("bigint", "bigintö"))
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = (sys.executable, "-m", "flowc", "lint")
    done = subprocess.run(words, env={**folder.environment(), **bare}, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "1 error\n")
    assert "bigint\\xf6" in done.stdout


def test_without_a_home_nothing_is_written_that_is_not_read(project: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {**project.environment(), "HOME": ""}
    monkeypatch.setattr(Inside, "environment", lambda _: environment)
    done = project.flowc("connections", "set", "c", "kind=sqlite", "path=c.db")
    assert (done.code, done.out, "error[unset-variable]: the variable `HOME` is not set" in done.err) == (2, "", True)


FULL_DISK = """
import pathlib, resource, signal
from flowc.service.access.writing import write_whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for name in ("there", "not there"):
    try:
        write_whole(pathlib.Path(name), "x" * 5000)
    except OSError as error:
        print(error.strerror)
"""


def test_a_disk_that_is_full_leaves_files_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("as before")
    script = [sys.executable, "-c", FULL_DISK]
    done = subprocess.run(script, env=Folder(tmp_path).environment(), capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("File too large\nFile too large\n", "")
    assert {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()} == {"there": "as before"}


def test_a_stream_of_files_whose_state_is_gone_says_what_to_do(project: Inside) -> None:
    project.write("specs/main.yaml", STREAM)
    project.write("inbox/a.jsonl", '{"id": 1}\n')
    assert (project.flowc("apply", "--yes").code, project.flowc("run", "s", "--once").code) == (0, 0)
    shutil.rmtree(project.path / ".flowc" / "state")
    done = project.flowc("run", "s", "--once")
    said = done.out + done.err
    assert (done.code, "state-lost" in said, "--to earliest" in said) == (1, True, True), done


def test_a_plan_goes_where_a_link_leads_or_into_a_pipe(project: Inside) -> None:
    project.write("specs/main.yaml", STREAM)
    (project.path / "plans").mkdir()
    (project.path / "plan.json").symlink_to("plans/first.json")
    assert project.flowc("plan", "--out", "plan.json").code == 0
    assert (project.path / "plan.json").is_symlink()
    assert (project.path / "plans/first.json").stat().st_mode & 0o777 == 0o600
    assert project.flowc("plan", "--out", "/dev/null").code == 0


@pytest.mark.parametrize(
    "command",
    [
        ("lint", LONG), ("plan", LONG), ("run", "--once", LONG), ("compile", LONG), ("apply", LONG), ("graph", LONG),
        ("status", LONG), ("preview", LONG), ("validate", LONG), ("connections", "check", LONG),
        ("import", LONG), ("test", LONG), ("rewind", LONG), ("dlq", "show", LONG), ("init", LONG), ("drift", LONG),
        ("explain", LONG), ("plan", "--out", LONG), ("graph", "--out", LONG),
        ("apply", LONG + ".json"), ("lint", LONG + "/x.yaml"), ("run", "--http", LONG),
        ("project", "rename", LONG, "y"),
    ],
    ids=lambda words: " ".join(words).replace(LONG, "LONG"),
)  # fmt: skip
def test_names_may_be_longer_than_a_file_may_be_called(project: Inside, command: tuple[str, ...]) -> None:
    project.write("specs/main.yaml", STREAM + LOAD.removeprefix(SPECS))
    done = project.flowc(*command)
    assert done.code in (1, 2)
    assert "error[" in done.err or "Error:" in done.err


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("run", "--http", "nowhere"), "unusable-option"),
        (("run", "--http", "127.0.0.1:99999"), "unusable-option"),
        (("run", "--http", "127.0.0.1:²"), "unusable-option"),
        (("run", "--http", "127.0.0.1:٣"), "unusable-option"),
        (("run", "--http", "a\x00b:80"), "unusable-option"),
        (("run", "--http", "é" * 70 + ".example:80"), "unusable-option"),
        (("run", "--http", "..:80"), "unusable-option"),
        (("run", "--http", "[::1:80"), "unusable-option"),
        (("run", "--http", ""), "unusable-option"),
        (("run", "--http", "127.0.0.1:80\n"), "unusable-option"),
        (("dlq", "purge", "s", "--older-than", "9" * 30 + "d"), "unreadable-argument"),
        (("dlq", "purge", "s", "--older-than", "9" * 400 + "d"), "unreadable-argument"),
        (("dlq", "purge", "s", "--older-than", "800000d"), "unreadable-argument"),
        (("plan", "--rollback-to", "²"), "unknown-version"),
        (("plan", "--rollback-to", "9" * 5000), "unknown-version"),
    ],
)
def test_absurd_options_are_told(project: Inside, command: tuple[str, ...], code: str) -> None:
    project.write("specs/main.yaml", STREAM.replace("sql:", "on_error: dlq, dead_letter: { table: letters }, sql:"))
    done = project.flowc(*command)
    assert (done.code, f"error[{code}]" in done.err) == (2, True), done.err


@pytest.mark.parametrize("option", ["--lock-timeout", "--table-lock-timeout", "--statement-timeout"])
@pytest.mark.parametrize("seconds", ["nan", "inf", "-inf", "-1", "1e400", "1e300", "soon", "", "2000001"])
def test_seconds_that_nobody_can_wait_are_refused(project: Inside, option: str, seconds: str) -> None:
    project.write("specs/main.yaml", STREAM)
    done = project.flowc("apply", "--yes", option, seconds)
    assert (done.code, f"`{seconds}` is no number of seconds from 0 to 2000000" in done.err) == (2, True), done.err
    assert project.flowc("apply", "--yes", option, "2000000").code == 0


COMMANDS = (
    ("lint",), ("plan",), ("apply", "--yes"), ("run", "--once"), ("status",), ("preview", "s"), ("connections", "list"),
    ("rewind", "s", "--to", "earliest", "--yes"), ("drift",), ("connections", "set", "c", "kind=sqlite", "path=c.db"),
)  # fmt: skip


@pytest.mark.covering
@pytest.mark.parametrize(
    "path",
    [
        ".flowc",
        ".flowc/state",
        ".flowc/state/s.sqlite",
        ".flowc/connections.yaml",
        "home/.flowc",
        "home/.flowc/connections.yaml",
    ],
)
@pytest.mark.parametrize("what", ["a file", "a folder", "noise", "fifo", "device"])
def test_whatever_lies_where_flowc_keeps_things(project: Inside, path: str, what: str) -> None:
    """A folder stands for a file that nobody may read, which root may."""
    project.write("specs/main.yaml", STREAM)
    project.write("inbox/a.jsonl", '{"id": 1}\n')
    place = project.path / path
    place.parent.mkdir(parents=True, exist_ok=True)
    if what in ("fifo", "device"):
        put(place, what)
    elif what == "a folder":
        place.mkdir()
    else:
        place.write_bytes(b"" if what == "a file" else os.urandom(9000))
    for command in COMMANDS:
        done = project.flowc(*command)
        assert done.code == 0 or "error[" in done.out + done.err, (command, done)


@pytest.mark.parametrize("dialect", ["nope", "", "postgress", "'  '", "1"])
def test_a_dialect_that_there_is_not(project: Inside, dialect: str) -> None:
    project.write("specs/main.yaml", STREAM.replace("sql:", f"dialect: {dialect or chr(39) * 2}, sql:"))
    done = project.flowc("lint")
    assert done.code == 1
    assert "dialect" in done.out


@pytest.mark.covering
@pytest.mark.parametrize("sql", ["SELECT * @x FROM source", "SELECT * @x", "SELECT @", "SELECT * @@x, 1 FROM source"])
@pytest.mark.parametrize("dialect", ["postgres", "mysql", "duckdb", "sqlite", None])
def test_at_signs_that_mean_nothing(project: Inside, sql: str, dialect: str | None) -> None:
    own = f"dialect: {dialect}, " if dialect else ""
    for spec in (STREAM.replace("SELECT id FROM source", f'"{sql}"'), LOAD.replace("SELECT 1 AS id", f'"{sql}"')):
        project.write("specs/main.yaml", spec.replace("sql:", f"{own}sql:"))
        assert project.flowc("lint").code == 1
        project.flowc("compile")


@pytest.mark.parametrize("absurd", ["batch: { max_wait: %sd }", "restart: { max_backoff: %sms }"])
@pytest.mark.parametrize("digits", [20, 400])
def test_longer_and_larger_than_anything(project: Inside, absurd: str, digits: int) -> None:
    project.write("specs/main.yaml", STREAM.replace("sql:", f"{absurd % ('9' * digits)}, sql:"))
    done = project.flowc("lint", "--format", "concise")
    assert done.code == 1
    assert "9" * digits in done.out


def test_more_workers_than_any_machine_has(project: Inside) -> None:
    project.write("specs/main.yaml", STREAM.replace("sql:", "parallelism: 100000000000, sql:"))
    done = project.flowc("lint")
    assert done.code == 1
    assert "parallelism" in done.out


@pytest.mark.parametrize("what", ["fifo", "device", "folder", "noise"])
def test_functions_in_what_is_no_module(project: Inside, what: str) -> None:
    function = "functions: { f: { python: 'odd:f' } }\n"
    project.write("specs/main.yaml", STREAM.replace("SELECT id", "SELECT f(id) AS id") + function)
    put(project.path / "odd.py", what)
    done = project.flowc("lint")
    assert done.code == 1
    assert "`odd.py`" in done.out


@pytest.mark.parametrize("closed", [pytest.param((0,), marks=EXTENDED), (1,), (2,), (0, 1, 2)])
def test_streams_that_are_closed_are_nowhere(tmp_path: Path, closed: tuple[int, ...]) -> None:
    folder = Folder(tmp_path)
    folder.write("specs/main.yaml", STREAM + LOAD.removeprefix(SPECS))
    close = " ".join(f"{number}>&-" for number in closed)
    script = f"exec {sys.executable} -m flowc plan {close}"
    done = subprocess.run(["sh", "-c", script], env=folder.environment(), capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr, "table a.t" in done.stdout) == (0, "", 1 not in closed)


@pytest.mark.parametrize("command", [("plan",), ("--help",), ("explain", "no-specs"), ("run", "--once", "--json")])
def test_output_that_nothing_takes_is_told(tmp_path: Path, command: tuple[str, ...]) -> None:
    folder = Folder(tmp_path)
    folder.write("specs/main.yaml", STREAM)
    folder.write("inbox/a.jsonl", '{"id": 1}\n')
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            folder.command(*command), env=folder.environment(), stdout=full, stderr=subprocess.PIPE, text=True,
            cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error[unwritable-file]: the output cannot be written: no space left on device\n")


FULL = """
import errno, os, sys
from flowc.cli import explain, main
def fails(**_):
    print("begun" * {times}, file=sys.{stream})
    raise OSError(errno.{number}, os.strerror(errno.{number}))
explain.command.callback = fails
main.main()
"""


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("ENOSPC", "error[unusable-file]: a file cannot be written or read: no space left on device"),
        ("EIO", "error[unusable-file]: a file cannot be written or read: input/output error"),
        ("EBADF", "error[internal]: flowc failed, and the fault is its own"),
    ],
)
def test_a_file_that_fails_is_not_taken_for_the_output(number: str, words: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL.format(number=number, times=1, stream="stdout"), "explain", "x"]
    done = subprocess.run(command, env=Folder(tmp_path).environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, words)


@pytest.mark.parametrize("times", [1, 1_000_000])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_nothing_takes_is_told_whatever_its_size(times: int, unbuffered: str, tmp_path: Path) -> None:
    script = FULL.format(number="EBADF", times=times, stream="stdout").replace("    raise", "    return 0; raise")
    env = {**Folder(tmp_path).environment(), "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-c", script, "explain", "x"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, env=env, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2, "error[unwritable-file]: the output cannot be written: no space left on device",
    )  # fmt: skip


SILENT = "class E(Exception):\n    def __str__(self): raise ZeroDivisionError\n"


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("class B(BaseException): pass\nraise B('x')", "cannot be loaded from `odd:f`: B: x\n"),
        ("raise GeneratorExit", "cannot be loaded from `odd:f`: GeneratorExit\n"),
        ("raise ValueError('A' * 10_000_000)", "cannot be loaded from `odd:f`: ValueError: AAAA"),
        (SILENT + "raise E", "cannot be loaded from `odd:f`: E: its text cannot be made (ZeroDivisionError)\n"),
        (SILENT + "def f(a): raise E", "function `f` failed: E: its text cannot be made (ZeroDivisionError)\n"),
        ("class B(BaseException): pass\ndef f(a): raise B('x')", "function `f` failed: B: x\n"),
        ("def f(a): raise KeyboardInterrupt", "function `f` failed: KeyboardInterrupt\n"),
    ],
)
def test_functions_that_fail_in_ways_of_their_own(project: Inside, module: str, words: str) -> None:
    function = "functions: { f: { python: 'odd:f', args: [bigint], returns: bigint } }\n"
    project.write("specs/main.yaml", STREAM.replace("SELECT id", "SELECT f(id) AS id") + function)
    project.write("inbox/a.jsonl", '{"id": 1}\n')
    project.write("odd.py", module + "\n")
    done = project.flowc("run", "--once")
    assert (done.code, words in done.err) == (1, True), done.err[-4000:]
    assert len(done.err) < 4000


def put(place: Path, what: str) -> None:
    """What nobody may read to its end, or as text."""
    if what == "fifo":
        os.mkfifo(place)
    elif what == "device":
        place.symlink_to(Path("/dev/zero"))
    elif what == "folder":
        place.mkdir()
    else:
        place.write_bytes(bytes(range(256)))
