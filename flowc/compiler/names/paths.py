"""Paths of specs: files lie in the project, and what a connection's `path` names below its `uri`."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.reach import Reach
from flowc.compiler.front.spec import ConnectionSpec, Name
from flowc.compiler.front.streamspec import FunctionSpec
from flowc.compiler.names.lookup import Lookup
from flowc.locations import without_scheme


def reach(project: ProjectSpec) -> Reach:
    """The files that a project may reach."""
    return Reach(Path(project.root), project.allow_paths)


def check_module(function: FunctionSpec, lookup: Lookup) -> None:
    """Reports a module of functions that is a link out of the project."""
    python = function.python
    if python is not None:
        folder = python.value.partition(":")[0].replace(".", "/")
        for file in (f"{folder}.py", f"{folder}/__init__.py"):
            if os.path.lexists(Path(lookup.project.root, file)):
                reach(lookup.project).check(file, python.span, lookup.reporter)


def check_below(path: Name, connection: ConnectionSpec, lookup: Lookup) -> bool:
    """Whether a path stays below the connection's `uri`, as it is written; where links lead is seen when it is used."""
    uri = str(connection.options.get("uri", "."))
    base = os.path.normpath(os.path.join(lookup.project.root, without_scheme(uri)))
    whole = os.path.normpath(os.path.join(base, path.value.replace("\\", "/")))
    if "${" in uri:
        base, whole = "/base", os.path.normpath(os.path.join("/base", path.value))
    if PurePath(whole).is_relative_to(base):
        return True
    message = f"`{path.value}` leads out of the folder of connection `{connection.name.value}`"
    helps = ("name what is below it, or give the connection another `uri`",)
    lookup.reporter.error("path-outside", message, path.span, helps=helps)
    return False
