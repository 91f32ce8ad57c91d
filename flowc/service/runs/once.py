"""One run of everything: streams catch up, and pipelines run upon what they wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from flowc.compiler.ir import Ir, Pipeline, Source, Sql, Stream
from flowc.compiler.sql.types.tableplaces import KeyOf, TableKey, keys_in
from flowc.service.loads.report import PipelineReport, RunReport, Status
from flowc.service.loads.run import Run, run_pipelines
from flowc.service.streams.run import StreamReport


@dataclass(slots=True)
class Both:
    """What a run of streams and pipelines did."""

    pipelines: RunReport
    streams: list[StreamReport] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether anything failed or was skipped."""
        return self.pipelines.failed or any(report.error for report in self.streams)


def run_both(
    run: Run, ir: Ir, streams: Sequence[str], catch_up: Callable[[str], StreamReport], broken: Sequence[PipelineReport]
) -> Both:
    """Streams first, for pipelines read what they write; but those that look up what a pipeline writes, last.

    A pipeline that reads a table of a stream that failed is skipped.
    """
    chosen = sorted((each for each in ir.streams if each.name in streams), key=lambda each: streams.index(each.name))
    key_of = keys_in(run.sessions.database)
    last = [stream for stream in chosen if _looks_up(stream, run.pipelines, key_of)]
    first = [(stream, catch_up(stream.name)) for stream in chosen if stream not in last]
    failed = [stream for stream, report in first if report.error]
    skipped = {p.name: found for p in run.pipelines if (found := _skipped(p, failed, key_of)) is not None}
    rest = [pipeline for pipeline in run.pipelines if pipeline.name not in skipped]
    done = run_pipelines(replace(run, pipelines=rest), (*broken, *skipped.values()))
    return Both(done, [*(report for _, report in first), *(catch_up(stream.name) for stream in last)])


def _looks_up(stream: Stream, pipelines: Sequence[Pipeline], key_of: KeyOf) -> bool:
    """Whether a stream looks up what a pipeline writes, by whatever connection of its database."""
    looks = [key_of(look.connection, look.kind, read) for look in stream.lookups for read in look.reads]
    targets = (apply.target for pipeline in pipelines if looks for apply in pipeline.applies)
    return any(key_of(target.connection, target.kind, target.name) in looks for target in targets)


def _skipped(pipeline: Pipeline, failed: Sequence[Stream], key_of: KeyOf) -> PipelineReport | None:
    """The report of a pipeline that reads what a failed stream writes, by whatever connection of its database."""
    reads = {key for apply in pipeline.applies for key in _reads(apply.input, key_of)}
    for stream in failed:
        if any(key_of(a.target.connection, a.target.kind, a.target.name) in reads for a in stream.applies):
            return PipelineReport(pipeline.name, Status.SKIPPED, reason=f"because stream `{stream.name}` failed")
    return None


def _reads(node: Source | Sql, key_of: KeyOf) -> Iterator[TableKey]:
    """The tables that a node may read, whole or by its SQL."""
    sources = (node,) if isinstance(node, Source) else node.inputs
    named = node.reads if isinstance(node, Sql) else ()
    for source in sources:
        whole = (source.table,) if source.table is not None else ()
        yield from (key_of(source.connection, source.kind, name) for name in (*whole, *named))
