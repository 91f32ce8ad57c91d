"""Spec files to a project whose shape and names are right: the stages before SQL, for those who need no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.build import CheckedFile, build_project
from flowc.compiler.front.hiding import read_tree
from flowc.compiler.front.nodes import Context
from flowc.compiler.front.places import Place
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.reach import Reach
from flowc.compiler.front.schemacheck import check
from flowc.compiler.front.specfiles import find, project_root, read_text
from flowc.compiler.front.yamltree import TreeMap
from flowc.compiler.names.resolve import resolve
from flowc.diagnostics import Reporter

Databases = Callable[[ProjectSpec], Mapping[str, Place]]
"""The places of those connections of a project that are not as their text says."""
NOTHING: Mapping[str, str] = MappingProxyType({})


def as_written(_project: ProjectSpec) -> Mapping[str, Place]:
    """What the text of connections tells is enough."""
    return {}


def load_project(
    paths: Sequence[Path],
    reporter: Reporter,
    *,
    environment: str | None = None,
    env: Mapping[str, str] = NOTHING,
    root: Path | None = None,
) -> ProjectSpec | None:
    """Reads and merges all spec files below the paths; None when there are none.

    Whatever is wrong with one entry is reported and leaves the others as they are.
    """
    found = find(paths, reporter)
    if not found:
        return None
    files = [_read(path, reporter) for path in found]
    more = tuple(str(project_root([path]).absolute()) for path in paths[1:])
    context = Context(Reach((root or project_root(paths)).absolute(), more), reporter)
    good = [file for file in files if file is not None]
    return build_project(good, context, environment=environment, env=env, complete=len(good) == len(files))


def _read(path: Path, reporter: Reporter) -> CheckedFile | None:
    """One spec file, parsed and checked against the schemas; None when it cannot be read."""
    file = read_text(path, reporter)
    if file is None:
        return None
    before = reporter.errors
    root = read_tree(file, reporter)
    if root is None:
        failed = reporter.errors > before
        return None if failed else CheckedFile(TreeMap.empty(file), {})
    broken = check(root, reporter)
    return CheckedFile(root, broken) if isinstance(root, TreeMap) else None


def check_project(
    paths: Sequence[Path],
    reporter: Reporter,
    *,
    environment: str | None = None,
    env: Mapping[str, str] = NOTHING,
    root: Path | None = None,
    databases: Databases = as_written,
) -> CheckedSpec | None:
    """`load_project`, then `resolve`."""
    project = load_project(paths, reporter, environment=environment, env=env, root=root)
    return resolve(replace(project, databases=databases(project)), reporter) if project else None
