"""`misplaced-dead-letters`: dead letters among rows, or among the messages that are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir, Output, Stream, Target
from flowc.compiler.passes.writers import DEAD_LETTERS, TableWriter, letters_span, shared_tables
from flowc.diagnostics import Note, Reporter
from flowc.source import Span

CODE = "misplaced-dead-letters"
_HELPS = ("give them a place of their own: `dead_letter: { … }`",)


def misplaced_dead_letters(checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Reports dead letters that would go into what their stream writes or reads; warns of tables of others."""
    for shared in shared_tables(checked, ir):
        others = [writer for writer in shared if writer.mode != DEAD_LETTERS and not writer.removes]
        for letters in (writer for writer in shared if writer.mode == DEAD_LETTERS):
            _check_table(letters, others, reporter)
    for stream in ir.streams if ir is not None else ():
        place = stream.dead_letter
        if stream.sets_aside and place is not None and not isinstance(place, Target):
            _check_topic(stream, place, letters_span(checked.project.streams[stream.name]), reporter)


def _check_table(letters: TableWriter, others: Sequence[TableWriter], reporter: Reporter) -> None:
    own = next((writer for writer in others if writer.stream and writer.name == letters.name), None)
    if own is not None:
        message = f"dead letters of {letters} would go into `{letters.table}`, among its rows"
        reporter.error(CODE, message, letters.span, notes=_written(own), helps=_HELPS)
    elif others:
        message = f"dead letters of {letters} go into `{letters.table}`, which {others[0]} writes too"
        reporter.warning(CODE, message, letters.span, notes=_written(others[0]), helps=_HELPS)


def _written(writer: TableWriter) -> tuple[Note, ...]:
    return (Note(f"{writer} writes its rows here", writer.span),)


def _check_topic(stream: Stream, letters: Output, span: Span, reporter: Reporter) -> None:
    for place, what in _topics(stream):
        if letters.address and place == (letters.connection, letters.address):
            message = f"dead letters of stream `{stream.name}` would go into `{letters.address}`, {what}"
            reporter.error(CODE, message, span, helps=_HELPS)
            return


def _topics(stream: Stream) -> Iterator[tuple[tuple[str, str], str]]:
    for source in stream.sources:
        yield (source.connection, source.path or ""), "which it reads: it would never end"
    for output in stream.outputs:
        yield (output.connection, output.address), "among its rows"
