"""A Delta table with missing or damaged files: the error says what is missing, and nothing of the library."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from tests.commands import Folder, Inside

SPEC = """
project: shop
connections:
  lake: { kind: delta, uri: lake }
  db: { kind: sqlite, path: shop.db }
tables:
  out: { connection: db, columns: { a: bigint } }
  back: { connection: lake, columns: { a: bigint } }
pipelines:
  reads: { from: { connection: lake, table: t }, to: out, mode: append }
  writes: { from: db, sql: SELECT 1 AS a, to: back, mode: append }
"""
FOREIGN = re.compile(
    r"\x1b|\b\w+(Error|Exception)\b|error\[internal\]|Traceback|<unknown>|\.rs:|ParsedLogPath|Url \{|Arrow[A-Z]"
)


def first_commit(table: Path) -> None:
    (table / "_delta_log/00000000000000000000.json").unlink()


def middle_commit(table: Path) -> None:
    (table / "_delta_log/00000000000000000001.json").unlink()


def all_commits(table: Path) -> None:
    for each in (table / "_delta_log").glob("*.json"):
        each.unlink()


def bad_commit(table: Path) -> None:
    (table / "_delta_log/00000000000000000002.json").write_text("{bad")


def empty_commit(table: Path) -> None:
    (table / "_delta_log/00000000000000000002.json").write_text("")


def rows(table: Path) -> None:
    min(table.glob("*.parquet")).unlink()


def bad_rows(table: Path) -> None:
    min(table.glob("*.parquet")).write_bytes(b"PAR1 no more PAR1")


def no_parquet(table: Path) -> None:
    min(table.glob("*.parquet")).write_bytes(b"{}" * 40)


def other_file(table: Path) -> None:
    log = table / "_delta_log/00000000000000000001.json"
    log.write_text(re.sub(r'"path":"[^"]*"', '"path":"_delta_log/00000000000000000000.json"', log.read_text()))


DAMAGES = (first_commit, middle_commit, all_commits, bad_commit, empty_commit, rows, bad_rows, no_parquet, other_file)


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_words_are_about_the_files(tmp_path: Path, damage):
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SPEC)
    assert folder.flowc("lint").code == 0
    for name in ("t", "back"):
        table = tmp_path / "lake" / name
        for i in range(3):
            write_deltalake(str(table), pa.table({"a": [i]}), mode="append")
        damage(table)
    for words in (("plan",), ("validate",), ("preview", "reads"), ("run", "--once"), ("drift",), ("status",)):
        done = folder.flowc(*words)
        said = done.out + done.err
        assert FOREIGN.search(said) is None, (words, said)
    if damage in (first_commit, middle_commit, rows):
        said = folder.flowc("run", "reads", "--once").err
        assert "missing" in said, said


FULL_DISK = """
import resource, runpy, signal, sys
sys.dont_write_bytecode = True
import flowc.runtime.systems.delta.session
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.argv = ["flowc", "run", "many", "--once", "--run-log", "memory"]
runpy.run_module("flowc", run_name="__main__")
"""
MANY = """
project: shop
connections: { lake: { kind: delta, uri: lake }, inbox: { kind: files, uri: inbox } }
pipelines:
  many:
    from: { connection: inbox, path: many.csv, columns: { a: text } }
    sql: SELECT sha256(a) AS a FROM source
    to: { connection: lake, table: many }
    mode: append
"""


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("specs/main.yaml", MANY)
    folder.write("inbox/many.csv", "a\n" + "".join(f"{i}\n" for i in range(20_000)))
    script = [sys.executable, "-c", FULL_DISK]
    done = subprocess.run(script, env=folder.environment(), capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1, done
    assert "error[unwritable-file]: many, lake.many: the files of `many` cannot be written: " in done.stderr, done
    assert "File too large" in done.stderr
    assert "help: make room on its disk" in done.stderr
