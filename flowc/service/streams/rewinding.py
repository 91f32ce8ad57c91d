"""Moves a stream to other positions: in its targets, and in its store with the state that belongs to them.

The move is an epoch of its own that has no rows. It has the next number, so that targets that know only the number of
their last epoch skip nothing afterwards. Positions move by compare-and-set, and what is done is found anew from exactly
those that are moved: a running worker goes on until then, is fenced, and goes on from there.

Where a store knows the positions, the move is intended in it first. From then on no worker begins an epoch; what it has
in hand every target gets, and only then is the stream moved.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.streamkinds import source_kind
from flowc.compiler.ir import Ir
from flowc.errors import TransientError, UsageError
from flowc.nodes import JoinPlan, RunningPlan, WindowPlan
from flowc.runtime.contracts.epoch import Epoch, Intent, Partition, Range
from flowc.runtime.contracts.state import Checkpoint, Restored
from flowc.runtime.contracts.target import Counting, Fenced, Held, fence_all
from flowc.runtime.streams.begin import beginnings, intends, opened, pending
from flowc.runtime.streams.behind import Lack, marks_held
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.watermark import ENDED
from flowc.runtime.systems.shared.target import DatabaseWriter, table_of
from flowc.service.access.sessions import Sessions
from flowc.service.streams.moves import LOST, Move, added, moves_to, order_of
from flowc.service.streams.overtaken import Overtaken
from flowc.service.streams.recovering import HELD, lacks_of, leading, place_of, unknown_ends
from flowc.service.streams.run import Pause, StreamReport, assembled, no_pause, plan_of
from flowc.stream import StreamPlan, TargetPlan

_log = logging.getLogger("flowc.state")
_MEANWHILE = "stream `%s`: a worker wrote epoch %s into `%s` while it was moved: rows read again may be there twice"
_TRIES = 20
_UNFENCED_TRIES = 5
_BEYOND = 1000
"""So much greater is the number of a move that a worker might overwrite."""
_SECONDS = 1.0
"""A worker that does so does it within that time."""
_PATIENCE = 5.0
"""Seconds in which a worker that runs gives each target the epoch that it has in hand."""
_PAUSE = 0.05


@dataclass
class Rewind:
    """A move of a stream that can be made. `close` it in any case."""

    plan: StreamPlan
    run: StreamRun = field(repr=False)
    restored: Restored
    held: Sequence[Held]
    moves: tuple[Move, ...]
    """What will be done as far as is known now; after `make`, exactly what was done."""
    overtaken: Overtaken
    to: str
    """The place that was asked for."""
    unknown: Mapping[Partition, str] = field(default_factory=dict)
    """Where partitions count as read up to, if nobody knows how far they were."""
    letters: int = field(init=False)
    """How many dead letters go, for their messages are read again."""
    _patience: float = field(default_factory=lambda: _PATIENCE, init=False)

    def __post_init__(self) -> None:
        self.letters = self.overtaken.count(self.moves)

    @property
    def again(self) -> int:
        """About how many messages will be read again."""
        return sum(move.again for move in self.moves if move.counted)

    @property
    def skipped(self) -> int:
        """About how many messages will not be read at all."""
        return sum(move.skipped for move in self.moves if move.counted)

    @property
    def forward(self) -> bool:
        """Whether a partition is moved on, over what was not read."""
        return any(move.forward for move in self.moves)

    @property
    def gathering(self) -> tuple[str, ...]:
        """The windows, running groups and joins, which make rows of several messages: of those read from now on."""
        gathers = WindowPlan | RunningPlan | JoinPlan
        return tuple(node.id for node in self.plan.stateful if isinstance(node, gathers))

    @property
    def shown(self) -> tuple[str, ...]:
        """The sessions that come out before they are over, and are taken back by what remembers that alone."""
        windows = (node for node in self.plan.nodes if isinstance(node, WindowPlan) and node.emit is not None)
        return tuple(node.id for node in windows if node.kind == "session")

    @property
    def forgets(self) -> bool:
        """Whether windows and joins forget rows that are not read again: of partitions that stay, or skip some."""
        again = {move.at for move in self.moves if move.back or move.replaced}
        return bool(self.gathering) and bool(_positions(self.plan, self.restored, self.held).keys() - again)

    @property
    def missing(self) -> tuple[Lack, ...]:
        """The targets that may lack rows afterwards: of what they lost, only what is behind the place is read again."""
        lacks = () if self.to in ("earliest", HELD) else lacks_of(self.plan, self.restored, self.held)
        return tuple(lacks)

    @property
    def doubling(self) -> tuple[str, ...]:
        """The targets that will hold rows of what is read again twice: not those that merge, or lost these rows."""
        without = {lack.number for lack in self._lacks if self._lost(lack.held)}
        return tuple(target.name for number, target in self._appended if number not in without)

    @property
    def refilled(self) -> tuple[str, ...]:
        """The targets that somebody created again with rows, of which no position tells which messages they are of."""
        again = {lack.number for lack in self._lacks if lack.held.absent or not lack.held.epoch}
        return tuple(target.name for number, target in self._appended if number in again and self._has_rows(number))

    @property
    def _lacks(self) -> Sequence[Lack]:
        return lacks_of(self.plan, self.restored, self.held)

    @property
    def _appended(self) -> Iterator[tuple[int, TargetPlan]]:
        """The targets that do not merge, with their numbers."""
        numbered = enumerate(self.plan.targets)
        return ((n, t) for n, t in numbered if not t.merges)

    def _has_rows(self, number: int) -> bool:
        """Whether a target has rows, of those that can be asked."""
        writer = self.run.writers[number]
        return isinstance(writer, Counting) and bool(writer.has_rows())

    def _lost(self, held: Held) -> bool:
        """Whether a target that lacks rows holds none of what is read again; operators forget, and let repeats pass."""
        if held.absent or not held.epoch:
            return True
        known = not self.plan.stateful and all(move.at in held.positions for move in self.moves)
        return known and not any(move.order.before(move.after, held.positions[move.at]) for move in self.moves)

    def make(self) -> None:
        """Makes the move, however a running worker goes on meanwhile.

        Raises UsageError, and moves nothing, where it would do what was not announced (`stream-moved`), and where a
        worker undoes it (`rewind-undone`); FlowcError: a move that was cut off is finished by making it again.
        """
        announced, tries = self.moves, _TRIES if self._fences else _UNFENCED_TRIES
        for left in reversed(range(tries)):
            try:
                (self._move_with_store if intends(self.plan) else self._move_target)(announced)
                self.letters = self.overtaken.removed
                return
            except Fenced as error:
                if not left:
                    raise error if self._fences else self._undone(tries) from error
            except TransientError as error:
                if not left or error.code != "write-conflict":
                    raise
            time.sleep(_PAUSE)

    def _undone(self, tries: int) -> UsageError:
        message = f"stream `{self.plan.name}` was moved {tries} times, and a worker wrote its own positions over it"
        help = "without transactions (`delivery: at_least_once`) nothing stops that worker: stop it, then rewind"
        return UsageError(message, code="rewind-undone", help=help)

    def _move_target(self, announced: Sequence[Move]) -> None:
        """Where the only target knows the positions."""
        (writer,) = self.run.writers
        with self.overtaken.removed_by(writer, lambda: self.moves):
            if isinstance(writer, DatabaseWriter):
                writer.move(lambda held: self._epoch(held, announced))
                return
            epoch = self._epoch(writer.open(), announced)
            writer.write(epoch)
        if not self._fences:
            time.sleep(_SECONDS)
            if writer.look().epoch < epoch.number:
                raise Fenced(f"a worker undid the move of stream `{self.plan.name}`")

    def _epoch(self, held: Held, announced: Sequence[Move]) -> Epoch:
        """The move of the only target from what it holds."""
        store = self.run.store
        self.restored = store.read() if store is not None else Restored()
        if store is not None and self.restored.checkpoint.epoch != held.epoch:
            store.catch_up(held.epoch)
        self.held = [held]
        self._look_again(announced)
        checkpoint = self._checkpoint(held.epoch + (1 if self._fences else _BEYOND))
        return self._from(held, checkpoint)

    def _move_with_store(self, announced: Sequence[Move]) -> None:
        """Where a store does."""
        store = self.run.store
        assert store is not None
        self.restored, self.held = opened(self.plan, store, self.run.writers, looking=True)
        self._look_again(announced)  # before anybody is interrupted
        shut = self.restored.last
        if leading(self.plan, self.restored, self.held) is None:  # else no worker begins an epoch with this store
            self.restored = store.shut(_now())
            self.run.pause("shut")
            self._await_targets()
            self._shut_out()
            self._look_again(announced)
            _check_pending(self.plan, self.restored, self.held, self.moves)
            shut = self.restored.last + 1
        checkpoint = self._checkpoint(max(shut, *(there.epoch for there in self.held)) + 1)
        store.move(checkpoint, shut)
        self.run.pause("moved in the store")
        for writer, held in zip(self.run.writers, self.held, strict=True):
            if (table := table_of(writer)) is not None:
                with self.overtaken.removed_by(writer, lambda: self.moves):
                    self._move_along(table, checkpoint, held.epoch)

    def _move_along(self, table: DatabaseWriter, checkpoint: Checkpoint, known: int) -> None:
        """Has a target follow its store, which has moved: there is no way back from here."""

        def made(held: Held) -> Epoch:
            if known < held.epoch < checkpoint.epoch:
                _log.warning(_MEANWHILE, self.plan.name, held.epoch, table.plan.name)
            return self._from(held, checkpoint)

        for left in reversed(range(_TRIES)):
            try:
                table.move(made)
                return
            except TransientError as error:
                if not left or error.code != "write-conflict":
                    raise
                time.sleep(_PAUSE)

    def _await_targets(self) -> None:
        """Until every target that can tell holds what was intended before, or nobody goes on with it.

        A worker that has begun again goes on behind the epoch that shut it out: it is waited for only once.
        """
        until, self._patience = time.monotonic() + self._patience, _PAUSE
        self.held = [writer.look() for writer in self.run.writers]
        while pending(self.restored, self._telling()) and time.monotonic() < until:
            time.sleep(_PAUSE)
            self.held = [writer.look() for writer in self.run.writers]

    def _shut_out(self) -> None:
        """Stops workers in targets that keep no positions: one that slept would commit an epoch that is read again."""
        fence_all(self.run.writers)
        self.held = [writer.look() for writer in self.run.writers]

    def _telling(self) -> list[Held]:
        """What those hold that tell of each epoch at once; others gather several, or pass over those without rows."""
        return [held for writer, held in zip(self.run.writers, self.held, strict=True) if table_of(writer) is not None]

    def _look_again(self, announced: Sequence[Move]) -> None:
        """What of the announced is to be done from where the stream stands by now.

        Raises UsageError where it would be more.
        """
        stands = self.unknown or _stands(self.plan, self.run, self.restored, self.held)
        logs = _logs(self.plan, self.restored, self.held)
        self.moves = tuple(move.by_now(stands.get(move.at, "0"), logs.get(move.at, "")) for move in announced)

    def _checkpoint(self, number: int) -> Checkpoint:
        positions, logs = (
            _positions(self.plan, self.restored, self.held), _logs(self.plan, self.restored, self.held)
        )  # fmt: skip
        moved = {move.at: move.log for move in self.moves if move.log}
        return Checkpoint(
            number, {**positions, **{move.at: move.after for move in self.moves}},
            {move.at: ENDED for move in self.moves if move.gone},
            dropped=frozenset(segment.node for segment in self.restored.checkpoint.segments),
            logs={at: log for at, log in {**logs, **moved}.items() if log != LOST},
            targets=marks_held(self.plan, self.held),
        )  # fmt: skip

    def _from(self, held: Held, checkpoint: Checkpoint) -> Epoch:
        """The epoch that moves a target which keeps positions from where it stands itself.

        Positions that stay get its number, too: state in the target's own transactions is of their epoch, and a worker
        that slept behind its intent finds another one.
        """
        ranges = tuple(
            Range(*at, held.positions.get(at, position), position, checkpoint.logs.get(at, ""))
            for at, position in sorted(checkpoint.positions.items())
        )
        return Epoch(Intent(checkpoint.epoch, _now(), ranges), _NO_ROWS, 0, checkpoint=checkpoint)

    @property
    def _fences(self) -> bool:
        """Whether a worker that the move overtakes is shut out."""
        (*_, target) = self.plan.targets
        return intends(self.plan) or target.fences

    def close(self) -> None:
        """Leaves everything."""
        self.run.close()


_NO_ROWS = pa.RecordBatch.from_pylist([], schema=pa.schema([]))


def _now() -> int:
    return time.time_ns() // 1000


def prepare_rewind(
    checked: CheckedSpec, ir: Ir, stream: str, *, sessions: Sessions, to: str, pause: Pause = no_pause
) -> Rewind:
    """Looks where a stream is, and where it is to go; moves nothing, and interrupts no worker.

    `to` is `earliest`, `latest`, an instant with its zone, or offsets: `0:1500,1:1400`, or `source:0:1500`. Partitions
    that are not named stay where they are.

    Raises UsageError for a stream that has read nothing, and for a place that is none; EngineError for one that the
    topic no longer has.
    """
    plan = plan_of(checked, ir, stream, sessions)
    run = assembled(plan, sessions, StreamReport(stream), pause=pause)
    try:
        restored, held = opened(plan, run.store, run.writers, looking=True)
        unknown = unknown_ends(plan, run, restored, held)
        stands, logs = unknown or _stands(plan, run, restored, held), _logs(plan, restored, held)
        if not stands:
            message = f"stream `{stream}` has read nothing yet"
            raise UsageError(message, code="unknown-selection", help="`start` says where it begins")
        own = {**stands, **_positions(plan, restored, held)}  # a rewind that was cut off moved the store alone
        places = place_of(to, plan, run, (restored, held), own)
        named = tuple(moves_to(to, plan, run, added(plan, run, stands) | stands, logs, places=places))
        moves = (*named, *_left(plan, run, restored, held=held, stands=stands, named={move.at for move in named}))
        return Rewind(
            plan,
            run,
            restored,
            held=held,
            moves=moves,
            overtaken=Overtaken.of(plan, run.writers, sessions),
            to=to,
            unknown=unknown,
        )
    except BaseException:
        run.close()
        raise


def _positions(plan: StreamPlan, restored: Restored, held: Sequence[Held]) -> Mapping[Partition, str]:
    if not intends(plan):
        return held[0].positions
    ahead = leading(plan, restored, held)
    return restored.positions if ahead is None else {**restored.positions, **ahead.positions}


def _logs(plan: StreamPlan, restored: Restored, held: Sequence[Held]) -> Mapping[Partition, str]:
    if not intends(plan):
        return {**held[0].logs, **dict.fromkeys(held[0].lost, LOST)}
    ahead = leading(plan, restored, held)
    return restored.logs if ahead is None else {**restored.logs, **ahead.logs}


def _stands(plan: StreamPlan, run: StreamRun, restored: Restored, held: Sequence[Held]) -> dict[Partition, str]:
    """Up to where each partition was read. After a rewind that was cut off, targets stand further than the store."""
    stands, logs = dict(_positions(plan, restored, held)), _logs(plan, restored, held)
    for there in held:
        for at in stands.keys() & there.positions.keys():
            same = there.logs.get(at) == logs.get(at) and at[0] in run.readers
            if same and order_of(run, at[0]).before(stands[at], there.positions[at]):
                stands[at] = there.positions[at]
    return dict.fromkeys(() if intends(plan) else held[0].lost, "0") | stands


def _left(
    plan: StreamPlan,
    run: StreamRun,
    restored: Restored,
    *,
    held: Sequence[Held],
    stands: Mapping[Partition, str],
    named: set[Partition],
) -> Iterator[Move]:
    """What a rewind that was cut off has left to do in partitions that this one does not name."""
    counted = {source.name: source_kind(source.kind).counted for source in plan.sources}
    orders = {name: order_of(run, name) for name in counted}
    logs = _logs(plan, restored, held)
    for at, position in sorted(_positions(plan, restored, held).items()):
        if at not in named and stands.get(at, position) != position:
            yield Move(*at, stands[at], position, counted[at[0]], logs.get(at, ""), order=orders[at[0]])


def _check_pending(plan: StreamPlan, restored: Restored, held: Sequence[Held], moves: Sequence[Move]) -> None:
    """What some targets hold and others do not must be read again, or it would be lost in those.

    Raises UsageError where it is not.
    """
    goals = {move.at: move for move in moves}
    begun = beginnings(pending(restored, held)).items()
    if any(at not in goals or goals[at].order.before(start, goals[at].after) for at, start in begun):
        message = f"not every target of stream `{plan.name}` holds its last epoch"
        raise UsageError(message, code="not-runnable-yet", help=f"run it first: `flowc run {plan.name} --once`")
