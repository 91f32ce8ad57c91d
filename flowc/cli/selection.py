"""What `plan` and `apply` are told to choose of a project."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.cli.opened import OpenProject
from flowc.diagnostics import did_you_mean
from flowc.errors import UsageError
from flowc.service.changes.plans import close_selection


def selection(names: Sequence[str], opened: OpenProject) -> frozenset[str]:
    """The chosen tables, pipelines and streams with all that they depend on.

    Raises UsageError for a name that is none of them.
    """
    project = opened.checked.project
    known = [*project.tables, *project.pipelines, *project.streams]
    for name in names:
        if name not in known:
            helps = did_you_mean(name, known) or ("name a table, a pipeline or a stream of the specs",)
            raise UsageError(f"there is no table, pipeline or stream `{name}`", code="unknown-selection", help=helps[0])
    return close_selection(names, opened.checked, opened.ir)
