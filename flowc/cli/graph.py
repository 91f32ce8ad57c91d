"""`flowc graph`: lineage of tables and columns."""

from __future__ import annotations

from pathlib import Path

import click

from flowc.cli.arguments import environment_option, format_option, specs_and_names
from flowc.cli.console import out, say
from flowc.cli.project import chosen, compiled
from flowc.compiler.lineage import Graph, graph
from flowc.errors import UsageError
from flowc.render.graph import graph_json, graph_mermaid, graph_text
from flowc.render.graph_html import graph_html
from flowc.render.style import printable
from flowc.service.access.writing import write_whole


@click.command()
@click.argument("specs", nargs=-1)
@format_option("mermaid", "html")
@click.option("--columns", is_flag=True, help="Follow columns, not only tables.")
@click.option("--out", "file", type=click.Path(path_type=Path), help="Write to FILE instead of standard output.")
@environment_option
def command(specs: tuple[str, ...], form: str, columns: bool, file: Path | None, environment: str | None) -> None:
    """Show how data flows between tables, files and topics, and their columns.

    SPECS are files or folders, default `specs`; NAMEs limit the graph to these pipelines and streams.
    """
    paths, names = specs_and_names(specs)
    found = graph(chosen(*compiled(paths, environment), names), columns=columns)
    text = _text(found, form, paths[0].resolve().parent.name)
    if file is None:
        out(text)
        return
    _write(file, text + "\n")
    say(printable(f"wrote {file}"))


def _text(found: Graph, form: str, project: str) -> str:
    if form == "html":
        return graph_html(found, f"Lineage of {project}")
    form_of = {"json": graph_json, "mermaid": graph_mermaid}.get(form, graph_text)
    return form_of(found)


def _write(file: Path, text: str) -> None:
    try:
        write_whole(file, text)
    except OSError as error:
        message = f"cannot write `{file}`: {error.strerror}"
        raise UsageError(message, code="unwritable-file", help="choose another file with `--out FILE`") from error
