"""One apply at a time: a lock in the database, with an owner and a lease that a thread renews.

A lock whose owner is a process that this one can see, and that is gone, is taken over at once; any other one when its
lease ends by the clock of the database, or was seen to be the same for as long as a lease lasts: clocks are set.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from uuid import uuid4

from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.migrate import history as sql
from flowc.errors import DataError, EngineError, FlowcError, TransientError, UsageError
from flowc.runtime.contracts.database import Database

LEASE = 30.0
"""Seconds that a lock outlives the last sign of life of its owner."""
_LONGEST = 1_000_000.0
"""Seconds that one statement waits at most: engines take no limit that is much longer."""
TABLE_LOCK = 5.0
"""Seconds that a statement waits for a table, where nobody says otherwise."""
_BUSY, _TAKEN, _DENIED = "write-conflict", "constraint-violated", "access-denied"
"""The codes of what a transaction of others kept waiting too long, of a lock that somebody has, and of what no waiting
helps."""
SHARED = "apply"
"""The lock of flowc's own tables, which all projects of a database share."""


def lock_of(project: str) -> str:
    """The name of the lock that an apply of a project holds to its end."""
    return f"{SHARED}:{project}"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock; `expired` tells whether the lease has ended."""

    owner: str
    acquired_at: datetime
    expires_at: datetime
    expired: bool = False

    @property
    def process(self) -> str:
        """The machine, the process and when it began, as people know them."""
        return ":".join(self.owner.split(":")[:3])


def owner_name() -> str:
    """This process, as other owners see it: the machine, the process, when it began, and among which it is one."""
    return ":".join((socket.gethostname(), str(os.getpid()), _started(os.getpid()), *_realm()))


_HOLDERS: set[str] = set()
"""The owners of this process that hold a lock, or wait for one."""


@contextmanager
def _holder() -> Iterator[str]:
    """This process, as one of the holders in it: its threads are no less strangers to each other."""
    owner = f"{owner_name()}#{uuid4().hex}"
    _HOLDERS.add(owner)
    try:
        yield owner
    finally:
        _HOLDERS.discard(owner)


def _realm() -> tuple[str, str]:
    """The namespace in which this process has its number, and the boot of the machine; empty where they have no name.

    The numbers of processes mean something only to those of the same namespace and boot.
    """
    try:
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return namespace, file.read().strip()
    except OSError:
        return "", ""


def _started(process: int) -> str:
    """When a process of this machine began, in ticks since the machine did; empty where that cannot be told."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def is_gone(owner: str) -> bool:
    """Whether the owner was a process that this one would see, and that no longer runs, or a holder in this one.

    Owners that name no namespace (of other systems, and of earlier versions) are not judged.
    """
    if owner.startswith(f"{owner_name()}#"):
        return owner not in _HOLDERS
    _, process, began, *realm = [*owner.partition("#")[0].rsplit(":", 4), "", ""][:5]
    if tuple(realm) != _realm() or not all(realm):
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError, ValueError):  # a row that was damaged names no process
        return False
    return bool(began) and _started(int(process)) != began


@contextmanager
def apply_lock(
    database: Database, kind: str, patience: Patience, second: Callable[[], Database] | None, project: str = ""
) -> Iterator[Callable[[], None]]:
    """Holds the lock of a project's applies, and gives a function that proves it is still held.

    Waits as long as there is patience. `second` opens another session, from which the lease is renewed while a long
    statement runs; None where the engine has room for one writer only.

    Raises UsageError when somebody else holds it for longer than that.
    """
    with _holder() as owner:
        held = _Lock(database, DIALECTS[kind], lock_of(project), owner, patience.after)
        _acquire(held, patience)
        beat = _Heartbeat(second, held)
        try:
            beat.start()
            yield lambda: _prove(held)
        finally:
            beat.stop()
            _release(held)


@contextmanager
def shared_lock(database: Database, kind: str, patience: Patience) -> Iterator[Callable[[], None]]:
    """Holds the lock of flowc's own tables, for a moment, and gives a function that proves it is still held.

    Raises UsageError when somebody else holds it for longer than there is patience.
    """
    with _holder() as owner:
        held = _Lock(database, DIALECTS[kind], SHARED, owner, patience.after)
        _acquire(held, patience)
        try:
            yield lambda: _prove(held)
        finally:
            _release(held)


