"""What `flowc.run` gives: reports of pipelines and streams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flowc.diagnostics import Diagnostic
from flowc.errors import FlowcError, TransientError
from flowc.render.json_values import as_json
from flowc.render.loads import failures_text, run_object, run_text
from flowc.render.streams import stream_failures, stream_object, streams_text
from flowc.render.style import Style
from flowc.service.loads.report import PipelineReport, RunReport, Status, TargetReport
from flowc.service.streams.run import StreamReport


@dataclass(frozen=True, slots=True, repr=False)
class RunResult:
    """What a run did."""

    report: RunReport | None
    """Of the pipelines; None where streams alone ran."""
    streams: tuple[StreamReport, ...]
    """What became of each stream."""
    _text: str
    _failures: str
    _json: str

    @classmethod
    def of(cls, report: RunReport | None, streams: Sequence[StreamReport], redact: Callable[[str], str]) -> RunResult:
        """The result of these reports, with texts in which secrets are masked."""
        style, objects = Style(conceal=redact), [stream_object(stream) for stream in streams]
        tables = [run_text(report, style) if report else "", streams_text(streams, style) if streams else ""]
        failures = [failures_text(report, style) if report else "", stream_failures(streams, style)]
        document = {**run_object(report), **({"streams": objects} if objects else {})} if report else objects
        text, failed = (redact("\n\n".join(filter(None, parts))) for parts in (tables, failures))
        return cls(report, tuple(streams), text, failed, redact(as_json(document)))

    @property
    def pipelines(self) -> tuple[PipelineReport, ...]:
        """What became of each pipeline, in the order in which they ran."""
        return tuple(self.report.pipelines) if self.report else ()

    @property
    def seconds(self) -> float:
        """How long pipelines and streams took."""
        return (self.report.seconds if self.report else 0.0) + sum(stream.seconds for stream in self.streams)

    @property
    def ok(self) -> bool:
        """Whether nothing failed, and nothing was skipped."""
        return not (self.report and self.report.failed) and not any(stream.error for stream in self.streams)

    @property
    def errors(self) -> tuple[FlowcError, ...]:
        """The failures of pipelines, targets and streams."""
        failures = [load.error for load in self._loads] + [stream.error for stream in self.streams]
        return tuple(error for error in failures if error is not None)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What is wrong with specs, or between live columns and tables, and failed a pipeline or a target."""
        return tuple(diagnostic for load in self._loads for diagnostic in load.diagnostics)

    @property
    def _loads(self) -> tuple[PipelineReport | TargetReport, ...]:
        loads: list[PipelineReport | TargetReport] = []
        for pipeline in self.pipelines:
            loads += [pipeline, *pipeline.targets]
        return tuple(loads)

    def raise_for_failure(self) -> None:
        """Raises RunFailed, which tells what failed, unless the run is ok."""
        if not self.ok:
            raise RunFailed(self)

    def text(self) -> str:
        """What `flowc run --once` prints: what was done, and what failed."""
        return "\n\n".join(filter(None, (self._text, self._failures)))

    def to_json(self) -> str:
        """What `flowc run --once --json` prints: one JSON object, or a list where streams alone ran."""
        return self._json

    def __repr__(self) -> str:
        ended = [(report.name, report.status.value) for report in self.pipelines]
        ended += [(report.name, report.status) for report in self.streams]
        lines = "".join(f"\n  {name}: {status}" for name, status in ended)
        return f"<RunResult: {'ok' if self.ok else 'failed'} in {self.seconds:.2f} s{lines}>"


class RunFailed(FlowcError):
    """Pipelines or streams failed. `result` is what the run did; code and help are those of the first failure."""

    def __init__(self, result: RunResult) -> None:
        failed = [item.name for item in result.pipelines if item.status is Status.FAILED]
        failed += [item.name for item in result.streams if item.error]
        message = f"{', '.join(f'`{name}`' for name in failed)} failed\n\n{result._failures}"
        causes = [(item.code, item.help) for item in result.errors]
        causes += [(item.code, item.help) for item in result.diagnostics]
        code, help = causes[0]
        super().__init__(message, code=code, help=help)
        self.result = result

    @property
    def transient(self) -> bool:
        """Whether all that failed may pass by itself, so that trying again may help."""
        passing = all(isinstance(error, TransientError) for error in self.result.errors)
        return passing and not self.result.diagnostics
