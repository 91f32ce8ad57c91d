"""Takes one table over from another project: the table in the history, and what its loads and streams have kept.

In the database of the table all of it is one transaction; what lies in other places goes first. One that was
interrupted is run once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from flowc import __version__
from flowc.catalog import TableName
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Ir, Pipeline, Stream, Target
from flowc.compiler.loads.badrows import errors_of_bad_rows, label_of, relabel_bad_rows
from flowc.compiler.loads.identity import LOADS
from flowc.compiler.loads.watermark import WATERMARKS
from flowc.compiler.migrate import history as sql
from flowc.compiler.quote import ident, table, text
from flowc.compiler.streamplan.positions import POSITIONS
from flowc.errors import UsageError
from flowc.loadplan import PROJECT
from flowc.migration import Snapshot
from flowc.runtime.contracts.database import Database, stored_name
from flowc.service.access.history import History, encode_snapshot, make_history, read_history
from flowc.service.access.livedatabase import history_of
from flowc.service.access.origin import origin_of
from flowc.service.access.owners import table_of
from flowc.service.access.plainnames import plain_name
from flowc.service.access.sessions import Sessions
from flowc.service.changes.renaming import Kept, Renaming
from flowc.service.streams.state import judged_name, replayed_name

_PIPELINE, _STREAM = "pipeline_name", "stream_name"
_OF_LOADS = (WATERMARKS, LOADS)


@dataclass(frozen=True, slots=True)
class Subject:
    """The table that is taken: `key` is its name under `tables:`, None for one that is only written."""

    key: str | None
    connection: str
    kind: str
    name: TableName

    def __str__(self) -> str:
        return f"{self.connection}.{self.name}"


def subject_of(given: str, checked: CheckedSpec, ir: Ir) -> Subject:
    """The table of the specs that a name means: its key, or its name behind that of its connection.

    Raises UsageError for any other name.
    """
    project = checked.project
    declared = [
        Subject(key, spec.connection.value, project.connections[spec.connection.value].kind.value, spec.table_name)
        for key, spec in project.tables.items()
    ]
    targets = [target for each in _writing(ir) for target in _targets(each)]
    known = [*declared, *(Subject(None, target.connection, target.kind, target.name) for target in targets)]
    found = next((each for each in known if given in (each.key, str(each))), None)
    if found is None:
        help = "name one of `tables:`, or a target as CONNECTION.TABLE"
        raise UsageError(f"there is no table `{given}` in the specs", code="unknown-selection", help=help)
    return found


@dataclass
class Taking(Renaming):
    """One table of another project, `old`, which the project of the specs, `new`, takes over."""

    subject: Subject | None = None
    owned: bool = False
    """The other project has applied it; else it has only written it."""

    def look(self) -> None:
        """Finds what there is.

        Raises UsageError where there is nothing, and where a load or stream of its name has begun here already.
        """
        every = self._look()
        self._require_apart("give the pipeline or stream here another name")
        if self.owned:
            self.found = tuple(kept for kept in every if kept.moves or self._is_here(kept))
        if not self.found and not self.outputs:
            raise _nothing(self._subject, f"nothing of it is kept of project `{self.old}`")
        # Whose the table is tells whether all of it has gone, so it goes last.
        self.found = tuple(sorted(self.found, key=self._is_here))

    @property
    def _subject(self) -> Subject:
        assert self.subject is not None
        return self.subject

    @property
    def moving(self) -> Sequence[Pipeline | Stream]:
        """The pipelines and streams of the project that write the table."""
        return [each for each in _writing(self.ir) if any(map(self._is_it, _targets(each)))]

    @property
    def streams(self) -> Sequence[Stream]:
        """Those among them that are streams."""
        return [each for each in self.moving if isinstance(each, Stream)]

    @property
    def loads(self) -> Iterator[Apply]:
        """The loads of the table."""
        return (apply for apply in super().loads if self._is_it(apply.target))

    @property
    def beside(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The streams that write other tables too, each with those: they are taken one by one, and its state once."""
        for stream in self.streams:
            others = [f"{t.connection}.{t.name}" for t in _targets(stream) if not self._is_it(t)]
            if others:
                yield stream.name, tuple(dict.fromkeys(others))

    def _is_it(self, target: Target) -> bool:
        mine = self._subject
        if not self.sessions.is_one(target.connection, mine.connection):
            return False
        name = self.sessions.seen_by(mine.connection, target.connection, target.name)
        return plain_name(name, mine.kind) == plain_name(mine.name, mine.kind)

    def _is_here(self, kept: Kept) -> bool:
        return kept.where in self.checked.project.connections and self.sessions.is_one(
            kept.where, self._subject.connection
        )

    def _means(self, stored: str, here: str | None = None) -> bool:
        """Whether a name that is stored behind that of a connection is the table's."""
        try:
            name = TableName.parse(table_of(stored))
        except ValueError:
            return False
        kind = self._subject.kind
        return plain_name(name, kind, here) == plain_name(self._subject.name, kind, here)

    def _where(self, name: str, database: Database, kind: str) -> str:
        if name in (sql.MIGRATIONS, sql.STEPS):
            return "1 = 0"  # versions stay; newer ones tell of the table
        dialect, column = DIALECTS[kind], _PIPELINE if name in _OF_LOADS else _STREAM
        named = f"{ident(column)} IN "
        if name in _OF_LOADS:
            loads = f"{named}{_listed([each.name for each in self.moving if isinstance(each, Pipeline)], dialect)}"
            targets = _listed([each for each in _stored(name, loads, database, dialect) if self._means(each)], dialect)
            mine = f"{loads} AND {ident('target')} IN {targets}"
            return " AND ".join(filter(None, (mine, super()._where(name, database, kind))))
        streams = [each.name for each in self.streams]
        replays = [made(each) for each in streams for made in (replayed_name, judged_name)]
        of = f"{named}{_listed((*streams, *replays), dialect)}"
        if name != POSITIONS:
            return of
        places = self._positions(database, dialect, of)
        return f"{of} AND {ident('target')} IN {_listed(places, dialect)}"

    def _positions(self, database: Database, dialect: Dialect, of: str) -> list[str]:
        """The names under which streams keep positions of the table; they keep some of each table that they write."""
        at = self._subject
        same = [name for name in self.checked.project.connections if self.sessions.is_one(name, at.connection)]
        if not any(self.sessions.control(name)[0] is database for name in same):
            return []
        state = table(dialect.state_table(POSITIONS))
        found = database.query(f"SELECT DISTINCT p.{ident('target')} AS {ident('target')} FROM {state} AS p WHERE {of}")
        names = [str(row["target"]) for row in found.to_pylist()]
        return [name for name in names if stored_name((name,), at.name, database) == name]

    def _hold(self, kept: Kept) -> None:
        if self._is_here(kept) and kept.database is self.sessions.target(kept.where):
            kept.database.lock(self._subject.name)

    def _more(self, kept: Kept) -> Iterator[str]:
        if not self._is_here(kept):
            return
        yield from (self._called(kept, name) for name in _OF_LOADS if name in kept.rows)
        yield from self._labels(kept)
        if self.owned:
            make_history(kept.database, kept.kind)
            yield from self._versions(kept)

    def _called(self, kept: Kept, name: str) -> str:
        """Has watermarks, or recorded loads, name the connection as it is called here."""
        dialect = DIALECTS[kept.kind]
        at = text(f"{self._subject.connection}.{kept.database.resolved(self._subject.name).kept}", dialect)
        where = f"{ident(PROJECT)} = {text(self.new, dialect)} AND {self._where(name, kept.database, kept.kind)}"
        return f"UPDATE {table(dialect.state_table(name))} SET {ident('target')} = {at} WHERE {where}"

    def _labels(self, kept: Kept) -> Iterator[str]:
        """Has the errors of bad rows, by which they are found again, name the connection as it is called here."""
        dialect, here = DIALECTS[kept.kind], label_of(str(self.subject))
        for bad in kept.bad:
            found = kept.database.query(errors_of_bad_rows(bad.was, bad.table, dialect)).column(0).to_pylist()
            for error in found:
                target, end, words = str(error).removeprefix("`").partition("`: ")
                if end and self._means(target):
                    yield relabel_bad_rows(bad.now, str(error), f"{here}{words}", bad.table, dialect)

    def _versions(self, kept: Kept) -> Iterator[str]:
        """A version of each project, with the table and without it."""
        theirs, ours = (
            read_history(kept.database, kept.kind, project, self._subject.kind) for project in (self.old, self.new)
        )
        for project, history in ((self.old, theirs), (self.new, ours)):
            _require_finished(project, history)
        with_it, without = self._split(theirs.snapshot, ours)
        yield from self._version(kept, self.old, theirs, without)
        own = ours.snapshot
        merged = Snapshot(
            (*own.tables, *with_it.tables),
            (*own.pipelines, *with_it.pipelines),
            renames=(*own.renames, *with_it.renames),
        )
        yield from self._version(kept, self.new, ours, merged)

    def _split(self, held: Snapshot, ours: History) -> tuple[Snapshot, Snapshot]:
        """What of a snapshot goes, as this project calls it, and what stays."""
        mine = self._subject
        names = {
            each.name: f"{t.connection}.{t.name}" for each in self.moving for t in _targets(each) if self._is_it(t)
        }
        tables = [e for e in held.tables if self._means(f".{e.table.name}", ours.here)]
        loads = [p for p in held.pipelines if p.name in names and self._means(p.target, ours.here)]
        renames = [r for r in held.renames if self._means(f".{r.table}", ours.here)]
        going = tuple(replace(e, key=mine.key or e.key) for e in tables)
        stays = Snapshot(
            tuple(e for e in held.tables if e not in tables),
            tuple(p for p in held.pipelines if p not in loads),
            renames=tuple(r for r in held.renames if r not in renames),
        )
        taken = tuple(replace(r, table=mine.name) for r in renames)
        return Snapshot(going, tuple(replace(p, target=names[p.name]) for p in loads), renames=taken), stays

    def _version(self, kept: Kept, project: str, history: History, snapshot: Snapshot) -> Iterator[str]:
        version, now, dialect = history.last + 1, datetime.now(UTC), DIALECTS[kept.kind]
        by = str(origin_of(self.checked.project.root))
        held, plan = encode_snapshot(snapshot), f"take {self.subject}"
        yield sql.start(
            project, version, plan, total=0, owner=by, flowc=__version__, now=now, snapshot=held, dialect=dialect
        )
        yield sql.finish(project, version, "done", now=now, snapshot=held, error=None, dialect=dialect)

    def _marks(self, target: Target) -> list[dict[str, Any]]:
        names = {each.name for each in self.moving}
        return [row for row in super()._marks(target) if self._is_it(target) and row[_PIPELINE] in names]

    def _moved(self, mark: dict[str, Any]) -> dict[str, Any]:
        """It names the connection as that is called here."""
        called = str(mark["target"]).partition(".")[2]
        return {**super()._moved(mark), "target": f"{self._subject.connection}.{called}"}


