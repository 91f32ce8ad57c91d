"""Gives all that is kept of a project to its new name: in each database in one transaction, then where tables are not.

What was given already is not looked for again, so a rename that was interrupted is run once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import Any

from flowc.catalog import TableName
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Ir, Stream, Target
from flowc.compiler.loads.badrows import bad_rows_of, count_bad_rows, rename_bad_rows
from flowc.compiler.loads.identity import LOADS, applications, keys_of_project, other_keys
from flowc.compiler.migrate.engines import ENGINES
from flowc.compiler.streamplan.letters import rename_letters
from flowc.compiler.streamplan.state import EMBEDDED
from flowc.compiler.tables.letters import letters_place
from flowc.compiler.tables.state import KEPT, count_project, list_projects, move_project, own_tables
from flowc.errors import EngineError, FlowcError, UsageError
from flowc.loadplan import PROJECT, Stamp, kept_name
from flowc.runtime.contracts.database import Database, TableStore
from flowc.runtime.contracts.target import Writer
from flowc.runtime.layout import require_layout
from flowc.runtime.systems import open_database
from flowc.service.access.locks import Patience, apply_lock, shared_lock
from flowc.service.access.sessions import Sessions
from flowc.service.streams.run import no_pause, planned
from flowc.service.streams.state import state_files
from flowc.service.streams.targets import looking, writers_of

_LOCK = 10.0
"""Seconds to wait for an apply."""


@dataclass(frozen=True, slots=True)
class BadRowsKept:
    """The bad rows of a pipeline in a table of theirs, under which name they are kept, and under which they will be."""

    table: TableName
    count: int
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a project in one place: rows by the tables of flowc's own that hold them."""

    where: str
    database: Database
    kind: str
    rows: dict[str, int]
    letters: tuple[str, ...] = ()
    """Statements that rename the streams in tables of dead letters there."""
    bad: tuple[BadRowsKept, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether anything moves there."""
        return bool(self.rows or self.bad)


@dataclass
class Renaming:
    """A project that has one name in its databases and another in its specs."""

    checked: CheckedSpec
    ir: Ir
    sessions: Sessions
    old: str
    new: str
    found: tuple[Kept, ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    """Where else something is held: the place, and the stream or pipeline."""
    _opened: list[Database] = field(default_factory=list, init=False)

    @property
    def streams(self) -> Sequence[Stream]:
        """The streams that move."""
        return self.ir.streams

    @property
    def loads(self) -> Iterator[Apply]:
        """The loads that move."""
        return (apply for pipeline in self.ir.pipelines for apply in pipeline.applies)

    def look(self) -> None:
        """Finds what there is.

        Raises UsageError where nothing is kept under the old name, and where the new one has something of its own.
        """
        if self.new != self.checked.project.name:
            message = f"the specs here are of project `{self.checked.project.name}`, not of `{self.new}`"
            raise UsageError(message, code="unknown-project", help=f"write `project: {self.new}` in one of them first")
        every = self._look()
        if not self.found and not self.outputs:
            raise _unknown(self.old, every)
        self._require_apart("they are two projects; give this one another name")

    def make(self) -> None:
        """Moves it, and what folders, topics and lakes hold of streams and loads.

        Raises UsageError while an apply of either name is at work.
        """
        for stream in self.streams:
            for _, writer in self._writers(stream.name):
                with closing(writer):
                    if _holds(writer):
                        writer.open()  # takes over what is held under the old name
        for target in _lakes(self.ir):
            if marks := self._marks(target):
                now = [self._moved(row) for row in marks]
                self._lake(target).set_watermarks(target.name, now, marks)
        for apply in self._attached_loads():
            if stamps := self._stamps(apply):
                moves = {stamp: (self._renamed(stamp, apply), note) for stamp, note in stamps.items()}
                self._lake(apply.target).restamp(apply.target.name, moves)
        for kept in self.found:
            self._move(kept)

    def close(self) -> None:
        """Ends the sessions."""
        for kept in self._opened:
            kept.close()
        self.sessions.close()

    def _look(self) -> list[Kept]:
        """Finds what there is; gives all places that were looked at."""
        every = [*self._databases(), *self._embedded()]
        self.found = tuple(kept for kept in every if kept.moves)
        self.outputs = tuple(self._outputs())
        return every

    def _require_apart(self, help: str) -> None:
        for kept in self.found:
            taken = self._rows(kept.database, kept.kind, self.new)
            if (set(taken) & set(kept.rows)) - {LOADS}:
                message = f"{kept.where}: something is kept of project `{self.new}` already, beside `{self.old}`"
                raise UsageError(message, code="project-exists", help=help)

    def _where(self, name: str, database: Database, kind: str) -> str:
        """Which rows of one of flowc's own tables move, among those of the project."""
        return self._unloaded(database, kind) if name == LOADS else ""

    def _unloaded(self, database: Database, kind: str) -> str:
        """The condition on recorded loads that the new name has recorded none of the same key."""
        dialect = DIALECTS[kind]
        return other_keys(database.query(keys_of_project(self.new, dialect)).to_pylist(), dialect)

    def _hold(self, kept: Kept) -> None:
        """Keeps out, until the transaction of a place ends, what must not meet it half done."""

    def _more(self, kept: Kept) -> Iterable[str]:
        """What else is done in the transaction of a place."""
        return ()

    def _databases(self) -> Iterator[Kept]:
        written = {apply.target.connection for pipeline in self.ir.pipelines for apply in pipeline.applies}
        written |= {apply.target.connection for stream in self.ir.streams for apply in stream.applies}
        places: dict[tuple[str, ...], str] = {}
        # Of several users of a database, one that writes: the rows are its own.
        for name, spec in sorted(self.checked.project.connections.items(), key=lambda each: each[0] not in written):
            if spec.kind.value in ENGINES and self.sessions.is_there(name):
                places.setdefault(self.sessions.database(name).database, name)
        for name in places.values():
            database, kind = self.sessions.control(name)
            database.open()
            rows = self._rows(database, kind, self.old)
            yield Kept(
                name, database, kind, rows=rows, letters=tuple(self._letters(name)), bad=tuple(self._bad_rows(name))
            )

    def _embedded(self) -> Iterator[Kept]:
        root = self.sessions.resolver.root
        for file in state_files(root):
            database = open_database(EMBEDDED, {"path": str(file)})
            self._opened.append(database)
            database.open()
            yield Kept(str(file.relative_to(root)), database, EMBEDDED, self._rows(database, EMBEDDED, self.old))

    def _rows(self, database: Database, kind: str, project: str) -> dict[str, int]:
        """How many rows of a project that move each of flowc's own tables holds, where it holds any."""
        queries = {
            name: count_project(name, project, DIALECTS[kind], self._where(name, database, kind))
            for name in _present(database, kind)
        }
        counted = {name: int(database.query(query).column(0)[0].as_py()) for name, query in queries.items()}
        return {name: count for name, count in counted.items() if count}

    def _letters(self, connection: str) -> Iterator[str]:
        for stream in self.streams:
            place = letters_place(stream)
            if not isinstance(place, Target) or not self.sessions.is_one(place.connection, connection):
                continue
            dialect, name = DIALECTS[place.kind], self.sessions.seen_by(connection, place.connection, place.name)
            if not dialect.attached and self.sessions.target(connection).table(name) is not None:
                was, now = (kept_name(project, stream.name) for project in (self.old, self.new))
                yield rename_letters(was, now, name, dialect)

    def _bad_rows(self, connection: str) -> Iterator[BadRowsKept]:
        places = {
            (apply.pipeline, self.sessions.seen_by(connection, apply.target.connection, of)): DIALECTS[
                apply.target.kind
            ]
            for apply in self.loads
            if (of := bad_rows_of(apply)) is not None and self.sessions.is_one(apply.target.connection, connection)
        }
        for (pipeline, of), dialect in places.items():
            database = self.sessions.target(connection)
            if (held := database.table(of)) is None or held.column("pipeline") is None:
                continue
            was, now = (kept_name(project, pipeline) for project in (self.old, self.new))
            count = int(database.query(count_bad_rows(was, of, dialect)).column(0)[0].as_py())
            if count:
                yield BadRowsKept(of, count, was, now)

    def _move(self, kept: Kept) -> None:
        database, dialect = kept.database, DIALECTS[kept.kind]
        patience = Patience(_LOCK)
        with ExitStack() as locks:
            held = [apply_lock(database, kept.kind, patience, None, project) for project in (self.old, self.new)]
            proofs = [locks.enter_context(lock) for lock in (*held, shared_lock(database, kept.kind, patience))]
            more = tuple(self._more(kept))
            bad = [rename_bad_rows(each.was, each.now, each.table, dialect) for each in kept.bad]
            moves = [
                move_project(name, self.old, self.new, dialect, self._where(name, database, kept.kind))
                for name in kept.rows
            ]
            database.begin()
            try:
                for prove in proofs:
                    prove()
                self._hold(kept)
                for statement in (*moves, *kept.letters, *bad, *more):
                    database.execute(statement)
                database.commit()
            except FlowcError:
                database.rollback()
                raise

    def _outputs(self) -> Iterator[tuple[str, str]]:
        """The places that are no tables of a database and hold how far a stream or a load is, with its name."""
        for stream in self.streams:
            for name, writer in self._writers(stream.name):
                with closing(writer):
                    if _holds(writer):
                        yield name, stream.name
        for target in _lakes(self.ir):
            names = dict.fromkeys(str(row["pipeline_name"]) for row in self._marks(target))
            yield from ((f"{target.connection}.{target.name}", name) for name in names)
        marked = {(str(row["pipeline_name"]), target) for target in _lakes(self.ir) for row in self._marks(target)}
        for apply in self._attached_loads():
            if (apply.pipeline, apply.target) not in marked and self._stamps(apply):
                yield f"{apply.target.connection}.{apply.target.name}", apply.pipeline

    def _attached_loads(self) -> Iterator[Apply]:
        """The loads that move and whose targets hold by themselves what is kept of loads."""
        return (apply for apply in self.loads if DIALECTS[apply.target.kind].attached)

    def _stamps(self, apply: Apply) -> dict[Stamp, str]:
        """The runs that the target of a load has recorded of the project."""
        return self._lake(apply.target).stamps(apply.target.name, applications(self.old, apply.pipeline))

    def _renamed(self, stamp: Stamp, apply: Apply) -> str:
        """The application of a stamp as the project of the specs calls it."""
        rest = stamp.application.removeprefix(applications(self.old, apply.pipeline))
        return applications(self.new, apply.pipeline) + rest

    def _marks(self, target: Target) -> list[dict[str, Any]]:
        """The watermarks of the project that lie with a table."""
        return [row for row in self._lake(target).watermarks(target.name).to_pylist() if row[PROJECT] == self.old]

    def _moved(self, mark: dict[str, Any]) -> dict[str, Any]:
        """A watermark as the project of the specs keeps it."""
        return {**mark, PROJECT: self.new}

    def _lake(self, target: Target) -> TableStore:
        store = self.sessions.target(target.connection)
        assert isinstance(store, TableStore)
        return store

    def _writers(self, stream: str) -> list[tuple[str, Writer]]:
        """The writers of what a stream writes that is no table of a database, which know its old name."""
        lowered = next(each for each in self.ir.streams if each.name == stream)
        try:
            plan = planned(lowered, looking(self.sessions))
        except UsageError:  # one that cannot run has written nothing
            return []
        others = tuple(target for target in plan.written if target.position_sql is None)
        plan = replace(plan, targets=others, letters=None, former=kept_name(self.old, stream))
        return list(zip((t.name for t in others), writers_of(plan, self.sessions, no_pause), strict=True))


def _holds(writer: Writer) -> bool:
    """Whether something is held under the old name or the new one."""
    try:
        held = writer.look()
    except EngineError:  # no topic, no folder
        return False
    return bool(held.epoch or held.positions)


def _unknown(old: str, places: Iterable[Kept]) -> UsageError:
    known = sorted({name for kept in places for name in _projects(kept.database, kept.kind)})
    told = f"there are {', '.join(f'`{name}`' for name in known)}" if known else "nothing of any project is kept there"
    return UsageError(
        f"nothing is kept of project `{old}` in the databases of the specs", code="unknown-project", help=told
    )


def _present(database: Database, kind: str) -> Sequence[str]:
    names = dict(zip(KEPT, own_tables(DIALECTS[kind]), strict=False))
    there = database.tables(tuple(names[name] for name in KEPT))
    for name in names.values():
        require_layout(there.get(name), (PROJECT,))
    return [name for name in KEPT if names[name] in there]


def _projects(database: Database, kind: str) -> Iterator[str]:
    dialect = DIALECTS[kind]
    for name in _present(database, kind):
        rows = database.query(list_projects(name, dialect)).to_pylist()
        yield from (str(row["project"]) for row in rows)


def _lakes(ir: Ir) -> Iterator[Target]:
    for pipeline in ir.pipelines:
        for apply in pipeline.applies:
            if apply.incremental is not None and DIALECTS[apply.target.kind].attached:
                yield apply.target
