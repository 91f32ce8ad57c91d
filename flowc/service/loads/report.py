"""What a run of pipelines did, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from flowc.diagnostics import Diagnostic
from flowc.errors import FlowcError
from flowc.loadplan import Counter, ExpectResult, ShownRow

ALWAYS = tuple(counter for counter in Counter if counter is not Counter.BAD)
"""What every load counts."""


class Status(StrEnum):
    """How a target or a pipeline ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(slots=True)
class TargetReport:
    """One load of one target. `diagnostics` say what is wrong between the source's live columns and the table.

    `counts` are rows: `read`, `inserted`, `updated`, `deleted`, `unchanged`, and `bad` where some may be set aside.
    """

    target: str
    mode: str
    status: Status = Status.OK
    counts: dict[str, int] = field(default_factory=lambda: {counter.value: 0 for counter in ALWAYS})
    bytes: int = 0
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds of the parts of the load, by what they are for."""
    expects: list[ExpectResult] = field(default_factory=list)
    seconds: float = 0.0
    error: FlowcError | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    notes: tuple[str, ...] = ()
    shown: list[ShownRow] = field(default_factory=list)
    passed_by: bool = False
    """Whether an earlier attempt has loaded it: what is counted is what that did."""


@dataclass(slots=True)
class PipelineReport:
    """One pipeline: its targets, or why it did not come to them (`error`, `reason` when skipped)."""

    name: str
    status: Status = Status.OK
    targets: list[TargetReport] = field(default_factory=list)
    error: FlowcError | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    reason: str | None = None
    plan: str | None = None
    """Tells apart what it lowered to."""
    due_at: datetime | None = None
    """The due time for which a part was read again."""

    @property
    def seconds(self) -> float:
        """How long its loads took."""
        return sum(target.seconds for target in self.targets)

    def settle(self) -> None:
        """Takes the status from the targets: one that failed fails the pipeline."""
        if any(target.status is Status.FAILED for target in self.targets):
            self.status = Status.FAILED


@dataclass(slots=True)
class RunReport:
    """All pipelines of a run, in the order in which they ran."""

    pipelines: list[PipelineReport] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether any pipeline failed or was skipped."""
        return any(pipeline.status is not Status.OK for pipeline in self.pipelines)
