"""Whose lock it is: judged only by processes that share its numbers, and by the clock of the database alone."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pymysql
import pytest

from flowc.errors import UsageError
from flowc.runtime.contracts.database import Database
from flowc.runtime.systems import open_database
from flowc.service.access import locks
from tests.commands import Done, Folder, Inside
from tests.migrate.projects import specs
from tests.migrate.test_locks import _hold, _locks
from tests.stores import SERVERS, Store
from tests.waiting import until

pytestmark = pytest.mark.turns("store", 2)

BEFORE = "columns: { id: bigint primary key, a: integer, b: integer }"
AFTER = "columns: { id: bigint primary key, a: bigint, b: integer }"


@pytest.fixture
def project(store: Store) -> Inside:
    made = Inside(store.folder, {"STORE": store.dsn})
    specs(made, store, {"t": BEFORE})
    assert made.flowc("apply", "--yes").code == 0
    store.run("INSERT INTO t VALUES (1, 5, 6)")
    specs(made, store, {"t": AFTER})
    return made


def dead() -> int:
    """The number of a process that is gone."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
        return process.pid


def test_an_owner_is_judged_by_its_process_only_where_that_number_means_it(store: Store, project: Inside):
    namespace, boot = locks._realm()
    gone = f"{socket.gethostname()}:{dead()}:1"
    for owner in (gone, f"{gone}:{namespace}1:{boot}", f"{gone}:{namespace}:{boot[:-1]}x"):
        _hold(store, owner, 3600)
        refused = project.flowc("apply", "--yes", "--lock-timeout", "0")
        assert refused.code == 2, owner
        assert f"another apply is at work here: {gone}, since " in refused.err
        assert store.raw(f"SELECT owner FROM {_locks(store)}") == [(owner,)]
        store.run(f"DELETE FROM {_locks(store)}")
    _hold(store, f"elsewhere:{dead()}:1:{namespace}:{boot}", 3600)
    done = project.flowc("apply", "--yes", "--lock-timeout", "60")
    assert done.code == 0, f"the lease of a dead owner was waited for: {done.err}"


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_process_of_another_namespace_does_not_take_the_lock(store: Store, project: Inside):
    _hold(store, locks.owner_name(), 3600)
    folder = Folder(project.path, project.env)
    apart = ["unshare", "--pid", "--fork", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*apart, "true"], capture_output=True).returncode:
        pytest.skip("this machine makes no namespaces")
    refused = subprocess.run(
        [*apart, *folder.command("apply", "--yes", "--lock-timeout", "0.3")],
        cwd=folder.path, env=folder.environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert (refused.returncode, "error[apply-locked]" in refused.stderr) == (2, True), refused.stderr
    assert store.raw("SELECT owner FROM flowc_locks") == [(locks.owner_name(),)]


@pytest.mark.covering
@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_that_is_wrong_neither_ends_a_lease_nor_makes_it_longer(
    store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch, hours: int
):
    with skewed(monkeypatch, hours):
        _hold(store, "elsewhere:1:1", 3600)
        refused = project.flowc("apply", "--yes", "--lock-timeout", "0.2")
        assert (refused.code, "error[apply-locked]" in refused.err) == (2, True), refused.err
        store.run(f"DELETE FROM {_locks(store)}")
        _hold(store, "elsewhere:1:1", 0.1)
        done = project.flowc("apply", "--yes", "--lock-timeout", "60")
        assert done.code == 0, done.err


@contextmanager
def skewed(monkeypatch: pytest.MonkeyPatch, hours: int) -> Iterator[None]:
    """All of flowc in this process with another time of day."""

    class Meta(type):
        def __instancecheck__(cls, value):
            return isinstance(value, datetime)

    class Skewed(datetime, metaclass=Meta):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(hours=hours)

    flowc = [module for name, module in sys.modules.items() if name.startswith("flowc.")]
    with monkeypatch.context() as patch:
        for module in flowc:
            if getattr(module, "datetime", None) is datetime:
                patch.setattr(module, "datetime", Skewed)
        yield


def test_the_lease_that_is_taken_is_of_the_database_s_time(
    store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch
):
    seen: list[tuple[object, ...]] = []
    acquire = locks._acquire

    def looked(*arguments) -> None:
        acquire(*arguments)
        query = f"SELECT acquired_at, expires_at FROM {_locks(store)} WHERE name = '{arguments[0].name}'"
        seen.extend(arguments[0].database.query(query).to_pylist())

    monkeypatch.setattr(locks, "_acquire", looked)
    with skewed(monkeypatch, 5):
        assert project.flowc("apply", "--yes").code == 0
    assert seen
    for row in seen:
        assert abs((row["acquired_at"] - datetime.now(UTC)).total_seconds()) < 600  # type: ignore[call-overload]
        assert (row["expires_at"] - row["acquired_at"]).total_seconds() == pytest.approx(locks.LEASE, abs=0.1)  # type: ignore[call-overload]


servers = pytest.mark.parametrize("store", SERVERS, indirect=True)


@contextmanager
def busy(store: Store) -> Iterator[Callable[[], None]]:
    """Another session that holds the table in an open transaction; gives what ends that."""
    if store.kind == "postgres":
        with closing(psycopg.connect(store.dsn)) as other:
            other.execute("LOCK TABLE t IN ACCESS SHARE MODE")
            yield other.rollback
        return
    parts = psycopg.conninfo.conninfo_to_dict(store.dsn.replace("mysql:", "postgres:"))
    host, port, name = (str(parts[key]) for key in ("host", "port", "dbname"))
    with closing(pymysql.connect(host=host, port=int(port), user="flowc", password="flowc", database=name)) as other:
        other.cursor().execute("UPDATE t SET a = a")
        yield other.rollback


def meanwhile(project: Inside, *arguments: str) -> Callable[[], Done]:
    """The command in a thread; gives what waits for its end."""
    found: list[Done] = []
    thread = threading.Thread(target=lambda: found.append(project.flowc(*arguments)))
    thread.start()

    def result() -> Done:
        thread.join()
        return found[0]

    return result


WAITS = {
    "postgres": "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    "mysql": "SELECT id FROM information_schema.processlist WHERE db = database() "
    "AND state LIKE 'Waiting for table metadata lock%'",
}
HEARTBEATS = {
    "postgres": "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle' "
    "AND query LIKE 'UPDATE%flowc%locks%'",
    "mysql": "SELECT id FROM information_schema.processlist WHERE db = database() AND command = 'Sleep' "
    "AND id <> {other}",
}
KILLS = {"postgres": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}


@servers
def test_the_lease_is_renewed_in_a_transaction_and_after_its_session_was_killed(
    store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(locks, "LEASE", 1.5)
    seen = set()
    ended: set[int] = set()

    def is_renewed() -> bool:
        seen.update(store.raw(f"SELECT expires_at FROM {_locks(store)}"))
        return len(seen) >= 3

    def is_killed() -> bool:
        for (number,) in store.raw(HEARTBEATS[store.kind].format(other=other)):
            store.run(KILLS[store.kind].format(number))
            ended.add(number)
        return bool(ended)

    own = {"postgres": "SELECT 0", "mysql": "SELECT id FROM information_schema.processlist WHERE db = database() "
           "AND command = 'Sleep'"}[store.kind]  # fmt: skip
    with busy(store) as release:
        other = store.raw(own)[0][0]
        result = meanwhile(project, "apply", "--yes", "--table-lock-timeout", "60")
        until(lambda: bool(store.raw(WAITS[store.kind])))
        until(is_renewed)
        until(is_killed)
        seen.clear()
        until(is_renewed)
        release()
        done = result()
    assert done.code == 0, done.err


@pytest.mark.parametrize("store", ["mysql"], indirect=True)
def test_an_apply_that_lost_its_lock_in_its_last_statement_is_not_done(store: Store, project: Inside):
    with busy(store) as release:
        result = meanwhile(project, "apply", "--yes", "--table-lock-timeout", "60")
        until(lambda: bool(store.raw(WAITS[store.kind])))
        store.run(f"DELETE FROM {_locks(store)}")
        release()
        done = result()
    assert (done.code, "error[apply-lock-lost]" in done.err) == (2, True), done.err


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_who_takes_the_lock_waits_for_the_transaction_that_has_proved_it(store: Store, project: Inside):
    with busy(store) as release:
        result = meanwhile(project, "apply", "--yes", "--table-lock-timeout", "60")
        until(lambda: len(store.raw(WAITS[store.kind])) == 1)
        thief = threading.Thread(target=lambda: store.run(f"DELETE FROM {_locks(store)}"))
        thief.start()
        until(lambda: len(store.raw(WAITS[store.kind])) == 2)
        assert store.raw(f"SELECT count(*) FROM {_locks(store)}") == [(1,)]
        release()
        result()
        thief.join()


def test_the_owner_of_this_process_names_where_it_runs():
    host, process, began, namespace, boot = locks.owner_name().split(":")
    assert (host, process) == (socket.gethostname(), str(os.getpid()))
    assert began.isdigit()
    assert namespace == os.readlink("/proc/self/ns/pid")[5:-1]
    assert len(boot) == 36
    assert not locks.is_gone(locks.owner_name())
    assert locks.is_gone(f"{host}:{process}:1:{namespace}:{boot}")


@contextmanager
def session(store: Store) -> Iterator[Database]:
    options = {"url": store.dsn} if store.dsn else {"path": str(store.folder / f"store.{store.kind}")}
    with closing(open_database(store.kind, options)) as database:
        database.open()
        yield database


def refused(database: Database, store: Store, seconds: float = 0.2) -> str:
    """With what code the lock is refused, if it is."""
    try:
        with locks.apply_lock(database, store.kind, locks.Patience(seconds), None):
            return ""
    except UsageError as error:
        return error.code


def let_expire(database: Database, store: Store) -> None:
    """What a clock does that is set an hour ahead."""
    past = "'2001-01-01 00:00:00.000000'" if store.kind == "mysql" else "'2001-01-01 00:00:00.000000+00:00'"
    database.execute(f"UPDATE {_locks(store)} SET expires_at = {past}")


def test_two_holders_of_one_process_are_strangers(store: Store):
    with session(store) as one, session(store) as other:
        with locks.apply_lock(one, store.kind, locks.Patience(5), None) as prove:
            assert refused(other, store) == "apply-locked"
            prove()
        assert refused(other, store, 5) == ""


def test_who_lost_the_lock_notices_before_its_transaction_commits(store: Store):
    with session(store) as one, session(store) as other:
        with locks.apply_lock(one, store.kind, locks.Patience(5), None) as prove:
            one.begin()
            prove()
            assert refused(other, store) == "apply-locked", "the transaction that has proved it is shut in"
            one.rollback()
            let_expire(other, store)
            with locks.apply_lock(other, store.kind, locks.Patience(5), None) as proved:
                one.begin()
                with pytest.raises(UsageError) as lost:
                    prove()
                one.rollback()
                proved()
        assert lost.value.code == "apply-lock-lost"
        assert refused(one, store, 5) == ""


@pytest.mark.parametrize("store", ["sqlite", "postgres"], indirect=True)
def test_an_apply_that_lost_the_shared_lock_claims_no_table(
    store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        "flowc.service.changes.migrating.refuse_owned",
        lambda *_: store.run(f"UPDATE {_locks(store)} SET owner = 'elsewhere:1:1' WHERE name = 'apply'"),
    )
    versions = f"SELECT count(*) FROM {_locks(store).replace('locks', 'migrations')}"
    before = store.raw(versions)
    done = project.flowc("apply", "--yes")
    assert (done.code, "error[apply-lock-lost]" in done.err) == (2, True), done.err
    assert store.raw(versions) == before
    assert store.raw(f"SELECT owner FROM {_locks(store)}") == [("elsewhere:1:1",)]


class Meddled:
    """A database in which something happens as soon as somebody has asked whose the lock is."""

    def __init__(self, inner: Database, then: Callable[[], None]) -> None:
        self._inner, self._then = inner, then

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def query(self, sql: str) -> object:
        found = self._inner.query(sql)
        self._then()
        return found


@pytest.mark.covering
@pytest.mark.parametrize("lease", [30.0, 0.3], ids=["ended by the clock", "seen for as long as it lasts"])
def test_a_lease_that_is_renewed_when_it_was_looked_at_stays(
    store: Store, lease: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(locks, "LEASE", lease)
    with session(store) as one, session(store) as other:
        with locks.shared_lock(one, store.kind, locks.Patience(5)):
            pass
        later = (datetime.now(UTC) + timedelta(hours=n) for n in range(1, 1000))
        zone = "" if store.kind == "mysql" else "+00:00"

        def renew() -> None:
            expires = next(later).strftime("%Y-%m-%d %H:%M:%S.%f") + zone
            one.execute(f"UPDATE {_locks(store)} SET expires_at = '{expires}'")

        _hold(store, "elsewhere:1:1", -5 if lease > 1 else 3600)
        with pytest.raises(UsageError), locks.shared_lock(Meddled(other, renew), store.kind, locks.Patience(1.5)):  # type: ignore[arg-type]
            pass
        assert store.raw(f"SELECT owner FROM {_locks(store)}") == [("elsewhere:1:1",)]


def test_a_lease_that_a_clock_made_too_long_is_waited_for_no_longer_than_a_lease(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    """The clock was years ahead when a machine died that held it, and was set right since."""
    with session(store) as one:
        assert refused(one, store, 5) == ""
        monkeypatch.setattr(locks, "LEASE", 0.5)
        now = datetime.now(UTC)
        _hold(store, "elsewhere:1:1", 10 * 365 * 86400)
        with locks.shared_lock(one, store.kind, locks.Patience(20)):
            assert (datetime.now(UTC) - now).total_seconds() > 0.5


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_machine_s_own_clock_that_jumps_lets_no_two_hold_the_lock(store: Store, hours: int):
    jumped = (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    with ExitStack() as stack:
        one, other = (stack.enter_context(session(store)) for _ in range(2))
        other._connection.create_function("strftime", 2, lambda *_: jumped)  # type: ignore[attr-defined]
        prove = stack.enter_context(locks.apply_lock(one, store.kind, locks.Patience(5), None))
        taken = locks.apply_lock(other, store.kind, locks.Patience(1), None)
        if hours < 0:
            with pytest.raises(UsageError, match="another apply"), taken:
                pass
            prove()
            return
        with taken:
            one.begin()
            with pytest.raises(UsageError, match="the lock was lost"):
                prove()
            one.rollback()
