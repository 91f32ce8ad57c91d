"""`flowc alerts`: whether who is to be told is reached."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

import click

from flowc.api.reading import ReadProject
from flowc.cli.arguments import environment_option, specs_and_names
from flowc.cli.console import say, style_for
from flowc.cli.reading import read_project
from flowc.cli.sending import place_of, sender_of
from flowc.compiler.front.alerts import AlertSpec
from flowc.diagnostics import did_you_mean
from flowc.errors import UsageError
from flowc.render.style import printable
from flowc.service.alerts.alert import TEST
from flowc.service.alerts.undelivered import Undelivered


@click.group()
def command() -> None:
    """Test who is told when something goes wrong."""


@command.command("test")
@click.argument("specs", nargs=-1, metavar="[SPECS]... [NAME]...")
@environment_option
def test(specs: tuple[str, ...], environment: str | None) -> int:
    """Send a test alert through each of `alerts`, or through those that are named, and say what happened.

    Each is tried once. Exit code 1 when one was not delivered.
    """
    paths, names = specs_and_names(specs)
    read = read_project(paths, environment, "nothing was sent")
    found = _chosen(names, read.project.alerts)
    if not found:
        say("the project has no `alerts`")
    delivered = [_delivers(spec, read, environment) for spec in found]
    return 0 if all(delivered) else 1


def _chosen(names: list[str], known: Mapping[str, AlertSpec]) -> list[AlertSpec]:
    for name in names:
        if name not in known:
            helps = did_you_mean(name, known) or ("name one of `alerts` of the project",)
            raise UsageError(f"there is no alert `{name}`", code="unknown-selection", help=helps[0])
    return [spec for name, spec in known.items() if not names or name in names]


def _delivers(spec: AlertSpec, read: ReadProject, environment: str | None) -> bool:
    name = spec.name.value
    place = place_of(read.project, environment)
    words = f"this is a test of alert `{name}`: nothing is wrong"
    alert = replace(place, kind=TEST, subject=name, subject_kind="alert", condition=TEST, message=words)
    style = style_for(sys.stderr)
    try:
        sender_of(spec, read.resolver)(alert)
    except Undelivered as error:
        say(f"{printable(name)}: {style.paint('error', 'not delivered')}: {error}")
        return False
    say(f"{printable(name)}: delivered")
    return True
