"""Where the specs are that a command or a call is about."""

from __future__ import annotations

import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from flowc.compiler.front.specfiles import specs_around
from flowc.errors import UsageError

Specs = str | PathLike[str] | Sequence[str | PathLike[str]]
"""A folder of YAML files, a YAML file, or several of them."""

DEFAULT_SPECS = "specs"
_MAKE = "name a folder of YAML files or one YAML file, or make a project with `flowc init`"


def spec_paths(specs: Specs) -> list[Path]:
    """Paths of specs. `specs` is the folder of that name here, or in the nearest folder above."""
    paths = [specs] if isinstance(specs, str | PathLike) else list(specs)
    named = [os.fspath(path) for path in paths]
    return specs_only([] if named == [DEFAULT_SPECS] else named)


def specs_only(arguments: Sequence[str]) -> list[Path]:
    """Paths of specs; every argument must exist."""
    for argument in arguments:
        if not exists(argument):
            raise missing_specs(argument)
        if argument.endswith(".sql") and Path(argument).is_file():
            raise UsageError(f"`{argument}` is SQL, and specs are YAML", code="missing-specs", help=_MAKE)
    return [Path(argument) for argument in arguments] or [around()]


def exists(path: str) -> bool:
    """Whether there is a file or a folder; a text that is no path at all, for its length or a zero, names none."""
    return os.path.exists(path)


def missing_specs(path: str) -> UsageError:
    """The failure to find specs at a path."""
    return UsageError(f"there is no file or folder `{path}`", code="missing-specs", help=_MAKE)


def default_specs() -> Path | None:
    """The folder `specs` of the project around the working folder: here or in the nearest folder above."""
    here = Path(DEFAULT_SPECS)
    return here if here.is_dir() else specs_around(Path.cwd())


def around() -> Path:
    """The same; raises UsageError where there is none."""
    path = default_specs()
    if path is None:
        message = f"there is no folder `{DEFAULT_SPECS}`, neither here nor in a folder above"
        raise UsageError(message, code="missing-specs", help=_MAKE)
    return path
