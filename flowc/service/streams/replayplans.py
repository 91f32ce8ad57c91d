"""What every replay of dead letters is made of: the stream's plan under another name, and what takes letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Ir, Stream
from flowc.compiler.streamplan.positions import hold_positions
from flowc.errors import UsageError
from flowc.formats import columnar
from flowc.runtime.contracts.decoder import Decoding
from flowc.runtime.contracts.epoch import Epoch
from flowc.runtime.contracts.opening import Fetch as FetchOne
from flowc.runtime.contracts.target import Writer
from flowc.runtime.streams.letterbox import Fetch, LetterBox
from flowc.runtime.streams.lettersrun import LettersRun, TakingWriter
from flowc.runtime.systems.shared.lettertable import LettersWriter
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.service.streams.deadletters import DeadLetters
from flowc.service.streams.discovery import discovered
from flowc.service.streams.run import lowered_stream, planned
from flowc.service.streams.sources import decoding, opened_source
from flowc.service.streams.targets import looking
from flowc.stream import StreamPlan, TargetPlan

_BACK = "go back to before them: `flowc rewind {}`"
BATCH = 5_000
"""Letters of one transaction, whose places stand in its statements."""


def reading(letters: DeadLetters) -> tuple[Mapping[str, Decoding], Fetch]:
    """What decodes letters, and what reads messages again that they do not hold.

    Decoders are those of the stream itself: a source that decodes its messages knows where they came from.
    """
    decoders, fetches = dict[str, Decoding](), dict[str, FetchOne]()
    for source in letters.plan.sources:
        opened = opened_source(source, letters.plan, letters.sessions, once=True)
        if opened.decoder is not None:
            opened.source.open()
        decoders[source.name] = decoding(opened, source, letters.sessions)
        if opened.fetch is not None:
            fetches[source.name] = opened.fetch

    def fetch(name: str, topic: str, partition: str, position: str, size: int) -> pa.RecordBatch | None:
        return fetches[name](topic, partition, position, size) if name in fetches else None

    return decoders, fetch


def replay_plan(letters: DeadLetters, checked: CheckedSpec, ir: Ir, name: str) -> StreamPlan:
    """The stream's plan under another name, so that its epochs are counted apart; the place of letters comes last."""
    sessions = letters.sessions
    found = discovered(checked, lowered_stream(ir, letters.stream), sessions)
    plan = planned(_renamed(found, name), looking(sessions), passing=True)
    _refuse(plan, letters.stream)
    if plan.letters is not None:
        return plan
    targets = sorted(plan.targets, key=_keeps_table)
    return replace(plan, targets=tuple(targets), state=letters.state(name) if len(targets) > 1 else None)


def _keeps_table(target: TargetPlan) -> bool:
    """Whether a table of dead letters is written in the target's own transactions."""
    return target.letter_place is not None and target.letter_place.table is not None


def _refuse(plan: StreamPlan, stream: str) -> None:
    parquet = next((source.name for source in plan.sources if columnar(source.format)), None)
    if parquet is not None:
        message = f"the dead letters of stream `{stream}` cannot be replayed: `{parquet}` are rows of Parquet"
        raise UsageError(message, code="not-runnable-yet", help=_BACK.format(stream))


def _renamed(stream: Stream, name: str) -> Stream:
    """The stream under another name."""
    return replace(stream, name=name, applies=tuple(replace(apply, pipeline=name) for apply in stream.applies))


def taking(writer: Writer, letters: DeadLetters) -> Writer:
    """The writer as one that lets the stream's own worker wait while it writes."""
    if isinstance(writer, LettersWriter):
        return LettersWriter(taking(writer.table, letters))
    if not isinstance(writer, DatabaseWriter):
        return writer
    hold = hold_positions(letters.plan.project, letters.stream, DIALECTS[writer.plan.kind])

    def first(_: Epoch) -> None:
        writer.database.execute(hold)

    return TakingWriter(writer.plan, writer.database, pause=writer.pause, first=first)


def take_out(writer: Writer, run: LettersRun, box: LetterBox) -> None:
    """Has a writer take the letters in hand out of the table in its own transactions."""
    table = writer.table if isinstance(writer, LettersWriter) else writer
    assert isinstance(table, TakingWriter)
    hold = table.first

    def first(epoch: Epoch) -> None:
        hold(epoch)
        box.remove(run.taken, exactly=run.store is None)

    table.first = first
