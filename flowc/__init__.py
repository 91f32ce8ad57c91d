"""flowc: a SQL-first compiler for data pipelines.

`flowc.check()`, `flowc.plan()` and `flowc.run()` do in Python what the commands do. Names but those of functions of SQL
are imported when they are first used: modules with `flowc.udf` import this one in workers.
"""

from typing import TYPE_CHECKING

from flowc.functions import udaf, udf

if TYPE_CHECKING:
    from flowc.api.checking import CheckResult, check
    from flowc.api.failures import SpecErrors
    from flowc.api.planning import PlanResult, plan
    from flowc.api.results import RunFailed, RunResult
    from flowc.api.running import run
    from flowc.diagnostics import Diagnostic, Severity
    from flowc.errors import DataError, EngineError, FlowcError, TransientError, UsageError
    from flowc.migration import Change, PipelineChange
    from flowc.service.loads.report import PipelineReport, Status, TargetReport
    from flowc.service.streams.run import StreamReport

__all__ = [
    "Change", "CheckResult", "DataError", "Diagnostic", "EngineError", "FlowcError", "PipelineChange", "PipelineReport",
    "PlanResult", "RunFailed", "RunResult", "Severity", "SpecErrors", "Status", "StreamReport", "TargetReport",
    "TransientError", "UsageError", "check", "plan", "run", "udaf", "udf",
]  # fmt: skip
__version__ = "0.1.0"

_HOMES = {
    "flowc.api.checking": ("CheckResult", "check"),
    "flowc.api.failures": ("SpecErrors",),
    "flowc.api.planning": ("PlanResult", "plan"),
    "flowc.api.results": ("RunFailed", "RunResult"),
    "flowc.api.running": ("run",),
    "flowc.diagnostics": ("Diagnostic", "Severity"),
    "flowc.errors": ("DataError", "EngineError", "FlowcError", "TransientError", "UsageError"),
    "flowc.migration": ("Change", "PipelineChange"),
    "flowc.service.loads.report": ("PipelineReport", "Status", "TargetReport"),
    "flowc.service.streams.run": ("StreamReport",),
}
"""The modules that names are in."""


def __getattr__(name: str) -> object:
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
