"""Puts a replay of dead letters together: the stream's own plan, under a name of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace

import pyarrow as pa

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Ir, Stream
from flowc.compiler.streamplan.letters import Chosen
from flowc.compiler.streamplan.positions import hold_positions
from flowc.errors import FlowcError, UsageError
from flowc.runtime.connectors.kafka_fetch import Fetcher
from flowc.runtime.streams.compute import Decoding
from flowc.runtime.streams.epoch import Epoch
from flowc.runtime.streams.letterbox import Fetch, LetterBox
from flowc.runtime.streams.lettersrun import LettersRun, TakingWriter
from flowc.runtime.streams.targets.contract import Writer
from flowc.runtime.streams.targets.database import DatabaseWriter
from flowc.service.deadletters import DeadLetters, replayed_name
from flowc.service.streamdiscovery import discovered
from flowc.service.streams import Pause, StreamReport, assembled, lowered_stream, no_pause, planned
from flowc.service.streamsides import described
from flowc.service.streamsources import opened_sources
from flowc.service.streamtargets import LettersWriter, looking
from flowc.stream import StreamPlan, TableTarget, TopicTarget

_UNJUDGED = "`dedupe` may not have judged their messages"
_BACK = "go back to before them: `flowc rewind {}`"
_BATCH = 5_000
"""Letters of one transaction, whose places stand in its statements."""
EVER = 2**31 - 1
"""More attempts than a letter ever has."""
PASSED = ("arithmetic-overflow", "function-failed", "row-fails")
"""The codes of messages that failed in the SQL, and nowhere else: `dedupe` has let them through and knows them."""


@dataclass
class Replayed:
    """What a replay did: letters that came through, their rows, and letters that failed again."""

    stream: str
    replayed: int = 0
    rows: int = 0
    failed: int = 0
    parked: int = 0
    """Letters that were left alone, for they failed too often."""
    unjudged: int = 0
    """Letters that were left alone, for `dedupe` may not have judged their messages."""
    error: FlowcError | None = None


def replay(
    letters: DeadLetters, checked: CheckedSpec, ir: Ir, chosen: Chosen, *, parked: bool = False, pause: Pause = no_pause
) -> Replayed:
    """Sends dead letters through their stream once more. What fails is in the report.

    Raises UsageError for a stream whose letters cannot be replayed, or not those alone.
    """
    report = Replayed(letters.stream)
    if letters.plan.operators:
        chosen = _passed(letters, chosen)
    if letters.kept.table is not None and letters.sql() is None:
        return report
    run = _assembled(letters, checked, ir, chosen, EVER if parked else letters.attempts, pause)
    try:
        run.run()
    except FlowcError as error:
        report.error = letters.sessions.redacted(error)
    finally:
        run.close()
    report.replayed, report.rows, report.failed = run.replayed, run.rows, run.failed
    if report.error is None:
        counts = letters.counts()
        report.parked = sum(count.parked for count in counts)
        unjudged = (count for count in counts if letters.plan.operators and count.code not in PASSED)
        report.unjudged = sum(count.letters - count.parked for count in unjudged)
    return report


def _passed(letters: DeadLetters, chosen: Chosen) -> Chosen:
    """Of the chosen letters of a stream with `dedupe`, those that it has let through, so that it is not asked again.

    Raises UsageError where others are asked for: what it would have made of them, then, is known no more.
    """
    letters.demand_table("replayed in part, and `dedupe` has not judged all of them")
    unjudged = next((code for code in chosen.codes if code not in PASSED), None)
    if unjudged is not None:
        message = f"dead letters of stream `{letters.stream}` with `{unjudged}` cannot be replayed: " + _UNJUDGED
        raise UsageError(message, code="not-runnable-yet", help=_BACK.format(letters.stream))
    return replace(chosen, codes=chosen.codes or PASSED)


def _assembled(
    letters: DeadLetters, checked: CheckedSpec, ir: Ir, chosen: Chosen, attempts: int, pause: Pause
) -> LettersRun:
    plan = _plan(letters, checked, ir)
    if letters.kept.table is None:
        return _of_topic(plan, letters, chosen, attempts, pause)
    sql = letters.sql(chosen)
    assert sql is not None
    made = assembled(plan, letters.sessions, StreamReport(plan.name), pause=pause)
    made.compute.decoders = _decoders(letters)
    box = LetterBox(sql, letters.database(), attempts, min(plan.batch.max_rows, _BATCH))
    writers = [_taking(writer, letters) for writer in made.writers]
    run = LettersRun(plan, letters.kept_name, box, made.compute, writers, made.store, _fetch(letters), pause)
    _take_out(writers[-1], run, box)
    return run


def _decoders(letters: DeadLetters) -> Mapping[str, Decoding]:
    """Those of the stream itself, which knows the files that rows of CSV came from, and the names in their headers."""
    readers, decoders = opened_sources(letters.plan, letters.sessions, once=True)
    for source in letters.plan.sources:
        if source.kind == "files":
            readers[source.name].source.open()
    return decoders


def _of_topic(plan: StreamPlan, letters: DeadLetters, chosen: Chosen, attempts: int, pause: Pause) -> LettersRun:
    """A replay of letters that stay where they are: a store knows how far it is."""
    if chosen.codes or attempts != letters.attempts:
        letters.demand_table("replayed in part")
    targets = tuple(replace(t, positions=()) if isinstance(t, TopicTarget) else t for t in plan.targets)
    plan = replace(plan, state=letters.state(), targets=targets)
    made = assembled(plan, letters.sessions, StreamReport(plan.name), pause=pause)
    made.compute.decoders = _decoders(letters)
    writers = [_taking(writer, letters) for writer in made.writers]
    return LettersRun(
        plan, letters.kept_name, letters.topic(), made.compute, writers, made.store, _fetch(letters), pause
    )


def _fetch(letters: DeadLetters) -> Fetch:
    """Reads messages of the stream's topics again. Rows of files are not."""
    sources = {source.name: source for source in letters.plan.sources if source.kind == "kafka"}

    def fetch(name: str, topic: str, partition: int, offset: int, size: int) -> pa.RecordBatch | None:
        if name not in sources:
            return None
        options = letters.sessions.options(sources[name].connection).values
        with closing(Fetcher(options)) as fetcher:
            return fetcher.fetch(topic, partition, offset, size)

    return fetch


