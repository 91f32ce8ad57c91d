"""`flowc secrets`: whether the references of a project resolve."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from flowc.cli.arguments import environment_option
from flowc.cli.connections import reaching_project
from flowc.cli.console import conceal, out, say, style_for
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.references import references as references_in
from flowc.errors import FlowcError
from flowc.render.failure import failure
from flowc.render.style import printable
from flowc.service.access.secrets import Resolver


@click.group()
def command() -> None:
    """Check that secrets resolve."""


@command.command("test")
@click.argument("specs", nargs=-1)
@environment_option
def test(specs: tuple[str, ...], environment: str | None) -> int:
    """Resolve every `${…}` of connections, alerts and telemetry.

    Values are never shown. Exit code 1 when one does not resolve.
    """
    project = reaching_project(specs, environment, "connection", "alert", "telemetry")
    resolver = Resolver(os.environ, Path(project.root))
    conceal(resolver.masker)
    references = dict.fromkeys(
        (whose, f"${{{reference}}}") for whose, options in _options(project) for reference in references_in(options)
    )
    failed = [1 for name, reference in references if not _resolves(name, reference, resolver)]
    if not references:
        say("no references")
    return 1 if failed else 0


def _options(project: ProjectSpec) -> Iterator[tuple[str, object]]:
    """What may hold references, each with whose it is."""
    yield from ((name, dict(spec.options)) for name, spec in sorted(project.connections.items()))
    yield from ((f"alert {name}", dict(alert.options)) for name, alert in sorted(project.alerts.items()))
    telemetry = project.telemetry
    for name, sink in telemetry.sinks():
        yield name, [sink.endpoint, dict(sink.headers)]
    yield "telemetry.resource", dict(telemetry.resource)


def _resolves(name: str, reference: str, resolver: Resolver) -> bool:
    try:
        resolver.resolve(reference)
    except FlowcError as error:
        say(failure(error, style_for(sys.stderr), prefix=f"{name}: "))
        return False
    out(printable(f"{name}  {reference}  resolves"))
    return True
