"""No module comes from the working folder but the functions that a project names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flowc.service.daemon.host import relay
from tests import warm
from tests.commands import Folder, Inside
from tests.daemons import daemon
from tests.streams.filefolder import put

SPECS = """
connections:
  drop: { kind: files, uri: ./drop }
  wh: { kind: sqlite, path: wh.db }
functions:
  twice: { python: "own.doubling:twice", args: [bigint], returns: bigint }
streams:
  clean:
    source: { connection: drop, path: "*.csv", format: csv, columns: { id: bigint } }
    sql: SELECT twice(id) AS id FROM source
    to: { connection: wh, table: clean, mode: append }
"""
OWN = """
import flowc
import pyarrow.compute as pc
from beside import TIMES
from . import sibling

def twice(numbers):
    import email.headerregistry, queue, pymysql  # of the library, whatever the project has
    return pc.multiply(numbers, TIMES + sibling.NOTHING)
"""
HOSTILE = ("logging", "queue", "pickle", "msgspec", "email", "pymysql", "numpy", "csv", "sqlite3", "decimal")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    made.write("specs/s.yaml", SPECS)
    made.write("own/doubling.py", OWN)
    made.write("own/sibling.py", "NOTHING = 0\n")
    made.write("beside.py", "TIMES = 2\n")
    for name in HOSTILE:
        made.write(f"{name}.py", f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r} + ' ')\nraise SystemExit(9)\n")
    (tmp_path / "drop").mkdir()
    put(tmp_path / "drop", "a.csv", "id\n1\n21\n")
    return made


def test_workers_of_a_daemon_import_nothing_of_the_working_folder(folder: Folder) -> None:
    with daemon(folder, cold=True) as running:
        running.until(lambda: running.worker("clean")["rows"] == 2)
        assert running.stop() == 0
    assert not (folder.path / "ran").exists(), (folder.path / "ran").read_text()


LEAVES = """
import os
print('{{"printed": 1}}')
os.write(1, b"written\\n")

def twice(numbers):
    if not os.path.exists({mark!r}):
        open({mark!r}, "w").close()
        os._exit(0)
    return numbers
"""


def test_a_function_that_ends_its_process_has_stopped_nothing_and_what_it_prints_is_a_line_of_the_log(
    folder: Folder,
) -> None:
    folder.write("own/doubling.py", LEAVES.format(mark=str(folder.path / "left")))
    with daemon(folder, "--log-format", "json") as running:
        running.until(lambda: running.worker("clean")["rows"] == 2)
        assert running.stop() == 0
        said = [json.loads(line)["message"] for line in running.log().splitlines()]
    assert [said.count(words) for words in ('{"printed": 1}', "written")] == [2, 2]
    assert any(words.startswith("the worker ended with exit code 0; it starts again in") for words in said)


LOUD = """
import ctypes

def twice(numbers):
    line = b"x" * 99 + b"\\n"
    held = ctypes.PyDLL(None)  # which keeps Python's lock while it writes
    for _ in range({times}):
        assert held.write(1, line * 10_000, 1_000_000) > 0
    return numbers
