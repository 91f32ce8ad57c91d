"""Attempts of one due time: a target that holds what an earlier one loaded is passed by."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.compiler.loads.identity import Recorded
from flowc.durations import parse_instant
from flowc.errors import TransientError
from flowc.runtime.systems import session_class
from flowc.service.loads.identity import recorded_load
from tests import lakes
from tests.commands import Inside
from tests.stores import KINDS, Store, address

pytestmark = [pytest.mark.usefixtures("warm_runs"), pytest.mark.turns("kind", 2)]
BEFORE, NOON, ONE = "2026-03-10T11:59:00Z", "2026-03-10T12:00:00Z", "2026-03-10T13:00:00Z"
LATER, LAST = "2037-03-10T12:00:00Z", "2037-03-10T13:00:00Z"
SPEC = """
project: shop
connections: {{ src: {{ kind: sqlite, path: src.sqlite }}, db: {connection} }}
tables:
  events: {{ connection: src, columns: {{ n: bigint }} }}
  a: {{ connection: db, columns: {{ n: bigint }} }}
  b: {{ connection: src, columns: {{ n: bigint primary key }} }}
  said: {{ connection: src, columns: {{ word: text }} }}
pipelines:
  copy:
    from: src
    sql: SELECT n FROM events
    to:
      - {{ table: a, mode: append }}
      - {{ table: b, mode: append }}
    schedule: "0 * * * *"
    catch_up: all
    retry: {{ attempts: 4, backoff: 0s }}{more}
