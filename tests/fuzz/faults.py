"""Faults that are planted into flowc, each of a kind that the fuzzer is there to find."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pyarrow as pa

from flowc import masker
from flowc.cli import compile as compiling
from flowc.cli import main, plan
from flowc.compiler import stages
from flowc.compiler.sql.text import readonly
from flowc.diagnostics import Reporter
from flowc.errors import UsageError
from flowc.render import diagnostics
from flowc.runtime.formats.aside import Aside
from flowc.runtime.streams import compute
from flowc.runtime.systems.duckdb import catalog as duckdb_catalog
from flowc.runtime.systems.sqlite import catalog as sqlite_catalog
from flowc.service.testing import compare as testing_compare
from flowc.service.testing import run as testing
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
    masker.Masker.redact = lambda self, text, **_: text


def _breaks_json() -> None:
    """Secrets that are masked in JSON as if it were prose."""
    masker._is_json = lambda text: False


def _loses() -> None:
    """A stream of whose dead letters each epoch keeps all but one."""
    letters = compute.letters
    compute.letters = lambda *given: letters(*given).slice(1)


def _doubles() -> None:
    """A stream that writes a row of each epoch twice."""
    epoch = compute.Epoch
    compute.Epoch = lambda intent, rows, *more, **named: epoch(intent, _doubled(rows), *more, **named)


def _doubled(rows: pa.RecordBatch) -> pa.RecordBatch:
    return pa.concat_batches([rows, rows.slice(0, 1)])


def _stays() -> None:
    """A look at tables that sees no index, so that each plan makes them."""
    sqlite_catalog._indexes = duckdb_catalog._indexes = lambda *_, **__: ()


def _test_raises() -> None:
    """A test that fails in flowc itself when rows are missing."""

    def raises(*_: object) -> Any:
        raise KeyError("planted")

    testing_compare._missing = raises


def _test_passes() -> None:
    """A test that minds no row which is missing."""
    compare = testing.compare
    testing.compare = lambda *given: replace(compare(*given), missing=())


def _miscounts() -> None:
    """A load that does not count the first of the bad rows of a file."""
    add = Aside.add
    Aside.add = lambda self, file, rows: add(self, file, rows[1:])


def _request_raises() -> None:
    """A server that fails where it refuses a request."""

    def raises(*_: object, **__: object) -> None:
        raise KeyError("planted")

    BaseHTTPRequestHandler.send_error = raises


def _writes() -> None:
    """A linter that looks for writing statements at the top alone."""
    readonly._changing = lambda tree: iter(())


FAULTS: dict[str, tuple[Callable[[], None], str, str]] = {
    "raises": (_raises, "internal", ""), "dies": (_dies, "died", ""), "sleeps": (_sleeps, "slow", ""),
    "hangs": (_hangs, "hangs", ""),
    "eats": (_eats, "memory", ""), "refuses": (_refuses, "refused", ""), "plan refuses": (_plan_refuses, "refused", ""),
    "acts": (_acts, "control", ""), "tells": (_tells, "secret", ""), "breaks json": (_breaks_json, "json", "words"),
    "loses": (_loses, "count", "streams"), "doubles": (_doubles, "twice", "streams"),
    "stays": (_stays, "again", "applies"),
    "test raises": (_test_raises, "internal", "tests"), "test passes": (_test_passes, "passes", "tests"),
    "writes": (_writes, "writes", "sql"),
    "miscounts": (_miscounts, "count", "loads"), "request raises": (_request_raises, "internal", "http"),
}  # fmt: skip
"""Each fault, the rule that it breaks, and the kind of mutants that is there to find it, where it is one."""


def plant(name: str) -> None:
    """Switches a fault on, in this process."""
    FAULTS[name][0]()
