"""Tables of positions as the version before made them, of numbers: streams go on exactly where they were."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import psycopg
import pytest

from flowc.catalog import Table, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.streamplan.positions import renew_positions
from flowc.errors import FlowcError
from flowc.loadplan import Renewal
from flowc.runtime.connector import Database
from flowc.runtime.connectors import open_database
from flowc.runtime.renewal import renewed
from flowc.runtime.streams.epoch import Intent, Range
from flowc.runtime.streams.state.contract import Checkpoint
from flowc.runtime.streams.state.encoding import checkpoint_text, decoded, intent_text, read_checkpoint, read_intent
from tests.commands import Inside
from tests.older import make_numbered, make_older, own
from tests.stores import Store
from tests.streams.filefolder import put

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("store", 2)]

SPEC = """
project: {name}
connections: {{ drop: {{ kind: files, uri: drop }}, w: {connection} }}
streams:
  s:
    source: {{ connection: drop, path: "*.csv", columns: {{ id: bigint }} }}
    to: {{ connection: w, table: {table}, mode: append }}
  gathered:
    sources:
      one: {{ connection: drop, path: "*.csv", columns: {{ id: bigint }} }}
      two: {{ connection: drop, path: "*.txt", format: csv, columns: {{ id: bigint }} }}
    dedupe: {{ keys: [id], within: 1h }}
    to:
      - {{ connection: w, table: {table}_a, mode: append }}
      - {{ connection: w, table: {table}_b, mode: append }}
    state: {{ connection: w }}
"""


@pytest.fixture
def project(store: Store, tmp_path: Path) -> Inside:
    """A project whose streams have read three rows, with positions as the version before keeps them."""
    made = Inside(tmp_path)
    made.write("specs/s.yaml", SPEC.format(name="mine", connection=store.connection, table="t"))
    put(tmp_path / "drop", "a.csv", "id\n1\n2\n")
    put(tmp_path / "drop", "a.txt", "id\n3\n")
    done = made.flowc("run", "--once")
    assert done.code == 0, done.err
    make_numbered(store)
    return made


def _more(project: Inside) -> None:
    put(project.path / "drop", "b.csv", "id\n4\n2\n", 1)
    put(project.path / "drop", "b.txt", "id\n5\n", 1)


def _holds(store: Store) -> None:
    assert store.rows("SELECT id FROM t") == [(1,), (2,), (2,), (4,)]
    assert store.rows("SELECT id FROM t_a") == store.rows("SELECT id FROM t_b") == [(n,) for n in (1, 2, 3, 4, 5)]


def _run(project: Inside) -> None:
    done = project.flowc("run", "--once")
    assert done.code == 0, done.err


def _where(project: Inside) -> list[tuple[object, ...]]:
    found = json.loads(project.flowc("status", "--json").out)
    streams = found["streams"] if isinstance(found, dict) else found
    return [(s["stream"], s["epoch"], p["source"], p["partition"], p["next"]) for s in streams for p in s["partitions"]]


def test_streams_go_on_where_they_were(store: Store, project: Inside) -> None:
    before = store.rows(f"SELECT * FROM {own(store, 'positions')}")
    assert len(before) == 1 + 2 * 2
    stood = _where(project)
    assert store.rows(f"SELECT * FROM {own(store, 'positions')}") == before, "who looks changes nothing"
    _more(project)
    _run(project)
    _holds(store)
    assert all(now[:1] == then[:1] and now[4] > then[4] for now, then in zip(_where(project), stood, strict=True))
    kept = store.rows(f"SELECT partition_name, next_position FROM {own(store, 'positions')}")
    assert {partition for partition, _ in kept} == {"0"}
    _run(project)
    _holds(store)


def test_statements_of_older_versions_fail_and_change_nothing(store: Store, project: Inside) -> None:
    """Of the one whose positions were numbers, and of the one before, which knew no projects."""
    _more(project)
    for name in ("stream_name", "stream"):
        _run(project)
        _holds(store)
        _statements_fail(store, name)
        make_older(store, ("positions",))


def _statements_fail(store: Store, name: str) -> None:
    held = store.rows(f"SELECT * FROM {own(store, 'positions')}")
    for statement in (
        f"SELECT p.next_offset FROM {own(store, 'positions')} AS p WHERE {name} = 's'",
        f"UPDATE {own(store, 'positions')} SET epoch = 9, next_offset = 9 WHERE {name} = 's' AND partition_number = 0",
    ):
        with pytest.raises(Exception, match=r"(?i)next_offset|partition_number|stream"):
            store.raw(statement)
    assert store.rows(f"SELECT * FROM {own(store, 'positions')}") == held


class Failing:
    """A session that fails at a statement."""

    def __init__(self, database: Database, at: int) -> None:
        self._database, self._left = database, at

    def __getattr__(self, name: str) -> object:
        return getattr(self._database, name)

    def execute(self, sql: str) -> int:
        self._left -= 1
        if self._left < 0:
            raise FlowcError("cut", code="cut")
        return self._database.execute(sql)


class Late:
    """A session that sees a table as it was when it came, until it begins to change it."""

    def __init__(self, database: Database, name: TableName) -> None:
        self._database, self._seen, self._begun = database, database.table(name), False

    def __getattr__(self, name: str) -> object:
        return getattr(self._database, name)

    def begin(self) -> None:
        self._begun = True
        self._database.begin()

    def table(self, name: TableName) -> Table | None:
        return self._database.table(name) if self._begun else self._seen


def _session(store: Store) -> Database:
    options = {"url": store.dsn} if store.dsn else {"path": str(store.folder / f"{store.file}.{store.kind}")}
    return open_database(store.kind, options)


def test_a_renewal_that_is_cut_off_changes_nothing(store: Store, project: Inside) -> None:
    renewals = renew_positions(DIALECTS[store.kind])
    before = store.rows(f"SELECT * FROM {own(store, 'positions')}")
    for at in range(len(renewals[-1].statements)):
        database = _session(store)
        database.open()
        try:
            with pytest.raises(FlowcError, match="cut"):
                renewed(Failing(database, at), renewals)  # type: ignore[arg-type]
        finally:
            database.close()
        assert store.rows(f"SELECT * FROM {own(store, 'positions')}") == before
    _more(project)
    _run(project)
    _holds(store)


def test_two_workers_that_renew_the_table_at_once_lose_nothing(store: Store, project: Inside) -> None:
    renewals = renew_positions(DIALECTS[store.kind])
    first, second = _session(store), _session(store)
    first.open()
    second.open()
    try:
        late = Late(second, renewals[-1].table)
        second.rollback()
        assert renewed(first, renewals[1:])
        held = store.rows(f"SELECT * FROM {own(store, 'positions')}") if store.kind != "duckdb" else None
        assert renewed(late, renewals[1:]), "it has seen the older table"  # type: ignore[arg-type]
    finally:
        first.close()
        second.close()
    assert held is None or store.rows(f"SELECT * FROM {own(store, 'positions')}") == held
    _more(project)
    _run(project)
    _holds(store)


def test_a_worker_goes_on_whose_table_another_one_has_renewed_meanwhile(
    store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read the older layout in vain when the other one is done, and finds nothing to renew."""
    renewals = renew_positions(DIALECTS[store.kind])

    def late(own: Database, given: Iterable[Renewal]) -> bool:
        if store.kind == "duckdb":  # one process opens the file
            own.rollback()
            assert renewed(own, renewals[1:])
        else:
            other = _session(store)
            other.open()
            own.rollback()
            assert renewed(other, renewals[1:])
            other.close()
        assert not renewed(own, given)
        return False

    monkeypatch.setattr("flowc.runtime.streams.targets.database.renewed", late)
    _more(project)
    assert project.flowc("run", "s", "--once").code == 0
    monkeypatch.undo()
    _run(project)
    _holds(store)


