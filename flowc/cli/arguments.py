"""What commands share: which arguments are specs and which are names, and options that occur in several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from flowc.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_SPECS = "specs"


def specs_and_names(arguments: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Splits arguments: an existing path is specs, any other a name. No path means the folder `specs`.

    Raises `UsageError` for something that is written like a path and does not exist, and when there are no specs.
    """
    paths = [Path(argument) for argument in arguments if Path(argument).exists()]
    names = [argument for argument in arguments if not Path(argument).exists()]
    for name in names:
        if _like_a_path(name):
            raise missing_specs(name)
    return paths or [_default()], names


def specs_only(arguments: Sequence[str]) -> list[Path]:
    """Paths of specs; every argument must exist."""
    for argument in arguments:
        if not Path(argument).exists():
            raise missing_specs(argument)
    return [Path(argument) for argument in arguments] or [_default()]


def missing_specs(path: str) -> UsageError:
    """The failure to find specs at a path."""
    help = "name a folder of YAML files or one YAML file, or make a project with `flowc init DIR`"
    return UsageError(f"there is no file or folder `{path}`", code="missing-specs", help=help)


def _default() -> Path:
    path = Path(DEFAULT_SPECS)
    if not path.exists():
        raise missing_specs(f"{DEFAULT_SPECS}/")
    return path


def _like_a_path(text: str) -> bool:
    return "/" in text or "\\" in text or text.endswith((".yaml", ".yml"))


def environment_option(command: F) -> F:
    """Adds `--env NAME`."""
    help = "Use this entry of `environments`."
    return click.option("--env", "environment", metavar="NAME", help=help)(command)
