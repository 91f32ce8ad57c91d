"""`append-at-least-once`: rows that may come twice, and are appended as they come."""

from __future__ import annotations

from collections.abc import Iterator

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.streamkinds import target_kind
from flowc.compiler.ir import Apply, Dedupe, Ir, Stream
from flowc.diagnostics import Note, Reporter
from flowc.source import Span

Topic = tuple[str, str]


def append_at_least_once(checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Warns of streams that append, without `dedupe`, what another one writes with `delivery: at_least_once`."""
    doubtful = dict(_doubtful(checked, ir))
    for stream in ir.streams if ir is not None and doubtful else ():
        read = next((topic for topic in _topics(stream) if topic in doubtful), None)
        apply = next((apply for apply in stream.applies if apply.mode == "append"), None)
        if read is not None and apply is not None and not any(isinstance(node, Dedupe) for node in stream.nodes):
            _warn(stream, apply, read, doubtful[read], reporter)


def _doubtful(checked: CheckedSpec, ir: Ir | None) -> Iterator[tuple[Topic, tuple[str, Span]]]:
    """The topics in which messages may be twice, with the stream that writes them and where it says so."""
    for stream in ir.streams if ir is not None else ():
        delivery = checked.project.streams[stream.name].delivery
        if delivery is not None and stream.delivery == "at_least_once":
            topics = (output for output in stream.outputs if target_kind(output.kind).transactions)
            yield from (((topic.connection, topic.address), (stream.name, delivery.span)) for topic in topics)


def _topics(stream: Stream) -> Iterator[Topic]:
    return ((source.connection, source.path or "") for source in stream.sources)


def _warn(stream: Stream, apply: Apply, topic: Topic, writer: tuple[str, Span], reporter: Reporter) -> None:
    name, span = writer
    message = (
        f"messages of `{topic[1]}` may be there twice, and stream `{stream.name}` appends them to `{apply.target.name}`"
    )
    note = Note(f"stream `{name}` writes them at least once", span)
    helps = (f"take `delivery: at_least_once` from `{name}`", "use `mode: merge`, or `dedupe`")
    reporter.warning("append-at-least-once", message, apply.span, notes=(note,), helps=helps)
