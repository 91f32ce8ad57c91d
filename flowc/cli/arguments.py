"""What commands share: which arguments are specs and which are names, and options that occur in several."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from flowc.compiler.front.specfiles import specs_around
from flowc.controls import printable
from flowc.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_SPECS = "specs"
_MAKE = "name a folder of YAML files or one YAML file, or make a project with `flowc init`"


_LONGEST = 2_000_000.0
"""Seconds, 23 days; PostgreSQL counts milliseconds in 32 bits."""


def seconds(given: str | float) -> float:
    """The value of an option: seconds that can be waited, so no NaN, none below zero and none without an end."""
    try:
        number = float(given)
    except ValueError:
        number = -1.0
    if not 0 <= number <= _LONGEST:
        raise click.BadParameter(f"`{printable(str(given))}` is no number of seconds from 0 to {_LONGEST:.0f}")
    return number


def specs_and_names(arguments: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Splits arguments: an existing path is specs, any other a name. No path means the folder `specs`.

    Raises `UsageError` for something that is written like a path and does not exist, and when there are no specs.
    """
    paths = [Path(argument) for argument in arguments if exists(argument)]
    names = [argument for argument in arguments if not exists(argument)]
    for name in names:
        if _like_a_path(name):
            raise missing_specs(name)
    return paths or [_default()], names


def specs_only(arguments: Sequence[str]) -> list[Path]:
    """Paths of specs; every argument must exist."""
    for argument in arguments:
        if not exists(argument):
            raise missing_specs(argument)
        if argument.endswith(".sql") and Path(argument).is_file():
            raise UsageError(f"`{argument}` is SQL, and specs are YAML", code="missing-specs", help=_MAKE)
    return [Path(argument) for argument in arguments] or [_default()]


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


def _default() -> Path:
    path = default_specs()
    if path is None:
        message = f"there is no folder `{DEFAULT_SPECS}`, neither here nor in a folder above"
        raise UsageError(message, code="missing-specs", help=_MAKE)
    return path


def _like_a_path(text: str) -> bool:
    return "/" in text or "\\" in text or text.endswith((".yaml", ".yml"))


def format_option(*more: str, what: str = "one JSON object") -> Callable[[F], F]:
    """Adds `--format text|json|…` and its short form `--json`, as the parameter `form`. `what` is what JSON prints."""

    def added(command: F) -> F:
        flag = click.option("--json", "form", flag_value="json", help=f"Print {what}: `--format json`.")
        choice = click.option(
            "--format", "form", type=click.Choice(("text", "json", *more)), default="text", help="How to show it."
        )
        return choice(flag(command))

    return added


def environment_option(command: F) -> F:
    """Adds `--env NAME`."""
    help = "Use this entry of `environments`."
    return click.option("--env", "environment", metavar="NAME", help=help)(command)
