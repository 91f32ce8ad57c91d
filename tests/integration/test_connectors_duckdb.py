"""Sessions of one DuckDB file that meet: what may pass by itself, who takes turns, who has the file."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flowc.errors import EngineError, FlowcError, TransientError
from flowc.runtime.systems.duckdb.session import DuckDB

OPENED = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"

FULL = """
import resource, signal, sys
from flowc.errors import FlowcError
from flowc.runtime.systems.duckdb.session import DuckDB

def told(call, *given):
    try:
        call(*given)
    except FlowcError as error:
        print(error.code, error.message.replace(chr(10), " "))

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer, other = DuckDB({"path": sys.argv[1]}), DuckDB({"path": sys.argv[1]})
for session in (writer, other):
    session.open()
writer.execute("CREATE TABLE t AS SELECT md5(range::VARCHAR) AS a FROM range(100000)")
writer.begin()
writer.execute("INSERT INTO t VALUES ('x')")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
told(other.execute, "FORCE CHECKPOINT")
writer.rollback()
writer.close()
told(writer.open)
"""


@contextmanager
def sessions(path: Path, count: int) -> Iterator[list[DuckDB]]:
    made = [DuckDB({"path": str(path)}) for _ in range(count)]
    for session in made:
        session.open()
    try:
        yield made
    finally:
        for session in made:
            session.close()


def meet(first: DuckDB, second: DuckDB, statement: str) -> None:
    """Has the second session do what the first one, which is not done, does too."""
    second.execute(statement)
    second.commit()
    first.commit()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("INSERT INTO t VALUES (2, 1)", "INSERT INTO t VALUES (2, 2)"),
        ("UPDATE t SET v = 1", "UPDATE t SET v = 2"),
        ("CREATE TABLE u (a INTEGER)", "CREATE TABLE u (a INTEGER)"),
        ("INSERT INTO t VALUES (2, 1)", "ALTER TABLE t ADD COLUMN w INTEGER"),
    ],
)
def test_transactions_that_meet_may_be_tried_again(tmp_path: Path, first: str, second: str) -> None:
    with sessions(tmp_path / "a.db", 2) as (a, b):
        a.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER)")
        a.execute("INSERT INTO t VALUES (1, 0)")
        a.begin()
        b.begin()
        a.execute(first)
        with pytest.raises(TransientError) as raised:
            meet(a, b, second)
        assert raised.value.code == "write-conflict"


def test_a_key_that_is_there_is_no_conflict(tmp_path: Path) -> None:
    with sessions(tmp_path / "a.db", 2) as (a, b):
        a.execute("CREATE TABLE t (k INTEGER PRIMARY KEY)")
        a.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(FlowcError) as raised:
            b.execute("INSERT INTO t VALUES (1)")
        assert raised.value.code == "constraint-violated"


def test_sessions_that_make_the_same_tables_take_turns(tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def make(session: DuckDB, start: threading.Barrier) -> None:
        try:
            start.wait()
            for number in range(50):
                session.execute(f"CREATE SCHEMA IF NOT EXISTS s{number}")
                session.execute(f"CREATE TABLE IF NOT EXISTS s{number}.t (a INTEGER)")
        except BaseException as error:
            failed.append(error)

    with sessions(tmp_path / "a.db", 4) as made:
        start = threading.Barrier(len(made))
        threads = [threading.Thread(target=make, args=(session, start)) for session in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []


def test_who_has_the_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    command = [sys.executable, "-c", OPENED, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(TransientError) as raised, sessions(path, 1):
            pass
        assert f"process {other.pid} has it open" in raised.value.message
        other.communicate("")
    with sessions(path, 1):
        pass


def test_a_path_that_speaks_of_locks_is_held_by_nobody(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as raised, sessions(tmp_path / "lock" / "a.db", 1):
        pass
    assert "has it open" not in raised.value.message


def test_a_disk_that_is_full_ends_every_session_with_the_reason(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path / "a.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    refused, closed = done.stdout.splitlines()
    assert refused.startswith("connection-failed cannot write `")
    assert closed.startswith("connection-failed")
    assert "File too large" in refused
    assert "File too large" in closed


@pytest.mark.parametrize("name", ["sql", "self", "catalog", "pa"])
def test_a_name_that_no_table_has_is_no_variable_of_this_program(name: str, tmp_path: Path) -> None:
    with (
        pytest.raises(EngineError, match=f"Table with name {name} does not exist"),
        sessions(tmp_path / "a.db", 1) as (it,),
    ):
        it.query(f"SELECT * FROM {name}")
