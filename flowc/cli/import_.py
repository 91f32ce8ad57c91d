"""`flowc import`: specs for tables that exist."""

from __future__ import annotations

import os
from pathlib import Path

import click

from flowc.catalog import TableName
from flowc.cli.arguments import environment_option
from flowc.cli.connections import sound_project, unknown_connection
from flowc.cli.console import conceal, concealed, out, say
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.migrate.engines import ENGINES
from flowc.errors import UsageError
from flowc.render.style import printable
from flowc.service.access.livedatabase import history_of
from flowc.service.access.locks import TABLE_LOCK
from flowc.service.access.secrets import Resolver
from flowc.service.access.sessions import Sessions
from flowc.service.access.writing import write_whole
from flowc.service.changes.importing import import_tables


@click.command()
@click.argument("connection")
@click.argument("tables", nargs=-1)
@click.option("--specs", type=click.Path(path_type=Path), help="The project (default `specs`).")
@click.option("--out", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write this file instead.")
@environment_option
def command(
    connection: str, tables: tuple[str, ...], specs: Path | None, file: Path | None, environment: str | None
) -> int:
    """Write specs for tables that exist in CONNECTION: the named TABLES, or all that are not declared.

    The YAML goes to stdout, or to the file of `--out`. `flowc plan` on it says that nothing changes, and the next
    `flowc apply` takes the tables into flowc's care.
    """
    project = sound_project((str(specs),) if specs else (), environment)
    found = project.connections
    if connection not in found:
        raise unknown_connection(connection, found)
    kind = found[connection].kind.value
    if kind not in ENGINES:
        message = f"tables cannot be imported from `{connection}`, a connection of kind `{kind}`"
        known = ", ".join(f"`{name}`" for name in sorted(ENGINES))
        raise UsageError(message, code="not-runnable-yet", help=f"import from {known}")
    resolver = Resolver(os.environ, Path(project.root))
    conceal(resolver.masker)
    sessions = Sessions(found, resolver, project.name, TABLE_LOCK)
    database = sessions.target(connection)
    declared = _known(project, connection)
    imported = import_tables(
        database, kind, connection, chosen=tables, known=declared, history=history_of(sessions, connection)
    )
    sessions.close()
    for note in imported.notes:
        say(printable(f"note: {note}"))
    if file is None and not imported.is_same(concealed(imported.text)):
        message = "the specs hold a text that is a secret of the connection, and flowc prints no secrets"
        raise UsageError(message, code="secret-not-printed", help="write them to a file with `--out FILE`")
    return _write(imported.text, file)


def _known(project: ProjectSpec, connection: str) -> dict[str, TableName | None]:
    """The keys of the tables that the project declares already, and the tables of the connection that they mean."""
    tables = project.tables.items()
    return {key: t.table_name if t.connection.value == connection else None for key, t in tables}


def _write(text: str, file: Path | None) -> int:
    if file is None:
        out(text.rstrip())
        return 0
    if file.exists():
        message = f"`{file}` is there already"
        raise UsageError(message, code="unwritable-file", help="name a new file after `--out`")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text)
    except OSError as error:
        message = f"`{file}` cannot be written: {error.strerror}"
        raise UsageError(message, code="unwritable-file", help="name another file after `--out`") from None
    say(printable(f"wrote {file}"))
    return 0
