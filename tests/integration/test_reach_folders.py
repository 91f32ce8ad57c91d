"""What lies below the `uri` of a connection, and nothing else, is read and written; and no file holds a process up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowc.runtime.stores.folder import Folder
from tests import warm
from tests.commands import Folder as Made
from tests.commands import Inside
from tests.daemons import daemon
from tests.streams.filefolder import aged
from tests.waiting import PATIENCE, until

SPECS = """
connections:
  drop: {{ kind: files, uri: ./drop }}
  lake: {{ kind: delta, uri: ./lake }}
  wh: {{ kind: sqlite, path: wh.db }}
pipelines:
  load:
    from: {{ connection: drop, path: "{path}", format: csv, columns: {{ id: bigint, name: text }} }}
    to: {{ connection: wh, table: t, mode: append }}
  bad:
    from: {{ connection: drop, path: "good.csv", format: csv, columns: {{ id: bigint, name: text }} }}
    on_bad_row: quarantine
    quarantine: {{ path: aside }}
    to: {{ connection: wh, table: b, mode: append }}
  table:
    from: {{ connection: drop, path: "good.csv", format: csv, columns: {{ id: bigint, name: text }} }}
    on_bad_row: skip
    to: {{ connection: lake, table: out, mode: append }}
streams:
  watch:
    source: {{ connection: drop, path: "{path}", format: csv, columns: {{ id: bigint, name: text }} }}
    to: {{ connection: wh, table: s, mode: append }}
    on_error: {on_error}
  write:
    source: {{ connection: drop, path: "good.csv", format: csv, columns: {{ id: bigint, name: text }} }}
    to: {{ connection: drop, path: written, format: jsonl }}
    on_error: drop