"""


def test_native_code_that_prints_much_and_holds_the_lock_does_not_wait_for_itself(folder: Folder) -> None:
    folder.write("own/doubling.py", LOUD.format(times=5))
    with daemon(folder, "--log-format", "json") as running:
        running.until(lambda: running.worker("clean")["rows"] == 2)
        running.until(lambda: running.log().count('"' + "x" * 99 + '"') > 1000)
        assert running.stop() == 0
        assert "it starts again" not in running.log()


def test_what_is_printed_while_nobody_reads_is_bounded_and_the_rest_counted() -> None:
    (taken, sink), (source, given) = os.pipe(), os.pipe()

    def relayed() -> None:
        relay(taken, given, 300_000)
        os.close(given)

    relaying = threading.Thread(target=relayed)
    relaying.start()
    for _ in range(100):
        os.write(sink, b"x" * 10_000)
    os.close(sink)
    time.sleep(0.2)
    read = b"".join(iter(lambda: os.read(source, 1 << 16), b""))
    relaying.join()
    kept, _, said = read.partition(b"\n")
    assert 300_000 <= len(kept) < 500_000
    assert said == b"%d bytes more were printed than could be kept\n" % (1_000_000 - len(kept))


@pytest.mark.parametrize("where", ["module", "function", "thread"])
def test_a_function_that_ends_a_run_is_an_error_that_names_it(where: str, folder: Folder) -> None:
    leave = "os._exit(0)"
    thread = "t = threading.Thread(target=os._exit, args=(0,)); t.start(); t.join()"
    inside = {"module": "pass", "function": leave, "thread": f"{thread}; raise ValueError('left')"}[where]
    fork = "os.fork() or os._exit(0)"  # which ends nobody but itself
    text = f"import os, threading\n{leave if where == 'module' else fork}\ndef twice(numbers):\n    {inside}\n"
    folder.write("own/doubling.py", f"{text}    return numbers\n")
    done = warm.run("flowc", "run", "clean", "--once", "--json", cwd=folder.path, env=folder.environment())
    code = {"module": "function-not-loaded", "function": "function-failed", "thread": "function-failed"}[where]
    said = "ValueError: left" if where == "thread" else "os._exit(0) would end the whole run"
    error = json.loads(done.stdout)[0]["error"]
    assert (done.returncode, error["code"]) == (1, code), done.stderr
    assert "function `twice`" in error["message"]
    assert said in error["message"]


def test_a_command_imports_nothing_of_the_working_folder(folder: Folder) -> None:
    command = folder.command("run", "clean", "--once")
    done = subprocess.run(command, cwd=folder.path, env=folder.environment(), capture_output=True, text=True)
    assert (done.returncode, (folder.path / "ran").exists()) == (0, False), done.stderr


@pytest.mark.parametrize("name", ["json", "pyarrow"])
def test_a_module_of_functions_hides_no_other_of_its_name(name: str, tmp_path: Path) -> None:
    made = Inside(tmp_path)
    made.write("specs/s.yaml", SPECS.replace("own.doubling", name))
    made.write(f"{name}.py", "def twice(numbers):\n    import pyarrow.compute as pc, json\n    json.dumps(1)\n"
               "    return pc.multiply(numbers, 2)\n")  # fmt: skip
    (tmp_path / "drop").mkdir()
    put(tmp_path / "drop", "a.csv", "id\n21\n")
    done = made.flowc("run", "clean", "--once", "--json")
    assert done.json[0]["status"] == "ok", done.out
    assert not str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path))


ONCE = """
from {imported} import State
from ..num.calc import State as Same
import pyarrow.compute as pc

def twice(numbers):
    assert State is Same, (State, Same)
    return pc.multiply(numbers, State.times)
"""


@pytest.mark.parametrize("packages", [True, False])
def test_a_project_that_imports_itself_has_each_module_once(packages: bool, tmp_path: Path) -> None:
    made = Folder(tmp_path)
    made.write("specs/s.yaml", SPECS.replace("own.doubling", "udf.text.clean"))
    made.write("udf/text/clean.py", ONCE.format(imported="udf.num.calc"))
    made.write("udf/num/calc.py", "open('loaded', 'a').write('x')\n\nclass State:\n    times = 2\n")
    for folder in ("udf", "udf/text", "udf/num") if packages else ():
        made.write(f"{folder}/__init__.py", f"open('loaded', 'a').write('{folder} ')\n")
    (tmp_path / "drop").mkdir()
    put(tmp_path / "drop", "a.csv", "id\n21\n")
    done = made.flowc("run", "clean", "--once")
    assert done.code == 0, done.out + done.err
    assert (tmp_path / "loaded").read_text() == ("udf udf/text udf/num x" if packages else "x")


INSTALLED = "import pyarrow.compute as pc\n\ndef twice(numbers):\n    return pc.multiply(numbers, 2)\n"


@pytest.mark.parametrize("beside", ["geo/cities.csv", "geo/other.py"])
def test_a_folder_without_the_module_hides_no_installed_one(beside: str, tmp_path: Path) -> None:
    made = Folder(tmp_path / "project")
    made.write("specs/s.yaml", SPECS.replace("own.doubling", "geo"))
    made.write(beside, "")
    made.write("../site/geo.py", INSTALLED)
    made.write("drop/a.csv", "")
    put(made.path / "drop", "a.csv", "id\n21\n")
    environment = made.environment()
    environment["PYTHONPATH"] = f"{environment.get('PYTHONPATH', '')}{os.pathsep}{tmp_path / 'site'}"
    done = subprocess.run(
        made.command("run", "clean", "--once"), cwd=made.path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_module_whose_package_is_another_is_loaded_beside_it(tmp_path: Path) -> None:
    """`email` is Python's, and so is what the module imports of it."""
    made = Folder(tmp_path)
    made.write("specs/s.yaml", SPECS.replace("own.doubling", "email.doubling"))
    made.write("email/doubling.py", "from email.message import Message\nfrom . import sibling\n" + INSTALLED)
    made.write("email/sibling.py", "")
    made.write("email/message.py", "raise SystemExit(9)\n")
    (tmp_path / "drop").mkdir()
    put(tmp_path / "drop", "a.csv", "id\n21\n")
    done = made.flowc("run", "clean", "--once")
    assert done.code == 0, done.out + done.err
