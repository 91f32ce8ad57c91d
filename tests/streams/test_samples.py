"""Systems that nothing in `flowc/` knows are sources of streams, from lint to redelivery."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from flowc.cli.opened import open_project
from flowc.service.streams.run import StreamReport, run_stream
from tests.commands import Inside
from tests.stores import Store
from tests.streams.broker import acknowledged, send, twice
from tests.streams.epochs import Cut
from tests.streams.samples.registered import samples

__all__ = ["samples"]
pytestmark = pytest.mark.usefixtures("samples")

QUEUE = """
connections: {{ jobs: {{ kind: samplequeue, path: {path} }}, w: {{ kind: sqlite, path: w.sqlite }} }}
streams:
  s:
    source: {{ connection: jobs, queue: orders{columns} }}
    sql: SELECT id, 60 / n AS part FROM source
    to: {to}
    on_error: {on_error}
"""
EVENTS = 60
ONE = "{ connection: w, table: t, mode: append }"
TWO = "[{ connection: w, table: t, mode: append }, { connection: w, table: u, mode: append }]"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inside:
    monkeypatch.chdir(tmp_path)
    _filled(tmp_path)
    return Inside(tmp_path)


def _filled(folder: Path) -> None:
    send(folder / "queue.db", ((str(n), b'{"id": %d, "n": %d}' % (n, n % 10)) for n in range(EVENTS)))


def _spec(project: Inside, to: str, on_error: str, columns: str = ", columns: { id: bigint, n: bigint }") -> None:
    path = project.path / "queue.db"
    project.write("specs/s.yaml", QUEUE.format(path=path, to=to, on_error=on_error, columns=columns))


def _run(pause: Callable[[str], None] = lambda _: None) -> StreamReport:
    whole = open_project([Path("specs")], None, "")
    try:
        return run_stream(whole.checked, whole.ir, "s", whole.sessions, pause)
    finally:
        whole.sessions.close()


def _whole(project: Inside, tables: Sequence[str], times: int = 1) -> None:
    """Every message is in every table once, and forgotten."""
    wanted = sorted([(n, 60 // (n % 10)) for n in range(EVENTS) if n % 10] * times)
    for table in tables:
        assert Store("sqlite", project.path, file="w").rows(f"SELECT id, part FROM {table} ORDER BY id") == wanted
    assert len(acknowledged(project.path / "queue.db")) == EVENTS


@pytest.mark.parametrize(("to", "tables"), [(ONE, ["t"]), (TWO, ["t", "u"])])
def test_a_queue_loses_and_repeats_nothing_wherever_a_run_is_cut_off(
    project: Inside, to: str, tables: Sequence[str]
) -> None:
    _spec(project, to, "drop")
    points, again = list[str](), 0
    assert _run(points.append).error is None
    _whole(project, tables)
    for cut in range(0, len(points), 11):
        for file in (*project.path.glob("*.sqlite*"), *project.path.glob("queue.db*")):
            file.unlink()
        shutil.rmtree(project.path / ".flowc", ignore_errors=True)
        _filled(project.path)
        passed = iter(range(cut + 1))

        def pause(_: str, passed: Iterator[int] = passed) -> None:
            if next(passed, None) is None:
                raise Cut

        report = _run(pause)
        assert report.error is None or report.error.code == "cut"
        report = _run()
        assert report.error is None, report.error
        _whole(project, tables)
        again += twice(project.path / "queue.db")
    assert again, "nothing was delivered again"


def test_commands_know_a_queue_by_its_schema(project: Inside) -> None:
    _spec(project, ONE, "drop", columns="")
    for command in (["lint"], ["connections", "check", "jobs"], ["preview", "s"], ["run", "s", "--once"]):
        done = project.flowc(*command)
        assert done.code in (0, 1 if command[0] == "preview" else 0), (command, done.out, done.err)
    _whole(project, ["t"])
    done = project.flowc("status", "s", "--json")
    assert done.code == 0, done.err
    assert str(EVENTS) in done.out, done.out
    done = project.flowc("rewind", "s", "--to", "earliest")
    assert done.code == 2, done.out
    assert "`source` cannot be read again: it forgets what is acknowledged" in done.err
