"""`flowc doctor`: versions, extras and connections."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, requires, version

import click

from flowc import __version__
from flowc.cli.arguments import environment_option
from flowc.cli.connections import project_connections
from flowc.cli.console import conceal, out, style_for
from flowc.errors import FlowcError
from flowc.render.tables import table
from flowc.service.access.reach import reach
from flowc.service.access.secrets import Resolver

_CORE = ("click", "datafusion", "duckdb", "jinja2", "pyarrow", "pyyaml", "sqlglot")
_OF_AN_EXTRA = re.compile(r"""(?P<name>[\w.-]+)(?:\[(?P<with>\w+)\])?[^;]*;.*\bextra == ['"](?P<extra>\w+)['"]""")
_ROLES = {1: {"yes": "good", "no": "bad"}}
_NOT_FOR_USERS = ("all", "dev")


@click.command()
@click.argument("specs", nargs=-1)
@environment_option
def command(specs: tuple[str, ...], environment: str | None) -> int:
    """Check this installation and its connections.

    Exit code 1 when a connection of the project cannot be reached.
    """
    style = style_for(sys.stdout)
    rows = [("flowc", __version__), ("python", platform.python_version()), *((name, _version(name)) for name in _CORE)]
    out(table(("package", "version"), rows, style))
    extras = [_extra(extra, packages) for extra, packages in _extras("flowc").items()]
    out("\n" + table(("extra", "installed", "what"), extras, style, roles=_ROLES))
    reached = _connections(specs, environment)
    if reached:
        out("\n" + table(("connection", "works", "what"), reached, style, roles=_ROLES))
    return 1 if any(row[1] == "no" for row in reached) else 0


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _extras(package: str) -> dict[str, list[str]]:
    """The packages of each extra of an installed package, as its metadata says; one that adds to its own is theirs."""
    found: dict[str, list[str]] = {}
    for match in map(_OF_AN_EXTRA.match, requires(package) or ()):
        if match is not None:
            name, more = match["name"], match["with"]
            names = _extras(name).get(more, [name]) if name in _CORE and more else [name]
            found.setdefault(match["extra"], []).extend(names)
    return {extra: found[extra] for extra in sorted(found) if extra not in _NOT_FOR_USERS}


def _extra(extra: str, packages: Sequence[str]) -> tuple[str, str, str]:
    if any(_version(package) == "missing" for package in packages):
        return extra, "no", f"pip install 'flowc[{extra}]'"
    return extra, "yes", ", ".join(f"{package} {_version(package)}" for package in packages)


def _connections(specs: tuple[str, ...], environment: str | None) -> list[tuple[str, str, str]]:
    found, root = project_connections(specs, environment)
    resolver = Resolver(os.environ, root)
    conceal(resolver.masker)
    rows = []
    for name, spec in sorted(found.items()):
        try:
            rows.append((name, "yes", reach(spec, resolver)))
        except FlowcError as error:
            rows.append((name, "no", resolver.redact(error.message)))
    return rows