@dataclass
class Patience:
    """The seconds that may be waited for locks, one after the other.

    `after` is how long other statements of the session wait, None as its server says.
    """

    left: float
    after: float | None = None

    @contextmanager
    def waiting(self) -> Iterator[float]:
        """The time at which waiting ends, by the monotonic clock; what is waited inside is no longer left."""
        begun = time.monotonic()
        try:
            yield begun + self.left
        finally:
            self.left = max(0.0, self.left - (time.monotonic() - begun))


@dataclass(frozen=True, slots=True)
class _Lock:
    database: Database
    dialect: Dialect
    name: str
    owner: str
    after: float | None = None


@dataclass
class _Watched:
    """Since when a lease is seen as it is, by a clock that nobody sets."""

    lease: tuple[str, datetime] | None = None
    since: float = 0.0

    def outlived(self, holder: Holder) -> bool:
        """Whether it was neither renewed nor given back for as long as a lease lasts."""
        if self.lease != (holder.owner, holder.expires_at):
            self.lease, self.since = (holder.owner, holder.expires_at), time.monotonic()
        return time.monotonic() - self.since > LEASE


def _acquire(lock: _Lock, patience: Patience) -> None:
    with patience.waiting() as end:
        _ensure(lock, end)
        watched = _Watched()
        while (refused := _try(lock, end, watched)) is not None:
            if time.monotonic() >= end:
                raise refused
            time.sleep(0.1)


def _ensure(lock: _Lock, end: float) -> None:
    """Makes the table of locks; two that do so at once may get in each other's way, and one tries again."""
    while True:
        try:
            for statement in sql.ensure_locks(lock.dialect):
                with _bounded(lock, end):
                    lock.database.execute(statement)
            return
        except FlowcError as error:
            if error.code == _DENIED or time.monotonic() >= end:
                raise _worded(error, lock.dialect) from None
            time.sleep(0.1)


def _try(lock: _Lock, end: float, watched: _Watched) -> FlowcError | None:
    """Takes the lock; what is said where that cannot be done, for instance because somebody has it."""
    database, dialect = lock.database, lock.dialect
    try:
        with _bounded(lock, end):
            database.execute(sql.take_lock(lock.name, lock.owner, LEASE, dialect))
        return None
    except (DataError, EngineError, TransientError) as error:
        if error.code == _DENIED:
            raise
        refused = _worded(error, dialect)
    try:
        return _contested(lock, refused, end, watched)
    except TransientError as error:
        if error.code != _BUSY:
            raise
        return refused


def _contested(lock: _Lock, refused: FlowcError, end: float, watched: _Watched) -> FlowcError | None:
    """What is said of who has the lock, which is taken away from who is gone; `refused` where nobody has it."""
    database, dialect = lock.database, lock.dialect
    with _bounded(lock, end):
        rows = database.query(sql.read_lock(lock.name, dialect)).to_pylist()
    if not rows:
        return refused
    holder = Holder(**rows[0])
    if holder.owner == lock.owner:  # what was answered as a failure had been done
        return None
    if (over := _over(lock, holder, watched)) is not None:
        with suppress(TransientError), _bounded(lock, end):  # a transaction of the owner holds it still
            database.execute(over)
    return _held(holder)


def _over(lock: _Lock, holder: Holder, watched: _Watched) -> str | None:
    """What takes a lock away from who is gone or was silent for too long, unless it is renewed meanwhile."""
    if is_gone(holder.owner):
        return sql.drop_lock(lock.name, holder.owner, lock.dialect)
    if watched.outlived(holder):
        return sql.outlive_lock(lock.name, holder.owner, holder.expires_at, lock.dialect)
    return sql.expire_lock(lock.name, holder.owner, lock.dialect) if holder.expired else None


