"""Commits of Delta tables: killed between any two steps, two at once, and a foreign writer in between."""

from __future__ import annotations

import fcntl
import shutil
import threading

import pytest
from deltalake import DeltaTable, write_deltalake

from flowc.runtime.stores.lock import FileLock
from flowc.runtime.systems.delta.session import Delta
from tests import lakes, warm
from tests.commands import Folder, Inside
from tests.extended import with_extended
from tests.stores import counts
from tests.waiting import PATIENCE

SPECS = """
connections:
  inbox: { kind: files, uri: data, format: csv }
  lake: { kind: delta, uri: lake }
pipelines:
  grown:
    from: { connection: inbox, path: rows.csv }
    to: { connection: lake, table: grown }
    mode: append
    incremental: { column: id }
  piled:
    from: { connection: inbox, path: rows.csv }
    to: { connection: lake, table: piled }
    mode: append
    keys: [id]
    incremental: { column: c }
  merged: { from: { connection: inbox, path: rows.csv }, to: { connection: lake, table: merged }, mode: merge, keys: [id], deletes: hard }
  whole: { from: { connection: inbox, path: rows.csv }, to: { connection: lake, table: whole }, mode: truncate }
  history:
    from: { connection: inbox, path: rows.csv }
    to: { connection: lake, table: history }
    mode: scd2
    keys: [id]
"""  # noqa: E501
IDS_AND_VALUES = "SELECT id, v FROM t ORDER BY 1"
TABLES = ("grown", "piled", "merged", "whole", "history")


def project(folder: Folder, rows: int, version: str) -> list[tuple]:
    folder.write("specs/project.yaml", SPECS)
    made = [(n, version if n <= 2 else "same") for n in range(1, rows + 1)]
    folder.write("data/rows.csv", "id,v,c\n" + "".join(f"{n},{v},c{n:09}\n" for n, v in made))
    return made


def current(name: str) -> str:
    """The query of the rows that a table says are so now."""
    return IDS_AND_VALUES.replace("FROM t", "FROM t WHERE is_current" if name == "history" else "FROM t")


def killed(folder: Folder, name: str, place: int) -> bool:
    """Whether the run was killed; else it ended before it came there."""
    words = ("tests.integration.killed_load", str(place), "run", "--once", name)
    done = warm.run(*words, cwd=folder.path, env=folder.environment())
    assert done.returncode in (0, -9), done.stderr
    return done.returncode == -9


@pytest.mark.parametrize("name", with_extended(TABLES[2::2], [*TABLES[:2], *TABLES[3::2]]))
def test_killed_between_any_two_steps_then_run_again(tmp_path, name):
    """Also while the table is made. Whether the killed run had committed shows only in what the next one finds."""
    folder, inside = Folder(tmp_path), Inside(tmp_path)
    place, rows = 0, 4
    while True:
        place += 1
        wanted = project(folder, rows := rows + 1, f"v{place}")
        was_killed = killed(folder, name, place)
        done = inside.flowc("run", "--once", name)
        assert done.code == 0, done.err
        path = tmp_path / "lake" / name
        found = lakes.rows(
            path, "SELECT id, v FROM t " + ("WHERE is_current " if name == "history" else "") + "ORDER BY 1"
        )
        if name == "grown":
            assert [n for n, _ in found] == [n for n, _ in wanted], f"step {place}"
        elif name == "piled":
            assert {n for n, _ in found} == {n for n, _ in wanted}, f"step {place}"
            assert len({*found}) == len(found), f"step {place}"
        else:
            assert found == wanted, f"step {place}"
        if not was_killed:
            break
    assert place > 4


def test_a_kill_before_the_table_exists(tmp_path):
    folder, inside = Folder(tmp_path), Inside(tmp_path)
    for place in range(1, 9):
        wanted = project(folder, 3, "v")
        folder.write("specs/project.yaml", SPECS.replace("table: grown", f"table: grown{place}"))
        killed(folder, "grown", place)
        assert inside.flowc("run", "--once", "grown").code == 0
        assert lakes.rows(tmp_path / "lake" / f"grown{place}", IDS_AND_VALUES) == wanted


class Between(Delta):
    """A session before whose commit something happens."""

    def __init__(self, options, then):
        super().__init__(options)
        self._then = then

    def commit(self):
        self._then()
        super().commit()


