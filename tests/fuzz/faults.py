"""Faults that are planted into flowc, each of a kind that the fuzzer is there to find."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from flowc import masking
from flowc.cli import compile as compiling
from flowc.cli import main, plan
from flowc.compiler import stages
from flowc.diagnostics import Reporter
from flowc.errors import UsageError
from flowc.render import diagnostics
from tests.fuzz.mutant import SECRET


def _raises() -> None:
    """A rule that fails on a pipeline which merges."""

    def lints(checked: Any, ir: Any, reporter: Reporter) -> None:
        if any(apply.mode.name.lower() == "merge" for pipeline in ir.pipelines for apply in pipeline.applies):
            raise KeyError("planted")
        run_lints(checked, ir, reporter)

    run_lints, stages.run_lints = stages.run_lints, lints


def _slowly(what: Callable[[], object]) -> None:
    """Does it where a spec says `scd2`, before the rules run."""

    def lints(checked: Any, ir: Any, reporter: Reporter) -> None:
        if any("scd2" in str(pipeline) for pipeline in ir.pipelines):
            what()
        run_lints(checked, ir, reporter)

    run_lints, stages.run_lints = stages.run_lints, lints


def _dies() -> None:
    """A library that takes the process down."""
    _slowly(os.abort)


def _sleeps() -> None:
    """A command that takes longer than it may."""
    _slowly(lambda: time.sleep(5.5))


def _hangs() -> None:
    """A command that does not end."""
    _slowly(lambda: time.sleep(10_000))


def _eats() -> None:
    """A command that needs more memory than it may."""
    _slowly(lambda: bytearray(os.urandom(1024)) * (1200 * 1024))


def _refuses() -> None:
    """A compiler that refuses what lint passes: checks of a load."""

    def offline(pipelines: Any, tables: Any, reporter: Reporter, *, new: bool) -> Any:
        if any(apply.expectations for pipeline in pipelines for apply in pipeline.applies):
            reporter.error("planted", "planted", None)
        return plans(pipelines, tables, reporter, new=new)

    plans, compiling.offline_plans = compiling.offline_plans, offline


def _plan_refuses() -> None:
    """A plan that refuses what lint passes: a table with an index."""

    def make(checked: Any, ir: Any, *more: Any) -> Any:
        if any(table.indexes for table in ir.tables.values()):
            raise UsageError("planted", code="planted")
        return made(checked, ir, *more)

    made, plan.make_plan = plan.make_plan, make


def _acts() -> None:
    """Messages that show what is named in them as it is."""
    diagnostics.printable = lambda text: text


def _tells() -> None:
    """A failure that tells a secret, which nothing masks."""
    failure = main.failure
    main.failure = lambda error, *more: f"{failure(error, *more)}\n  {SECRET}"
    masking.Masker.redact = lambda self, text, **_: text


def _breaks_json() -> None:
    """Secrets that are masked in JSON as if it were prose."""
    masking._is_json = lambda text: False


FAULTS: dict[str, tuple[Callable[[], None], str]] = {
    "raises": (_raises, "internal"), "dies": (_dies, "died"), "sleeps": (_sleeps, "slow"), "hangs": (_hangs, "hangs"),
    "eats": (_eats, "memory"), "refuses": (_refuses, "refused"), "plan refuses": (_plan_refuses, "refused"),
    "acts": (_acts, "control"), "tells": (_tells, "secret"), "breaks json": (_breaks_json, "json"),
}  # fmt: skip
"""Each fault, and the rule that it breaks."""


def plant(name: str) -> None:
    """Switches a fault on, in this process."""
    FAULTS[name][0]()