@contextmanager
def _bounded(lock: _Lock, end: float) -> Iterator[None]:
    """The statement inside may wait for transactions of others, and no longer than until then."""
    database, limit = lock.database, lock.dialect.functions.get("lock_wait")
    if limit is None:
        yield
        return
    database.execute(_limited(limit, end - time.monotonic()))
    try:
        yield
    finally:
        with suppress(FlowcError):  # of a connection that is lost, what is raised inside tells
            database.execute(lock.dialect.functions["lock_wait_over"])
            limit_waits(database, lock.after)


def _limited(limit: str, seconds: float) -> str:
    left = min(_LONGEST, max(0.001, seconds))
    return limit.format(ms=ceil(left * 1000), s=ceil(left))


def limit_waits(database: Database, seconds: float | None) -> None:
    """Has statements of a session wait for others so long at most, on servers that would let them wait for ever."""
    if seconds is not None and DIALECTS[database.kind].sharing.side_by_side:
        database.execute(_limited(DIALECTS[database.kind].functions["lock_wait"], seconds))


@contextmanager
def waiting_for(name: object, database: Database) -> Iterator[None]:
    """Says of statements that waited too long what they waited for."""
    try:
        yield
    except TransientError as error:
        if error.code != _BUSY or error.help is not None or not DIALECTS[database.kind].sharing.side_by_side:
            raise
        help = (
            "look for it among the sessions of the database, or let `flowc apply --table-lock-timeout 60` wait longer"
        )
        said = f"another session is in the way of `{name}`, and holds a lock of it"
        raise TransientError(said, code=_BUSY, help=help, details=(error.message,)) from None


def _worded(error: FlowcError, dialect: Dialect) -> FlowcError:
    """What is said of a statement that was refused: in words of our own where others were in its way."""
    words = {
        _BUSY: f"a transaction of somebody else holds `{sql.locks_table(dialect)}`, flowc's table of locks",
        _TAKEN: "another apply was at work here until this moment",
    }.get(error.code)
    if words is None:
        return error
    help = "wait for it with `--lock-timeout 600`, or look for it among the sessions of the database"
    return UsageError(words, code="apply-locked", help=help, details=(error.message,))


def _held(holder: Holder) -> UsageError:
    since = holder.acquired_at.isoformat(timespec="seconds")
    until = holder.expires_at.isoformat(timespec="seconds")
    return UsageError(
        f"another apply is at work here: {holder.process}, since {since}, with a lease until {until}",
        code="apply-locked",
        help="wait for it with `--lock-timeout 600`; a lock whose owner is gone is taken over when its lease ends",
    )


def _prove(lock: _Lock) -> None:
    """Holds the lock against all others until the transaction ends, where one is open."""
    keep = sql.keep_lock(lock.name, lock.owner, lock.dialect)
    hold = sql.hold_lock(lock.name, lock.owner, LEASE, lock.dialect)
    if (lock.database.query(keep).num_rows if keep else lock.database.execute(hold)) != 1:
        raise UsageError(
            "the lock was lost: its lease ended, and another apply may have begun",
            code="apply-lock-lost",
            help="run `flowc apply` again; it goes on where this one stopped",
        )


def _release(lock: _Lock) -> None:
    try:
        lock.database.rollback()
        with _bounded(lock, time.monotonic() + LEASE):
            lock.database.execute(sql.drop_lock(lock.name, lock.owner, lock.dialect))
    except FlowcError:
        return  # the lease ends by itself


class _Heartbeat:
    """Renews the lease from a session of its own."""

    def __init__(self, second: Callable[[], Database] | None, lock: _Lock) -> None:
        self._second, self._lock = second, lock
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flowc-lease", daemon=True)

    def start(self) -> None:
        if self._second is not None:
            self._thread.start()

    def stop(self) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _run(self) -> None:
        session, wait = None, 0.0
        while not self._done.wait(wait):
            session = self._beat(session)
            wait = LEASE / 3 if session is not None else min(1.0, LEASE / 3)
        if session is not None:
            session.close()

    def _beat(self, session: Database | None) -> Database | None:
        """Renews the lease, and gives the session for the next time; None where there must be a new one."""
        assert self._second is not None
        try:
            session = session or self._second()
            session.execute(sql.hold_lock(self._lock.name, self._lock.owner, LEASE, self._lock.dialect))
            return session
        except FlowcError:
            if session is not None:
                with suppress(FlowcError):
                    session.close()
            return None
