"""`flowc doctor`: versions, extras and connections."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import click

from flowc import __version__
from flowc.cli.arguments import environment_option
from flowc.cli.connections import project_connections
from flowc.cli.console import conceal, out, style_for
from flowc.errors import FlowcError
from flowc.render.tables import table
from flowc.service.reach import reach
from flowc.service.secrets import Resolver

_CORE = ("click", "datafusion", "duckdb", "jinja2", "jsonschema", "pyarrow", "pyyaml", "sqlglot")
# What each extra installs: distribution and module.
_EXTRAS = {
    "postgres": (("psycopg", "psycopg"), ("pgpq", "pgpq"), ("adbc-driver-postgresql", "adbc_driver_postgresql")),
    "mysql": (("pymysql", "pymysql"), ("numpy", "numpy")),
    "delta": (("deltalake", "deltalake"),),
    "lint": (("pgparse", "pgparse"),),
    "fast": (("sqlglotc", "sqlglotc"),),
}


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
    extras = [(name, *_extra(name)) for name in _EXTRAS]
    out("\n" + table(("extra", "installed", "what"), extras, style))
    reached = _connections(specs, environment)
    if reached:
        out("\n" + table(("connection", "works", "what"), reached, style))
    return 1 if any(row[1] == "no" for row in reached) else 0


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _extra(name: str) -> tuple[str, str]:
    missing = [package for package, module in _EXTRAS[name] if not _installed(package, module)]
    if missing:
        return "no", f"pip install 'flowc[{name}]'"
    return "yes", ", ".join(f"{package} {_version(package)}" for package, _ in _EXTRAS[name])


def _installed(package: str, module: str) -> bool:
    return _version(package) != "missing" or find_spec(module) is not None


def _connections(specs: tuple[str, ...], environment: str | None) -> list[tuple[str, str, str]]:
    found, root = project_connections(specs, environment)
    resolver = Resolver(os.environ, root)
    conceal(resolver.redact)
    rows = []
    for name, spec in sorted(found.items()):
        try:
            rows.append((name, "yes", reach(spec, resolver)))
        except FlowcError as error:
            rows.append((name, "no", resolver.redact(error.message)))
    return rows
