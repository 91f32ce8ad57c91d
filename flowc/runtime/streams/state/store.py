"""The state of a stream in a database: beside its targets, or in the transaction of the only one.

Every change is a compare-and-set: intents on the number of the last one, checkpoints on the one before. A worker that
was overtaken finds another number and gets `Fenced`, whatever was pruned since.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from flowc.errors import DataError, EngineError, FlowcError, UsageError
from flowc.loadplan import PROJECT
from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.database import Database, require_transactions
from flowc.runtime.contracts.epoch import Epoch, Intent
from flowc.runtime.contracts.state import Checkpoint, NodeState, Restored, Saved, Segment
from flowc.runtime.contracts.target import Fenced
from flowc.runtime.layout import require_layout
from flowc.runtime.streams.state.compaction import Compactor, compacted
from flowc.runtime.streams.state.encoding import (
    checkpoint_text,
    decoded,
    encoded,
    intent_text,
    read_checkpoint,
    read_intent,
    read_lookups,
    read_maker,
    with_refused,
)
from flowc.runtime.streams.state.payloadrows import read_payloads, read_plans, write_payloads
from flowc.runtime.streams.state.payloads import Kept, Payloads
from flowc.runtime.streams.state.segmentrows import read_places, read_segments, write_segments
from flowc.runtime.streams.state.tally import Tally
from flowc.stream import StateSql

_TRIES = 20


@dataclass
class DatabaseStore:
    """The store of one stream, through a session of a database; see `StateStore`.

    A stream whose only target is in the same database keeps its checkpoints in that target's transactions: `beside` is
    what its writer calls, and `intend` and `save` are not used.
    """

    stream: str
    sql: StateSql
    database: Database
    compactor: Compactor | None = None
    """Merges segments in the background; None where a checkpoint that finds many does it itself, behind its commit."""
    saved: Saved | None = field(default=None, init=False)
    _tally: Tally = field(default_factory=Tally, init=False)
    _point: int = field(default=0, init=False)
    """The epoch of the checkpoint that is stored, as this worker knows it."""
    _payloads: Payloads = field(default_factory=Payloads, init=False)

    def open(self) -> Restored:
        """Connects, makes its tables where they are missing, and gives what is stored."""
        self.ready()
        with self._transaction():
            self.database.execute(self._filled("hold"))
            return self.read()

    def ready(self) -> None:
        """Connects, and makes its tables where they are missing: enough for what is remembered by name."""
        self.database.open()
        self.database.rollback()
        require_transactions(self.database, self.sql.tables)
        self._ensure()
        self._begin()

    def read(self) -> Restored:
        """What is stored. In a transaction that holds it, all of it is of one moment."""
        epoch, intended, body = self._head()
        self._point = epoch
        checkpoint = replace(read_checkpoint(epoch, body), segments=tuple(read_segments(self.database, self.sql)))
        self._tally = Tally.of(checkpoint.segments)
        self.saved = Saved(time.monotonic(), 0.0, self._tally.nodes)
        kept = self._payloads.read(read_payloads(self.database, self.sql.templates))
        return Restored(checkpoint, tuple(self._whole(epoch, kept)), intended, kept.delivered())

    def _whole(self, after: int, kept: Kept) -> Iterator[Intent]:
        """The intents behind an epoch with what is kept beside them."""
        for row in self.database.query(self._filled("intents", epoch=after)).to_pylist():
            body = str(row["body"])
            intent, lookups = read_intent(int(row["epoch"]), body), read_lookups(body)
            source = intent.ranges[0].source if intent.ranges else ""
            yield replace(
                intent, messages=kept.messages(source, intent.number),
                versions=kept.versions(lookups) if lookups is not None else None, maker=kept.maker(read_maker(body)),
            )  # fmt: skip

    def look(self) -> Restored:
        """What is stored, for those who only watch: nothing is made, and state and payloads but plans are left out."""
        self.database.open()
        rows = self.database.query(self._filled("read")).to_pylist() if self._is_there() else []
        if not rows:
            return Restored()
        epoch, intended = int(rows[0]["epoch"]), int(rows[0]["intended"])
        return Restored(read_checkpoint(epoch, str(rows[0]["body"])), tuple(self._intents(epoch)), intended)

    def written(self) -> Restored:
        """As `look`, with the segments, which have no bytes here."""
        restored = self.look()
        if restored == Restored() or self.database.table(self.sql.segments) is None:
            return restored
        places = read_places(self.database, self.sql)
        segments = tuple(
            Segment(p.node, p.fingerprint, p.group, sequence=p.last, data=b"", rows=p.rows) for p in places
        )
        return replace(restored, checkpoint=replace(restored.checkpoint, segments=segments))

    def sizes(self) -> dict[str, NodeState]:
        """What is kept of each node, for those who only watch: nothing is made."""
        self.database.open()
        if self.database.table(self.sql.segments) is None:
            return {}
        found: dict[str, NodeState] = {}
        for place in read_places(self.database, self.sql):
            found[place.node] = found.get(place.node, NodeState()).plus(place.rows, place.size)
        return found

    def _is_there(self) -> bool:
        """Whether a worker has made the tables.

        Raises UsageError where another version has made them in another way.
        """
        points = self.database.table(self.sql.points)
        require_layout(points, self.sql.columns)
        return points is not None

    def _ensure(self) -> None:
        self._is_there()
        self._make_tables()

    def _make_tables(self) -> None:
        """Makes the tables; two workers that do so at once may get in each other's way, and one tries again."""
        for attempt in range(_TRIES):
            try:
                for statement in self.sql.ensure:
                    self.database.execute(statement)
                return
            except FlowcError:
                if attempt == _TRIES - 1:
                    raise
                time.sleep(0.1)

    def last(self) -> int:
        """The number of the last epoch intended."""
        rows = self.database.query(self._filled("read")).to_pylist()
        return int(rows[0]["intended"]) if rows else 0

    def _begin(self) -> None:
        if not self._known():
            self._refuse_renamed()
            try:
                self.database.execute(self._filled("begin"))
            except DataError:
                self.database.rollback()  # another worker was first

    def _known(self) -> bool:
        return bool(self.database.query(self._filled("read")).num_rows)

    def require_own(self) -> None:
        """Raises UsageError where a project of another name keeps the stream's state here. Looks only."""
        if self.look() == Restored():
            with suppress(EngineError):  # no stream has made the tables yet
                self._refuse_renamed()

    def _refuse_renamed(self) -> None:
        rows = self.database.query(self.sql.strangers).to_pylist() if self.sql.strangers else []
        for row in rows:
            other, project = row[PROJECT], self.sql.project
            renamed = ("flowc", "project", "rename", other, project)
            raise UsageError(
                f"project `{other}` keeps the state of stream `{self.stream}` in this folder",
                code="project-renamed",
                help=f"if this is `{other}` under a new name, run `{shlex.join(renamed)}`; "
                "else give the project a folder of its own",
            )

    def _head(self) -> tuple[int, int, str]:
        """The epoch of the checkpoint, the last epoch intended, and the checkpoint's text."""
        row = self.database.query(self._filled("read")).to_pylist()[0]
        return int(row["epoch"]), int(row["intended"]), str(row["body"])

    def _intents(self, after: int) -> Iterator[Intent]:
        rows = self.database.query(self._filled("intents", epoch=after)).to_pylist()
        plans = Payloads().read(read_plans(self.database, self.sql)) if rows else Kept()
        for row in rows:
            intent = read_intent(int(row["epoch"]), str(row["body"]))
            yield replace(intent, maker=plans.maker(read_maker(str(row["body"]))))

    def close(self) -> None:
        """Ends the session, and what goes on in the background."""
        if self.compactor is not None:
            self.compactor.close()
        self.database.close()

    def intend(self, intent: Intent) -> None:
        """Logs what an epoch takes from outside.

        Raises:
            Fenced: the epoch before it is not the last one here: another worker goes on with this stream.
        """
        with self._transaction():
            self.log(intent)

    def shut(self, time: int) -> Restored:
        """Intends an epoch without messages, so that no worker begins another; gives what was stored before."""
        with self._transaction():
            self.database.execute(self._filled("hold"))
            restored = self.read()
            self._withdraw(restored.intents[-1:])
            self.log(restored.standing(time))
        return restored

    def _withdraw(self, intents: Sequence[Intent]) -> None:
        """Removes epochs that only shut workers out: one number is enough, however often a run begins and fails."""
        for number in (intent.number for intent in intents if intent.shuts):
            self.database.execute(self._filled("withdraw", epoch=number))

    def log(self, intent: Intent) -> None:
        """As `intend`, in a transaction that is open."""
        self._move("intend", epoch=intent.number, before=intent.number - 1)
        body = intent_text(intent, self._payloads.lookups(intent), self._payloads.maker(intent))
        self.database.execute(self._filled("log", epoch=intent.number, body=body))
        self._keep_payloads(intent)

    def refuse(self, epoch: int, rows: Sequence[BadRow]) -> None:
        """Adds to an intent which rows the first target refuses.

        Raises:
            Fenced: the epoch is not intended any more, or another worker has added some.
        """
        with self._transaction():
            self.database.execute(self._filled("hold"))
            there = self.database.query(self._filled("intents", epoch=epoch - 1)).to_pylist()
            body = next((str(row["body"]) for row in there if int(row["epoch"]) == epoch), None)
            body = with_refused(body, rows) if body is not None else None
            if body is None:
                raise Fenced(f"another worker goes on with stream `{self.stream}`")
            self.database.execute(self._filled("withdraw", epoch=epoch))
            self.database.execute(self._filled("log", epoch=epoch, body=body))

    def release(self, epoch: int) -> None:
        """The messages of epochs up to this one are acknowledged: they go with what is written next."""
        self._payloads.released = epoch

    def _keep_payloads(self, intent: Intent) -> None:
        """Adds what an epoch took and nobody gives again; called in a transaction, as is what frees it."""
        made = self._payloads.new(intent)
        if made:
            write_payloads(self.database, self.sql, self.stream, made)
            self._payloads.keep(intent, made)

    def _free_payloads(self, checkpoint: int) -> None:
        free = self._payloads.free(checkpoint)
        for name, epoch in free.items():
            self.database.execute(self._filled("release", name=encoded(name), epoch=epoch))
        self._payloads.freed(free)

    def save(self, checkpoint: Checkpoint) -> None:
        """Keeps a checkpoint; intents of epochs up to its own are needed no more.

        Raises:
            Fenced: another worker has kept one since.
        """
        if checkpoint.epoch == self._point and not checkpoint.segments and not checkpoint.dropped:
            return
        began = time.perf_counter()
        with self._transaction():
            self._replace(checkpoint)
        self._point = checkpoint.epoch
        self._told(checkpoint, time.perf_counter() - began)
        if self.compactor is None and self._tally.many:
            for merged in compacted(self.database, self.sql, self.stream):
                self._tally.merge(merged)

    def move(self, checkpoint: Checkpoint, last: int, beside: Callable[[], None] | None = None) -> None:
        """Puts a checkpoint in place of all that was intended up to the epoch `last`.

        `beside` writes what belongs to it, in its transaction.

        Raises:
            Fenced: that is not the last one here any more.
        """
        began = time.perf_counter()
        with self._transaction():
            self.database.execute(self._filled("hold"))
            if self.last() != last:
                raise Fenced(f"another worker goes on with stream `{self.stream}`")
            self._replace(checkpoint)
            if beside is not None:
                beside()
        self._point = checkpoint.epoch
        self._told(checkpoint, time.perf_counter() - began)

    def _replace(self, checkpoint: Checkpoint) -> None:
        self._keep(checkpoint, self._point)
        self.database.execute(self._filled("prune", epoch=checkpoint.epoch))
        self._free_payloads(checkpoint.epoch)

    def beside(self, epoch: Epoch) -> None:
        """Keeps the checkpoint of an epoch, in the transaction that is open; that of the epoch before is there."""
        if epoch.checkpoint is not None:
            began = time.perf_counter()
            self._keep(epoch.checkpoint, epoch.number - 1)
            # Nothing is replayed here: of messages, what tells them when they come again is enough.
            messages = epoch.intent.messages
            known = messages.select(["_id", "_offset"]) if messages is not None else None
            self._keep_payloads(replace(epoch.intent, messages=known, versions=None))
            self._free_payloads(epoch.number)
            self._told(epoch.checkpoint, time.perf_counter() - began)

    def catch_up(self, epoch: int) -> None:
        """Takes the number of the target's last epoch for its own: what is stored is reset in this transaction."""
        self._move("save", epoch=epoch, before=self._point, body="")

    def facts(self) -> dict[str, str]:
        """What is remembered by name."""
        rows = self.database.query(self._filled("facts")).to_pylist()
        return {decoded(row["name"]): decoded(row["body"]) for row in rows}

    def recalled(self) -> dict[str, str]:
        """What is remembered by name, for those who only watch: nothing is made."""
        self.database.open()
        return self.facts() if self._is_there() else {}

    def recall(self, names: Iterable[str]) -> dict[str, str]:
        """Those of some names that there are."""
        rows = {name: self.database.query(self._filled("recall", name=encoded(name))).to_pylist() for name in names}
        return {name: decoded(found[0]["body"]) for name, found in rows.items() if found}

    def remember(self, facts: Mapping[str, str]) -> None:
        """Adds facts.

        Raises:
            Fenced: another worker has stored others under these names.
        """
        try:
            self._add(facts)
        except DataError:  # a name is taken
            there = self.recall(facts)
            if any(facts[name] != value for name, value in there.items()):
                raise Fenced(f"another worker goes on with stream `{self.stream}`") from None
            self._add({name: value for name, value in facts.items() if name not in there})

    def _add(self, facts: Mapping[str, str]) -> None:
        with self._transaction():
            for name, value in facts.items():
                self.database.execute(self._filled("remember", name=encoded(name), body=encoded(value)))

    def _keep(self, point: Checkpoint, before: int) -> None:
        self._move("save", epoch=point.epoch, before=before, body=checkpoint_text(point))
        for node in sorted(point.dropped):
            self.database.execute(self._filled("drop", node=encoded(node)))
        segments = _needed(point.segments)
        for segment in segments:
            if segment.whole:
                self.database.execute(self._filled("replace", node=encoded(segment.node), group=segment.group))
        write_segments(self.database, self.sql, self.stream, ((segment, segment.sequence) for segment in segments))

    def _told(self, point: Checkpoint, seconds: float) -> None:
        """Counts what a checkpoint has brought, and asks for merging where a group has many segments by now."""
        self._tally.keep(replace(point, segments=tuple(_needed(point.segments))))
        while self.compactor is not None and not self.compactor.done.empty():
            self._tally.merge(self.compactor.done.get())
        self.saved = Saved(time.monotonic(), seconds, self._tally.nodes)
        if self.compactor is not None and self._tally.many:
            self.compactor.ask()

    def _move(self, template: str, **values: object) -> None:
        if self.database.execute(self._filled(template, **values)) != 1:
            raise Fenced(f"another worker goes on with stream `{self.stream}`")

    def _filled(self, template: str, **values: object) -> str:
        return self.sql.templates[template].format(**values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.database.begin()
        try:
            yield
            self.database.commit()
        except FlowcError:
            self.database.rollback()
            raise


def _needed(segments: Sequence[Segment]) -> list[Segment]:
    """Those behind which no other one holds the whole group."""
    found: list[Segment] = []
    whole: set[tuple[str, int]] = set()
    for segment in reversed(segments):
        at = segment.node, segment.group
        if at not in whole:
            found.append(segment)
        if segment.whole:
            whole.add(at)
    return found[::-1]
