"""No module comes from the working folder but the functions that a project names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
    with daemon(folder) as running:
        running.until(lambda: running.worker("clean")["rows"] == 2)
        assert running.stop() == 0
    assert not (folder.path / "ran").exists(), (folder.path / "ran").read_text()


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
