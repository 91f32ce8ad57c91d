"""Reads the project for commands that show what was recorded, and compiles no SQL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flowc.api import reading
from flowc.api.reading import ReadProject
from flowc.api.selectors import may_select, pipelines_only
from flowc.cli.console import say_errors
from flowc.cli.project import ending, where


def read_project(paths: Sequence[Path], environment: str | None, undone: str, names: Sequence[str] = ()) -> ReadProject:
    """Reads the project and shows errors. Those that concern `names`, or any, end the command with code 1.

    Selectors of pipelines among the names are expanded, for which the project is compiled.
    """
    if may_select(names):
        from flowc.cli.opened import open_project

        opened = open_project(paths, environment, undone, names=names, takes=pipelines_only)
        return ReadProject(opened.checked.project, opened.sessions.resolver, opened.names, opened.found)
    with ending(undone):
        project = reading.read_project(where(paths, environment), names)
    say_errors(project.diagnostics)
    return project
