"""How checks of `expect` came out, run by run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flowc.service.runs.records import RunRecord


@dataclass(frozen=True, slots=True)
class Checked:
    """What one run found: `failed` of `total` rows, and whether that was within what the check allows."""

    run: str
    at: datetime
    failed: int
    total: int
    passed: bool


@dataclass(frozen=True, slots=True)
class History:
    """One check of one target. `results` are not empty; the newest comes first."""

    pipeline: str
    target: str
    name: str
    severity: str
    results: list[Checked] = field(default_factory=list)


def histories(runs: Sequence[RunRecord]) -> list[History]:
    """The checks that runs have made, by pipeline and target, as the newest of them had them first."""
    found: dict[tuple[str, str, str], History] = {}
    for run in runs:
        for target, expect in _expects(run):
            key = run.pipeline, target, str(expect.get("name"))
            held = found.setdefault(key, History(*key, str(expect.get("severity"))))
            numbers = int(expect.get("failed", 0)), int(expect.get("total", 0))
            held.results.append(Checked(run.id, run.started_at, *numbers, bool(expect.get("passed"))))
    return sorted(found.values(), key=lambda each: (each.pipeline, each.target))


def _expects(run: RunRecord) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for pipeline in run.detail.get("pipelines", ()):
        for target in pipeline.get("targets", ()):
            for expect in target.get("expects", ()):
                yield str(target.get("target")), expect
