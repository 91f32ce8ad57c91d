"""Targets that an edit removes while epochs are intended: the plan that intended these writes them there first."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from flowc.runtime.streams.unfinished import FormerRun
from tests.commands import Folder
from tests.streams.test_edited_intents import APPEND, BOTH, Cut, killed, project, put, table, verdicts

SQL = "SELECT id, x FROM source"
TEN = "SELECT id, x * 10 AS x FROM source"
ONCE = "SELECT id, x FROM dedupe(source, id, INTERVAL '1 hour')"
STATE = "state: { connection: pg }"
ONE, OTHER = "{ connection: pg, table: t }", "{ connection: wh, table: u }"


def server(folder: Folder, address: str) -> None:
    """Declares the connection `pg`."""
    folder.env["PG"] = address
    folder.write("specs/pg.yaml", 'connections:\n  pg: { kind: postgres, url: "${PG}" }\n')


def killed_there(folder: Folder, address: str, point: str, count: int = 1) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PG", address)
        killed(folder, point, count)


def rows_of_run(folder: Folder, address: str) -> list[tuple[object, ...]]:
    """What the table in PostgreSQL has behind a run that ends well."""
    ran = folder.flowc("run", "s", "--once")
    assert ran.code == 0, ran.err
    with psycopg.connect(address) as session:
        return session.execute("SELECT id, x FROM t ORDER BY 1").fetchall()


def cut(*_: object) -> None:
    raise Cut


def test_a_target_that_is_removed_behind_a_kill_gets_the_rows_that_the_other_one_has(tmp_path: Path) -> None:
    """The stream needs no store for the target that is left; the one that it had knows what was intended."""
    folder = project(tmp_path, SQL, to=BOTH)
    put(folder, "1", ("a", 1, "00:01"), ("b", 2, "00:02"))
    killed(folder, "target 0", 2)
    project(tmp_path, TEN, to=APPEND)
    put(folder, "2", ("c", 3, "00:03"))
    for _ in range(2):
        ran = folder.flowc("run", "s", "--once")
        assert ran.code == 0, ran.err
    assert table(folder, name="u") == [("a", 1), ("b", 2)]
    assert table(folder) == [("a", 1), ("b", 2), ("c", 30)]


def test_a_rewind_behind_such_an_edit_gives_up_what_was_intended(tmp_path: Path) -> None:
    folder = project(tmp_path, SQL, to=BOTH)
    put(folder, "1", ("a", 1, "00:01"), ("b", 2, "00:02"))
    killed(folder, "intended", 2)
    project(tmp_path, TEN, to=APPEND)
    for place in ("earliest", "held"):
        assert folder.flowc("rewind", "s", "--to", place, "--yes").code == 0
    ran = folder.flowc("run", "s", "--once")
    assert ran.code == 0, ran.err
    assert sorted(map(str, table(folder))) == ["('a', 1)", "('a', 10)", "('b', 20)"]
    assert table(folder, name="u") == [("a", 1)]


@pytest.mark.parametrize("point", ["target 0", "intended", ""])
def test_windows_that_an_edit_makes_anew_are_finished_before_the_next_edit(tmp_path: Path, point: str) -> None:
    """The plan between both keeps no state behind what it intends: a signal ends it, or a message that it refuses."""
    window = "SELECT window_end, id, sum(x) AS x FROM tumble(source, INTERVAL '{}') GROUP BY window_end, id"
    folder = project(tmp_path, window.format("5 minutes"))
    put(folder, "1", ("a", 1, "00:10"), ("a", 2, "01:10"))
    assert folder.flowc("run", "s", "--once").code == 0
    project(tmp_path, window.format("1 minute"))
    put(folder, "2", ("a", 3, "02:10"), ("a", 4, "03:10"), ("a", 5, "04:10"))
    if not point:
        put(folder, "3", ("a", "no number", "04:20"))
    report = killed(folder, point or "none", 2)
    assert report.error is None if point else report.error is not None
    project(tmp_path, window.format("1 minute").replace("sum(x)", "10 * sum(x)"), "on_error: drop")
    ran = folder.flowc("run", "s", "--once", "--drain")
    assert ran.code == 0, ran.err
    found = table(folder, "CAST(strftime('%M', window_end) AS integer), x")
    assert [(minute, str(x).rstrip("0")) for minute, x in found] == [(n, str(n)) for n in range(1, 6)]


def test_a_target_more_is_planned_as_the_next_run_takes_it(tmp_path: Path) -> None:
    """The store that several targets need begins where the first one, which knew the positions alone, stands."""
    folder = project(tmp_path, SQL, to=APPEND)
    put(folder, "1", ("a", 1, "00:01"), ("b", 2, "00:02"))
    killed(folder, "committed", 2)
    project(tmp_path, TEN, to=BOTH)
    assert [state["refused"] for state in folder.flowc("plan", "--json").json["states"]] in ([], [False])
    put(folder, "2", ("c", 3, "00:03"))
    ran = folder.flowc("run", "s", "--once")
    assert ran.code == 0, ran.err
    assert (table(folder), table(folder, name="u")) == ([("a", 1), ("b", 2), ("c", 30)], [("c", 30)])


@pytest.mark.parametrize("place", ["target 0", "intended"])
def test_a_target_is_removed_beside_the_one_that_holds_the_state(tmp_path: Path, postgres: str, place: str) -> None:
    """What two targets needed intents for is from then on in the transactions of the one that is left."""
    folder = project(tmp_path, ONCE, STATE, f"[{ONE}, {OTHER}]")
    server(folder, postgres)
    put(folder, "1", ("a", 1, "00:01"), ("b", 2, "00:02"))
    killed_there(folder, postgres, place, 2)
    project(tmp_path, ONCE.replace(", x FROM", ", 10 * x AS x FROM"), STATE, ONE)
    assert verdicts(folder) == [("dedupe", "keep")]
    put(folder, "2", ("a", 3, "00:03"), ("c", 3, "00:03"))
    assert rows_of_run(folder, postgres) == [("a", 1), ("b", 2), ("c", 30)]
    assert table(folder, name="u") == [("a", 1), ("b", 2)]


@pytest.mark.parametrize("place", ["target 0", "intended", ""])
def test_a_new_table_alone_in_the_database_of_the_state_goes_on_where_the_state_is(
    tmp_path: Path, postgres: str, place: str
) -> None:
    """It holds no epoch, and from then on the state is in its transactions."""
    folder = project(tmp_path, ONCE, STATE, OTHER)
    server(folder, postgres)
    put(folder, "1", ("a", 1, "00:01"), ("b", 2, "00:02"))
    killed_there(folder, postgres, place, 2)
    project(tmp_path, ONCE.replace(", x FROM", ", 10 * x AS x FROM"), STATE, ONE)
    assert verdicts(folder)[0] == ("dedupe", "keep")
    put(folder, "2", ("a", 3, "00:03"), ("c", 3, "00:03"))
    assert rows_of_run(folder, postgres) == [("c", 30)]
    assert table(folder, name="u") == [("a", 1), ("b", 2)]
    put(folder, "3", ("c", 4, "00:04"), ("d", 4, "00:04"))
    assert rows_of_run(folder, postgres) == [("c", 30), ("d", 40)]


def test_a_table_takes_up_the_state_where_giving_up_epochs_was_cut_off(
    tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal comes when the store has given up the epoch that the table refuses, and the table does not know yet."""
    folder = project(tmp_path, ONCE, STATE, f"[{ONE}, {OTHER}]")
    server(folder, postgres)
    with psycopg.connect(postgres, autocommit=True) as session:
        session.execute("CREATE TABLE t (id text, x bigint CHECK (x < 10))")
    put(folder, "1", ("a", 1, "00:01"), ("b", 30, "00:02"), ("c", 3, "00:03"))
    assert folder.flowc("run", "s", "--once").code != 0
    project(tmp_path, ONCE.replace(", x FROM", ", 2 * x AS x FROM"), f"{STATE}\n    on_error: drop", ONE)
    with monkeypatch.context() as patched:
        patched.setattr(FormerRun, "_fence", cut)
        killed_there(folder, postgres, "none")
    assert verdicts(folder)[0] == ("dedupe", "keep")
    assert rows_of_run(folder, postgres) == [("a", 1), ("c", 6)]


@pytest.mark.parametrize("loss", ["DELETE FROM flowc.positions", "DROP TABLE t"])
def test_a_table_that_lost_its_rows_takes_up_no_state(tmp_path: Path, postgres: str, loss: str) -> None:
    folder = project(tmp_path, ONCE, STATE, f"[{ONE}, {OTHER}]")
    server(folder, postgres)
    put(folder, "1", ("a", 1, "00:01"), ("b", 2, "00:02"))
    assert folder.flowc("run", "s", "--once").code == 0
    with psycopg.connect(postgres, autocommit=True) as session:
        session.execute(loss)
    project(tmp_path, ONCE, STATE, ONE)
    assert ("dedupe", "refuse") in verdicts(folder)
    ran = folder.flowc("run", "s", "--once")
    assert (ran.code != 0, "target-behind" in ran.err) == (True, True), ran.err
