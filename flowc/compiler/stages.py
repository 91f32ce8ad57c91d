"""The compiler's stages in order. Each takes a value and a reporter, and returns a new value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.lowering.lower import lower, lower_pipeline
from flowc.compiler.names.resolve import resolve
from flowc.compiler.passes import run_lints
from flowc.compiler.passes.secret_reference import unset_references
from flowc.compiler.reading import NOTHING, Databases, as_written, check_project, load_project
from flowc.compiler.sql.checks.checker import Checker
from flowc.diagnostics import Reporter

__all__ = ["check_project", "lint", "load_project", "lower", "lower_pipeline", "resolve", "run_lints"]


def lint(
    paths: Sequence[Path],
    reporter: Reporter,
    *,
    environment: str | None = None,
    env: Mapping[str, str] = NOTHING,
    root: Path | None = None,
    checker: Checker | None = None,
    databases: Databases = as_written,
) -> tuple[CheckedSpec, Ir] | None:
    """Everything that can be known without connecting, all of it reported in one go; None when there are no specs.

    The checker, if there is one, is asked whether engines take the queries. `databases` resolves the places of
    connections; without it, their text tells which of them name one database.
    """
    checked = check_project(paths, reporter, environment=environment, env=env, root=root, databases=databases)
    if checked is None:
        return None
    ir = lower(checked, reporter, env=env, checker=checker)
    run_lints(checked, ir, reporter)
    if environment is not None:
        unset_references(checked, env, reporter)
    return checked, ir
