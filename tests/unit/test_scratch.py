"""Temporary folders: none in use is taken away, and of those that killed processes leave nothing stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from flowc.runtime import scratch

HOLDER = """
import sys
from flowc.runtime.scratch import Scratch
scratch = Scratch()
(scratch.path / "rows").write_text("1")
print(scratch.path, flush=True)
sys.stdin.read()
scratch.close()
"""


STREAM = """
import sys
import pyarrow as pa
from flowc.runtime.engine import context as enginecontext
from flowc.runtime.streams.transform import Transform
enginecontext._memory = lambda: 24 << 20
context = Transform("SELECT a FROM source", {"source": pa.schema([("a", pa.string())])})._context
parts = [[str((i * 7919 + j) % 1000003) * 10 for i in range(20_000)] for j in range(40)]
context.register_record_batches("t", [[pa.RecordBatch.from_pydict({"a": part}) for part in parts]])
rows = context.sql("SELECT a FROM t ORDER BY a").execute_stream()
next(rows)
print(".", flush=True)
sys.stdin.read()
"""
"""A stream whose SQL does not fit into memory."""


class Holder:
    """A process that has such a folder below `folder`."""

    def __init__(self, folder: Path, does: str = HOLDER) -> None:
        given = os.environ | {"TMPDIR": str(folder)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", does], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=given
        )
        assert self.process.stdout is not None
        self.path = Path(self.process.stdout.readline().strip())

    def end(self, sign: int | None = None) -> None:
        if sign is not None:
            self.process.send_signal(sign)
        self.process.communicate()


def test_what_a_killed_process_leaves_is_removed_by_the_next(tmp_path):
    living, killed = Holder(tmp_path), Holder(tmp_path)
    killed.end(signal.SIGKILL)
    assert (killed.path / "rows").exists()
    others = [tmp_path / "flowc-mine", tmp_path / "other"]
    for other in others:
        other.mkdir()
    (tmp_path / "flowc-link").symlink_to(living.path)
    next_one = Holder(tmp_path)
    assert not killed.path.exists()
    assert (living.path / "rows").exists()
    assert all(other.exists() for other in others)
    living.end()
    next_one.end()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flowc-link", "flowc-mine", "other"]


def test_what_the_engine_of_a_stream_puts_aside_goes_too(tmp_path):
    killed, ended = Holder(tmp_path, STREAM), Holder(tmp_path, STREAM)
    assert len([path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size > 0]) > 2
    killed.end(signal.SIGKILL)
    ended.end()
    assert list(tmp_path.iterdir())
    Holder(tmp_path).end()
    assert not list(tmp_path.iterdir())


def test_a_process_that_can_make_no_file_has_none(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path / "none"))
    assert scratch.of_process.__wrapped__() is None


def test_what_is_of_another_user_stays(tmp_path, monkeypatch):
    killed = Holder(tmp_path)
    killed.end(signal.SIGKILL)
    look = scratch._remove_left.__wrapped__
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: killed.path.stat().st_uid + 1)
        look(str(tmp_path))
    assert killed.path.exists()
    look(str(tmp_path))
    assert not killed.path.exists()


def test_folders_that_are_made_and_removed_at_once_disturb_nobody(tmp_path):
    for _ in range(3):
        holders = [Holder(tmp_path) for _ in range(3)]
        assert all((holder.path / "rows").exists() for holder in holders)
        for sign, holder in zip((signal.SIGKILL, None, signal.SIGKILL), holders, strict=True):
            holder.end(sign)
    Holder(tmp_path).end()
    assert not list(tmp_path.iterdir())


def test_a_temporary_folder_that_shows_nothing_takes_one_all_the_same(tmp_path, monkeypatch):
    def closed(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(scratch.os, "scandir", closed)
    scratch._remove_left.__wrapped__(str(tmp_path))