"""


class Shop(Inside):
    """A project whose second target refuses a row until `mend` is called."""

    spec = SPEC

    def begin_with(self, kind: str, dsn: str = "", more: str = "") -> None:
        self.kind, self.source = kind, Store("sqlite", self.path, file="src")
        self.store = Store(kind, self.path, dsn) if kind != "delta" else None
        connection = self.store.connection if self.store else "{ kind: delta, uri: lake }"
        self.write("specs/s.yaml", self.spec.format(connection=connection, more=more))
        assert self.flowc("apply", "--yes").code == 0
        self.source.run("INSERT INTO events VALUES (1), (2)", "INSERT INTO b (n) VALUES (2)")
        assert self.due(BEFORE).code == 0

    def due(self, at: str):
        return self.flowc("run-due", "--now", at)

    def mend(self) -> None:
        self.source.run("DELETE FROM b")

    def a(self) -> list[tuple]:
        return self.store.rows("SELECT n FROM a") if self.store else lakes.rows(self.path / "lake" / "a")

    def b(self) -> list[tuple]:
        return self.source.rows("SELECT n FROM b")

    def runs(self) -> list[dict]:
        return self.flowc("runs", "list", "--json").json

    def targets(self) -> list[dict]:
        """What the newest run did."""
        return self.flowc("runs", "show", "last", "--json").json["detail"]["pipelines"][0]["targets"]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.mark.parametrize("kind", [*KINDS, "delta"])
def test_a_target_that_an_earlier_attempt_loaded_is_passed_by(shop, kind, request):
    shop.begin_with(kind, address(request, kind))
    assert shop.due(NOON).code == 1
    assert [run["attempt"] for run in shop.runs()] == [4, 3, 2, 1]
    assert (shop.a(), shop.b()) == ([(1,), (2,)], [(2,)])
    first, second = shop.targets()
    assert (first["status"], second["status"]) == ("ok", "failed")
    assert first["passed_by"], "it says so"
    assert first["counts"]["inserted"] == 2, "rows of the attempt that loaded them"
    assert "passed by" in shop.flowc("runs", "show", "last").out
    assert sum(run["rows_inserted"] or 0 for run in shop.runs()) == 2, "runs together count each row once"


@pytest.mark.parametrize("kind", ["sqlite", "delta"])
def test_the_next_due_time_is_loaded_and_the_rest_of_a_due_time_too(shop, kind):
    shop.begin_with(kind, more="\n    expect: [{ not_null: [n], severity: warn }]")
    shop.due(NOON)
    shop.mend()
    assert shop.due(ONE).code == 0
    assert (shop.a(), shop.b()) == ([(1,), (1,), (2,), (2,)], [(1,), (2,)])
    assert not any(target["passed_by"] for target in shop.targets())


def test_hooks_checks_and_rows_set_aside_stay_as_the_attempt_left_them(shop):
    check = """{ sql: "n < 2", name: 'small \\\\ "one"', severity: quarantine, max_failures: 9 }"""
    hooks = """
    before: ["CREATE TABLE IF NOT EXISTS hooks (w text)", "INSERT INTO hooks VALUES ('before')"]
    after: ["INSERT INTO hooks VALUES ('after')"]"""
    shop.begin_with("sqlite", more=f"{hooks}\n    expect: [{check}]")
    shop.source.run("INSERT INTO b VALUES (1)")
    assert shop.due(NOON).code == 1
    assert len(shop.runs()) == 4
    assert shop.a() == [(1,)]
    assert shop.store.rows("SELECT w FROM hooks") == [("after",), ("before",)]
    assert shop.store.rows("SELECT count(*) FROM flowc_bad_rows") == [(1,)]
    (verdict,) = shop.targets()[0]["expects"]
    assert verdict == {"name": 'small \\\\ "one"', "failed": 1, "total": 2, "passed": True, "severity": "quarantine"}


def test_a_version_without_an_event_time_begins_when_the_first_attempt_wrote_it(shop):
    """Loaded once more, rows that changed between would be versions of their own."""
    shop.spec = (
        SPEC.replace("b: {{ connection: src, columns: {{ ", "b: {{ connection: src, columns: {{ x: double, ")
        .replace("{{ table: a, mode: append }}", "{{ connection: db, table: h, mode: scd2, keys: [n] }}")
        .replace("SELECT n FROM events", "SELECT n, 1.0 * random() AS x FROM events")
    )
    shop.begin_with("duckdb")
    assert shop.due(NOON).code == 1
    assert shop.store.rows("SELECT count(*) FROM h") == [(2,)]


def test_a_run_by_hand_is_a_run_of_its_own(shop):
    shop.begin_with("sqlite")
    shop.due(NOON)
    shop.mend()
    assert shop.flowc("run", "copy", "--once").code == 0
    assert shop.a() == [(1,), (1,), (2,), (2,)]


class Attempts(Shop):
    """Attempts in this process: each is the worker of a due time."""

    monkeypatch: pytest.MonkeyPatch

    def attempt(self, due: str = NOON):
        self.monkeypatch.setattr("flowc.api.running.due_time", lambda: parse_instant(due))
        done = self.flowc("run", "copy", "--once", "--json")
        assert done.out, done.err
        return [
            ("passed by" if target["passed_by"] else target["error"]["code"] if target["error"] else "ok")
            for target in done.json["pipelines"][0]["targets"]
        ]


@pytest.fixture
def attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Attempts:
    made = Attempts(tmp_path)
    made.monkeypatch = monkeypatch
    return made


@pytest.mark.parametrize("kind", [*KINDS, "delta"])
def test_an_attempt_loads_nothing_whose_due_time_a_later_one_has_followed(attempts, kind, request):
    """A worker that was stopped, for instance, and wakes when its due time is done with."""
    attempts.begin_with(kind, address(request, kind))
    assert attempts.attempt(NOON)[0] == "ok"
    assert attempts.attempt(ONE)[0] == "ok"
    assert attempts.attempt(ONE)[0] == "passed by"
    assert attempts.attempt(NOON)[0] == "load-overtaken"
    assert len(attempts.a()) == 4


def test_a_due_time_of_a_wrong_clock_keeps_nothing_from_being_loaded(attempts):
    """`run-due --now 2037-…` is for trying out; what is due after that is not passed by for years."""
    attempts.begin_with("sqlite")
    assert [attempts.attempt(due)[0] for due in (LATER, NOON, ONE)] == ["ok"] * 3


@pytest.mark.parametrize("kind", [*KINDS, "delta"])
def test_of_two_attempts_at_once_one_loads(attempts, kind, request, monkeypatch):
    """The second is planned before the first has committed: the row that it saw is another one by then."""
    attempts.begin_with(kind, address(request, kind))
    assert attempts.attempt(BEFORE)[0] == "ok"  # a row that is to be changed; without one it is added
    for due in (NOON, ONE):
        seen: list[Recorded] = []

        def stale(apply, *asked, seen=seen):
            if apply.target.name.name != "a":
                return recorded_load(apply, *asked)
            seen.append(recorded_load(apply, *asked))
            return seen[0]

        monkeypatch.setattr("flowc.service.loads.run.recorded_load", stale)
        assert [attempts.attempt(due)[0] for _ in range(2)] == ["ok", "load-overtaken"]
    assert len(attempts.a()) == 6


@pytest.mark.parametrize("kind", [*KINDS, "delta"])
def test_a_commit_whose_answer_is_lost_is_found(attempts, kind, request, monkeypatch):
    attempts.begin_with(kind, address(request, kind))
    session = session_class(kind)
    commit = session.commit

    def lost(self):
        commit(self)
        raise TransientError("the connection was lost", code="connection-lost")

    monkeypatch.setattr(session, "commit", lost)
    assert attempts.attempt()[0] == "ok"
    monkeypatch.undo()
    attempts.monkeypatch = monkeypatch
    assert attempts.attempt()[0] == "passed by"
    assert attempts.a() == [(1,), (2,)]


@pytest.mark.parametrize("kind", ["mysql", "delta"])
def test_more_checks_than_can_be_recorded_keep_nothing_from_being_loaded(attempts, kind, request):
    checks = ", ".join(f"{{ sql: n > -{i}, name: {'é' * 60}{i}, severity: warn }}" for i in range(400))
    attempts.begin_with(kind, address(request, kind), more=f"\n    expect: [{checks}]")
    assert [attempts.attempt()[0] for _ in range(2)] == ["ok", "passed by"]
    assert attempts.a() == [(1,), (2,)]


def test_a_target_that_is_made_anew_is_loaded(attempts):
    attempts.begin_with("sqlite")
    attempts.attempt()
    attempts.store.run("DROP TABLE a")
    assert attempts.attempt()[0] == "ok"
    assert attempts.a() == [(1,), (2,)]


@pytest.mark.parametrize("kind", [*KINDS, "delta"])
def test_attempts_of_a_named_run_pass_by_what_they_have_loaded(shop, kind, request):
    """A job of an orchestrator, which tries again by itself."""
    shop.begin_with(kind, address(request, kind))
    for _ in range(3):
        assert shop.flowc("run", "copy", "--once", "--run-id", "dag/1 é").code == 1
    assert shop.a() == [(1,), (2,)]
    shop.mend()
    done = shop.flowc("run", "copy", "--once", "--run-id", "dag/1 é", "--json")
    first, second = done.json["pipelines"][0]["targets"]
    assert (done.code, first["passed_by"], second["passed_by"]) == (0, True, False)
    assert "in the same run" in first["notes"][0]
    assert (shop.a(), shop.b()) == ([(1,), (2,)], [(1,), (2,)])


def test_other_runs_are_no_attempts_of_a_named_run(shop):
    shop.begin_with("sqlite", more="\nenvironments: { prod: {} }")
    shop.mend()
    ids = ("a", "A", "a ", "\u00e9", "e\u0301", "a prod", 'a" prod', "a null/null", '["a"')
    named = (["--run-id", "a", "--env", "prod"], *(["--run-id", each] for each in ids), ["--run-id", "a", "--full"])
    for given in (*named[:-1], [], [], named[-1]):
        shop.source.run("DELETE FROM b")
        done = shop.flowc("run", "copy", "--once", *given)
        assert (done.code, "passed by" in done.out) == (0, False)
    assert len(shop.a()) == 2, "the last one replaced all"


@pytest.mark.parametrize("run", ["", " ", "a\nb"])
def test_an_id_that_names_no_run_is_refused(shop, run):
    """A variable that is not set would make all runs attempts of the first one."""
    shop.begin_with("sqlite")
    assert "unusable-option" in shop.flowc("run", "copy", "--once", "--run-id", run).err


def test_a_run_by_hand_has_one_attempt(shop):
    """`retry` is for due times: nothing loads the first target again within one run."""
    shop.begin_with("sqlite")
    assert shop.flowc("run", "copy", "--once").code == 1
    assert (shop.a(), shop.runs()[0]["attempt"]) == ([(1,), (2,)], 1)


def test_a_pipeline_that_was_edited_between_attempts_says_so(attempts):
    """What the first attempt has loaded stays: to load it once more would double it."""
    attempts.begin_with("sqlite")
    assert attempts.attempt()[0] == "ok"
    specs = attempts.path / "specs/s.yaml"
    attempts.write("specs/s.yaml", specs.read_text().replace("SELECT n FROM events", "SELECT n + 10 AS n FROM events"))
    attempts.monkeypatch.setattr("flowc.api.running.due_time", lambda: parse_instant(NOON))
    first, _ = attempts.flowc("run", "copy", "--once", "--json").json["pipelines"][0]["targets"]
    assert "edited" in " ".join(first["notes"])
    assert (attempts.a(), attempts.b()) == ([(1,), (2,)], [(2,), (11,), (12,)])


def test_a_run_by_hand_whose_commit_has_no_answer_says_that_the_rows_may_be_there(attempts, monkeypatch):
    """Who runs it again without a look would append them twice."""
    attempts.begin_with("duckdb")
    session = session_class("duckdb")
    commit = session.commit

    def lost(self):
        commit(self)
        raise TransientError("the connection was lost", code="connection-lost")

    monkeypatch.setattr(session, "commit", lost)
    done = attempts.flowc("run", "copy", "--once", "--json")
    (words,) = done.json["pipelines"][0]["targets"][0]["error"]["details"]
    assert (done.code, words) == (1, "the answer to COMMIT was lost: `db.a` may hold the rows")
    done = attempts.flowc("run", "copy", "--once", "--json", "--run-id", "x")
    assert done.json["pipelines"][0]["targets"][0]["status"] == "ok", "it was asked"


@pytest.mark.parametrize(("table", "code"), [("loads", True), ("watermarks", True), ("dead_letters", False)])
def test_a_table_that_flowc_keeps_is_none_of_a_project(shop, table, code):
    shop.write(
        "specs/s.yaml",
        "project: shop\nconnections: { db: { kind: sqlite, path: a.sqlite } }\n"
        f"tables: {{ flowc_{table}: {{ connection: db, columns: {{ n: bigint }} }} }}\n",
    )
    Store("sqlite", shop.path, file="a").run("CREATE TABLE t (n bigint)")
    assert ("table-of-flowc" in shop.flowc("plan").err) == code


@pytest.mark.covering
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("again", [False, True], ids=["dropped", "dropped and made by apply"])
def test_a_target_that_was_dropped_since_is_not_passed_by(shop, kind, again, request):
    shop.spec = SPEC.replace("backoff: 0s", "backoff: 5m")
    shop.begin_with(kind, address(request, kind))
    assert shop.due(NOON).code == 1
    shop.store.run("DROP TABLE a")
    if again:
        assert shop.flowc("apply", "--yes").code == 0
    shop.mend()
    assert shop.due("2026-03-10T12:06:00Z").code == 0
    assert [run["attempt"] for run in shop.runs()] == [2, 1]
    assert (shop.a(), shop.b()) == ([(1,), (2,)], [(1,), (2,)])


@pytest.mark.parametrize("kind", ["mysql", "sqlite"])
def test_a_target_that_an_attempt_made_again_and_did_not_fill_is_not_passed_by(shop, kind, request):
    """MySQL commits the table that a load creates, whatever becomes of the load."""
    shop.spec = SPEC.replace("backoff: 0s", "backoff: 5m")
    shop.begin_with(kind, address(request, kind), more='\n    expect: [{ sql: "n < 100" }]')
    assert shop.due(NOON).code == 1
    shop.store.run("DROP TABLE a")
    shop.source.run("INSERT INTO events VALUES (100)")
    assert shop.due("2026-03-10T12:06:00Z").code == 1
    shop.mend()
    shop.source.run("DELETE FROM events WHERE n = 100")
    assert shop.due("2026-03-10T12:30:00Z").code == 0
    assert (shop.a(), shop.b()) == ([(1,), (2,)], [(1,), (2,)])


@pytest.mark.covering
@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
@pytest.mark.parametrize("name", ["A", "Main.A"])
def test_a_table_that_the_first_attempt_makes_is_the_same_for_the_next_one(shop, kind, name):
    """Until a table is there, a database knows it by the name that the spec writes."""
    tables = "  a: {{ connection: db, columns: {{ n: bigint }} }}\n"
    shop.spec = SPEC.replace(tables, "").replace("{{ table: a,", f"{{{{ connection: db, table: {name},")
    shop.begin_with(kind)
    assert shop.due(NOON).code == 1
    assert shop.targets()[0]["passed_by"]
    assert shop.a() == [(1,), (2,)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_known_of_a_table_goes_before_apply_makes_it_again(attempts, kind, request):
    """Its watermark, by which the next run would fill the end alone, and the due time that was loaded."""
    attempts.begin_with(kind, address(request, kind), more="\n    incremental: { column: n }")
    assert attempts.attempt()[0] == "ok"
    attempts.store.run("DROP TABLE a")
    assert attempts.flowc("apply", "--yes").code == 0
    assert attempts.attempt()[0] == "ok"
    assert attempts.a() == [(1,), (2,)]