def _writing(ir: Ir) -> Iterator[Pipeline | Stream]:
    yield from ir.pipelines
    yield from ir.streams


def _targets(each: Pipeline | Stream) -> Iterator[Target]:
    return (apply.target for apply in each.applies)


def _stored(name: str, of: str, database: Database, dialect: Dialect) -> list[str]:
    """The targets that those rows of one of flowc's own tables name."""
    state, target = table(dialect.state_table(name)), ident("target")
    found = database.query(f"SELECT DISTINCT w.{target} AS {target} FROM {state} AS w WHERE {of}")
    return [str(row["target"]) for row in found.to_pylist()]


def _listed(names: Sequence[str], dialect: Dialect) -> str:
    """Names as a list of literals, which no row has where there are none."""
    return f"({', '.join(text(name, dialect) for name in names) or 'NULL'})"


def _require_finished(project: str, history: History) -> None:
    if history.open is not None:
        message = f"version {history.open.version} of project `{project}` was begun there and not finished"
        raise UsageError(message, code="apply-unfinished", help="finish it first: `flowc apply` in that project")


def _nothing(subject: Subject, why: str) -> UsageError:
    return UsageError(f"`{subject}` cannot be taken over: {why}", code="nothing-to-take", help=_APPLY)


_APPLY = (
    "a declared table that is nobody's is taken up by `flowc apply`, one that a stream writes by its first run; "
    "`flowc plan` says whose it is"
)


def taking(checked: CheckedSpec, ir: Ir, sessions: Sessions, given: str, of: str | None) -> Taking:
    """The taking over of a table from its owner, or from the project `of` that has filled it.

    Raises UsageError for a table that is not another project's, or not that one's.
    """
    subject = subject_of(given, checked, ir)
    there = sessions.is_there(subject.connection)
    owner = history_of(sessions, subject.connection).owner(subject.name, subject.kind) if there else None
    if owner is None and of is None:
        raise _nothing(subject, "no other project owns it")
    if owner is not None and of not in (None, owner):
        raise _nothing(subject, f"it belongs to project `{owner}`")
    if owner is not None and subject.key is None:
        raise _nothing(subject, "no spec here declares it")
    old = str(owner if of is None else of)
    return Taking(checked, ir, sessions, old, checked.project.name, subject=subject, owned=owner is not None)