@pytest.fixture
def loaded(tmp_path) -> Inside:
    inside = Inside(tmp_path)
    project(inside, 5, "v1")
    assert inside.flowc("run", "--once").code == 0
    return inside


@pytest.mark.parametrize("name", with_extended(TABLES[1::2], TABLES[::2]))
def test_a_foreign_writer_between_reading_and_commit_is_not_overwritten(loaded, monkeypatch, name):
    """The load fails whole, and goes through when it is run again."""
    path, stranger = loaded.path / "lake" / name, 1000
    more = {"id": [stranger], "v": ["theirs"], "c": ["c"]}
    if name == "history":
        row = lakes.rows(path, "SELECT valid_from, valid_to, row_hash FROM t LIMIT 1")[0]
        more |= {"valid_from": [row[0]], "valid_to": [row[1]], "is_current": [True], "row_hash": [row[2]]}
    schema = DeltaTable(path).to_pyarrow_table().schema
    table = lakes.pa.Table.from_pydict(more, schema=schema)
    wanted = project(loaded, 7, "v2")
    once = [lambda: write_deltalake(path, table, mode="append")]
    plain = Delta.commit
    monkeypatch.setattr(Delta, "commit", lambda self: (once and once.pop()(), plain(self)))
    done = loaded.flowc("run", "--once", name)
    assert "error[write-conflict]" in done.err, done.err
    assert (stranger, "theirs") in lakes.rows(path, "SELECT id, v FROM t")
    assert loaded.flowc("run", "--once", name).code == 0
    found = lakes.rows(path, current(name))
    gone = name in ("merged", "whole")
    assert [n for n, _ in found] == [n for n, _ in wanted] + ([] if gone else [stranger])


def test_an_append_that_looks_at_nothing_comes_after_a_foreign_one(tmp_path, monkeypatch):
    inside = Inside(tmp_path)
    project(inside, 2, "v")
    inside.write("specs/project.yaml", SPECS.replace("    incremental: { column: id }\n", ""))
    assert inside.flowc("run", "--once", "grown").code == 0
    path = tmp_path / "lake" / "grown"
    once = [lambda: lakes.write(path, {"id": [77], "v": ["theirs"], "c": ["c"]})]
    plain = Delta.commit
    monkeypatch.setattr(Delta, "commit", lambda self: (once and once.pop()(), plain(self)))
    assert inside.flowc("run", "--once", "grown").code == 0
    assert [n for n, *_ in lakes.rows(path)] == [1, 1, 2, 2, 77]


def test_two_first_loads_at_once_make_one_table(tmp_path, monkeypatch):
    """Where nothing can be locked, the log decides."""
    inside = Inside(tmp_path)
    project(inside, 2, "v")
    path = tmp_path / "lake" / "merged"
    once = [lambda: lakes.write(path, {"id": [77], "v": ["theirs"], "c": ["c"]}, mode="error")]
    plain = Delta.commit
    monkeypatch.setattr(Delta, "commit", lambda self: (once and once.pop()(), plain(self)))
    assert "error[write-conflict]" in inside.flowc("run", "--once", "merged").err
    assert lakes.rows(path) == [(77, "theirs", "c")]


@pytest.mark.parametrize("name", ["grown", "merged", "whole"])
def test_a_table_that_takes_the_place_of_the_one_that_was_read_gets_no_rows(tmp_path, monkeypatch, name):
    """Its log may have the same version, at which the commit would succeed."""
    inside = Inside(tmp_path)
    project(inside, 2, "v")
    assert inside.flowc("run", "--once", name).code == 0
    path, plain = tmp_path / "lake" / name, Delta.commit

    def replaced(self):
        monkeypatch.setattr(Delta, "commit", plain)
        shutil.rmtree(path)
        lakes.write(path, {"id": [77], "v": ["theirs"], "c": ["c"]}, mode="error")
        plain(self)

    project(inside, 4, "v2")
    monkeypatch.setattr(Delta, "commit", replaced)
    assert "error[write-conflict]" in inside.flowc("run", "--once", name).err
    assert lakes.rows(path) == [(77, "theirs", "c")]
    assert inside.flowc("run", "--once", name).code == 0
    found = [n for n, *_ in lakes.rows(path)]
    assert found == [1, 2, 3, 4] + [77] * (name == "grown")