"""


def _made(tmp_path: Path, path: str = "*.csv", on_error: str = "fail") -> Inside:
    made = Inside(tmp_path / "project")
    made.write("specs/s.yaml", SPECS.format(path=path, on_error=on_error))
    made.write("drop/good.csv", "id,name\n1,a\nx,b\n" if path == "good.csv" else "id,name\n1,a\n")
    aged(made.write("../elsewhere/secret.csv", "id,name\n7,hunter2\n"))
    aged(made.path / "drop/good.csv")
    return made


def _put(made: Inside, what: str) -> None:
    place = made.path / "drop" / "odd.csv"
    if what == "pipe":
        os.mkfifo(place)
        os.utime(place, (1, 1))
    elif what == "folder":
        (made.path / "drop" / "odd").symlink_to(made.path.parent / "elsewhere")
    else:
        place.symlink_to({"file": made.path.parent / "elsewhere" / "secret.csv"}.get(what, Path(what)))
        os.utime(place, (1, 1), follow_symlinks=False)


ODD = ["file", "pipe", "/dev/zero", "/proc/self/environ", "/proc/kmsg", "folder"]


@pytest.mark.covering
@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("name", ["load", "watch"])
def test_what_is_no_file_below_the_folder_is_refused(what: str, name: str, tmp_path: Path) -> None:
    made = _made(tmp_path, "**/*.csv" if what == "folder" else "*.csv")
    _put(made, what)
    done = made.flowc("run", name, "--once", "--json")
    assert done.code == 1
    assert "hunter2" not in done.out + done.err
    code = "unreadable-file" if what == "pipe" else "path-outside"
    assert f'"code": "{code}"' in done.out, done.out
    assert "odd" in done.out


@pytest.mark.covering
@pytest.mark.parametrize(
    ("what", "path"),
    [("file", "*.csv"), ("pipe", "*.csv"), ("/dev/zero", "*.csv"), *[("folder", f"{at}**/*.csv") for at in ("", "*/")]],
)
@pytest.mark.parametrize("on_error", ["drop", "dlq"])
def test_a_stream_that_leaves_out_bad_rows_passes_over_it(what: str, path: str, on_error: str, tmp_path: Path) -> None:
    made = _made(tmp_path, path, on_error)
    made.write("drop/in/deep/good.csv", "id,name\n2,b\n")
    os.utime(made.path / "drop/in/deep/good.csv", (2, 2))
    _put(made, what)
    if what == "folder":
        os.utime(made.path / "drop/odd", (1, 1), follow_symlinks=False)
    (report,) = made.flowc("run", "watch", "--once", "--json").json
    assert (report["status"], report["rows"], report["bad_rows"]) == ("ok", 2 if path == "**/*.csv" else 1, 1)
    (again,) = made.flowc("run", "watch", "--once", "--json").json
    assert (again["status"], again["messages"]) == ("ok", 0)
    if on_error == "dlq":
        (letter,) = made.flowc("dlq", "show", "watch", "--json").json
        assert letter["topic"] == ("odd" if what == "folder" else "odd.csv")
        assert letter["code"] == ("unreadable-file" if what == "pipe" else "path-outside")


@pytest.mark.parametrize("path", ["*.csv", "**/*.csv", "odd.csv", "in/*.csv"])
@pytest.mark.parametrize("name", ["load", "watch"])
def test_links_that_stay_below_are_read(path: str, name: str, tmp_path: Path) -> None:
    made = _made(tmp_path, path)
    aged(made.write("drop/deep/er/x.txt", "id,name\n5,e\n"))
    (made.path / "drop" / "odd.csv").symlink_to("deep/er/x.txt")
    (made.path / "drop" / "deep" / "odd.csv").symlink_to("../deep/er/x.txt")
    (made.path / "drop" / "in").symlink_to("deep")
    (made.path / "drop" / "deep" / "loop").symlink_to("..")
    assert made.flowc("run", name, "--once", "--json").code == 0


@pytest.mark.parametrize("name", ["bad", "table", "write"])
@pytest.mark.parametrize("below", ["", "below"])
def test_nothing_is_written_through_a_link_that_leads_out(name: str, below: str, tmp_path: Path) -> None:
    made = _made(tmp_path, "good.csv")
    (made.path / "lake").mkdir()
    out = made.path.parent / "out"
    out.mkdir()
    place = {"bad": "drop/aside", "table": "lake/out", "write": "drop/written"}[name]
    if below and name == "bad":
        (made.path / place).mkdir()
        place += "/bad"
    elif below and name == "table":
        place = "lake/_flowc"
    elif below and name == "write":
        (made.path / place).mkdir()
        place += "/_flowc"
    (made.path / place).symlink_to(out)
    done = made.flowc("run", name, "--once", "--json")
    assert done.code == 1
    assert "path-outside" in done.out + done.err
    assert list(out.iterdir()) == []


def test_patterns_find_what_they_did(tmp_path: Path) -> None:
    for name in ("a.csv", "x/a.csv", "x/y/a.csv", "x/y/z/b.csv", ".hid/a.csv", "x/.h.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    folder = Folder(tmp_path)
    found = {p: sorted({n for n in folder.names(p) if (tmp_path / n).is_file()}) for p in
             ("*.csv", "**/a.csv", "x/**/*.csv", "x/**", "**/y/**/*.csv", "*/a.csv", "**")}  # fmt: skip
    assert found == {
        "*.csv": ["a.csv"], "**/a.csv": ["a.csv", "x/a.csv", "x/y/a.csv"],
        "x/**/*.csv": ["x/a.csv", "x/y/a.csv", "x/y/z/b.csv"], "x/**": ["x/a.csv", "x/y/a.csv", "x/y/z/b.csv"],
        "**/y/**/*.csv": ["x/y/a.csv", "x/y/z/b.csv"], "*/a.csv": ["x/a.csv"],
        "**": ["a.csv", "x/a.csv", "x/y/a.csv", "x/y/z/b.csv"],
    }  # fmt: skip


STUCK = """
import ctypes, os, signal, sys
from flowc.runtime.interrupts import before_the_end, end_at_the_second
end_at_the_second()
before_the_end(lambda: os.write(1, b"last "))
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: os.write(1, b"handled "))
os.write(1, b"begun ")
ctypes.CDLL(None).open(sys.argv[1].encode(), os.O_RDONLY)  # starts again after a signal, and asks no handler
while True:
    ctypes.CDLL(None).pause()
