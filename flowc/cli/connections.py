"""`flowc connections`: where data lives, and whether it can be reached."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic

import click

from flowc.api.failures import errors_of
from flowc.api.specs import default_specs, exists
from flowc.cli.arguments import environment_option, format_option, specs_and_names
from flowc.cli.console import conceal, out, say, say_errors, style_for
from flowc.compiler import stages
from flowc.compiler.front.connections import USER_FILE, home_folder, layered_connections
from flowc.compiler.front.hiding import read_tree
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.reach import Reach
from flowc.compiler.front.schemacheck import check
from flowc.compiler.front.spec import ConnectionSpec
from flowc.compiler.front.yamltree import Scalar, parse
from flowc.diagnostics import Diagnostic, Reporter, did_you_mean
from flowc.errors import FlowcError, UsageError
from flowc.masker import Masker
from flowc.render.failure import failure
from flowc.render.json_values import as_json
from flowc.render.style import printable
from flowc.render.tables import table
from flowc.service.access.options import shown_options
from flowc.service.access.reach import reach
from flowc.service.access.secrets import Resolver
from flowc.service.access.userfile import flow, read_connections, set_connection
from flowc.source import SourceFile


@click.group()
def command() -> None:
    """List, check and set connections."""


@command.command("list")
@click.argument("specs", nargs=-1)
@format_option(what="one JSON list")
@environment_option
def list_(specs: tuple[str, ...], form: str, environment: str | None) -> None:
    """List connections and where each comes from.

    Secrets are masked; `${…}` references are shown as they are.
    """
    found, _ = project_connections(specs, environment)
    shown = [(name, spec, shown_options(spec)) for name, spec in sorted(found.items())]
    if form == "json":
        entries = ({"name": n, "kind": s.kind.value, "origin": s.origin, "options": o} for n, s, o in shown)
        out(as_json(list(entries)))
        return
    rows = [(n, s.kind.value, s.origin, _options_text(o)) for n, s, o in shown]
    out(table(("name", "kind", "from", "options"), rows, style_for(sys.stdout)) if rows else "")
    if not rows:
        say("no connections")


@command.command("check")
@click.argument("names", nargs=-1, metavar="[SPECS]... [NAME]...")
@environment_option
def check_(names: tuple[str, ...], environment: str | None) -> int:
    """Connect to each connection, or to the named ones.

    Exit code 1 when one cannot be reached.
    """
    paths = [name for name in names if exists(name)]
    wanted = [name for name in names if not exists(name)]
    found, root = project_connections(tuple(paths), environment)
    for name in wanted:
        if name not in found:
            raise unknown_connection(name, found)
    resolver = Resolver(os.environ, root)
    conceal(resolver.masker)
    failed = [name for name in wanted or sorted(found) if not _reached(name, found[name], resolver)]
    return 1 if failed else 0


@command.command("set")
@click.argument("name")
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=VALUE...")
def set_(name: str, pairs: tuple[str, ...]) -> int:
    """Write a connection to `~/.flowc/connections.yaml`.

    For instance `flowc connections set warehouse kind=postgres 'url=${WAREHOUSE_URL}'`. KEYs that are not named keep
    their values; an empty VALUE removes its KEY. The file is readable by you only, the rest of it stays as it is.
    """
    home = home_folder(os.environ)
    if home is None:
        raise UsageError("the variable `HOME` is not set", code="unset-variable", help="set it: `export HOME=…`")
    path = home / USER_FILE
    before = read_connections(path).get(name, {})
    options, reporter = _fitting(name, before, pairs)
    if reporter.has_errors:
        say_errors(reporter.sorted())
        return 1
    set_connection(path, name, options)
    say(printable(f"wrote `{name}` to {path}"))
    return 0


def project_connections(specs: tuple[str, ...], environment: str | None) -> tuple[Mapping[str, ConnectionSpec], Path]:
    """The connections that specs, files and environment variables give, and the project root. Without specs, the rest.

    Raises UsageError for a folder without specs that was named.
    """
    project = reaching_project(specs, environment, "connection")
    return project.connections, Path(project.root)


def reaching_project(specs: tuple[str, ...], environment: str | None, *about: str) -> ProjectSpec:
    """The project, of which only connections are known without specs; says the errors that are `about` that.

    Raises UsageError for a folder without specs that was named.
    """
    project, found = _loaded(specs, environment)
    say_errors(each for each in found if project is None or any(word in each.message for word in about))
    if project is None:
        raise click.exceptions.Exit(1)
    return project


def sound_project(specs: tuple[str, ...], environment: str | None) -> ProjectSpec:
    """The project, of which only connections are known without specs. Says its errors, and exits where it has some.

    Raises UsageError for a folder without specs that was named.
    """
    project, found = _loaded(specs, environment)
    if project is None or errors_of(found):
        say_errors(found)
        raise click.exceptions.Exit(1)
    return project


def _loaded(specs: tuple[str, ...], environment: str | None) -> tuple[ProjectSpec | None, Sequence[Diagnostic]]:
    reporter = Reporter(masker=conceal(Masker()))
    if not specs and default_specs() is None:
        root = Path.cwd()
        layers = layered_connections(Reach(root), reporter, env=os.environ, project={}, environment={})
        return ProjectSpec(str(root), connections=layers), reporter.sorted()
    paths, _ = specs_and_names(specs)
    project = stages.load_project(paths, reporter, environment=environment, env=os.environ)
    return project, reporter.sorted()


def unknown_connection(name: str, known: Mapping[str, ConnectionSpec]) -> UsageError:
    """The failure of a NAME that no connection has."""
    helps = did_you_mean(name, known) or ("list them with `flowc connections list`",)
    return UsageError(f"there is no connection `{name}`", code="unknown-connection", help=helps[0])


def _options_text(options: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value}" for key, value in options.items() if key != "description")


def _reached(name: str, spec: ConnectionSpec, resolver: Resolver) -> bool:
    began = monotonic()
    try:
        words = reach(spec, resolver)
    except FlowcError as error:
        say(failure(error, style_for(sys.stderr), prefix=f"{name}: "))
        return False
    out(printable(f"{name}  {words}, {monotonic() - began:.2f} s"))
    return True


def _fitting(name: str, before: Mapping[str, object], pairs: tuple[str, ...]) -> tuple[dict[str, object], Reporter]:
    """The options with the pairs put in: values as text where the schema takes text, else as what they spell."""
    for read in (str, _meant):
        options = _merged(before, pairs, read)
        reporter = Reporter(masker=conceal(Masker()))
        file = SourceFile(f"connection {name}", f"connections:\n  {flow({name: options})[2:-2]}\n")
        if (root := read_tree(file, reporter)) is not None:
            check(root, reporter)
        if not reporter.has_errors:
            break
    return options, reporter


def _merged(before: Mapping[str, object], pairs: tuple[str, ...], read: Callable[[str], object]) -> dict[str, object]:
    options = dict(before)
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            message = f"`{pair}` is not KEY=VALUE"
            raise UsageError(
                message, code="unreadable-argument", help="for instance `kind=duckdb path=warehouse.duckdb`"
            )
        inner, *outer = reversed(key.split("."))
        held = options
        for step in reversed(outer):
            below = held.get(step)
            held[step] = below = dict(below) if isinstance(below, Mapping) else {}
            held = below
        if value:
            held[inner] = read(value)
        else:
            held.pop(inner, None)
    return options


def _meant(text: str) -> object:
    node = parse(SourceFile("value", text), Reporter())
    return node.value if isinstance(node, Scalar) else text
