"""What specs ask for that a single run does not do: schedules, retries and the like wait for the scheduler."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowc.compiler.front.spec import PipelineSpec

WAITING = ("schedule", "retry", "timeout", "catch_up", "freshness")
"""Keys of a pipeline that `run --once` does not act on, in the order in which they are told."""


def waiting_keys(pipelines: Iterable[PipelineSpec]) -> Mapping[str, tuple[str, ...]]:
    """The keys that have no effect in a single run, with the names of the pipelines that hold them."""
    given = {pipeline.name.value: _given(pipeline) for pipeline in pipelines}
    found = {key: tuple(name for name, keys in given.items() if key in keys) for key in WAITING}
    return {key: names for key, names in found.items() if names}


def _given(pipeline: PipelineSpec) -> set[str]:
    keys = set(pipeline.settings)
    keys |= {"schedule"} if pipeline.schedule is not None else set()
    return keys | ({"freshness"} if pipeline.freshness else set())
