"""Streams planned without connecting, for people to read."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.compiler.ir import Stream
from flowc.diagnostics import Reporter
from flowc.errors import FlowcError
from flowc.service.checking.refusals import report_refusal
from flowc.service.streams.run import planned
from flowc.stream import StreamPlan


def offline_stream_plans(streams: Sequence[Stream], reporter: Reporter) -> tuple[StreamPlan, ...]:
    """The plans of streams, as if their tables were as declared, or as the streams would make them.

    A stream that cannot be planned without connecting is reported and left out.
    """
    plans = (_offline(stream, reporter) for stream in streams)
    return tuple(plan for plan in plans if plan is not None)


def _offline(stream: Stream, reporter: Reporter) -> StreamPlan | None:
    unknown = None if stream.unplanned else _unknown(stream)
    if unknown is not None:
        whose, mend = unknown
        message = f"stream `{stream.name}` cannot be shown: the columns of {whose} are not known"
        helps = (mend, f"ask the live system with `flowc preview {stream.name}`")
        reporter.error("unknown-source-columns", message, stream.span, helps=helps)
        return None
    try:
        return planned(stream)
    except FlowcError as error:
        if not report_refusal(error, stream.input, reporter):
            reporter.error(error.code, error.message, stream.span, helps=(error.help,) if error.help else ())
        return None


def _unknown(stream: Stream) -> tuple[str, str] | None:
    """What has columns that only the live system tells, and what to do about it."""
    for source in stream.sources:
        if source.columns is None:
            return f"source `{source.name}`", f"give `{source.name}` its `columns:`, for instance `{{ id: bigint }}`"
    for lookup in stream.lookups:
        if lookup.columns is None:
            return f"lookup `{lookup.name}`", "declare the tables that it reads under `tables:`"
    return None
