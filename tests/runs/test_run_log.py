"""The run log on every database that can hold one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from flowc.compiler.dialects import DIALECTS
from flowc.errors import FlowcError
from flowc.runtime.systems import open_database
from flowc.service.runs.log import RunLog, run_id
from flowc.service.runs.records import FAILED, LOST, OK, RUNNING, Claim, Condition, Outcome, RunRecord
from tests.stores import SERVERS

pytestmark = pytest.mark.turns("store", 2)

DUE = datetime(2026, 3, 10, 12, tzinfo=UTC)


def opened(store, owner="one", lease=30.0, project="p"):
    options = {"url": store.dsn} if store.kind in SERVERS else {"path": str(store.folder / f"log.{store.kind}")}
    return RunLog(lambda: open_database(store.kind, options), store.kind, project, owner, lease=lease)


@pytest.fixture
def log(store):
    made = opened(store)
    yield made
    made.close()


def begun(log):
    log.begin_schedules([("p", "0 * * * *", "UTC")], DUE - timedelta(hours=1))
    return log.standings()["p"]


def claim(attempt=1, reason="schedule"):
    return Claim(run_id(DUE), "p", DUE, attempt, reason)


def test_the_clock_is_now(log):
    assert abs(log.now() - datetime.now(UTC)) < timedelta(seconds=60)


def test_a_due_time_is_claimed_once(log, store):
    other = opened(store, "two")
    seen = begun(log)
    assert seen == other.standings()["p"]
    assert log.claim(seen, claim(), DUE)
    assert not other.claim(seen, claim(), DUE)
    other.close()
    assert [run.status for run in log.runs()] == [RUNNING]


def test_a_run_is_settled_once_with_all_that_it_did(log):
    mine = claim()
    log.claim(begun(log), mine, DUE)
    outcome = Outcome(OK, {"rows_read": 3, "byte_count": 2**40}, detail={"said": "it's \\ fine\n"})
    assert log.settle(mine, outcome, {"settled_at": DUE, "due_at": None, "attempt": 0}, DUE + timedelta(seconds=2))
    (run,) = log.find(mine.run_id)
    assert (run.status, run.counts, run.detail, run.seconds) == (OK, outcome.counts, outcome.detail, 2.0)
    at = log.standings()["p"]
    assert (at.settled_at, at.succeeded_at, at.run_id, at.due_at) == (DUE, DUE, None, None)


def test_the_late_result_of_a_run_that_was_given_up_is_refused(log):
    mine = claim()
    log.claim(begun(log), mine, DUE)
    log.lease = -1.0
    assert log.hold([mine.run_id]) == 1
    assert log.settle(mine, Outcome(LOST), {"retry_at": DUE}, DUE, lost=True)
    assert not log.settle(mine, Outcome(OK), {"settled_at": DUE}, DUE)
    assert log.find(mine.run_id)[0].status == LOST
    assert log.standings()["p"].succeeded_at is None


def test_a_lease_ends_by_the_clock_of_the_log(log, store):
    short = opened(store, "two", lease=-1.0)
    mine = claim()
    short.claim(begun(log), mine, DUE)
    short.close()
    assert log.standings()["p"].expired
    assert log.hold([mine.run_id]) == 1
    assert not log.standings()["p"].expired
    assert log.hold(["another"]) == 0


def test_a_run_that_gives_a_sign_of_life_is_not_given_up(log):
    mine = claim()
    log.claim(begun(log), mine, DUE)
    assert not log.settle(mine, Outcome(LOST), {"retry_at": DUE}, DUE, lost=True)
    assert log.standings()["p"].run_id == mine.run_id


def test_any_text_is_recorded(log):
    mine = claim()
    log.claim(begun(log), mine, DUE)
    odd = "nul \0, half a pair \udc80, " + "x" * 20_000_000
    assert log.settle(mine, Outcome(FAILED, error=odd, detail={"said": odd}), {"settled_at": DUE}, DUE)
    (run,) = log.find(mine.run_id)
    assert run.error.startswith("nul ␀")
    assert len(run.error) < 30_000


def test_a_run_log_that_vanished_is_made_again(store):
    log = opened(store)
    begun(log)
    store_of(log).run(*(f"DROP TABLE {table}" for table in tables(log)))
    with suppress(FlowcError):
        log.standings()
    assert log.standings() == {}
    log.close()


def test_looking_at_a_server_without_tables_finds_nothing(store):
    log = opened(store)
    log.looks = True
    assert log.standings() == {}
    assert log.runs() == []
    assert log.now()
    log.close()


def test_one_leads_until_its_lease_ends_and_tokens_grow(log, store):
    other = opened(store, "two")
    assert log.lead(None) == 1
    assert other.lead(None) is None
    assert log.lead(1) == 1
    assert log.leader()[0] == "one"
    log.resign(1)
    assert other.lead(None) == 2
    assert log.lead(1) is None
    other.close()


def test_who_leads_no_more_claims_nothing(log, store):
    log.lead(None)
    seen = begun(log)
    log.resign(1)
    other = opened(store, "two")
    other.lead(None)
    other.close()
    assert not log.claim(seen, claim(), DUE, token=1)
    assert log.claim(seen, claim(), DUE, token=2)


def test_a_purge_takes_runs_and_leaves_schedules(log):
    at = begun(log)
    for hours in (5, 1):
        began = DUE - timedelta(hours=hours)
        run = RunRecord(run_id(began), "p", 1, "manual", RUNNING, "one", began)
        log.begin(run)
        if hours == 5:
            log.end(run.id, Outcome(FAILED, error_code="x", error="why"), began)
    assert log.purge(DUE - timedelta(hours=2)) == 1
    assert len(log.runs()) == 1
    assert log.standings()["p"] == at


def test_projects_do_not_see_each_other(log, store):
    begun(log)
    other = opened(store, project="q")
    assert other.standings() == {}
    assert other.lead(None) == 1
    assert log.lead(None) == 1
    other.close()


def test_the_newest_runs_come_first_and_are_found_by_what_their_ids_begin_with(log):
    for minute in range(3):
        began = DUE + timedelta(minutes=minute)
        log.begin(RunRecord(run_id(began), f"p{minute % 2}", 1, "manual", RUNNING, "one", began))
    newest, middle, oldest = log.runs()
    assert [run.started_at.minute for run in (newest, middle, oldest)] == [2, 1, 0]
    assert log.find(middle.id[:-3]) == [replace(middle)]
    assert len(log.find("2026")) == 2
    assert [run.id for run in log.runs(pipelines=["p0"], most=1)] == [newest.id]


def test_nobody_makes_tables_where_only_apply_may(store):
    log = replace_tables(opened(store))
    with pytest.raises(Exception, match="flowc apply") as failure:
        log.ensure()
    assert failure.value.code == "unknown-table"


def tables(log):
    return [str(DIALECTS[log.kind].state_table(name)) for name in ("runs", "schedules", "leases")]


def store_of(log):
    class Through:
        def run(self, *statements):
            with log._session() as database:
                for statement in statements:
                    database.execute(statement)

    return Through()


def replace_tables(log):
    return RunLog(log.opener, log.kind, log.project, log.owner, create_tables=False)


def test_a_condition_is_changed_by_one_of_those_who_have_seen_it(store, log):
    other = opened(store, "two")
    first = Condition("p", "stale", "", DUE, seen_at=DUE)
    assert log.put_condition(first)
    assert not other.put_condition(first)
    (seen,) = other.conditions()
    assert replace(seen, version=None) == first
    bad = replace(seen, bad=True, value="2026-03-10T11:00:00Z", told_at=DUE + timedelta(microseconds=1))
    assert other.put_condition(bad)
    assert not log.put_condition(replace(bad, bad=False))
    assert log.put_condition(Condition("p", "stale", "a" * 100, DUE))
    held = {each.key: each for each in log.conditions()}
    assert held["p", "stale", ""] == replace(bad, version=1)
    assert len(held) == 2
    assert opened(store, project="q").conditions() == []
    other.close()


def _many(log):
    for n in range(12):
        at = DUE + timedelta(seconds=n)
        log.begin(RunRecord(f"r{n:02}", "ab"[n % 2], 1, "manual", RUNNING, "one", at))
        log.end(f"r{n:02}", Outcome(FAILED if n == 3 else OK, {"rows_read": n}), at)


def test_runs_are_read_page_by_page_and_the_newest_of_each_pipeline(log):
    _many(log)
    assert [run.id for run in log.runs(before="r05", most=3)] == ["r04", "r03", "r02"]
    assert [run.id for run in log.runs(pipelines=("a",), before="r05", most=3)] == ["r04", "r02", "r00"]
    assert [run.id for run in log.runs(status=FAILED)] == ["r03"]
    newest = log.newest(["b", "a", "c"], 2)
    assert {name: [run.id for run in runs] for name, runs in newest.items()} == {
        "b": ["r11", "r09"],
        "a": ["r10", "r08"],
        "c": [],
    }
    assert newest["a"][0].seconds == 0
    assert (log.find("r0", whole=True), [run.id for run in log.find("r07", whole=True)]) == ([], ["r07"])


def test_a_log_that_was_made_before_gets_its_indexes(log, store):
    _many(log)
    log.close()
    options = {"url": store.dsn} if store.kind in SERVERS else {"path": str(store.folder / f"log.{store.kind}")}
    database = open_database(store.kind, options)
    catalog = {"sqlite": "SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE '%\\_by\\_%' ESCAPE '\\'",
               "postgres": "SELECT indexname AS name FROM pg_indexes WHERE indexname LIKE '%\\_by\\_%'"}  # fmt: skip
    if store.kind in catalog:
        names = [row["name"] for row in database.query(catalog[store.kind]).to_pylist()]
        assert len(names) == 2
        schema = "" if store.kind == "sqlite" else "flowc."
        for name in names:
            database.execute(f"DROP INDEX {schema}{name}")
        again = opened(store)
        again.ensure()
        again.close()
        assert len(database.query(catalog[store.kind]).to_pylist()) == 2
    database.close()