def test_what_the_library_reports_after_its_commit_is_no_failure(loaded, monkeypatch):
    """A commit is in the log or not; housekeeping that fails afterwards does not undo it."""
    import deltalake

    plain = deltalake.write_deltalake

    def tired(*arguments, **more):
        plain(*arguments, **more)
        raise deltalake.exceptions.DeltaError("cannot write the checkpoint")

    wanted = project(loaded, 9, "v1")
    monkeypatch.setattr(deltalake, "write_deltalake", tired)
    assert loaded.flowc("run", "--once", "grown").code == 0
    assert [n for n, *_ in lakes.rows(loaded.path / "lake" / "grown")] == [n for n, _ in wanted]


def test_an_interrupted_write_of_a_watermark_means_nothing(loaded):
    """What is left of runs that died has no number in the log, however far it is ahead."""
    folder = next((loaded.path / "lake" / "grown" / "_flowc").iterdir())
    number = max(int(path.stem) for path in folder.glob("*.json"))
    (folder / f"{number + 1}.json").write_text((folder / f"{number}.json").read_text().replace('"5"', '"999"'))
    (folder / ".draft").write_text("{")
    wanted = project(loaded, 6, "v1")
    assert loaded.flowc("run", "--once", "grown").code == 0
    assert [n for n, *_ in lakes.rows(loaded.path / "lake" / "grown")] == [n for n, _ in wanted]
    assert (folder / f"{number + 2}.json").exists()


def test_a_watermark_whose_file_is_gone_stops_the_load(loaded):
    for path in (loaded.path / "lake" / "grown" / "_flowc").glob("*/*.json"):
        path.write_text("{}")
    assert "error[unreadable-watermark]" in loaded.flowc("run", "--once", "grown").err


def test_old_watermark_files_go(loaded):
    for n in range(6, 20):
        project(loaded, n, "v1")
        assert loaded.flowc("run", "--once", "grown").code == 0
    assert len(list((loaded.path / "lake" / "grown" / "_flowc").glob("*/*.json"))) == 9


def test_locks_wait_for_each_other_and_leave_nothing(tmp_path, monkeypatch):
    lake = tmp_path / "deep" / "lake"
    first, second, order, waits = FileLock(lake, "flowc:a.b"), FileLock(lake, "flowc:a.b"), [], threading.Event()
    first.take()
    flock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", lambda *args: (waits.set(), flock(*args)))
    other = threading.Thread(target=lambda: (second.take(), order.append("second"), second.release()))
    other.start()
    assert waits.wait(PATIENCE)
    other.join(0.2)
    assert order == []
    order.append("first")
    first.release()
    other.join(PATIENCE)
    assert order == ["first", "second"]
    assert not (tmp_path / "deep").exists()


def test_many_take_turns(tmp_path):
    """The file of a lock comes and goes; never are two inside."""
    inside, most, ended = [0], [0], []

    def turn() -> None:
        for _ in range(30):
            lock = FileLock(tmp_path, "x")
            lock.take()
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            inside[0] -= 1
            lock.release()
        ended.append(True)

    threads = [threading.Thread(target=turn) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert len(ended) == 8
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_forgets_transactions_is_not_read_on_from(loaded):
    path = loaded.path / "lake" / "grown"
    log = path / "_delta_log" / f"{0:020}.json"
    text = log.read_text("utf-8").replace(
        '"configuration":{}', '"configuration":{"delta.setTransactionRetentionDuration":"interval 0 days"}'
    )
    log.write_text("".join(line for line in text.splitlines(keepends=True) if '"txn"' not in line), "utf-8")
    done = loaded.flowc("run", "--once", "grown")
    assert "error[unreadable-watermark]" in done.err
    assert "setTransactionRetentionDuration" in done.err


def test_a_load_begins_anew_when_its_watermark_is_removed(loaded):
    path = loaded.path / "lake" / "piled"
    shutil.rmtree(path / "_flowc")
    project(loaded, 7, "v1")
    done = loaded.flowc("run", "--once", "piled", "--json")
    assert counts(done)["piled"] == (7, 2, 0, 0, 5)
    assert counts(loaded.flowc("run", "--once", "piled", "--json"))["piled"] == (1, 0, 0, 0, 1)