"""


def _signal(process: subprocess.Popen[Any] | warm.Process, number: int) -> None:
    """Sends a signal, and returns when it has arrived: until then, another one of its number would be the same one."""
    process.send_signal(number)
    until(lambda: not _is_pending(process.pid, number), pause=0.01)


def _is_pending(pid: int, number: int) -> bool:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd:", "ShdPnd:"))]
    return any(mask >> (number - 1) & 1 for mask in masks)


@pytest.mark.parametrize("numbers", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGINT)])
def test_a_second_signal_ends_what_hangs(numbers: tuple[int, int], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never")
    command = [sys.executable, "-c", STUCK, str(tmp_path / "never")]
    process = subprocess.Popen(command, env=Made(tmp_path).environment(), stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.read(6) == b"begun "
    _signal(process, numbers[0])
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(numbers[1])
    assert process.wait(PATIENCE) == 128 + numbers[1]
    assert b"last " in process.stdout.read()


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """What a shell starts in the background ignores SIGINT, and so do the processes that it starts."""
    was = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, was)


HANGS = """
def hang(numbers):
    import ctypes, pathlib
    pathlib.Path("hangs").touch()
    ctypes.CDLL(None).sleep(600)
    return numbers
"""
FUNCTION = """
functions: { hang: { python: "own:hang", args: [bigint], returns: bigint } }
"""


def _hanging(tmp_path: Path) -> Made:
    """A project whose loads and streams call a function that does not come back for far longer than PATIENCE."""
    made = _made(tmp_path)
    made.write("own.py", HANGS)
    made.write("specs/f.yaml", FUNCTION)
    text, to = (made.path / "specs/s.yaml").read_text(), "    to: { connection: wh"
    made.write("specs/s.yaml", text.replace(to, f"    sql: SELECT hang(id) AS id FROM source\n{to}"))
    return Made(made.path)


@pytest.mark.parametrize("name", ["load", "watch"])
def test_a_second_signal_ends_a_run_whose_function_hangs(name: str, tmp_path: Path) -> None:
    made = _hanging(tmp_path)
    process = made.start("run", name, "--once")
    try:
        until(lambda: (made.path / "hangs").exists())
        _signal(process, signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
    finally:
        process.kill()


def test_a_second_signal_ends_a_daemon_and_its_workers(tmp_path: Path) -> None:
    made = _hanging(tmp_path)
    with daemon(made, "watch") as running:
        running.until(lambda: (made.path / "hangs").exists())
        pid = running.worker("watch")["pid"]
        _signal(running.process, signal.SIGTERM)
        time.sleep(0.5)
        assert running.process.poll() is None
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(PATIENCE) == 143
        until(lambda: _has_ended(pid))


def _has_ended(pid: int) -> bool:
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]
    except OSError:
        return True


LAKE = """
connections:
  lake: { kind: delta, uri: ./lake }
  wh: { kind: sqlite, path: wh.db }
  drop: { kind: files, uri: ./drop }
pipelines:
  write:
    from: { connection: drop, path: "*.csv", format: csv, columns: { id: bigint, name: text } }
    to: { connection: lake, table: t, mode: append, partition_by: [name] }
  read:
    from: { connection: lake, table: t }
    to: { connection: wh, table: t, mode: append }
"""


@pytest.mark.covering
@pytest.mark.parametrize("out", [True, False])
@pytest.mark.parametrize("what", ["file", "partition", "next"])
def test_a_table_of_a_lake_has_no_files_elsewhere(what: str, out: bool, tmp_path: Path) -> None:
    made = _made(tmp_path)
    made.write("specs/s.yaml", LAKE)
    assert made.flowc("run", "write", "--once").code == 0
    (part,) = (made.path / "lake/t").glob("*/*.parquet")
    away = tmp_path / "elsewhere" if out else made.path / "lake" / "_kept"
    moved = away / "moved"
    away.mkdir(exist_ok=True)
    link = {"file": part, "partition": part.parent, "next": part.parent.parent / "name=b"}[what]
    moved.mkdir() if what == "next" else link.rename(moved)
    link.symlink_to(moved)
    before = sorted(tmp_path.glob("elsewhere/**/*"))
    aged(made.write("drop/good.csv", "id,name\n2,b\n"), 1)
    for name in ("read", "write"):
        done = made.flowc("run", name, "--once")
        assert (done.code, "path-outside" in done.err) == ((1, True) if out else (0, False)), done.err + done.out
    assert sorted(tmp_path.glob("elsewhere/**/*")) == before
