"""Files that flowc creates for itself: nobody else may read them, and creating one opens no other."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import pytest

from flowc.errors import DataError, EngineError
from flowc.runtime.stores import private
from flowc.runtime.stores.databasefiles import BESIDE
from flowc.runtime.stores.files import Files
from flowc.runtime.stores.folder import Folder
from flowc.runtime.stores.private import make_private
from flowc.runtime.systems import open_database
from tests.filelocks import locks, needs_list

_FILES = {"sqlite": ("", "-wal", "-shm"), "duckdb": ("", ".wal")}


def mode(path: Path | str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def wal(path: Path) -> sqlite3.Connection:
    """A session of a database with a write-ahead log, which holds locks."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
    connection.execute("INSERT INTO t VALUES (1)")
    return connection


@needs_list
@pytest.mark.parametrize("before", [0o600, 0o644])
def test_a_second_call_keeps_the_locks_of_the_database(before: int, tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with closing(wal(path)):
        os.chmod(path, before)
        held = locks(path)
        assert [row[:2] for row in held] == [("state.sqlite", "READ"), ("state.sqlite-shm", "READ")]
        make_private(str(path))
        assert locks(path) == held
    assert mode(path) == 0o600


def test_a_file_that_exists_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.sqlite"
    make_private(str(path))
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("a descriptor"))
    make_private(str(path))
    os.unlink(path)
    make_private(str(path))  # nor is one that is created, where the system can do without
    assert mode(path) == 0o600


def test_all_files_of_the_database_become_private(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    for ending in ("", *BESIDE):
        file = Path(f"{path}{ending}")
        file.touch()
        file.chmod(0o664)
    link = tmp_path / "link.sqlite"
    link.symlink_to(path.name)
    make_private(str(link))
    assert mode(path) == 0o600
    make_private(str(path))
    assert {mode(f"{path}{ending}") for ending in ("", *BESIDE)} == {0o600}


def test_a_database_that_is_read_only_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    path.touch()
    path.chmod(0o444)
    make_private(str(path))
    assert mode(path) == 0o400


def test_files_beside_a_new_database_are_as_private(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    make_private(str(path))
    with closing(wal(path)):
        assert {mode(f"{path}{ending}") for ending in ("", "-wal", "-shm")} == {0o600}


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_the_system_refuses_to_create_a_file_so(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(private.os, "mknod", refused)
    path = tmp_path / "state.sqlite"
    make_private(str(path))
    assert mode(path) == 0o600
    path.write_bytes(b"kept")
    make_private(str(path))
    assert path.read_bytes() == b"kept"


def _filled(path: str) -> None:
    make_private(path)
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
        connection.execute("INSERT INTO t VALUES (1)")
        connection.execute("COMMIT")


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_those_who_create_it_at_once_share_one_file(pool: str, tmp_path: Path) -> None:
    made = ThreadPoolExecutor(4) if pool == "threads" else ProcessPoolExecutor(4, get_context("spawn"))
    with made as workers:
        for number in range(10):
            path = tmp_path / f"{number}.sqlite"
            list(workers.map(_filled, [str(path)] * 8))
            with closing(sqlite3.connect(path)) as connection:
                assert connection.execute("SELECT count(*) FROM t").fetchone() == (8,)


@needs_list
@pytest.mark.parametrize("kind", _FILES)
def test_a_folder_gives_no_file_of_a_database_that_is_open(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "wh.csv"  # a name that a pattern of files finds
    for ending in _FILES[kind]:
        (tmp_path / f"link{ending}.csv").symlink_to(f"wh.csv{ending}")
    database = open_database(kind, {"path": str(path)})
    if kind == "sqlite":
        database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE t (x integer)")
    held = locks(path)
    assert held
    for ending in _FILES[kind]:
        for name in (f"wh.csv{ending}", f"link{ending}.csv"):
            with pytest.raises(DataError, match=f"`.*{name}` cannot be read: it belongs to a database that flowc has"):
                Folder(tmp_path).file(tmp_path / name)
    with pytest.raises(DataError, match="it belongs to a database"):
        Files({"uri": str(tmp_path)}).find("*.csv")
    assert locks(path) == held
    database.close()
    assert Folder(tmp_path).file(path) == path


@needs_list
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM sqlite_scan('{path}', 't')", "SELECT * FROM read_blob( '{path}')", "ATTACH '{path}' AS other",
        "select size from read_text(['{path}'])", "attach if not exists '{path}' AS o (TYPE sqlite)",
        "SELECT * FROM '{path}'", "SELECT 1 FROM t JOIN '{path}' USING (x)",
    ],
)  # fmt: skip
def test_duckdb_reads_no_file_of_a_database_that_is_open(sql: str, tmp_path: Path) -> None:
    path = tmp_path / "it's.sqlite"
    duck = open_database("duckdb", {"path": ":memory:"})
    with closing(wal(path)) as _, closing(open_database("sqlite", {"path": str(path)})) as flowc:
        flowc.query("SELECT x FROM t")
        held = locks(path)
        for run in (duck.execute, duck.query, duck.describe):
            with pytest.raises(EngineError, match="it belongs to a database that flowc has open"):
                run(sql.format(path=str(path).replace("'", "''")))
        assert locks(path) == held
        duck.execute("CREATE TABLE IF NOT EXISTS t AS SELECT 'it''s.sqlite' AS x")  # a text that is no path
    assert duck.query("SELECT x FROM t").num_rows == 1
    duck.close()


def test_duckdb_attaches_its_own_file_and_memory(tmp_path: Path) -> None:
    path = tmp_path / "wh.duckdb"
    with closing(open_database("duckdb", {"path": str(path)})) as duck:
        duck.execute(f"ATTACH IF NOT EXISTS '{path}' AS wh")
        duck.execute("ATTACH ':memory:' AS other")
        with pytest.raises(EngineError, match="it belongs to a database that flowc has open"):
            duck.query(f"SELECT size FROM read_blob('{path}')")