@pytest.mark.parametrize("store", ["sqlite", "duckdb"], indirect=True)
def test_views_stand_in_nobodys_way(store: Store, project: Inside) -> None:
    """PostgreSQL alone does not change a table under a view: the guide to projects says so."""
    place = own(store, "positions")
    store.run(f"CREATE VIEW lag AS SELECT next_offset FROM {place}", "CREATE TABLE gone (i INTEGER)")
    store.run("CREATE VIEW broken AS SELECT i FROM gone", "DROP TABLE gone")
    _more(project)
    _run(project)
    _holds(store)


def test_what_another_project_holds_is_refused_before_the_table_is_renewed(store: Store, project: Inside) -> None:
    text = (project.path / "specs/s.yaml").read_text().replace("project: mine", "project: other")
    (project.path / "specs/s.yaml").write_text(text)
    for command in (("plan",), ("apply", "--yes")):
        done = project.flowc(*command)
        assert done.code != 0
        assert "project-renamed" in done.err, done


def test_a_worker_of_the_version_before_that_is_at_work_is_waited_for(postgres: str, tmp_path: Path) -> None:
    store = Store("postgres", tmp_path, postgres)
    made = Inside(tmp_path)
    made.write("specs/s.yaml", SPEC.format(name="mine", connection=store.connection, table="t"))
    put(tmp_path / "drop", "a.csv", "id\n1\n2\n")
    _run(made)
    make_numbered(store)
    with psycopg.connect(postgres) as busy:
        busy.execute("INSERT INTO t VALUES (7)")
        busy.execute(
            "UPDATE flowc.positions SET next_offset = (1::bigint << 40), epoch = epoch + 1 WHERE stream_name = 's'"
        )
        running = threading.Thread(target=_run, args=(made,))
        running.start()
        time.sleep(1.0)
        assert running.is_alive()
        busy.commit()
        running.join(60)
    assert not running.is_alive()
    assert store.rows("SELECT next_position FROM flowc.positions WHERE stream_name = 's'") == [(str(1 << 40),)]


def test_state_is_as_the_version_before_keeps_it_where_positions_are_numbers() -> None:
    """So each reads what the other one wrote."""
    point = Checkpoint(
        3, {("s", "0"): "5", ("s", "10"): str(2**62)}, {("s", "0"): 7, ("", "0"): 1}, logs={("s", "0"): "l"}
    )
    text = (
        '{"positions":[["s",0,5],["s",10,4611686018427387904]],"watermarks":[["",0,1],["s",0,7]],"fingerprints":{},'
        '"logs":[["s",0,"l"]]}'
    )
    assert decoded(checkpoint_text(point)) == text
    assert read_checkpoint(3, text) == point
    intent = Intent(4, 9, (Range.numbered("s", 0, 5, 8, "l"), Range.numbered("s", 1, 0, 0, last=True)), 7)
    text = '{"time":9,"watermark":7,"ranges":[["s",0,5,8,"l"],["s",1,0,0,"",true]],"lookups":{}}'
    assert decoded(intent_text(intent, {})) == text
    assert read_intent(4, text) == intent


def test_positions_of_other_sources_are_kept_as_the_texts_they_are() -> None:
    texts = ("007", "1" * 56, "", "shard 'ü' {x}", "\u0660", "-1", str(2**63), "null", "1.0")
    point = Checkpoint(3, {("s", text): text for text in texts}, {("s", text): 1 for text in texts})
    assert read_checkpoint(3, checkpoint_text(point)) == point
    intent = Intent(4, 9, tuple(Range("s", text, text, text) for text in texts))
    assert read_intent(4, intent_text(intent, {})) == intent
