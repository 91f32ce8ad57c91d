"""The dead letters of streams: counted, shown and purged where they are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flowc.catalog import Column
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.streamplan.letters import Chosen, letters_sql
from flowc.compiler.streamplan.state import EMBEDDED, Owner, state_plan
from flowc.errors import UsageError
from flowc.loadplan import kept_name
from flowc.runtime.contracts.database import Database, TableStore
from flowc.runtime.contracts.oversize import one_batch
from flowc.runtime.fit import fit
from flowc.runtime.layout import require_letters
from flowc.runtime.streams.letterbox import fitted
from flowc.runtime.streams.lettertopic import TopicLetters
from flowc.service.access.sessions import Sessions
from flowc.service.streams.run import lowered_stream, plan_to_look
from flowc.service.streams.state import replayed_name, stored
from flowc.stream import LetterPlace, LettersSql, StatePlan, StreamPlan
from flowc.types import TIMESTAMPTZ

Letter = Mapping[str, Any]
"""One dead letter, of the columns of `flowc.stream.DEAD_LETTER`."""
_TIMES = (Column("oldest", TIMESTAMPTZ), Column("newest", TIMESTAMPTZ))


@dataclass(frozen=True, slots=True)
class Counted:
    """The dead letters of one stream that have one error code. Parked ones are not replayed any more."""

    code: str
    letters: int
    oldest: datetime
    newest: datetime
    parked: int


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead letters of one stream of a project."""

    stream: str
    plan: StreamPlan
    kept: LetterPlace
    attempts: int
    """How often a letter is replayed before it is parked."""
    sessions: Sessions = field(repr=False)

    def counts(self) -> list[Counted]:
        """How many there are for each error code."""
        if self.kept.topic is not None:
            return _counted(self._in_topic(), self.attempts)
        if (sql := self.sql()) is None:
            return []
        found = self.database().query(sql.counts.format(attempts=self.attempts))
        times = (
            fit(one_batch(found.select(["oldest", "newest"]).to_batches()), _TIMES).to_pylist()
            if found.num_rows
            else ()
        )
        return [
            Counted(str(row["error_code"]), int(row["letters"]), **time, parked=int(row["parked"]))
            for row, time in zip(found.to_pylist(), times, strict=True)
        ]

    def count(self, codes: Sequence[str] = ()) -> int:
        """How many there are, of some codes or of any."""
        return sum(count.letters for count in self.counts() if not codes or count.code in codes)

    def shown(self, limit: int, codes: Sequence[str] = ()) -> list[Letter]:
        """The oldest of them."""
        if self.kept.topic is not None:
            found = (letter for letter in self._in_topic() if not codes or letter["error_code"] in codes)
            return sorted(found, key=lambda letter: letter["failed_at"])[:limit]
        sql = self.sql(Chosen(tuple(codes)))
        return [] if sql is None else fitted(self.database().query(sql.shown.format(limit=limit))).to_pylist()

    def purgeable(self, chosen: Chosen) -> int:
        """How many `purge` would remove. Raises UsageError for those in a topic."""
        self.demand_table("purged")
        sql = self.sql(chosen)
        return 0 if sql is None else int(self.database().query(sql.purged.format()).column(0)[0].as_py())

    def purge(self, chosen: Chosen) -> int:
        """Removes those that are chosen; gives their number."""
        sql = self.sql(chosen)
        return 0 if sql is None else self.database().execute(sql.purge.format())

    @property
    def kept_name(self) -> str:
        """The name of the stream in its letters."""
        return kept_name(self.plan.project, self.stream)

    def database(self) -> Database:
        """The database of the table."""
        return self.sessions.target(self.kept.connection)

    def sql(self, chosen: Chosen | None = None) -> LettersSql | None:
        """The statements on the table; None where it was not made yet."""
        assert self.kept.table is not None
        if not self.sessions.is_there(self.kept.connection):
            return None
        database = self.database()
        if isinstance(database, TableStore):
            message = f"dead letters in `{self.kept}` cannot be read by this version"
            raise UsageError(message, code="not-runnable-yet", help="keep them in a table of a database")
        database.open()
        if (table := database.table(self.kept.table)) is None:
            return None
        require_letters(table)
        sources = [source.name for source in self.plan.sources]
        return letters_sql(self.kept_name, self.kept.table, self.kept.kind, sources, chosen)

    def demand_table(self, what: str) -> None:
        """Raises UsageError for dead letters in a topic."""
        if self.kept.table is None:
            message = f"the dead letters of stream `{self.stream}` are in the topic `{self.kept}` and cannot be {what}"
            help = "retention removes messages of topics; keep dead letters in a table: `dead_letter: {table: …}`"
            raise UsageError(message, code="not-runnable-yet", help=help)

    def topic(self) -> TopicLetters:
        """The topic that they are in."""
        assert self.kept.topic is not None
        options = self.sessions.options(self.kept.connection).values
        return TopicLetters(self.kept_name, self.kept.topic, options, self.attempts)

    def state(self, name: str | None = None) -> StatePlan:
        """Where replays, under a name, keep how far they are: where the stream keeps its state."""
        own = self.plan.state
        connection, kind = (own.connection, own.kind) if own is not None else (None, EMBEDDED)
        return state_plan(Owner(self.plan.project, name or replayed_name(self.stream), self.stream), connection, kind)

    def _in_topic(self) -> list[Letter]:
        replayed = stored(replayed_name(self.stream), self.state(), self.sessions).positions
        return list(self.topic().all(replayed))


def dead_letters(checked: CheckedSpec, ir: Ir, stream: str, sessions: Sessions) -> DeadLetters:
    """Those of a stream. Raises UsageError for a stream that keeps none, or that this version cannot run."""
    plan, _ = plan_to_look(checked, ir, stream, sessions)
    found = letters_of(plan, ir, sessions)
    if found is None:
        message = f"stream `{stream}` keeps no dead letters"
        raise UsageError(message, code="unknown-selection", help="`on_error: dlq` has a stream keep them")
    return found


def letters_of(plan: StreamPlan, ir: Ir, sessions: Sessions) -> DeadLetters | None:
    """Those of the stream that a plan is of; None where it keeps none."""
    kept = plan.letter_place
    if kept is None:
        return None
    return DeadLetters(plan.name, plan, kept, lowered_stream(ir, plan.name).max_attempts, sessions)


def keeping(checked: CheckedSpec) -> tuple[str, ...]:
    """The streams that keep dead letters."""
    return tuple(name for name, stream in checked.streams.items() if stream.sets_aside)


def _counted(letters: Sequence[Letter], attempts: int) -> list[Counted]:
    by_code: dict[str, list[Letter]] = {}
    for letter in letters:
        by_code.setdefault(letter["error_code"], []).append(letter)
    return [_count(code, found, attempts) for code, found in sorted(by_code.items())]


def _count(code: str, letters: Sequence[Letter], attempts: int) -> Counted:
    times = [letter["failed_at"] for letter in letters]
    return Counted(code, len(letters), min(times), max(times), sum(letter["attempt"] > attempts for letter in letters))