def _plan(letters: DeadLetters, checked: CheckedSpec, ir: Ir) -> StreamPlan:
    """The stream's plan under another name, so that its epochs are counted apart; the place of letters comes last."""
    sessions = letters.sessions
    found = described(discovered(checked, lowered_stream(ir, letters.stream), sessions), sessions)
    plan = planned(checked.project.streams[letters.stream], _renamed(found), looking(sessions))
    _refuse(plan, letters.stream)
    if plan.letters is not None:
        return plan
    targets = sorted(plan.targets, key=lambda target: isinstance(target, TableTarget) and target.dead is not None)
    return replace(plan, targets=tuple(targets), state=plan.state if len(targets) > 1 else None)


def _refuse(plan: StreamPlan, stream: str) -> None:
    parquet = next((source.name for source in plan.sources if source.format == "parquet"), None)
    if parquet is not None:
        message = f"the dead letters of stream `{stream}` cannot be replayed: `{parquet}` are rows of Parquet"
        raise UsageError(message, code="not-runnable-yet", help=_BACK.format(stream))


def _renamed(stream: Stream) -> Stream:
    """The stream under another name, and without `dedupe`: what is replayed of it has passed that."""
    name = replayed_name(stream.name)
    return replace(
        stream, name=name, dedupe=None, applies=tuple(replace(apply, pipeline=name) for apply in stream.applies)
    )


def _taking(writer: Writer, letters: DeadLetters) -> Writer:
    """The writer as one that lets the stream's own worker wait while it writes."""
    if isinstance(writer, LettersWriter):
        return LettersWriter(_taking(writer.table, letters))
    if not isinstance(writer, DatabaseWriter):
        return writer
    hold = hold_positions(letters.plan.project, letters.stream, DIALECTS[writer.plan.kind])

    def first(_: Epoch) -> None:
        writer.database.execute(hold)

    return TakingWriter(writer.plan, writer.database, pause=writer.pause, first=first)


def _take_out(writer: Writer, run: LettersRun, box: LetterBox) -> None:
    """Has a writer take the letters in hand out of the table in its own transactions."""
    table = writer.table if isinstance(writer, LettersWriter) else writer
    assert isinstance(table, TakingWriter)
    hold = table.first

    def first(epoch: Epoch) -> None:
        hold(epoch)
        box.remove(run.taken, exactly=run.store is None)

    table.first = first
