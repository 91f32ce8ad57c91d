"""`flowc secrets`: whether the references in connections resolve."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import click

from flowc.cli.arguments import environment_option
from flowc.cli.connections import project_connections
from flowc.cli.console import conceal, out, say, style_for
from flowc.errors import FlowcError
from flowc.masking import REFERENCE
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
    """Resolve every `${…}` of the connections.

    Values are never shown. Exit code 1 when one does not resolve.
    """
    found, root = project_connections(specs, environment)
    resolver = Resolver(os.environ, root)
    conceal(resolver.masker)
    references = dict.fromkeys(
        (name, reference) for name, spec in sorted(found.items()) for reference in _references(dict(spec.options))
    )
    failed = [1 for name, reference in references if not _resolves(name, reference, resolver)]
    if not references:
        say("no references")
    return 1 if failed else 0


def _references(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from (match[0] for match in REFERENCE.finditer(value))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _resolves(name: str, reference: str, resolver: Resolver) -> bool:
    try:
        resolver.resolve(reference)
    except FlowcError as error:
        say(failure(error, style_for(sys.stderr), prefix=f"{name}: "))
        return False
    out(printable(f"{name}  {reference}  resolves"))
    return True
