"""What commands share: which arguments are specs and which are names, and options that occur in several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from flowc.api.specs import around, exists, missing_specs
from flowc.controls import printable

F = TypeVar("F", bound=Callable[..., Any])

RUN_LOG = "FLOWC_RUN_LOG"
"""The variable of the environment that says what `--run-log` does."""
TOKENS = "FLOWC_WEB_TOKENS"
"""The variable of the environment that holds tokens."""
_HOST = "A name by which clients ask for this server."
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
    return paths or [around()], names


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


def run_log_option(command: F) -> F:
    """Adds `--run-log URL`, which may stand in the environment too, where nobody sees a password in it."""
    help = "Where runs are recorded: a URL, a connection, `memory`; or FLOWC_RUN_LOG. Default: as the project says."
    return click.option("--run-log", "run_log", metavar="URL", help=help, envvar=RUN_LOG)(command)


def http_option(command: F) -> F:
    """Adds `--http HOST:PORT`, and `--host NAME` for the names by which clients ask for it."""
    help = "Serve /healthz, /readyz, /metrics and /status there."
    return click.option("--http", metavar="HOST:PORT", help=help)(host_option(command))


def host_option(command: F) -> F:
    """Adds `--host NAME`."""
    return click.option("--host", "hosts", multiple=True, metavar="NAME", help=_HOST)(command)


def executor_option(command: F) -> F:
    """Adds `--executor URL`."""
    help = "Where runs happen: subprocess:// (here; the default), k8s://NAMESPACE?image=…, or lambda://FUNCTION."
    return click.option("--executor", metavar="URL", default="subprocess://", help=help)(command)


def environment_option(command: F) -> F:
    """Adds `--env NAME`."""
    help = "Use this entry of `environments`."
    return click.option("--env", "environment", metavar="NAME", help=help)(command)
