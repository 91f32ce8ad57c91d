"""Reads topics of Kafka: raw messages in Arrow, from positions that flowc keeps itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

import pyarrow as pa

from flowc.errors import FlowcError, TransientError
from flowc.runtime.calm import Calm
from flowc.runtime.contracts.epoch import Range
from flowc.runtime.contracts.opening import Opened, Opening
from flowc.runtime.contracts.source import Membership, NumberedSource, Polled, start_time
from flowc.runtime.extras import driver
from flowc.runtime.systems.kafka import arrow
from flowc.runtime.systems.kafka.brokers import brokers
from flowc.runtime.systems.kafka.errors import failure, is_final, words
from flowc.runtime.systems.kafka.fetch import Fetcher
from flowc.runtime.systems.kafka.offsets import SECONDS, TopicLog
from flowc.runtime.systems.kafka.options import held, is_incremental, secrets, settings
from flowc.runtime.systems.kafka.topics import TopicId
from flowc.runtime.threads import thread
from flowc.stream import MAX_BYTES

_IDLE = 0.002
"""No message for so long (seconds) after others: the source is idle, and what is there goes."""
_FIRST = 0.1
"""Seconds to wait for a first message, which waits for nothing itself."""
_CALL = 1.0
"""Seconds that one call waits at most: who is to stop waits for it."""
_ADVICE = 1.0
_FAREWELL = 3.0
_DISCOVERY = 30.0
_AGAIN = 1.0
"""Seconds between the questions whether a broker that troubled us answers again, and half of them to wait for that."""
_ENDING: Mapping[str, object] = {"fetch.wait.max.ms": 100}
"""A run that ends asks about ends, and the broker answers in order: first where it waits for messages."""
_LOG = logging.getLogger("flowc.kafka")
_LOG.addHandler(logging.NullHandler())
_LOG.addFilter(Calm())


class KafkaSource:
    """A reader of one topic; see `flowc.runtime.contracts.source.PlacedSource`. Partitions and positions are numbers.

    With `once`, only what is there at the beginning is asked for. The client holds about `max_bytes` ahead of `poll`,
    which ends with the first pause in which nothing comes, unless it `fills` an epoch.
    """

    def __init__(
        self,
        name: str,
        topic: str,
        options: Mapping[str, object],
        *,
        columns: Sequence[str] = ("_value",),
        start: str = "earliest",
        group: str = "flowc",
        once: bool = False,
        max_bytes: int = MAX_BYTES,
        fills: bool = False,
    ) -> None:
        self.name, self._once, self._fills = name, once, fills and not once
        self.trouble: str | None = None
        """What the client last complained of and nothing was read since; for those who watch."""
        self._topic, self._columns, self._start, self._at_time = topic, tuple(columns), start, start_time(start)
        self._settings = {**(_ENDING if once else {}), **held(settings(options, group), max_bytes)}
        self._secrets = secrets(self._settings)
        self._id = TopicId(self._settings, topic, name, self._secrets)
        self._kafka: Any = None
        self._consumer: Any = None
        self._next: dict[int, int] = {}
        self._begun: dict[int, int] = {}  # where partitions began that are read here
        self._reached: dict[int, int] = {}  # ends that the broker told, behind which there is nothing to read yet
        self._unrecorded: dict[int, int] = {}
        self._ends: dict[int, int] | None = None
        self._failure: FlowcError | None = None
        self._discover_at: float | None = None
        self._advice: dict[int, int] = {}
        self._advised = 0.0
        self._asked = 0.0
        self._paused: set[int] = set()
        self._kept: list[Any] = []  # what the client gave beyond the bytes that were asked for

    @property
    def log(self) -> str:
        """The id of the topic that is read."""
        return self._id.known

    def read_by(self, former: str, position: str, log: str) -> frozenset[str]:
        """The log tells."""
        return frozenset()

    def open(self) -> None:
        """Connects, and finds the partitions."""
        if self._consumer is not None:
            return
        self._kafka = driver("confluent_kafka", "kafka")
        try:
            self._consumer = self._kafka.Consumer({**self._settings, "error_cb": self._complained}, logger=_LOG)
        except self._kafka.KafkaException as error:
            raise failure(error.args[0], self._secrets, about="the connection's options: ") from error
        try:
            self._reach(time.monotonic() + SECONDS)
            self._id.open()
        except FlowcError:
            self.close()
            raise

    def close(self) -> None:
        """Leaves. May be called twice.

        A client that cannot reach its broker goes on trying to say good-bye for most of a minute; it is left to that.
        """
        self._id.close()
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            self._advise(consumer)
            closing = thread("kafka-close", consumer.close)
            closing.start()
            closing.join(_FAREWELL)

    def assign(self, positions: Mapping[int, int]) -> None:
        """Reads all partitions, from the stored positions."""
        partitions = self._log.partitions()
        begun = self._begin(partitions, positions)
        # The broker answers in order: once it waits for messages, this question would wait with it.
        self._ends = self._log.ends(partitions) if self._once else None
        self._next, self._begun, self._kept = {}, {}, []
        self._take(begun)
        self._consumer.assign(self._places(begun))
        self._discover_at = time.monotonic() + _DISCOVERY

    def join(self, membership: Membership[int]) -> None:
        """Reads the partitions that the group gives to this member."""

        def assigned(consumer: Any, places: Sequence[Any]) -> None:
            if self._consumer is None:  # what is handed over while we leave is nobody's here
                return
            begun = self._begin([place.partition for place in places], membership.stored(), shared=True)
            self._take(begun)
            (consumer.incremental_assign if incremental else consumer.assign)(self._places(begun))

        def revoked(_: Any, places: Sequence[Any]) -> None:
            gone = frozenset(place.partition for place in places)
            for partition in gone:
                for kept in (self._next, self._begun, self._reached):  # beginnings are still to be recorded
                    kept.pop(partition, None)
            self._kept[:] = [message for message in self._kept if message.partition() not in gone]
            membership.revoked(gone)

        incremental = is_incremental(self._settings)
        self._consumer.subscribe([self._topic], on_assign=assigned, on_revoke=revoked, on_lost=revoked)

    def poll(self, max_rows: int, max_wait: float, max_bytes: int = MAX_BYTES) -> Polled | None:
        """The next messages, with the ranges that they are of; None when none came within `max_wait` seconds."""
        self._discover()
        self._advise_now_and_then()
        messages = self._gather(max_rows, max_wait, max_bytes)
        if self.trouble is not None and not messages:
            self._ask_again()
        read_at = time.time()
        if self._failure is not None:
            raise self._failure
        if self.trouble is None or messages:
            self._id.heard(bool(messages))
        messages = self._owned(messages)
        where = arrow.partitions(messages)
        ranges = self._ranges(arrow.runs(messages, where))
        if not ranges:
            return None
        oldest = arrow.made_at(messages[0]) if messages else None
        return Polled(self.name, arrow.batch(messages, self._columns, where), ranges, read_at, oldest=oldest)

    @property
    def caught_up(self) -> bool:
        """Whether all is handed on that is known to be there; of each partition the broker has told where it ends."""
        return self.trouble is None and self.behind <= self._paused

    @property
    def behind(self) -> frozenset[int]:
        """The partitions of which the broker has not told that they end where they were read to."""
        known = self._known_ends()
        return frozenset(p for p, at in self._next.items() if self.trouble is not None or known.get(p, at + 1) > at)

    def pause(self, partitions: Iterable[int]) -> None:
        """Stops reading these partitions, without leaving them."""
        wanted = [partition for partition in partitions if partition in self._next]
        self._paused.update(wanted)
        self._consumer.pause(self._places(dict.fromkeys(wanted, 0)))

    def resume(self, partitions: Iterable[int]) -> None:
        """Reads them again, where they were left."""
        wanted = [partition for partition in partitions if partition in self._next]
        self._paused.difference_update(wanted)
        self._consumer.resume(self._places(dict.fromkeys(wanted, 0)))

    def positions(self) -> Mapping[int, int]:
        """The next offset of every partition that is read here."""
        return dict(self._next)

    def end_offsets(self) -> Mapping[int, int]:
        """Where the readable part of every partition ends now; with `once`, where it ended when it was assigned."""
        return self._log.ends(self._log.partitions()) if self._ends is None else self._ends

    def starting(self, start: str) -> Mapping[int, int]:
        """Where a stream would begin that starts so: `earliest`, `latest`, or at an instant."""
        return self._log.starts(self._log.partitions(), start, start_time(start))

    def lag(self, stored: Mapping[int, int]) -> Mapping[int, int]:
        """Messages of each partition behind what is stored, as far as the client knows. For the thread that polls."""
        ends = self._known_ends()
        return {p: max(0, end - max(stored.get(p, 0), self._begun[p])) for p, end in ends.items()}

    def _known_ends(self) -> dict[int, int]:
        """Where partitions end, as far as the broker has told since they are read."""
        known = {p: self._consumer.get_watermark_offsets(place, cached=True) for p, place in self._owned_places()}
        return {p: found[1] for p, found in known.items() if found is not None and found[1] >= 0}

    def _owned_places(self) -> list[tuple[int, Any]]:
        return [(p, self._kafka.TopicPartition(self._topic, p)) for p in self._next]

    def commit(self, written: Mapping[int, int], durable: Mapping[int, int]) -> None:
        """Notes what is written; the thread that polls tells the broker, for whom it is advice: nothing is lost by it.

        The client lets one thread in at a time: a commit beside a poll that waits for messages waits with it.
        """
        begun = self._begun.copy()  # of a partition that was another member's, a position may be told from before
        self._advice = {p: max(offset, begun[p]) for p, offset in written.items() if p in begun}

    @property
    def _log(self) -> TopicLog:
        return TopicLog(self._consumer, self._topic, self.name, self._secrets)

    def _begin(self, partitions: Iterable[int], stored: Mapping[int, int], *, shared: bool = False) -> dict[int, int]:
        """Where partitions begin: at their stored positions when these are in the log, else where the stream starts.

        Partitions that were added to a topic that is read begin at 0. Members of a group that starts record the
        beginnings of all partitions, so that none takes those of another for new ones.
        """
        self._id.check()
        owned = tuple(partitions)
        known = {partition: stored[partition] for partition in owned if partition in stored}
        unknown = [partition for partition in owned if partition not in stored]
        fresh = dict.fromkeys(unknown, 0) if stored else {}  # the topic got them since
        self._log.check({**known, **fresh})
        if not stored:
            fresh = self._log.starts(self._log.partitions() if shared else unknown, self._start, self._at_time)
        recorded = stored if shared else known
        self._unrecorded = {p: at for p, at in {**self._unrecorded, **fresh}.items() if p not in recorded}
        return {partition: known.get(partition, fresh.get(partition, 0)) for partition in owned}

    def _take(self, begun: Mapping[int, int]) -> None:
        self._next.update(begun)
        self._begun.update(begun)
        for partition in begun:
            self._reached.pop(partition, None)
            self._paused.discard(partition)

    def _places(self, positions: Mapping[int, int]) -> list[Any]:
        return [self._kafka.TopicPartition(self._topic, p, offset) for p, offset in positions.items()]

    def _discover(self) -> None:
        """Partitions that the topic was given meanwhile; a group is told of them by the broker."""
        if self._discover_at is None or time.monotonic() < self._discover_at:
            return
        self._discover_at = time.monotonic() + _DISCOVERY
        try:
            new = [partition for partition in self._log.partitions() if partition not in self._next]
            begun = self._begin(new, self._next) if new else {}
        except TransientError:
            return
        if begun:
            self._take(begun)
            self._consumer.incremental_assign(self._places(begun))

    def _gather(self, max_rows: int, max_wait: float, max_bytes: int) -> list[Any]:
        """Messages, until one of the ends of `poll`. The first wait is for one alone: it must not wait for others.

        What one call of the client gives is bounded by what the client holds; what is too much of it is kept.
        """
        found = self._kept  # what a rebalance takes away while it is gathered goes from it
        size, longest = arrow.size(found), _FIRST if self._once else min(max_wait, _CALL)
        end = time.monotonic() + (longest if found else max(longest, _FIRST))
        while len(found) < max_rows and size < max_bytes and self._failure is None:
            left = max(0.0, end - time.monotonic())
            if found:
                # Short, however long it is gathered: meanwhile the client holds no more than what is taken from it.
                messages = self._consume(max_rows - len(found), min(left, _IDLE))
            else:
                messages = self._consume(1, left)
                end = time.monotonic() + longest if messages else end
            found += messages
            size += arrow.size(messages)
            if not messages and (left == 0 or (not self._fills and (found or self._moved()))):
                break
        taken = arrow.within(found, max_bytes) if size > max_bytes else len(found)
        self._kept = found[taken:]
        return found[:taken]

    def _consume(self, count: int, seconds: float) -> list[Any]:
        """What the client has; the events among it are noted. Rebalances call back from in here."""
        try:
            messages: list[Any] = self._consumer.consume(count, seconds)
        except self._kafka.KafkaException as error:
            raise self._log.failed(error.args[0]) from error
        if not any(arrow.each(messages, "error")):
            return messages
        for event in messages:
            if event.error() is not None:
                self._note(event)
        return [message for message in messages if message.error() is None]

    def _note(self, event: Any) -> None:
        error, partition = event.error(), event.partition()
        if error.name() == "_PARTITION_EOF":
            self._reached[partition] = event.offset()
        elif error.name() == "_AUTO_OFFSET_RESET":
            self._log.check({partition: event.offset()})
            # A new leader may lag behind for a moment; the client does not fetch the partition any more.
            message = f"`{self.name}`: the broker did not find offset {event.offset()} of partition {partition}"
            raise TransientError(message, code="connection-lost")
        elif not error.retriable():
            raise self._log.failed(error)
        else:
            self.trouble = words(error, self._secrets)

    def _moved(self) -> bool:
        """Whether there is something to tell without a message."""
        return bool(self._unrecorded) or any(offset > self._next.get(p, offset) for p, offset in self._reached.items())

    def _owned(self, messages: list[Any]) -> list[Any]:
        """Without those of partitions that went to somebody else while these were gathered."""
        if set(arrow.each(messages, "partition")) <= self._next.keys():
            return messages
        return [message for message in messages if message.partition() in self._next]

    def _ranges(self, runs: Sequence[arrow.Run]) -> tuple[Range, ...]:
        """From the positions to behind the last messages, and on to the ends that the broker told."""
        started = {**self._next, **self._unrecorded}
        ends: dict[int, int] = {}
        for run in runs:
            if run.first < ends.get(run.partition, self._next[run.partition]) or run.last - run.first + 1 < run.count:
                raise TransientError(
                    f"`{self.name}`: partition {run.partition} was read twice from {run.first}", code="connection-lost"
                )
            ends[run.partition] = run.last + 1
        kept = set(arrow.each(self._kept, "partition"))
        for partition, offset in self._reached.items():
            if partition not in kept and offset > ends.get(partition, self._next.get(partition, offset)):
                ends[partition] = offset
        self._reached = {partition: offset for partition, offset in self._reached.items() if partition in kept}
        touched = sorted({*ends, *self._unrecorded})
        ranges = tuple(Range.numbered(self.name, p, started[p], ends.get(p, started[p]), self.log) for p in touched)
        self._next.update(ends)
        self._unrecorded.clear()
        self.trouble = None if runs else self.trouble
        return ranges

    def _advise_now_and_then(self) -> None:
        """At most once a second; the rest is told on leaving."""
        now = time.monotonic()
        if self._advice and now - self._advised >= _ADVICE:
            self._advised = now
            self._advise(self._consumer)

    def _advise(self, consumer: Any) -> None:
        advice, self._advice = self._advice, {}
        if advice:
            try:
                consumer.commit(offsets=self._places(advice), asynchronous=True)
            except (self._kafka.KafkaException, RuntimeError) as error:
                _LOG.info("cannot tell the broker what is stored: %s", error)

    def _complained(self, error: Any) -> None:
        """What the client says of the connection: it goes on trying, but for what trying does not mend."""
        self.trouble = words(error, self._secrets)
        if is_final(error):
            self._failure = failure(error, self._secrets, about=f"`{self.name}`: ")

    def _ask_again(self) -> None:
        """Asks now and then whether the broker is back: where there are no messages, nothing else tells."""
        if time.monotonic() - self._asked < _AGAIN:
            return
        try:
            self._log.partitions(_AGAIN / 2)
            self.trouble = None
        except FlowcError:
            return  # one that has only just started may know no topics yet
        finally:
            self._asked = time.monotonic()

    def _reach(self, until: float) -> None:
        """Asks for the partitions until there is an answer, or a reason for which there will be none."""
        while True:
            try:
                self._log.partitions(1.0)
                return
            except TransientError as error:
                self._consumer.poll(0.01)  # what the client says is said in here
                if self._failure is not None:
                    raise self._failure from None
                if time.monotonic() > until:
                    said = self.trouble or error.message
                    raise TransientError(f"`{self.name}`: {said}", code=error.code, help=error.help) from None


def open_source(opening: Opening) -> Opened:
    """A topic, of which single messages are read again by a client of its own."""
    plan, options = opening.plan, opening.options
    source = KafkaSource(
        plan.name, plan.address, options, columns=opening.columns, start=opening.start, once=opening.once,
        group=opening.group, max_bytes=opening.batch.max_bytes, fills=opening.batch.fills,
    )  # fmt: skip

    def fetch(topic: str, partition: str, position: str, size: int) -> pa.RecordBatch | None:
        with closing(Fetcher(options)) as fetcher:
            return fetcher.fetch(topic, int(partition), int(position), size)

    return Opened(NumberedSource(source), fetch=fetch)


def reach(options: Mapping[str, object]) -> str:
    """What the brokers answer."""
    return brokers(options)
